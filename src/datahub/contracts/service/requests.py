"""The verbs on access requests: ask, approve, return, counter, accept, reject, withdraw, comment, expire.

Each request is one negotiation of the Dataspace Protocol; every step is kept with who, when, why and on which terms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datahub.audit import record
from datahub.catalog import (
    DatasetState,
    Offer,
    OfferState,
    OfferVersion,
    dataset_by_id,
    offer_by_id,
    offer_version,
)
from datahub.contracts import store
from datahub.contracts.errors import (
    AccessRequestNotFound,
    InvalidAccessRequest,
    OfferNotOpen,
    PartyNotActive,
    PolicyForbids,
    RequestMoveNotAllowed,
)
from datahub.contracts.models import (
    AccessRequest,
    Agreement,
    AgreementState,
    NegotiationEvent,
    NegotiationMove,
    NegotiationState,
    RequestComment,
)
from datahub.contracts.rules import agreements as agreement_rules
from datahub.contracts.rules import negotiation as rules
from datahub.contracts.rules import permission
from datahub.contracts.service import steps
from datahub.contracts.service.upstream import upstream_holds
from datahub.contracts.store import Filters
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.paging import Page, PageRequest
from datahub.participants import ParticipantState, Role, identifiers_of, participant_by_id
from datahub.policy import Facts, Policy, decide, read_policy


@dataclass(frozen=True)
class Wishes:
    """What a consumer asks for, and the policy it says yes to (`agrees_to`, the offer's policy hash)."""

    agrees_to: str
    purpose: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    wished_until: datetime | None = None
    supersedes_id: str | None = None
    comment: str | None = None


def request_access(ctx: Context, offer_id: str, wishes: Wishes) -> AccessRequest:
    """Ask for access to a dataset under an offer; approved at once where the offer's own rule says so.

    Raises RequestMoveNotAllowed (not a requester), InvalidAccessRequest (all faults at once), OfferNotOpen,
    TermsHaveChanged, PolicyForbids (the policy could never permit this; nobody is asked), PartyNotActive.
    """
    consumer_id = _requester(ctx)
    offer, version = _open_offer(ctx, offer_id, consumer_id)
    steps.must_agree(wishes.agrees_to, {version.policy_hash})
    faults = permission.answer_faults(version.questions, wishes.answers)
    faults += rules.end_faults(wishes.wished_until, None, ctx.now, "/wishedUntil")
    purpose, more = _purpose(wishes.purpose)
    faults += more + _superseding(ctx, wishes.supersedes_id, consumer_id, offer.dataset_id)
    if faults:
        detail = "The request cannot be right; see errors."
        raise InvalidAccessRequest(detail, faults=faults)
    request = AccessRequest(
        id=new_id(),
        dataset_id=offer.dataset_id,
        offer_id=offer.id,
        offer_version=version.number,
        provider_id=offer.provider_id,
        consumer_id=consumer_id,
        state=NegotiationState.REQUESTED,
        last_move=NegotiationMove.REQUEST,
        purpose=purpose,
        answers=dict(wishes.answers),
        wished_until=wishes.wished_until,
        policy=version.policy,
        policy_hash=version.policy_hash,
        agrees_to=wishes.agrees_to,
        supersedes_id=wishes.supersedes_id,
        created_at=ctx.now,
        changed_at=ctx.now,
        due_at=rules.due_after(ctx.now, version.deadline_days),
    )
    must_be_permissible(ctx, request)
    ctx.session.add(request)
    ctx.session.flush()
    steps.take(ctx, request, None, NegotiationMove.REQUEST, wishes.comment)
    if (
        version.automatic is not None
        and decide(read_policy(version.automatic), _facts(ctx, request, is_now=True)).permit
    ):
        steps.approve_by_rule(ctx, request)
    return request


def get_request(ctx: Context, request_id: str) -> AccessRequest:
    """Return an access request the actor may see. Raises AccessRequestNotFound."""
    request = store.request_by_id(ctx.session, request_id)
    if request is None or not rules.may_see(ctx.actor, request):
        detail = "No access request with this id."
        raise AccessRequestNotFound(detail)
    return request


def list_requests(ctx: Context, request: PageRequest, filters: Filters) -> Page[AccessRequest]:
    """Return the requests of and to the actor's organisation, newest first; all for who oversees the exchange."""
    return store.requests_page(ctx, ctx.actor, request, filters)


def move_request(
    ctx: Context, request_id: str, move: NegotiationMove, carried: Mapping[str, Any]
) -> AccessRequest:
    """Approve, return, reject, counter, accept or withdraw a request. `carried`: only what was sent with the move.

    Raises AccessRequestNotFound, RequestMoveNotAllowed, RequestMoveNotPossible, InvalidMove, TermsHaveChanged,
    PolicyNotUsable (new terms), PolicyForbids, PartyNotActive, OfferNotOpen (the dataset was withdrawn).
    """
    request = store.request_for_change(ctx.session, get_request(ctx, request_id).id)
    rules.decide_move(ctx.actor, request, move, ctx.now)
    steps.must_carry(move, carried)
    before = NegotiationState(request.state)
    steps.change_terms(ctx, request, move, carried)
    if move in (NegotiationMove.APPROVE, NegotiationMove.ACCEPT, NegotiationMove.COUNTER):
        must_be_permissible(ctx, request)
    steps.take(ctx, request, before, move, carried.get("reason"))
    return request


def comment_on(ctx: Context, request_id: str, text: str) -> RequestComment:
    """Say something to the other side about a request. Raises AccessRequestNotFound, RequestMoveNotAllowed."""
    request = get_request(ctx, request_id)
    if rules.party_of(ctx.actor, request) is None or not ctx.actor.has_role(Role.REQUESTER, Role.APPROVER):
        detail = "Only the two organisations of a request comment on it."
        raise RequestMoveNotAllowed(detail, roles=[Role.APPROVER, Role.REQUESTER])
    comment = RequestComment(
        id=new_id(),
        request_id=request.id,
        at=ctx.now,
        by_participant_id=ctx.actor.participant_id,
        by_client_id=ctx.actor.client_id,
        by_person_id=ctx.actor.person_id,
        text=text,
    )
    ctx.session.add(comment)
    record(ctx, "access-request.comment", steps.about(request, {"commentId": comment.id}))
    return comment


def expire_requests(ctx: Context, limit: int) -> int:
    """End requests nobody answered in time; return how many. Running it again changes nothing."""
    overdue = store.overdue_requests(ctx.session, ctx.now, limit)
    for request in overdue:
        steps.take(
            ctx, request, NegotiationState(request.state), NegotiationMove.EXPIRE, "not answered in time"
        )
    return len(overdue)


def must_be_permissible(ctx: Context, request: AccessRequest) -> None:
    """Stop a request that the policy on the table could never permit. Raises PolicyForbids, PartyNotActive, OfferNotOpen."""
    for participant_id in (request.provider_id, request.consumer_id):
        participant = participant_by_id(ctx.session, participant_id)
        if participant is None or participant.state != ParticipantState.ADMITTED:
            detail = "Both organisations must be admitted participants."
            raise PartyNotActive(detail, participantId=participant_id)
    dataset = dataset_by_id(ctx.session, request.dataset_id)
    if dataset is None or dataset.state == DatasetState.WITHDRAWN:
        raise OfferNotOpen("The dataset has been withdrawn; nobody can be given it any more.")
    if not upstream_holds(ctx.session, dataset.id, ctx.now):
        raise OfferNotOpen("The agreement under which the provider obtained this data is not in force.")
    policy: Policy = read_policy(request.policy)
    facts = _facts(ctx, request)
    if permission.could_permit(policy, facts):
        return
    decision = permission.would_help(policy, facts)
    raise PolicyForbids(
        decision.explanation("en"),
        remedy="Change what wouldPermit names, or ask the provider for another offer.",
        datasetId=request.dataset_id,
        offerId=request.offer_id,
        providerId=request.provider_id,
        decision=permission.explained(decision),
    )


def steps_of(ctx: Context, request_id: str) -> Sequence[NegotiationEvent]:
    """Return the steps of a negotiation, first to last. Raises AccessRequestNotFound."""
    return store.events_of(ctx.session, get_request(ctx, request_id).id)


def agreements_of(ctx: Context, requests: Sequence[AccessRequest]) -> Mapping[str, Agreement]:
    """Return the agreements that requests ended in, by the request's id."""
    return store.agreements_of(ctx.session, [request.id for request in requests])


def comments_of(ctx: Context, request_id: str) -> Sequence[RequestComment]:
    """Return what both sides said about a request, oldest first. Raises AccessRequestNotFound."""
    return store.comments_of(ctx.session, get_request(ctx, request_id).id)


def _requester(ctx: Context) -> str:
    if ctx.actor.participant_id is None or not ctx.actor.has_role(Role.REQUESTER):
        detail = "Only somebody with the role requester asks for access."
        raise RequestMoveNotAllowed(detail, roles=[Role.REQUESTER])
    return ctx.actor.participant_id


def _open_offer(ctx: Context, offer_id: str, consumer_id: str) -> tuple[Offer, OfferVersion]:
    offer = offer_by_id(ctx.session, offer_id)
    version = offer_version(ctx.session, offer.id, offer.version) if offer else None
    dataset = dataset_by_id(ctx.session, offer.dataset_id) if offer else None
    is_hidden = offer is None or offer.state == OfferState.DRAFT
    if (
        offer is None
        or version is None
        or dataset is None
        or is_hidden
        or dataset.state == DatasetState.DRAFT
    ):
        detail = "No such offer."
        raise InvalidAccessRequest(detail, faults=[Fault("/offerId", "no offer with this id", "not-found")])
    if offer.provider_id == consumer_id:
        detail = "An organisation does not ask itself for access."
        raise InvalidAccessRequest(
            detail, faults=[Fault("/offerId", "an offer of your own organisation", "own-offer")]
        )
    if offer.state != OfferState.OPEN or dataset.state == DatasetState.WITHDRAWN:
        raise OfferNotOpen("This offer takes no requests now.", state=offer.state, datasetState=dataset.state)
    return offer, version


def _purpose(text: str | None) -> tuple[str | None, list[Fault]]:
    if text is None:
        return None, []
    purpose = permission.purpose_of(text)
    fault = Fault(
        "/purpose", "not a purpose of the Data Privacy Vocabulary that is known here", "unknown-purpose"
    )
    return purpose, [] if purpose else [fault]


def _superseding(ctx: Context, agreement_id: str | None, consumer_id: str, dataset_id: str) -> list[Fault]:
    if agreement_id is None:
        return []
    agreement = store.agreement_by_id(ctx.session, agreement_id)
    if agreement is None or agreement.consumer_id != consumer_id or agreement.dataset_id != dataset_id:
        return [Fault("/supersedes", "not an agreement of yours on this dataset", "not-found")]
    if agreement_rules.state_at(agreement, ctx.now) in (AgreementState.ENDED, AgreementState.REVOKED):
        return [Fault("/supersedes", "has ended already; ask anew", "ended")]
    return []


def _facts(ctx: Context, request: AccessRequest, *, is_now: bool = False) -> Facts:
    """Return what is known; `is_now` adds who asks, which says nothing about who will fetch later."""
    consumer = participant_by_id(ctx.session, request.consumer_id)
    assert consumer is not None  # noqa: S101 — a foreign key holds it
    identifiers = identifiers_of(ctx, [consumer.id])[consumer.id]
    now = {"roles": sorted(ctx.actor.roles), "agreed": True} if is_now else {}
    return permission.facts_of(consumer, identifiers, request.purpose, now=ctx.now, **now)
