"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Gone, Invalid, NotFound, Unavailable


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


class EntryErased(Gone):
    """The record of this entry was erased; its leaf is still in the tree, and nothing opens it."""

    title = "Log entry erased"


class ProofNotYet(Conflict):
    """The entry is durable but not yet under a signed head of the log; that takes about a second."""

    title = "Proof not ready yet"


class LeafPruned(Gone):
    """The leaf is older than the log keeps leaves; a receipt that was taken earlier stays valid."""

    title = "Leaf no longer kept"


class NoSuchTile(NotFound):
    """The log has no such tile, or not one that wide."""

    title = "No such tile"


class TilePruned(Gone):
    """The tile is about leaves older than the retention policy keeps."""

    title = "Tile no longer kept"


class UnderHold(Conflict):
    """A legal hold keeps what would be erased."""

    title = "Under legal hold"


class InvalidErasure(Invalid):
    """What was asked cannot be erased like that."""

    title = "Cannot be erased like that"


class SubjectNotFound(NotFound):
    """No entry is about this person, or their key was shredded already."""

    title = "Data subject not found"


class HoldNotFound(NotFound):
    """No such legal hold."""

    title = "Legal hold not found"


class ErasureNotAllowed(Forbidden):
    """Only an administrator of the exchange erases from the log or places legal holds."""

    title = "Only for the exchange's administrators"


class SearchNotFound(NotFound):
    """No saved search of the actor's organisation has this id."""

    title = "Saved search not found"


class SearchExists(Conflict):
    """The organisation has a saved search with this name already."""

    title = "Saved search exists"


class LogNotSigned(Conflict):
    """There is no signed head of the log yet, so nothing can be exported with proofs."""

    title = "Log not signed yet"


class TooManyStreams(Unavailable):
    """As many streams of the log are open as one process serves."""

    title = "Too many streams"


class ReportNotAllowed(Forbidden):
    """A report about a person is made by the organisation that provides the data, or by the exchange's reviewers."""

    title = "Not yours to report on"
