"""Why data does not flow; each refusal stands in the log with its decision, under the same code."""

from datahub.kernel.errors import Exhausted, Forbidden, Gone, NotFound, Unauthenticated


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


class UpstreamAgreementNotInForce(Forbidden):
    """The agreement under which the provider itself obtained this data is not in force now."""

    title = "Upstream agreement not in force"


class PurposeNotAgreed(Forbidden):
    """The token's purpose is not the agreed one, nor a narrower one."""

    title = "Purpose not agreed"


class NotPermittedByPolicy(Forbidden):
    """The policy of the agreement denies this read; `decisionCode` says which condition."""

    title = "Policy does not permit"


class PolicyNeedsPlan(Forbidden):
    """The policy permits only a part of this data, which the exchange cannot take out of it: files and unmapped APIs leave whole."""

    title = "Policy cannot be carried out yet"


class NothingPermitted(Forbidden):
    """The policy leaves no row and no column of this table."""

    title = "Nothing of this table is permitted"


class ResultsOnly(Forbidden):
    """The agreement gives results in groups only; ask at `/v1/datasets/{id}/queries`."""

    title = "Results only, no rows"


class RowsOnly(Forbidden):
    """The agreement lets rows be fetched, and does not permit queries here."""

    title = "Rows only, no queries"


class QuotaExhausted(Exhausted):
    """The agreement's quota is used up for now, or the answer is larger than what is left of it; `quotas` says until when."""

    title = "Quota used up"


class NotYours(Forbidden):
    """Decisions about others are for the dataset's provider, and for the exchange, to ask."""

    title = "Not your data"


class ConsentRuleNeeded(Forbidden):
    """The policy wants the consent of the people rows are about, and the dataset has no rule that says whose that is."""

    title = "Consent rule needed"


class ConsentColumnMissing(Forbidden):
    """This version lacks a column by which the consent rule says whom a row is about."""

    title = "Column of the consent rule missing"


class ConsentNotCovered(Forbidden):
    """The dataset's consent rule lets nothing leave to this organisation for this purpose, or no purpose was named."""

    title = "Not covered by the consent rule"


class ConsentColumnsNotCovered(Forbidden):
    """The consent rule is not about all the columns asked for or filtered on; `columns` are those beyond it."""

    title = "Columns not covered by the consent rule"


class ConsentChanged(Forbidden):
    """The consent rule changed between the decision and the first byte, and lets nothing leave any more."""

    title = "Consent rule changed"
