"""What a weighing comes to, and what the people whom rows are about have to say in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from datahub.catalog import Dataset, DatasetVersion
from datahub.consent import Need, Shut, need_of
from datahub.contracts import Agreement
from datahub.kernel.context import Context
from datahub.policy import Decision, Facts
from datahub.transfers import rules
from datahub.transfers.rules import Release, Room
from datahub.transfers.rules.words import WORDS
from datahub.transfers.service.quotas import Quota


@dataclass(frozen=True)
class Finding:
    """What the weighing found: permit or not, under which code and authority, and why, in each side's words.

    `decision`: what the policy engine said, where a policy was asked. `release`: data may flow through it and no other
    way; None: the whole of it. `need`: what the people whom rows are about must permit.
    """

    is_permit: bool
    code: str
    for_requester: Mapping[str, Any] = field(default_factory=dict)
    for_provider: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    agreement: Agreement | None = None
    offer_id: str | None = None
    offer_version: int | None = None
    policy_hash: str | None = None
    purpose: str | None = None
    decision: Decision | None = None
    release: Release | None = None
    room: Room = field(default_factory=Room)
    quotas: Sequence[Quota] = ()
    need: Need | None = None


def behind_consent(
    ctx: Context, dataset: Dataset, version: DatasetVersion | None, found: Finding, facts: Facts
) -> Finding:
    """Put what may leave behind the gate of the people it is about, or say why it can never pass there."""
    is_query = facts.action == rules.ASKED[rules.QUERY]
    release = found.room.release if is_query else found.release
    is_asked = release is not None and release.is_consent_asked
    names = frozenset(facts.recipient or ())
    need = need_of(ctx, dataset.id, version, found.purpose, names, is_asked=is_asked)
    if need is None:
        return found
    if isinstance(need, Shut):
        return denied(need, found.agreement, found.purpose, found.facts)
    stored = [each["name"] for each in (version.columns if version else None) or ()]
    gated = replace(release or Release(None, facts, stored=stored), need=need)
    return replace(
        found,
        need=need,
        facts={**found.facts, "consent": need.stamp},
        release=found.release if is_query else gated,
        room=replace(found.room, release=gated) if is_query else found.room,
    )


def about_columns(found: Finding, columns: Collection[str]) -> Finding:
    """Return what was found, or that the consent rule is not about all columns that would be touched."""
    missing = found.need.uncovered(columns) if found.need else frozenset()
    if not missing:
        return found
    more = {"columns": sorted(missing)}
    return denied(Shut.COLUMNS, found.agreement, found.purpose, found.facts, more)


def named_in(agreement: Agreement) -> dict[str, Any]:
    """Return what a finding keeps of the agreement it rests on."""
    return {
        "agreement": agreement,
        "offer_id": agreement.offer_id,
        "offer_version": agreement.offer_version,
        "policy_hash": agreement.policy_hash,
    }


def denied(
    code: str,
    agreement: Agreement | None = None,
    purpose: str | None = None,
    facts: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Finding:
    """Return a denial that no policy has to explain: its words are the code's."""
    words = WORDS[code]
    said = {"nl": words.nl, "en": words.en}
    return Finding(
        is_permit=False,
        code=code,
        for_requester={**said, "remedy": words.remedy, **(more or {})},
        for_provider=said,
        facts=facts or {},
        purpose=purpose,
        **(named_in(agreement) if agreement else {}),
    )
