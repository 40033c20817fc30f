"""The verbs on agreements: conclude, read, suspend, resume, end, revoke, expire. Ended means ended, at the next read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from datahub.audit import About, Entry, history, record
from datahub.catalog import dataset_by_id
from datahub.contracts import store
from datahub.contracts.errors import AgreementNotFound
from datahub.contracts.models import AccessRequest, Agreement, AgreementState
from datahub.contracts.rules import agreements as rules
from datahub.contracts.rules.agreements import AgreementMove, Covenant, Standing
from datahub.contracts.rules.comparison import relation
from datahub.contracts.rules.permission import purpose_words
from datahub.contracts.service.upstream import standing_of
from datahub.contracts.store import Filters
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.oauth import revoke_for_agreement, sign_text
from datahub.participants import participant_by_id, the_exchange
from datahub.policy import Kind, read_policy, render, to_jsonld

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
SIGNATURE_TYPE = "agreement+jws"

# What the worker and the doors above are told, by move.
MOVE_FACTS: Mapping[AgreementMove, str] = {
    AgreementMove.SUSPEND: "AgreementSuspended",
    AgreementMove.RESUME: "AgreementResumed",
    AgreementMove.END: "AgreementEnded",
    AgreementMove.REVOKE: "AgreementRevoked",
    AgreementMove.EXPIRE: "AgreementExpired",
    AgreementMove.SUPERSEDE: "AgreementSuperseded",
}
_LIFE = ("agreement.conclude", *(f"agreement.{move}" for move in AgreementMove))


def conclude(ctx: Context, request: AccessRequest, valid_until: datetime | None) -> Agreement:
    """Freeze what both sides said yes to: the policy and its words by hash, signed by the exchange.

    An agreement that the request replaces ends in the same transaction.
    """
    replaced = (
        store.agreement_for_change(ctx.session, request.supersedes_id) if request.supersedes_id else None
    )
    agreement = Agreement(
        id=new_id(),
        request_id=request.id,
        dataset_id=request.dataset_id,
        offer_id=request.offer_id,
        offer_version=request.offer_version,
        provider_id=request.provider_id,
        consumer_id=request.consumer_id,
        purpose=request.purpose,
        policy=request.policy,
        policy_hash=request.policy_hash,
        valid_from=_whole_second(ctx.now),
        valid_until=valid_until,
        state=AgreementState.ACTIVE,
        supersedes_id=request.supersedes_id,
        created_at=ctx.now,
        **_words(ctx, request, valid_until),
        signature="",
    )
    agreement.changes = _changes(replaced, agreement) if replaced else None
    agreement.signature = sign_text(ctx, rules.canonical(rules.statement(agreement)), SIGNATURE_TYPE)
    ctx.session.add(agreement)
    ctx.session.flush()
    record(ctx, "agreement.conclude", about(agreement, {"to": agreement.state, "requestId": request.id}))
    announce(ctx, "AgreementConcluded", _fact(agreement))
    if replaced and rules.state_at(replaced, ctx.now) in (AgreementState.ACTIVE, AgreementState.SUSPENDED):
        _change(ctx, replaced, AgreementMove.SUPERSEDE, AgreementState.ENDED, f"replaced by {agreement.id}")
    return agreement


def get_agreement(ctx: Context, agreement_id: str) -> Agreement:
    """Return an agreement the actor may see. Raises AgreementNotFound."""
    agreement = store.agreement_by_id(ctx.session, agreement_id)
    if agreement is None or not rules.may_see(ctx.actor, agreement):
        detail = "No agreement with this id."
        raise AgreementNotFound(detail)
    return agreement


def list_agreements(ctx: Context, request: PageRequest, filters: Filters) -> Page[Agreement]:
    """Return the agreements of the actor's organisation, newest first; all of them for who oversees the exchange."""
    return store.agreements_page(ctx, ctx.actor, request, filters)


def move_agreement(ctx: Context, agreement_id: str, move: AgreementMove, reason: str | None) -> Agreement:
    """Suspend, resume, end or revoke an agreement; its tokens die in the same transaction when it stops.

    Raises AgreementNotFound, AgreementMoveNotAllowed, AgreementMoveNotPossible, InvalidMove.
    """
    agreement = store.agreement_for_change(ctx.session, get_agreement(ctx, agreement_id).id)
    after = rules.decide_move(ctx.actor, agreement, move, reason, ctx.now)
    _change(ctx, agreement, move, after, reason)
    return agreement


def hold_agreement(ctx: Context, agreement_id: str, reason: str) -> int | None:
    """Suspend an agreement for a duty that was not kept, as the exchange; the caller keeps watch over the duty.

    Returns the revision the agreement is held at, which `release_agreement` asks for; None when there was nothing to
    suspend: it is suspended already, or over.
    """
    agreement = store.agreement_for_change(ctx.session, agreement_id)
    if rules.state_at(agreement, ctx.now) is not AgreementState.ACTIVE:
        return None
    exchange = the_exchange(ctx.session)
    _change(
        ctx,
        agreement,
        AgreementMove.SUSPEND,
        AgreementState.SUSPENDED,
        reason,
        by_id=exchange.id if exchange else None,
    )
    return agreement.revision


def release_agreement(ctx: Context, agreement_id: str, revision: int, reason: str) -> bool:
    """Resume an agreement that is still held as `hold_agreement` left it; tell whether it was.

    Whoever changed it since, suspended or ended it for a reason of their own, and that stays.
    """
    agreement = store.agreement_for_change(ctx.session, agreement_id)
    is_held = rules.state_at(agreement, ctx.now) is AgreementState.SUSPENDED
    if not is_held or agreement.revision != revision:
        return False
    _change(ctx, agreement, AgreementMove.RESUME, AgreementState.ACTIVE, reason)
    return True


def agreement_history(ctx: Context, agreement_id: str) -> Sequence[Entry]:
    """Return the moves of an agreement's life, oldest first. Raises AgreementNotFound."""
    return history(ctx, get_agreement(ctx, agreement_id).id, _LIFE)


def expire_agreements(ctx: Context, limit: int) -> int:
    """Write down that agreements have passed their end; return how many. Running it again changes nothing."""
    due = store.agreements_past_end(ctx.session, ctx.now, limit)
    for agreement in due:
        _change(ctx, agreement, AgreementMove.EXPIRE, AgreementState.EXPIRED, None)
    return len(due)


def linked(agreement: Agreement) -> dict[str, Any]:
    """Return the agreement as an ODRL Agreement (DSP 2025-1 §4): target, both parties, and when it was agreed."""
    policy = replace(
        read_policy(agreement.policy),
        uid=f"urn:uuid:{agreement.id}",
        kind=Kind.AGREEMENT,
        target=f"urn:uuid:{agreement.dataset_id}",
        assigner=f"urn:uuid:{agreement.provider_id}",
        assignee=f"urn:uuid:{agreement.consumer_id}",
        timestamp=agreement.valid_from,
    )
    return {"@context": [CONTEXT], **to_jsonld(policy, "agreement")}


def agreements_in_force(
    session: Session, consumer_id: str, dataset_id: str, now: datetime
) -> list[Agreement]:
    """Return the agreements under which a consumer may use a dataset now, newest first."""
    active = store.active_agreements(session, consumer_id, dataset_id)
    return [each for each in active if standing_of(session, each, now) is Standing.IN_FORCE]


def about(agreement: Agreement, details: Mapping[str, Any]) -> About:
    """Return what an entry about an agreement says; both sides find it in their log."""
    return About(
        thing_id=agreement.id,
        provider_id=agreement.provider_id,
        consumer_id=agreement.consumer_id,
        dataset_id=agreement.dataset_id,
        agreement_id=agreement.id,
        offer_id=agreement.offer_id,
        offer_version=agreement.offer_version,
        policy_hash=agreement.policy_hash,
        purpose=agreement.purpose,
        details=details,
    )


def _change(
    ctx: Context,
    agreement: Agreement,
    move: AgreementMove,
    after: AgreementState,
    reason: str | None,
    *,
    by_id: str | None = None,
) -> None:
    before = agreement.state
    agreement.state = after
    suspended_by = by_id or ctx.actor.participant_id
    agreement.suspended_by_id = suspended_by if after is AgreementState.SUSPENDED else None
    agreement.revision += 1
    if after in rules.STOPS:
        revoke_for_agreement(ctx, agreement.id)
    details = {"move": move.value, "from": before, "to": after.value, "reason": reason}
    record(ctx, f"agreement.{move}", about(agreement, details))
    announce(ctx, MOVE_FACTS[move], _fact(agreement) | details)


def _changes(replaced: Agreement, agreement: Agreement) -> list[dict[str, Any]]:
    """Return what differs, and of other policies, with proof, whether the new one grants anything beyond the old."""
    found = rules.changes_between(replaced, agreement)
    if replaced.policy_hash != agreement.policy_hash:
        compared = relation(read_policy(agreement.policy), read_policy(replaced.policy))
        found.append({"term": "comparison", **compared.told()})
    return found


def _words(ctx: Context, request: AccessRequest, valid_until: datetime | None) -> dict[str, Any]:
    provider = participant_by_id(ctx.session, request.provider_id)
    consumer = participant_by_id(ctx.session, request.consumer_id)
    dataset = dataset_by_id(ctx.session, request.dataset_id)
    policy = read_policy(request.policy)
    titles = {"nl": dataset.title_nl, "en": dataset.title_en} if dataset else {}
    covenant = Covenant(
        provider=provider.name if provider else request.provider_id,
        consumer=consumer.name if consumer else request.consumer_id,
        dataset={lang: title for lang, title in titles.items() if title},
        purpose=purpose_words(request.purpose),
        valid_from=_whole_second(ctx.now),
        valid_until=valid_until,
        policy_text={"nl": render(policy, "nl"), "en": render(policy, "en")},
    )
    text = {lang: rules.words_of(covenant, lang) for lang in ("nl", "en")}
    return {
        "text_nl": text["nl"],
        "text_en": text["en"],
        "text_nl_hash": rules.sha256_of(text["nl"]),
        "text_en_hash": rules.sha256_of(text["en"]),
    }


def _whole_second(instant: datetime) -> datetime:
    """Return an instant as people read it; an agreement then begins at the moment its words say."""
    return instant.replace(microsecond=0)


def _fact(agreement: Agreement) -> dict[str, Any]:
    return {
        "agreementId": agreement.id,
        "requestId": agreement.request_id,
        "datasetId": agreement.dataset_id,
        "providerId": agreement.provider_id,
        "consumerId": agreement.consumer_id,
    }
