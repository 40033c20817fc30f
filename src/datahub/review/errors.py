"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


class ReviewNotFound(NotFound):
    """No such review, or not one that concerns the actor's organisation."""

    title = "Review not found"


class FindingNotFound(NotFound):
    """No such finding, or not one about data of the actor's organisation."""

    title = "Finding not found"


class ReviewNotMovable(Conflict):
    """The review's state does not allow this move."""

    title = "Review cannot be moved like that"


class ReviewNotYours(Forbidden):
    """This move is for the other side of the review, or needs the role auditor or admin."""

    title = "Not yours to move"


class InvalidReviewMove(Invalid):
    """The move lacks what it needs: a question, an answer or a verdict."""

    title = "Move not complete"


class ForwardNotFound(NotFound):
    """No such forwarding of the log."""

    title = "Forwarding not found"


class ForwardingNotAllowed(Forbidden):
    """Only an administrator of the exchange says where the log is forwarded to, or names persons in it."""

    title = "Only for the exchange's administrators"


class ForwardNotTaken(Unavailable):
    """The other side did not take what was forwarded; it is sent again later."""

    title = "Forwarding not taken"


class InvalidForward(Invalid):
    """The log cannot be forwarded to this address."""

    title = "Address not usable for forwarding"


class NobodyToName(NotFound):
    """No person is known to have acted in this entry."""

    title = "No person in this entry"
