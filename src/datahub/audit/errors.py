"""What this slice refuses."""

from datahub.kernel.errors import Invalid, NotFound, Unavailable


class EntryNotFound(NotFound):
    """No such entry in the access log, or not one that concerns the actor's organisation."""

    title = "Log entry not found"


class DecisionNotFound(NotFound):
    """No such decision, or not one on the actor's request or the actor's data."""

    title = "Decision not found"


class InvalidGrouping(Invalid):
    """The statistics were asked for by something they cannot be grouped by."""

    title = "Grouping not known"


class LogUnavailable(Unavailable):
    """The access log cannot be written, so nothing that must be logged is done."""

    title = "Access log not available"
