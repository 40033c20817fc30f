"""What is refused about samples."""

from datahub.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated


class SampleNotFound(NotFound):
    """The provider gives no sample of this dataset."""

    title = "No sample"


class InvalidSample(Invalid):
    """The sample cannot be of this dataset; every fault is named."""

    title = "Sample not valid"


class SampleNeedsConsent(Conflict):
    """The dataset has a consent rule, so real rows are not for a sample; made-up ones are."""

    title = "Sample needs consent"


class SampleNeedsToken(Unauthenticated):
    """The sample is for the participants of the exchange, and no token came."""

    title = "Token required for this sample"


class SampleTooLarge(Conflict):
    """The cells of these rows are too large for a sample."""

    title = "Sample too large"
