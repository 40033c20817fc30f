"""What is refused about versions and uploads."""

from datahub.kernel.errors import Conflict, Invalid, NotFound, Unavailable


class VersionNotFound(NotFound):
    """The dataset has no version with this number."""

    title = "Version not found"


class InvalidTable(Invalid):
    """The table sent does not fit the declared columns or its own format; each fault has its line and column."""

    title = "Table not valid"


class InvalidUpload(Invalid):
    """The body is incomplete, its digest differs, or its files cannot be told apart."""

    title = "Upload not valid"


class StorageUnavailable(Unavailable):
    """The object store did not take or give the bytes; nothing was changed."""

    title = "Storage unavailable"


class DatasetIsStored(Conflict):
    """A dataset is either stored or live: this one has stored versions."""

    title = "Dataset is stored"


class DatasetIsLive(Conflict):
    """A dataset is either stored or live: this one is a live API and takes no uploads."""

    title = "Dataset is a live API"
