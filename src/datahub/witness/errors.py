"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class WitnessingNotAllowed(Forbidden):
    """Only administrators of the exchange say which logs it witnesses, and which witnesses it asks."""

    title = "Not an administrator of the exchange"


class WitnessedLogNotFound(NotFound):
    """The exchange witnesses no such log."""

    title = "Witnessed log not found"


class WitnessedLogExists(Conflict):
    """The exchange witnesses a log of this origin already."""

    title = "Log witnessed already"


class WitnessNotFound(NotFound):
    """The exchange asks no such witness."""

    title = "Witness not found"


class WitnessExists(Conflict):
    """The exchange asks a witness of this name already."""

    title = "Witness asked already"


class InvalidVerifierKey(Invalid):
    """A key is not a vkey, or of a type that signs something else."""

    title = "Verifier key not valid"
