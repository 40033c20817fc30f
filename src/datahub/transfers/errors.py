"""Why data does not flow; each refusal stands in the log with its decision, under the same code."""

from datahub.kernel.errors import Forbidden, Gone, NotFound, Unauthenticated


class DataNotFound(NotFound):
    """No such dataset or version, or not one that the actor may see."""

    title = "Data not found"


class DataWithdrawn(Gone):
    """The provider withdrew the dataset: its description stays, its data is no longer given."""

    title = "Data withdrawn"


class TokenRequired(Unauthenticated):
    """The data is not open to everybody, and no token came."""

    title = "Token required for this data"


class DataScopeMissing(Forbidden):
    """The token does not carry the scope for fetching data."""

    title = "Token is not for fetching data"


class AgreementRequired(Forbidden):
    """The token names no agreement of the actor's organisation on this dataset."""

    title = "Agreement required"


class AgreementNotYetValid(Forbidden):
    """The agreement's validity has not begun."""

    title = "Agreement not valid yet"


class AgreementSuspended(Forbidden):
    """The agreement is suspended; it may be resumed."""

    title = "Agreement suspended"


class AgreementEnded(Forbidden):
    """The agreement was ended by one of the parties, or replaced by a newer one."""

    title = "Agreement ended"


class AgreementRevoked(Forbidden):
    """The provider revoked the agreement."""

    title = "Agreement revoked"


class AgreementExpired(Forbidden):
    """The agreement's validity is over."""

    title = "Agreement expired"


class ProviderNotActive(Forbidden):
    """The provider is not an admitted organisation now."""

    title = "Provider not active"


class ConsumerNotActive(Forbidden):
    """The consumer is not an admitted organisation now."""

    title = "Consumer not active"


class PurposeNotAgreed(Forbidden):
    """The token's purpose is not the agreed one, nor a narrower one."""

    title = "Purpose not agreed"


class NotPermittedByPolicy(Forbidden):
    """The policy of the agreement denies this read; `decisionCode` says which condition."""

    title = "Policy does not permit"


class PolicyNeedsPlan(Forbidden):
    """The policy permits groups, quotas, pseudonyms or rows with consent only, which this exchange cannot apply yet."""

    title = "Policy cannot be carried out yet"


class NothingPermitted(Forbidden):
    """The policy leaves no row and no column of this table."""

    title = "Nothing of this table is permitted"
