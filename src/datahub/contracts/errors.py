"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class AccessRequestNotFound(NotFound):
    """No such access request, or not one that the actor may see."""

    title = "Access request not found"


class AgreementNotFound(NotFound):
    """No such agreement, or not one that the actor may see."""

    title = "Agreement not found"


class InvalidAccessRequest(Invalid):
    """What the request says cannot be right; every fault is named."""

    title = "Access request not valid"


class InvalidMove(Invalid):
    """The move carries what does not belong to it, or lacks what it needs; every fault is named."""

    title = "Move not valid"


class PolicyForbids(Forbidden):
    """The offer's policy can never permit this consumer and purpose, so nobody is asked to decide."""

    title = "The policy does not permit this"


class RequestMoveNotAllowed(Forbidden):
    """The actor may see the request but not make this move."""

    title = "Move not allowed to you"


class RequestMoveNotPossible(Conflict):
    """The request's state does not allow this move."""

    title = "Move not possible now"


class OfferNotOpen(Conflict):
    """The offer does not take requests, or its dataset cannot be had any more."""

    title = "Offer not open"


class TermsHaveChanged(Conflict):
    """The policy on the table is not the one the consumer says yes to."""

    title = "Terms have changed"


class UpstreamNotUsable(Conflict):
    """The agreement that a dataset says it was obtained under is not one of its provider's, or not in force."""

    title = "Upstream agreement not usable"


class GrantsBeyondUpstream(Conflict):
    """The offer permits what the agreement its data was obtained under does not; an attempt that shows it comes along."""

    title = "Offer grants beyond its upstream agreement"


class AgreementMoveNotAllowed(Forbidden):
    """The actor may see the agreement but not make this move."""

    title = "Move not allowed to you"


class AgreementMoveNotPossible(Conflict):
    """The agreement's state does not allow this move."""

    title = "Move not possible now"


class PartyNotActive(Conflict):
    """One of the two organisations is not an admitted participant now."""

    title = "Organisation not active"


class DecisionNotReplayable(Conflict):
    """No policy decided this, or its record does not hold the facts the policy saw."""

    title = "Decision cannot be made again"
