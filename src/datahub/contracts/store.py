"""Queries on access requests, their steps and comments, and agreements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from datahub.contracts.models import (
    AccessRequest,
    Agreement,
    AgreementState,
    NegotiationEvent,
    NegotiationState,
    RequestComment,
)
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants import Participant, ParticipantState, Role

_OPEN = (NegotiationState.REQUESTED, NegotiationState.OFFERED)
_ALIVE = (AgreementState.ACTIVE, AgreementState.SUSPENDED)


Side = Literal["consumer", "provider"]


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; everything given must hold. `role` is the side the actor is on."""

    state: str | None = None
    dataset_id: str | None = None
    role: Side | None = None


def request_by_id(session: Session, request_id: str) -> AccessRequest | None:
    """Return an access request; the caller checks who may see it."""
    return session.get(AccessRequest, request_id) if is_id(request_id) else None


def request_for_change(session: Session, request_id: str) -> AccessRequest:
    """Return a known access request, locked until the transaction ends, as it is now in the database."""
    found = select(AccessRequest).where(AccessRequest.id == request_id).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).one()


def requests_page(ctx: Context, actor: Actor, request: PageRequest, filters: Filters) -> Page[AccessRequest]:
    """Return the access requests the actor may see, newest first; overdue means terminated by the clock of the call."""
    consumer, provider = col(AccessRequest.consumer_id), col(AccessRequest.provider_id)
    found = select(AccessRequest)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        found = found.where(or_(consumer == actor.participant_id, provider == actor.participant_id))
    if filters.role is not None:
        side = {"consumer": consumer, "provider": provider}[filters.role]
        found = found.where(side == actor.participant_id)
    state, due = col(AccessRequest.state), col(AccessRequest.due_at)
    if filters.state == NegotiationState.TERMINATED:
        found = found.where(or_(state == filters.state, state.in_(_OPEN) & (due <= ctx.now)))
    elif filters.state in _OPEN:
        found = found.where(state == filters.state, due > ctx.now)
    elif filters.state is not None:
        found = found.where(state == filters.state)
    if filters.dataset_id is not None:
        found = found.where(AccessRequest.dataset_id == filters.dataset_id)
    return read_page(ctx, found, [SortKey(col(AccessRequest.id), "id", is_descending=True)], request)


def events_of(session: Session, request_id: str) -> Sequence[NegotiationEvent]:
    """Return the steps of a negotiation, first to last."""
    found = select(NegotiationEvent).where(NegotiationEvent.request_id == request_id)
    return session.exec(found.order_by(col(NegotiationEvent.number))).all()


def event_count(session: Session, request_id: str) -> int:
    """Return how many steps a negotiation has had."""
    found = (
        select(func.count()).select_from(NegotiationEvent).where(NegotiationEvent.request_id == request_id)
    )
    return session.exec(found).one()


def comments_of(session: Session, request_id: str) -> Sequence[RequestComment]:
    """Return what both sides said about a request, oldest first."""
    found = select(RequestComment).where(RequestComment.request_id == request_id)
    return session.exec(found.order_by(col(RequestComment.id))).all()


def overdue_requests(session: Session, now: datetime, limit: int) -> Sequence[AccessRequest]:
    """Return open requests whose deadline has passed, locked, passing over those somebody is changing."""
    found = select(AccessRequest).where(col(AccessRequest.state).in_(_OPEN), col(AccessRequest.due_at) <= now)
    found = found.order_by(col(AccessRequest.due_at)).limit(limit).with_for_update(skip_locked=True)
    return session.exec(found.execution_options(populate_existing=True)).all()


def agreement_by_id(session: Session, agreement_id: str) -> Agreement | None:
    """Return an agreement; the caller checks who may see it."""
    return session.get(Agreement, agreement_id) if is_id(agreement_id) else None


def successor_of(session: Session, agreement: Agreement) -> Agreement | None:
    """Return the newest agreement that replaced this one."""
    found = select(Agreement).where(Agreement.supersedes_id == agreement.id)
    return session.exec(found.order_by(col(Agreement.id).desc())).first()


def line_of(session: Session, agreement_id: str) -> Sequence[Agreement]:
    """Return an agreement and all that replaced it, oldest first: one relation, however often it was renewed."""
    found: list[Agreement] = []
    at = agreement_by_id(session, agreement_id)
    while at is not None:
        found.append(at)
        at = successor_of(session, at)
    return found


def agreement_of(session: Session, request_id: str) -> Agreement | None:
    """Return the agreement a request ended in, if it did."""
    return session.exec(select(Agreement).where(Agreement.request_id == request_id)).first()


def agreements_of(session: Session, request_ids: Sequence[str]) -> dict[str, Agreement]:
    """Return the agreements that requests ended in, by the request's id."""
    found = select(Agreement).where(col(Agreement.request_id).in_(request_ids))
    return {agreement.request_id: agreement for agreement in session.exec(found)}


def agreement_for_change(session: Session, agreement_id: str) -> Agreement:
    """Return a known agreement, locked until the transaction ends, as it is now in the database."""
    found = select(Agreement).where(Agreement.id == agreement_id).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).one()


def agreements_page(ctx: Context, actor: Actor, request: PageRequest, filters: Filters) -> Page[Agreement]:
    """Return the agreements the actor may see, newest first; expired means expired by the clock of the call."""
    consumer, provider = col(Agreement.consumer_id), col(Agreement.provider_id)
    found = select(Agreement)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        found = found.where(or_(consumer == actor.participant_id, provider == actor.participant_id))
    if filters.role is not None:
        side = {"consumer": consumer, "provider": provider}[filters.role]
        found = found.where(side == actor.participant_id)
    if filters.dataset_id is not None:
        found = found.where(Agreement.dataset_id == filters.dataset_id)
    state, until = col(Agreement.state), col(Agreement.valid_until)
    if filters.state == AgreementState.EXPIRED:
        found = found.where(or_(state == AgreementState.EXPIRED, state.in_(_ALIVE) & (until <= ctx.now)))
    elif filters.state in _ALIVE:
        found = found.where(state == filters.state, or_(until.is_(None), until > ctx.now))
    elif filters.state is not None:
        found = found.where(state == filters.state)
    return read_page(ctx, found, [SortKey(col(Agreement.id), "id", is_descending=True)], request)


def active_agreements(session: Session, consumer_id: str, dataset_id: str) -> Sequence[Agreement]:
    """Return the agreements of a consumer on a dataset that nobody has ended or suspended, newest first."""
    found = select(Agreement).where(
        Agreement.consumer_id == consumer_id,
        Agreement.dataset_id == dataset_id,
        Agreement.state == AgreementState.ACTIVE,
    )
    return session.exec(found.order_by(col(Agreement.id).desc())).all()


def agreements_past_end(session: Session, now: datetime, limit: int) -> Sequence[Agreement]:
    """Return agreements whose validity has ended but whose row does not say so, locked."""
    found = select(Agreement).where(col(Agreement.state).in_(_ALIVE), col(Agreement.valid_until) <= now)
    found = found.order_by(col(Agreement.valid_until)).limit(limit).with_for_update(skip_locked=True)
    return session.exec(found.execution_options(populate_existing=True)).all()


def holders_of(session: Session, dataset_id: str) -> Sequence[str]:
    """Return the organisations that hold an agreement on a dataset which may still come to life."""
    found = select(Agreement.consumer_id).where(
        Agreement.dataset_id == dataset_id, col(Agreement.state).in_(_ALIVE)
    )
    return session.exec(found.distinct()).all()


def living_agreements(session: Session, offer_id: str, limit: int) -> Sequence[Agreement]:
    """Return the agreements made under an offer that may still be used, newest first."""
    found = select(Agreement).where(Agreement.offer_id == offer_id, col(Agreement.state).in_(_ALIVE))
    return session.exec(found.order_by(col(Agreement.id).desc()).limit(limit)).all()


def purposes_seen(session: Session, dataset_id: str) -> Sequence[str | None]:
    """Return the purposes for which anybody has ever asked for a dataset."""
    return session.exec(
        select(AccessRequest.purpose).where(AccessRequest.dataset_id == dataset_id).distinct()
    ).all()


def who_might_ask(session: Session, provider_id: str, limit: int) -> Sequence[Participant]:
    """Return admitted organisations other than the provider, oldest first."""
    found = select(Participant).where(
        Participant.state == ParticipantState.ADMITTED, Participant.id != provider_id
    )
    return session.exec(found.order_by(col(Participant.id)).limit(limit)).all()
