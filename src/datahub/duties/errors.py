"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class DutyNotFound(NotFound):
    """No such duty, or not one that the actor has a part in."""

    title = "Duty not found"


class DutyMoveNotAllowed(Forbidden):
    """The actor may see the duty but not make this move."""

    title = "Move on the duty not allowed to you"


class DutyMoveNotPossible(Conflict):
    """The state of the duty does not allow this move."""

    title = "Move on the duty not possible now"


class InvalidDutyMove(Invalid):
    """The move carries what does not belong to it, or lacks what it needs; every fault is named."""

    title = "Move on the duty not valid"


class NothingToObjectTo(Conflict):
    """For this purpose there is another way to say no, or nothing to say no to."""

    title = "Nothing to object to"


class AskedAlready(Conflict):
    """The person has asked this before, and that request is still open."""

    title = "Asked already"


class InvalidRightsRequest(Invalid):
    """What the person asks cannot be right; every fault is named."""

    title = "Request not valid"


class SubjectsNotShown(Forbidden):
    """The people a duty is about are shown, by the names they have there, to whoever owes it and to nobody else."""

    title = "People shown to the debtor only"
