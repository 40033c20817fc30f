"""Weighing one attempt: own data, an agreement the token names, an open offer; else the most useful reason why not.

The same weighing answers at token issue and at every read.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datahub import contracts
from datahub.catalog import Dataset, DatasetState, DatasetVersion, offer_version, open_offers
from datahub.contracts import Agreement, Standing, agreement_by_id, facts_of, standing_of
from datahub.kernel.context import Context
from datahub.kernel.paging import PageRequest
from datahub.participants import Participant, ParticipantState, identifiers_of, participant_by_id
from datahub.policy import Decision, Facts, Policy, decide, read_policy
from datahub.transfers import rules
from datahub.transfers.rules import WORDS, Claim, Code, Release

OPEN_TEMPLATE = "open"
COMPILED_POLICIES = 512


@dataclass(frozen=True)
class Finding:
    """What the weighing found: permit or not, under which code and authority, and why, in each side's words.

    `release`: data may flow through it and no other way; None: the whole of it.
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
    is_by_policy: bool = False
    release: Release | None = None


def weigh(
    ctx: Context, dataset: Dataset, version: DatasetVersion | None, agreement_id: str | None = None
) -> Finding:
    """Return whether the actor may read a version of a dataset it may see; all facts are the exchange's own.

    A denial names what is nearest to a permit: a claim that falls short before an agreement that is missing.
    """
    if dataset.state == DatasetState.WITHDRAWN:
        return _denied(Code.WITHDRAWN)
    if not is_admitted(ctx, dataset.provider_id):
        return _denied(Standing.PROVIDER_INACTIVE)
    is_own = rules.may_read_own(ctx.actor, dataset.provider_id)
    if is_own and rules.has_scope(ctx.actor, is_own=True):
        return Finding(is_permit=True, code=Code.OWN_DATA)
    denials: list[Finding] = []
    if not ctx.actor.is_anonymous and rules.has_scope(ctx.actor, is_own=False):
        for claim in rules.claims_on(ctx.actor, dataset.id, agreement_id):
            found = weigh_claim(ctx, dataset, version, claim, ctx.actor.participant_id)
            if found.is_permit:
                return found
            denials.append(found)
    opened = _open_to_everybody(ctx, dataset)
    if opened is not None:
        return opened
    return denials[0] if denials else _without_claim(ctx, dataset)


def weigh_claim(
    ctx: Context, dataset: Dataset, version: DatasetVersion | None, claim: Claim, consumer_id: str | None
) -> Finding:
    """Return whether an agreement carries a claim now: theirs, in force, for this purpose, and its policy permits."""
    agreement = agreement_by_id(ctx.session, claim.agreement_id) if claim.agreement_id else None
    standing = standing_of(ctx.session, agreement, ctx.now) if agreement else None
    fault = rules.authority_fault(claim, agreement, standing, consumer_id, dataset.id)
    if agreement is None or fault == Code.AGREEMENT_REQUIRED:
        return _agreement_required(ctx, dataset)
    if fault is not None:
        return _denied(fault, agreement, claim.purpose or agreement.purpose)
    consumer = participant_by_id(ctx.session, agreement.consumer_id)
    if consumer is None:  # pragma: no cover — a foreign key holds it
        return _agreement_required(ctx, dataset)
    purpose = claim.purpose or agreement.purpose
    facts = _facts(ctx, dataset, agreement, consumer, purpose)
    decision = decide(compiled(agreement.policy_hash, agreement.policy), facts)
    return _by_policy(decision, agreement, purpose, facts, version)


def is_admitted(ctx: Context, participant_id: str) -> bool:
    """Tell whether an organisation is an active participant now."""
    participant = participant_by_id(ctx.session, participant_id)
    return participant is not None and participant.state == ParticipantState.ADMITTED


def compiled(policy_hash: str, document: Mapping[str, Any]) -> Policy:
    """Return a stored policy, read once per process and hash; the least used of many are forgotten."""
    with _lock:
        if policy_hash in _compiled:
            _compiled.move_to_end(policy_hash)
            return _compiled[policy_hash]
    policy = read_policy(dict(document))
    with _lock:
        _compiled[policy_hash] = policy
        while len(_compiled) > COMPILED_POLICIES:
            _compiled.popitem(last=False)
    return policy


_compiled: OrderedDict[str, Policy] = OrderedDict()
_lock = threading.Lock()


def _facts(
    ctx: Context, dataset: Dataset, agreement: Agreement, consumer: Participant, purpose: str | None
) -> Facts:
    identifiers = identifiers_of(ctx, [consumer.id])[consumer.id]
    return facts_of(
        consumer,
        identifiers,
        purpose,
        action=rules.READ,
        now=ctx.now,
        target=rules.target_names(dataset.id, ctx.settings.base_url),
        roles=sorted(ctx.actor.roles),
        contracts=[agreement.id, f"urn:uuid:{agreement.id}"],
        agreed_at=agreement.valid_from,
        published_at=dataset.published_at,
        agreed=True,
    )


def _by_policy(
    decision: Decision,
    agreement: Agreement,
    purpose: str | None,
    facts: Facts,
    version: DatasetVersion | None,
) -> Finding:
    # All that the policy engine was told, so that the decision can be made again from the record.
    seen = {
        "action": facts.action,
        "now": facts.now.isoformat() if facts.now else None,
        "recipient": sorted(facts.recipient or ()),
        "roles": sorted(facts.roles or ()),
        "membership": facts.membership,
        "purpose": purpose,
        "agreedAt": facts.agreed_at.isoformat() if facts.agreed_at else None,
        "publishedAt": facts.published_at.isoformat() if facts.published_at else None,
        "target": sorted(facts.target or ()),
        "contracts": sorted(facts.contracts or ()),
    }
    release = _released(decision, version)
    if isinstance(release, str):
        return _denied(release, agreement, purpose, seen)
    changes = [{"code": each.code, "change": each.remedy} for each in decision.changes]
    return Finding(
        is_permit=decision.permit or decision.permit_with_plan,
        code=Code.PERMITTED if decision.permit else decision.code,
        for_requester={**_said(decision, "requester"), "wouldPermit": changes},
        for_provider={
            **_said(decision, "provider"),
            "rules": [{"code": each.code, "rule": each.pointer} for each in decision.reasons],
            "wouldPermit": changes,
        },
        facts=seen,
        is_by_policy=True,
        **_of(agreement),
        purpose=purpose,
        release=release,
    )


def _released(decision: Decision, version: DatasetVersion | None) -> Release | str | None:
    """Return what must stand between the data and the reader: nothing, a release, or the code of why it cannot be made.

    Before there is a version nothing can flow; the read itself asks again.
    """
    if not decision.permit_with_plan or version is None:
        return None
    if version.columns is None:
        return Code.NEEDS_PLAN
    return rules.release_of(decision.policy, decision.facts, version.columns)


def _said(decision: Decision, view: Any) -> dict[str, Any]:
    return {"nl": decision.explanation("nl", view), "en": decision.explanation("en", view)}


def _of(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreement": agreement,
        "offer_id": agreement.offer_id,
        "offer_version": agreement.offer_version,
        "policy_hash": agreement.policy_hash,
    }


def _open_to_everybody(ctx: Context, dataset: Dataset) -> Finding | None:
    # Only the template `open` asks for no agreement: any other terms are for somebody to accept first.
    for offer in open_offers(ctx.session, dataset.id):
        terms = offer_version(ctx.session, offer.id, offer.version)
        if terms is None or terms.template != OPEN_TEMPLATE:
            continue
        target = rules.target_names(dataset.id, ctx.settings.base_url)
        facts = Facts(action=rules.READ, now=ctx.now, target=target)
        if decide(compiled(terms.policy_hash, terms.policy), facts).permit:
            return Finding(
                is_permit=True,
                code=Code.OPEN_OFFER,
                offer_id=offer.id,
                offer_version=terms.number,
                policy_hash=terms.policy_hash,
            )
    return None


def _without_claim(ctx: Context, dataset: Dataset) -> Finding:
    if ctx.actor.is_anonymous:
        return _denied(Code.TOKEN_REQUIRED, more={"offers": _offers(ctx, dataset)})
    if not rules.has_scope(ctx.actor, is_own=False):
        return _denied(Code.SCOPE_MISSING)
    return _agreement_required(ctx, dataset)


def _agreement_required(ctx: Context, dataset: Dataset) -> Finding:
    """Say what the actor has and lacks: an agreement that stopped, one to name in the token, or offers to request."""
    wanted = contracts.Filters(dataset_id=dataset.id, role="consumer")
    known: Sequence[Agreement] = contracts.list_agreements(ctx, PageRequest(size=50), wanted).items
    standings = [(each, standing_of(ctx.session, each, ctx.now)) for each in known]
    in_force = [each for each, standing in standings if standing is Standing.IN_FORCE]
    if standings and not in_force:
        newest, standing = standings[0]
        return _denied(standing.value, newest, newest.purpose)
    more: dict[str, Any] = {"offers": _offers(ctx, dataset)}
    if in_force:
        more["authorizationDetails"] = [_detail(dataset, each) for each in in_force]
    return _denied(Code.AGREEMENT_REQUIRED, more=more)


def _offers(ctx: Context, dataset: Dataset) -> list[str]:
    return [offer.id for offer in open_offers(ctx.session, dataset.id)]


def _detail(dataset: Dataset, agreement: Agreement) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "type": rules.DETAIL_TYPE,
        "identifier": dataset.id,
        "actions": [rules.READ],
        "agreement": agreement.id,
    }
    return detail | ({"purpose": agreement.purpose} if agreement.purpose else {})


def _denied(
    code: str,
    agreement: Agreement | None = None,
    purpose: str | None = None,
    facts: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Finding:
    words = WORDS[code]
    said = {"nl": words.nl, "en": words.en}
    return Finding(
        is_permit=False,
        code=code,
        for_requester={**said, "remedy": words.remedy, **(more or {})},
        for_provider=said,
        facts=facts or {},
        purpose=purpose,
        **(_of(agreement) if agreement else {}),
    )
