"""Under which authority an actor may read, decided over plain values. Pure: no database, no clock.

Unverified input never gets here: claims come from a verified token's authorization details (RFC 9396), the rest from
the actor and the agreement. The order of the answers is the order in which a reader can mend things.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from datahub.contracts import Agreement, Standing, purpose_of
from datahub.kernel.context import Actor
from datahub.policy import ColumnSort, Facts, Plan, Policy, plan, plan_sql, taxonomies

DATA_SCOPE = "data:read"
OWN_SCOPES = frozenset({DATA_SCOPE, "catalog:write"})
DETAIL_TYPE = "dataset"
READ = "read"


class Code(StrEnum):
    """Why a read is permitted or denied, as far as the policy engine has not said it: stable, for programs."""

    OWN_DATA = "own-data"
    OPEN_OFFER = "open-offer"
    PERMITTED = "permitted"
    WITHDRAWN = "data-withdrawn"
    TOKEN_REQUIRED = "token-required"  # noqa: S105 — a code, not a secret
    SCOPE_MISSING = "data-scope-missing"
    AGREEMENT_REQUIRED = "agreement-required"
    PURPOSE_NOT_AGREED = "purpose-not-agreed"
    NEEDS_PLAN = "policy-needs-plan"
    NOTHING_LEFT = "nothing-permitted"


@dataclass(frozen=True)
class Claim:
    """What a token says it may read: an agreement, and the purpose the data is for."""

    agreement_id: str | None
    purpose: str | None


def claims_on(actor: Actor, dataset_id: str, agreement_id: str | None = None) -> Sequence[Claim]:
    """Return what the actor's token carries for reading a dataset, narrowed to one agreement when it is named."""
    found = [
        Claim(_text(detail.get("agreement")), _text(detail.get("purpose")))
        for detail in actor.authorization_details
        if detail.get("type") == DETAIL_TYPE and detail.get("identifier") == dataset_id and _reads(detail)
    ]
    return [claim for claim in found if agreement_id in (None, claim.agreement_id)]


def authority_fault(
    claim: Claim,
    agreement: Agreement | None,
    standing: Standing | None,
    consumer_id: str | None,
    dataset_id: str,
) -> str | None:
    """Return the code of the first reason why an agreement does not carry this claim, or None.

    `standing` is the agreement's, both organisations included, at this instant; None when there is no agreement.
    """
    is_theirs = (
        agreement is not None
        and consumer_id is not None
        and agreement.consumer_id == consumer_id
        and agreement.dataset_id == dataset_id
        and agreement.id == claim.agreement_id
    )
    if agreement is None or standing is None or not is_theirs:
        return Code.AGREEMENT_REQUIRED
    if standing is not Standing.IN_FORCE:
        return standing.value
    if not is_within(claim.purpose, agreement.purpose):
        return Code.PURPOSE_NOT_AGREED
    return None


def is_within(purpose: str | None, agreed: str | None) -> bool:
    """Tell whether a purpose is the agreed one or falls under it; none named means the agreed one.

    An agreement without a purpose of its own leaves the purpose to its policy.
    """
    if purpose is None or agreed is None or purpose == agreed:
        return True
    narrow, broad = purpose_of(purpose), purpose_of(agreed)
    if narrow is None or broad is None:
        return False
    tree = taxonomies()["purpose"]
    return tree.falls_under(_short(narrow), _short(broad)) is True


@dataclass(frozen=True)
class Release:
    """What of one table a policy lets leave, for one attempt: the only way its data may flow."""

    plan: Plan
    facts: Facts

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns of which anything may leave, in stored order."""
        return self.plan.columns

    def sql(self, table: str) -> str:
        """Return the DuckDB query over `table` that gives exactly the cells that may leave.

        What the reader filters on goes around it, never into it: then a masked value cannot be found out.
        """
        return plan_sql(self.plan, table, self.facts)


def release_of(policy: Policy, facts: Facts, columns: Sequence[Mapping[str, Any]]) -> Release | str:
    """Return what may leave of a table with these stored columns, or the code of why this exchange cannot tell."""
    found = plan(policy, facts, {each["name"]: sort_of(each["type"]) for each in columns})
    masks = {mask.method for cell in found.cells for mask, _ in cell.masked}
    if found.limits or found.needs_consent or not masks <= _MASKS or (found.groups and not found.columns):
        return Code.NEEDS_PLAN
    return Release(found, facts) if found.columns else Code.NOTHING_LEFT


def sort_of(column_type: str) -> ColumnSort:
    """Return what the policy engine calls a stored type; a type it does not compare keeps its own name."""
    name = column_type.partition("(")[0]
    return _SORTS.get(name) or cast("ColumnSort", name)


# Without a key for pseudonyms; what else a mask can be, the query itself does.
_MASKS = frozenset({"null", "fixed", "hash", "first4", "last4", "year", "month"})
_SORTS: Mapping[str, ColumnSort] = {
    "string": "text",
    "boolean": "boolean",
    "int64": "integer",
    "float64": "number",
    "decimal": "number",
    "date": "date",
    "timestamp": "instant",
}


def may_read_own(actor: Actor, provider_id: str) -> bool:
    """Tell whether the dataset is of the actor's own organisation."""
    return actor.participant_id is not None and actor.participant_id == provider_id


def has_scope(actor: Actor, *, is_own: bool) -> bool:
    """Tell whether the token is for fetching data; publishers may always look at what they published."""
    return not actor.scopes.isdisjoint(OWN_SCOPES if is_own else {DATA_SCOPE})


def target_names(dataset_id: str, base_url: str) -> frozenset[str]:
    """Return every name by which a policy can mean a dataset."""
    return frozenset({dataset_id, f"urn:uuid:{dataset_id}", f"{base_url}/v1/datasets/{dataset_id}"})


def _reads(detail: Mapping[str, Any]) -> bool:
    actions = detail.get("actions")
    return isinstance(actions, list | tuple) and READ in actions


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _short(purpose: str) -> str:
    return "dpv:" + purpose.rpartition("#")[2]


@dataclass(frozen=True)
class Words:
    """A denial in plain language, and what would mend it."""

    nl: str
    en: str
    remedy: str


# What the policy engine does not explain, because no policy was asked.
WORDS: Mapping[str, Words] = {
    Code.WITHDRAWN: Words(
        "De aanbieder heeft deze dataset ingetrokken.",
        "The provider withdrew this dataset.",
        "Ask the provider whether other data replaces it.",
    ),
    Code.TOKEN_REQUIRED: Words(
        "Deze data is niet voor iedereen; er kwam geen token mee.",
        "This data is not open to everybody, and no token came with the call.",
        "Get a token at /oauth/token with authorization_details that name an agreement on this dataset.",
    ),
    Code.SCOPE_MISSING: Words(
        "Het token is niet bedoeld om data op te halen.",
        "The token is not for fetching data.",
        f"Ask for a token with scope={DATA_SCOPE}; the client must hold the role requester.",
    ),
    Code.AGREEMENT_REQUIRED: Words(
        "Het token noemt geen overeenkomst van uw organisatie over deze dataset.",
        "The token names no agreement of your organisation on this dataset.",
        "Request access to one of the offers; with an agreement, ask for a token that names it.",
    ),
    Code.PURPOSE_NOT_AGREED: Words(
        "Het doel in het token is niet het afgesproken doel en valt er ook niet onder.",
        "The purpose in the token is not the agreed one and does not fall under it.",
        "Ask for a token with the agreed purpose, or request access for this one.",
    ),
    Code.NEEDS_PLAN: Words(
        "Het beleid staat groepen, quota, pseudoniemen of rijen met toestemming toe; die kan deze dienst nog niet leveren.",
        "The policy permits groups, quotas, pseudonyms or rows with consent, which this exchange cannot deliver yet.",
        "Ask the provider for an offer on rows or columns.",
    ),
    Code.NOTHING_LEFT: Words(
        "Het beleid laat van deze tabel geen rij en geen kolom over.",
        "The policy leaves no row and no column of this table.",
        "Ask the provider: the policy names columns that this table does not have, or hides all of them.",
    ),
    Standing.NOT_YET: Words(
        "De overeenkomst is nog niet ingegaan.", "The agreement is not valid yet.", "Wait until it begins."
    ),
    Standing.SUSPENDED: Words(
        "De overeenkomst is opgeschort.",
        "The agreement is suspended.",
        "Ask the provider why; it may be resumed.",
    ),
    Standing.ENDED: Words(
        "De overeenkomst is beëindigd.", "The agreement has ended.", "Request access again."
    ),
    Standing.REVOKED: Words(
        "De aanbieder heeft de overeenkomst ingetrokken.",
        "The provider revoked the agreement.",
        "Ask the provider why, or request access again.",
    ),
    Standing.EXPIRED: Words(
        "De overeenkomst is verlopen.", "The agreement has expired.", "Request access again, to renew it."
    ),
    Standing.PROVIDER_INACTIVE: Words(
        "De aanbieder is nu geen actieve deelnemer.",
        "The provider is not an active participant now.",
        "Ask the exchange when it will be.",
    ),
    Standing.CONSUMER_INACTIVE: Words(
        "Uw organisatie is nu geen actieve deelnemer.",
        "Your organisation is not an active participant now.",
        "Ask the exchange to reinstate it.",
    ),
}
