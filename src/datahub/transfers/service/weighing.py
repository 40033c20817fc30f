"""Weighing one attempt: own data, an agreement the token names, an open offer; else the most useful reason why not.

The same weighing answers at token issue and at every read.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from datahub import contracts
from datahub.catalog import Dataset, DatasetState, DatasetVersion, offer_version, open_offers
from datahub.contracts import Agreement, Standing, agreement_by_id, facts_of, standing_of, ways_to_permit
from datahub.duties import duty_states
from datahub.kernel.context import Context
from datahub.kernel.paging import PageRequest
from datahub.participants import Participant, ParticipantState, identifiers_of, participant_by_id
from datahub.policy import Decision, Facts, Policy, decide, owed, read_policy
from datahub.transfers import rules
from datahub.transfers.rules import Claim, Release, Room
from datahub.transfers.rules.words import Code
from datahub.transfers.service.findings import Finding, behind_consent, denied, named_in
from datahub.transfers.service.pseudonyms import pseudonym_key
from datahub.transfers.service.quotas import Quota, counts_before, quotas_of

OPEN_TEMPLATE = "open"
COMPILED_POLICIES = 512


@dataclass(frozen=True)
class Doing:
    """What is to be done with a table: read it, or query it here, alone or joined with other datasets (their names)."""

    action: str = rules.READ
    joined_with: frozenset[str] | None = None
    retry: str | None = None  # what makes it the same read again, when one broke off


READING = Doing()


def weigh(
    ctx: Context,
    dataset: Dataset,
    version: DatasetVersion | None,
    agreement_id: str | None = None,
    doing: Doing = READING,
) -> Finding:
    """Return whether the actor may read (or query) a version of a dataset it may see; all facts are the exchange's own.

    A denial names what is nearest to a permit: a claim that falls short before an agreement that is missing.
    """
    if dataset.state == DatasetState.WITHDRAWN:
        return denied(Code.WITHDRAWN)
    if not is_admitted(ctx, dataset.provider_id):
        return denied(Standing.PROVIDER_INACTIVE)
    is_own = rules.may_read_own(ctx.actor, dataset.provider_id)
    if is_own and rules.has_scope(ctx.actor, is_own=True):
        return Finding(is_permit=True, code=Code.OWN_DATA)
    denials: list[Finding] = []
    if not ctx.actor.is_anonymous and rules.has_scope(ctx.actor, is_own=False):
        for claim in rules.claims_on(ctx.actor, dataset.id, agreement_id, doing.action):
            found = weigh_claim(ctx, dataset, version, claim, ctx.actor.participant_id, doing=doing)
            if found.is_permit:
                return found
            denials.append(found)
    opened = _open_to_everybody(ctx, dataset, version)
    if opened is not None and opened.is_permit:
        return opened
    return denials[0] if denials else opened or _without_claim(ctx, dataset)


def weigh_claim(
    ctx: Context,
    dataset: Dataset,
    version: DatasetVersion | None,
    claim: Claim,
    consumer_id: str | None,
    *,
    doing: Doing = READING,
) -> Finding:
    """Return whether an agreement carries a claim now: theirs, in force, for this purpose, and its policy permits."""
    agreement = agreement_by_id(ctx.session, claim.agreement_id) if claim.agreement_id else None
    standing = standing_of(ctx.session, agreement, ctx.now) if agreement else None
    fault = rules.authority_fault(claim, agreement, standing, consumer_id, dataset.id)
    if agreement is None or fault == Code.AGREEMENT_REQUIRED:
        return agreement_required(ctx, dataset)
    if fault is not None:
        return denied(fault, agreement, claim.purpose or agreement.purpose)
    consumer = participant_by_id(ctx.session, agreement.consumer_id)
    if consumer is None:  # pragma: no cover — a foreign key holds it
        return agreement_required(ctx, dataset)
    purpose = claim.purpose or agreement.purpose
    policy = compiled(agreement.policy_hash, agreement.policy)
    facts = _facts(ctx, dataset, agreement, consumer, purpose, doing=doing)
    if owed(policy):  # what is to be done before use, and what was not done in time, stand in the ledger
        facts = replace(facts, duties=duty_states(ctx.session, agreement.id, ctx.now))
    quotas: Sequence[Quota] = ()
    if doing.action == rules.READ:  # nothing else is counted, and what is not counted is unknown
        quotas = quotas_of(ctx, agreement, policy, version, doing.retry)
        facts = replace(facts, counts=counts_before(quotas))
    decision = decide(policy, facts)
    if quotas and not (decision.permit or decision.permit_with_plan):
        fresh = decide(policy, replace(facts, counts=dict.fromkeys(facts.counts, 0)))
        if fresh.permit or fresh.permit_with_plan:
            return _exhausted(ctx, agreement, purpose, facts, quotas)
    found = _by_policy(
        decision, agreement, purpose, facts, version, pseudonym_key=partial(pseudonym_key, ctx, agreement)
    )
    found = replace(found, quotas=quotas)
    is_no = not (decision.permit or decision.permit_with_plan)
    other = _permitted_otherwise(policy, facts) if is_no else None
    if other:
        return denied(other, agreement, purpose, found.facts)
    return behind_consent(ctx, dataset, version, found, facts) if found.is_permit else found


def _exhausted(
    ctx: Context, agreement: Agreement, purpose: str | None, facts: Facts, quotas: Sequence[Quota]
) -> Finding:
    ends = [quota.resets_at for quota in quotas if quota.resets_at is not None]
    more: dict[str, Any] = {"quotas": [quota.said() for quota in quotas]}
    if ends:
        more["retryAfter"] = max(1, int((min(ends) - ctx.now).total_seconds()))
    found = denied(Code.QUOTA_EXHAUSTED, agreement, purpose, _seen(facts, purpose), more)
    return replace(found, quotas=quotas)


def _permitted_otherwise(policy: Policy, facts: Facts) -> str | None:
    """Return the code that points from rows to results, or from results to rows, where only the other is permitted."""
    other, code = {
        rules.ASKED[rules.READ]: (rules.QUERY, Code.RESULTS_ONLY),
        rules.ASKED[rules.QUERY]: (rules.READ, Code.ROWS_ONLY),
    }[facts.action]
    decision = decide(policy, replace(facts, action=rules.ASKED[other]))
    return code if decision.permit or decision.permit_with_plan else None


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
    ctx: Context,
    dataset: Dataset,
    agreement: Agreement,
    consumer: Participant,
    purpose: str | None,
    *,
    doing: Doing,
) -> Facts:
    identifiers = identifiers_of(ctx, [consumer.id])[consumer.id]
    return facts_of(
        consumer,
        identifiers,
        purpose,
        action=rules.ASKED[doing.action],
        now=ctx.now,
        joined_with=doing.joined_with,
        target=rules.target_names(dataset.id, ctx.settings.base_url),
        roles=sorted(ctx.actor.roles),
        contracts=[agreement.id, f"urn:uuid:{agreement.id}"],
        agreed_at=agreement.valid_from,
        published_at=dataset.published_at,
        agreed=True,
    )


def _seen(facts: Facts, purpose: str | None) -> dict[str, Any]:
    """Return all that the policy engine was told, so that the decision can be made again from the record."""
    return {
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
        **({} if facts.joined_with is None else {"joinedWith": sorted(facts.joined_with)}),
        **({"counts": dict(facts.counts)} if facts.counts else {}),
        **({"duties": dict(facts.duties)} if facts.duties else {}),
    }


def _by_policy(
    decision: Decision,
    agreement: Agreement,
    purpose: str | None,
    facts: Facts,
    version: DatasetVersion | None,
    *,
    pseudonym_key: Callable[[], bytes],
) -> Finding:
    seen = _seen(facts, purpose)
    is_query = facts.action == rules.ASKED[rules.QUERY]
    found = (_room if is_query else _released)(decision, version, pseudonym_key)
    if isinstance(found, str):
        return denied(found, agreement, purpose, seen)
    changes = ways_to_permit(decision)
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
        decision=decision,
        **named_in(agreement),
        purpose=purpose,
        release=None if isinstance(found, Room) else found,
        room=found if isinstance(found, Room) else rules.Room(),
    )


def _room(
    decision: Decision, version: DatasetVersion | None, pseudonym_key: Callable[[], bytes]
) -> Room | str:
    """Return what may be asked about, or the code of why nothing."""
    if not decision.permit_with_plan or version is None:
        return rules.Room()
    if version.columns is None:
        return Code.NEEDS_PLAN
    return rules.room_of(decision.policy, decision.facts, version.columns, pseudonym_key)


def _released(
    decision: Decision, version: DatasetVersion | None, pseudonym_key: Callable[[], bytes]
) -> Release | str | None:
    """Return what must stand between the data and the reader: nothing, a release, or the code of why it cannot be made.

    Before there is a version nothing can flow; the read itself asks again.
    """
    if not decision.permit_with_plan or version is None:
        return None
    if version.columns is None:
        return Code.NEEDS_PLAN
    return rules.release_of(decision.policy, decision.facts, version.columns, pseudonym_key)


def _said(decision: Decision, view: Any) -> dict[str, Any]:
    return {"nl": decision.explanation("nl", view), "en": decision.explanation("en", view)}


def _open_to_everybody(ctx: Context, dataset: Dataset, version: DatasetVersion | None) -> Finding | None:
    # Only the template `open` asks for no agreement: any other terms are for somebody to accept first.
    for offer in open_offers(ctx.session, dataset.id):
        terms = offer_version(ctx.session, offer.id, offer.version)
        if terms is None or terms.template != OPEN_TEMPLATE:
            continue
        target = rules.target_names(dataset.id, ctx.settings.base_url)
        facts = Facts(action=rules.READ, now=ctx.now, target=target)
        decision = decide(compiled(terms.policy_hash, terms.policy), facts)
        if decision.permit:
            found = Finding(
                is_permit=True,
                code=Code.OPEN_OFFER,
                offer_id=offer.id,
                offer_version=terms.number,
                policy_hash=terms.policy_hash,
                decision=decision,
            )
            return behind_consent(ctx, dataset, version, found, facts)
    return None


def _without_claim(ctx: Context, dataset: Dataset) -> Finding:
    if ctx.actor.is_anonymous:
        return denied(Code.TOKEN_REQUIRED, more={"offers": _offers(ctx, dataset)})
    if not rules.has_scope(ctx.actor, is_own=False):
        return denied(Code.SCOPE_MISSING)
    return agreement_required(ctx, dataset)


def agreement_required(ctx: Context, dataset: Dataset) -> Finding:
    """Say what the actor has and lacks: an agreement that stopped, one to name in the token, or offers to request."""
    wanted = contracts.Filters(dataset_id=dataset.id, role="consumer")
    known: Sequence[Agreement] = contracts.list_agreements(ctx, PageRequest(size=50), wanted).items
    standings = [(each, standing_of(ctx.session, each, ctx.now)) for each in known]
    in_force = [each for each, standing in standings if standing is Standing.IN_FORCE]
    if standings and not in_force:
        newest, standing = standings[0]
        return denied(standing.value, newest, newest.purpose)
    more: dict[str, Any] = {"offers": _offers(ctx, dataset)}
    if in_force:
        more["authorizationDetails"] = [_detail(dataset, each) for each in in_force]
    return denied(Code.AGREEMENT_REQUIRED, more=more)


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
