"""Taking a step of a negotiation: new terms on the table, each state of the protocol kept, and at the end an agreement."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from datahub.audit import About, record
from datahub.catalog import PolicyNotUsable as UnusableTerms
from datahub.catalog import offer_version, read_terms
from datahub.contracts import store
from datahub.contracts.errors import InvalidMove, TermsHaveChanged
from datahub.contracts.models import AccessRequest, NegotiationEvent, NegotiationMove, NegotiationState, Party
from datahub.contracts.rules import negotiation as rules
from datahub.contracts.rules import permission
from datahub.contracts.rules.agreements import written
from datahub.contracts.rules.comparison import relation
from datahub.contracts.service.agreements import conclude
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.policy import policy_hash, read_policy, to_jsonld


def must_agree(agrees_to: str, known: Collection[str]) -> None:
    """Make sure that what the consumer says yes to is what lies on the table. Raises TermsHaveChanged."""
    if agrees_to not in known:
        raise TermsHaveChanged(
            "The policy you agree to is not the one that is offered now.",
            remedy="Read the terms again and agree to their policyHash.",
            faults=[Fault("/agreesTo", "not the hash of the policy on the table", "other-policy")],
        )


def must_carry(move: NegotiationMove, carried: Mapping[str, Any]) -> None:
    """Make sure a move carries what it needs and nothing else. Raises InvalidMove with all faults."""
    faults = rules.carried_faults(move, frozenset(carried), _NAMES)
    terms = {"template", "policy", "valid_until"} & set(carried)
    if move is NegotiationMove.RETURN and not terms:
        faults.append(Fault("/policy", "change a term: template, policy or validUntil", "missing"))
    if {"template", "policy"} <= set(carried):
        faults.append(Fault("/policy", "give either a template or a policy", "not-expected"))
    if "parameters" in carried and "template" not in carried:
        faults.append(Fault("/parameters", "belong to a template", "not-expected"))
    _stop_at(faults)


def change_terms(
    ctx: Context, request: AccessRequest, move: NegotiationMove, carried: Mapping[str, Any]
) -> None:
    """Put on the table what a move brings. Raises InvalidMove, UnusableTerms, TermsHaveChanged."""
    match move:
        case NegotiationMove.APPROVE:
            until = carried.get("valid_until")
            _stop_at(rules.end_faults(until, request.wished_until, ctx.now, "/validUntil"))
            request.offered_until = until or request.wished_until
        case NegotiationMove.RETURN:
            _return(ctx, request, carried)
        case NegotiationMove.COUNTER:
            _counter(ctx, request, carried)
        case NegotiationMove.ACCEPT:
            must_agree(carried["agrees_to"], {request.policy_hash})
            request.agrees_to = request.policy_hash
        case _:
            return
    if move in (NegotiationMove.APPROVE, NegotiationMove.ACCEPT):
        rules.must_end_later(request, ctx.now)


def take(
    ctx: Context,
    request: AccessRequest,
    before: NegotiationState | None,
    move: NegotiationMove,
    reason: str | None,
    *,
    is_by_rule: bool = False,
) -> None:
    """Take every step of a decided move, keep each, and conclude the agreement where the steps lead there."""
    walk = rules.MOVES[before, move]
    number = store.event_count(ctx.session, request.id)
    terms = _terms(ctx, request, move)
    for place, (left, step) in enumerate(rules.steps_from(before, walk), start=1):
        # The first step is whoever made the move; the others follow from assent that is on record already.
        is_own = place == 1 and not is_by_rule and walk.party is not Party.CLOCK
        by = ctx.actor if is_own else ANONYMOUS
        ctx.session.add(
            NegotiationEvent(
                id=new_id(),
                request_id=request.id,
                number=number + place,
                at=ctx.now,
                move=move,
                from_state=left,
                to_state=step.to,
                party=Party.CLOCK if walk.party is Party.CLOCK else step.party,
                is_by_rule=not is_own,
                by_participant_id=by.participant_id,
                by_client_id=by.client_id,
                by_person_id=by.person_id,
                reason=reason,
                terms=terms,
            )
        )
    request.state = walk.end
    request.last_move = move
    request.is_by_rule = is_by_rule
    request.changed_at = ctx.now
    request.revision += 0 if before is None else 1
    request.due_at = _due(ctx, request)
    ctx.session.flush()
    details = {
        "move": move.value,
        "from": before,
        "to": walk.end.value,
        "reason": reason,
        "byRule": is_by_rule,
    }
    record(ctx, f"access-request.{move}", about(request, details))
    announce(ctx, "AccessRequestMoved", {"requestId": request.id, **_parties(request), **details})
    if walk.end is NegotiationState.FINALIZED:
        conclude(ctx, request, request.offered_until)


def approve_by_rule(ctx: Context, request: AccessRequest) -> None:
    """Approve a fresh request because the offer's own rule permits it; no person is asked."""
    request.offered_until = request.wished_until
    take(ctx, request, NegotiationState.REQUESTED, NegotiationMove.APPROVE, "automatic", is_by_rule=True)


def about(request: AccessRequest, details: Mapping[str, Any]) -> About:
    """Return what an entry about a request says; both sides find it in their log."""
    return About(
        thing_id=request.id,
        provider_id=request.provider_id,
        consumer_id=request.consumer_id,
        dataset_id=request.dataset_id,
        offer_id=request.offer_id,
        offer_version=request.offer_version,
        policy_hash=request.policy_hash,
        purpose=request.purpose,
        details=details,
    )


_NAMES = {
    "reason": "reason",
    "valid_until": "validUntil",
    "template": "template",
    "parameters": "parameters",
    "policy": "policy",
    "agrees_to": "agreesTo",
    "purpose": "purpose",
    "answers": "answers",
    "wished_until": "wishedUntil",
}


def _return(ctx: Context, request: AccessRequest, carried: Mapping[str, Any]) -> None:
    until = carried.get("valid_until")
    _stop_at(rules.end_faults(until, None, ctx.now, "/validUntil"))
    request.offered_until = until or request.wished_until
    if "template" not in carried and "policy" not in carried:
        return
    uid = f"urn:datahub:request:{request.id}:{store.event_count(ctx.session, request.id) + 1}"
    policy, faults = read_terms(
        uid, carried.get("template"), carried.get("parameters") or {}, carried.get("policy")
    )
    if policy is None:
        detail = "The new terms hold something the exchange cannot place; nothing was kept."
        raise UnusableTerms(detail, faults=faults)
    request.policy = to_jsonld(policy, "catalog-offer")
    request.policy_hash = policy_hash(policy)


def _counter(ctx: Context, request: AccessRequest, carried: Mapping[str, Any]) -> None:
    version = offer_version(ctx.session, request.offer_id, request.offer_version)
    assert version is not None  # noqa: S101 — versions are never deleted
    must_agree(carried["agrees_to"], {request.policy_hash, version.policy_hash})
    answers = carried.get("answers", request.answers)
    faults = permission.answer_faults(version.questions, answers)
    faults += rules.end_faults(carried.get("wished_until"), None, ctx.now, "/wishedUntil")
    purpose = permission.purpose_of(carried["purpose"]) if "purpose" in carried else request.purpose
    if "purpose" in carried and purpose is None:
        faults.append(Fault("/purpose", "not a purpose that is known here", "unknown-purpose"))
    _stop_at(faults)
    if carried["agrees_to"] == version.policy_hash:
        request.policy, request.policy_hash = version.policy, version.policy_hash
    request.agrees_to = request.policy_hash
    request.purpose = purpose
    request.answers = dict(answers)
    request.wished_until = carried.get("wished_until", request.wished_until)
    request.offered_until = None


def _stop_at(faults: list[Fault]) -> None:
    if faults:
        detail = "This move cannot be made like this; see errors."
        raise InvalidMove(detail, faults=faults)


def _due(ctx: Context, request: AccessRequest) -> datetime | None:
    if NegotiationState(request.state) not in rules.OPEN_STATES:
        return None
    version = offer_version(ctx.session, request.offer_id, request.offer_version)
    return rules.due_after(ctx.now, version.deadline_days) if version else None


def _terms(ctx: Context, request: AccessRequest, move: NegotiationMove) -> dict[str, Any]:
    """Return what lies on the table; of terms that were returned changed, also how they relate to the offer."""
    until = request.offered_until or request.wished_until
    terms: dict[str, Any] = {
        "policyHash": request.policy_hash,
        "agreesTo": request.agrees_to,
        "purpose": request.purpose,
        "validUntil": written(until) if until else None,
        "policy": request.policy,
    }
    version = offer_version(ctx.session, request.offer_id, request.offer_version)
    if move is NegotiationMove.RETURN and version is not None and request.policy_hash != version.policy_hash:
        terms["comparison"] = relation(read_policy(request.policy), read_policy(version.policy)).told()
    return terms


def _parties(request: AccessRequest) -> dict[str, str]:
    return {
        "datasetId": request.dataset_id,
        "providerId": request.provider_id,
        "consumerId": request.consumer_id,
    }
