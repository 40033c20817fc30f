"""What a live API refuses: a description that cannot be, a call that is not offered, an upstream that fails."""

from datahub.kernel.errors import (
    Exhausted,
    Invalid,
    NotFound,
    OtherSideFailed,
    OtherSideSlow,
    Unavailable,
)


class LiveApiNotFound(NotFound):
    """This dataset has no live API."""

    title = "No live API"


class InvalidLiveApi(Invalid):
    """The description of a live API contradicts itself or the dataset; every fault is named."""

    title = "Live API not valid"


class CallNotOffered(NotFound):
    """The live API offers no such path, or not by this method."""

    title = "Call not offered"


class InvalidCall(Invalid):
    """A parameter or the body of a call is not as the live API takes it; every fault is named."""

    title = "Call not valid"


class TooManyCalls(Exhausted):
    """The live API takes no more calls of one organisation in this minute."""

    title = "Too many calls"


class CredentialUnreadable(Unavailable):
    """The credential for the upstream was sealed under another master key; the provider has to give it again."""

    title = "Upstream credential unreadable"


class UpstreamNotFound(NotFound):
    """The provider's service knows nothing under this path with these parameters."""

    title = "Not found upstream"


class UpstreamRefusedCall(Invalid):
    """The provider's service refused the parameters or the body of the call."""

    title = "Call refused upstream"


class UpstreamFailed(OtherSideFailed):
    """The provider's service cannot be reached, or answered with something that may not be passed on; `reason` says what."""

    title = "Upstream failed"


class UpstreamTooSlow(OtherSideSlow):
    """The provider's service did not give a whole answer in time."""

    title = "Upstream too slow"
