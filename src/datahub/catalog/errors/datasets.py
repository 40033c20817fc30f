"""What is refused about datasets."""

from datahub.kernel.errors import Conflict, Forbidden, Gone, Invalid, NotFound


class DatasetNotFound(NotFound):
    """No such dataset, or not one that the actor may see."""

    title = "Dataset not found"


class DatasetExists(Conflict):
    """The organisation already has a dataset with this short name."""

    title = "Dataset already there"


class DatasetChangeNotAllowed(Forbidden):
    """Only publishers and administrators of the dataset's own organisation may change it."""

    title = "Change not allowed to you"


class InvalidDataset(Invalid):
    """The description of a dataset contradicts itself; every fault is named."""

    title = "Dataset description not valid"


class DatasetMoveNotPossible(Conflict):
    """The dataset's state does not allow this move."""

    title = "Move not possible now"


class NothingToPublish(Conflict):
    """A dataset is published with at least one version of its data."""

    title = "Dataset has no version yet"


class DatasetNotDraft(Conflict):
    """Only a draft can be deleted; what was published is withdrawn and stays on record."""

    title = "Dataset is not a draft"


class DatasetWithdrawn(Gone):
    """The dataset was withdrawn; its description stays, its data is no longer given or taken."""

    title = "Dataset withdrawn"
