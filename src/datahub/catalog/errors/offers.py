"""What is refused about offers."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class OfferNotFound(NotFound):
    """No such offer, or not one that the actor may see."""

    title = "Offer not found"


class PolicyNotUsable(Invalid):
    """The policy holds a term that the exchange cannot place; nothing of it was kept."""

    title = "Policy not usable"


class InvalidOffer(Invalid):
    """The offer's terms cannot be right; every fault is named."""

    title = "Offer not valid"


class OfferNotYours(Forbidden):
    """The offer can be seen, but only a publisher of its provider may change it."""

    title = "Offer of another organisation"


class OfferMoveNotPossible(Conflict):
    """The offer's state, or that of its dataset, does not allow this move."""

    title = "Move not possible now"


class ExamplesBroken(Conflict):
    """The policy decides an example otherwise than it says; change the policy, or the example with it."""

    title = "Policy breaks its examples"
