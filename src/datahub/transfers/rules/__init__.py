"""Under which authority an actor may read, decided over plain values. Pure: no database, no clock.

Unverified input never gets here: claims come from a verified token's authorization details (RFC 9396), the rest from
the actor and the agreement. The order of the answers is the order in which a reader can mend things.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa

from datahub import engine
from datahub.consent import Need
from datahub.contracts import Agreement, Standing, purpose_of
from datahub.kernel.context import Actor
from datahub.participants import Role
from datahub.policy import ColumnSort, Duty, Facts, Plan, Policy, plan, taxonomies
from datahub.transfers.rules.words import DATA_SCOPE, Code

OWN_SCOPES = frozenset({DATA_SCOPE, "catalog:write"})
DETAIL_TYPE = "dataset"
READ = "read"
QUERY = "query"
# What a token lets do → what the policy is asked.
ASKED: Mapping[str, str] = {READ: "read", QUERY: "dh:query"}
# Whoever may have the rows may have sums of them, as far as the policy does not say otherwise.
_ENOUGH: Mapping[str, frozenset[str]] = {READ: frozenset({READ}), QUERY: frozenset({READ, QUERY})}


@dataclass(frozen=True)
class Claim:
    """What a token says it may read: an agreement, and the purpose the data is for."""

    agreement_id: str | None
    purpose: str | None


def claims_on(
    actor: Actor, dataset_id: str, agreement_id: str | None = None, action: str = READ
) -> Sequence[Claim]:
    """Return what the actor's token carries for this on a dataset, narrowed to one agreement when it is named."""
    found = [
        Claim(_text(detail.get("agreement")), _text(detail.get("purpose")))
        for detail in actor.authorization_details
        if detail.get("type") == DETAIL_TYPE
        and detail.get("identifier") == dataset_id
        and _allows(detail, action)
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
    """What of one table a policy lets leave, for one attempt: the only way its data may flow.

    `plan`: None where the policy lets all of it leave, and only the people whom rows are about have a say.
    """

    plan: Plan | None
    facts: Facts
    pseudonym_key: Callable[[], bytes] | None = None
    """Gives the key under which this reader sees pseudonyms."""

    is_consent_asked: bool = False
    """Whether the policy wants the people's consent itself."""

    need: Need | None = None
    """What the people must permit; rows pass a gate, which a door opens once the attempt is in the log."""

    stored: Sequence[str] = ()

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns of which anything may leave, in stored order."""
        return self.stored if self.plan is None else self.plan.columns

    @property
    def masks(self) -> Mapping[str, Sequence[str]]:
        """Return which masks stand on which columns, to be shown to both sides."""
        return {
            cell.column: [str(mask) for mask, _ in cell.masked]
            for cell in (self.plan.cells if self.plan else ())
            if cell.masked
        }

    def steps(self, schema: pa.Schema) -> engine.Plan:
        """Return the plan that gives exactly the cells that may leave a table with this schema, its gate closed.

        What the reader filters on goes after it, never before: then a masked value cannot be found out.
        """
        if self.plan is None:
            found = engine.Plan(schema)
        else:
            needs_key = any("hmac" in methods for methods in self.masks.values())
            key = self.pseudonym_key() if needs_key and self.pseudonym_key else None
            found = engine.release(self.plan, self.facts, schema, key)
        is_gated = self.need is not None or self.is_consent_asked
        return found.behind(engine.SubjectGate()) if is_gated else found


def release_of(
    policy: Policy,
    facts: Facts,
    columns: Sequence[Mapping[str, Any]],
    pseudonym_key: Callable[[], bytes] | None = None,
) -> Release | str:
    """Return what may leave of a table with these stored columns, or the code of why nothing does."""
    schema = {each["name"]: sort_of(each["type"]) for each in columns}
    found = plan(policy, facts, schema)
    is_asked = found.needs_consent
    if is_asked:  # what is judged has passed the gate: there, every row has it
        found = plan(policy, facts, schema, consent=True)
    if found.groups and not found.columns:
        return Code.RESULTS_ONLY
    if not found.columns:
        return Code.NOTHING_LEFT
    # Limits were decided on, and charged, before there was a plan: they let the whole of it go.
    return Release(replace(found, limits={}), facts, pseudonym_key, is_asked)


@dataclass(frozen=True)
class Room:
    """What of one table may be asked about, and in groups of at least how many.

    `minimum` 1: whoever asks may have the rows themselves. `entity_key` counts a group, rows where it is None.
    `epsilon`: results leave with noise, and this is all that may be spent on it.
    """

    release: Release | None = None
    minimum: int = 1
    entity_key: str | None = None
    functions: Sequence[str] = ()
    epsilon: Decimal | None = None

    @property
    def is_results_only(self) -> bool:
        """Tell whether rows may not leave as rows."""
        return self.minimum > 1


def room_of(
    policy: Policy,
    facts: Facts,
    columns: Sequence[Mapping[str, Any]],
    pseudonym_key: Callable[[], bytes] | None = None,
) -> Room | str:
    """Return what may be asked about a table with these columns, or the code of why nothing.

    Of several permissions for groups the strictest holds, before any permission for rows.
    """
    schema = {each["name"]: sort_of(each["type"]) for each in columns}
    rooms: list[Room] = []
    codes: list[str] = []
    for rule in policy.permissions:
        duty = next((each for each in rule.duties if each.action == AGGREGATE), None)
        groups = plan(replace(policy, permissions=(rule,)), facts, schema).groups if duty else ()
        if duty is None or not groups:
            continue
        kept = tuple(each for each in rule.duties if each is not duty)
        # The rows and cells that would leave if groups need not be made of them.
        opened = replace(policy, permissions=(replace(rule, duties=kept),))
        release = release_of(opened, facts, columns, pseudonym_key)
        if isinstance(release, str):
            codes.append(release)
            continue
        (one, *_) = groups
        rooms.append(Room(release, max(one.minimum, 2), one.entity_key, one.functions, _epsilon(duty)))
    if rooms:
        return max(rooms, key=lambda room: room.minimum)
    if codes:
        return codes[0]
    release = release_of(policy, facts, columns, pseudonym_key)
    return release if isinstance(release, str) else Room(release)


AGGREGATE = "dh:aggregateOnly"


def _epsilon(duty: Duty) -> Decimal | None:
    stated = [Decimal(str(value)) for value in duty.parameter("dh:epsilon")]
    return min(stated, default=None)


def sort_of(column_type: str) -> ColumnSort:
    """Return what the policy engine calls a stored type; a type it does not compare keeps its own name."""
    name = column_type.partition("(")[0]
    return _SORTS.get(name) or cast("ColumnSort", name)


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


def may_ask(actor: Actor, provider_id: str) -> bool:
    """Tell whether the actor may ask for decisions about others: on its own organisation's data, or for the exchange."""
    return may_read_own(actor, provider_id) or actor.oversees(Role.ADMIN)


def target_names(dataset_id: str, base_url: str) -> frozenset[str]:
    """Return every name by which a policy can mean a dataset."""
    return frozenset({dataset_id, f"urn:uuid:{dataset_id}", f"{base_url}/v1/datasets/{dataset_id}"})


def _allows(detail: Mapping[str, Any], action: str) -> bool:
    actions = detail.get("actions")
    return isinstance(actions, list | tuple) and not _ENOUGH[action].isdisjoint(actions)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _short(purpose: str) -> str:
    return "dpv:" + purpose.rpartition("#")[2]
