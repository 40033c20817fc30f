"""Statements on queries and on what has been given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import is_id, new_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants import Role
from datahub.queries.models import COUNTED, Query, QueryRoom, QueryState


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; everything given must hold."""

    dataset_id: str | None = None
    agreement_id: str | None = None
    state: str | None = None
    kind: str | None = None


def queries_page(ctx: Context, actor: Actor, request: PageRequest, filters: Filters) -> Page[Query]:
    """Return the queries by, or on data of, the actor's organisation, newest first."""
    found = select(Query)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        sides = (Query.consumer_id, Query.provider_id, Query.joined_provider_id)
        found = found.where(or_(*(col(side) == actor.participant_id for side in sides)))
    for column, wanted in (
        (Query.dataset_id, filters.dataset_id),
        (Query.agreement_id, filters.agreement_id),
        (Query.state, filters.state),
        (Query.kind, filters.kind),
    ):
        if wanted is not None:
            found = found.where(col(column) == wanted)
    return read_page(ctx, found, [SortKey(col(Query.id), "id", is_descending=True)], request)


def query_by_id(session: Session, query_id: str) -> Query | None:
    """Return a query; the caller checks who may see it."""
    return session.get(Query, query_id) if is_id(query_id) else None


def counted(session: Session, agreement_id: str, since: datetime | None) -> tuple[int, int]:
    """Return how many queries of an agreement count since then, and what they may spend on noise, in millionths."""
    found = select(func.count(), func.coalesce(func.sum(col(Query.epsilon_micro)), 0)).where(
        Query.agreement_id == agreement_id, col(Query.state).in_(COUNTED)
    )
    if since is not None:
        found = found.where(col(Query.at) > since)
    number, spent = session.exec(found).one()
    return int(number), int(spent or 0)


def room_for_change(
    session: Session, consumer_id: str, dataset_id: str, columns: Sequence[str], now: datetime
) -> QueryRoom:
    """Return what the consumer has been given of a dataset, locked until the transaction ends; made when missing."""
    found = (
        select(QueryRoom)
        .where(QueryRoom.consumer_id == consumer_id, QueryRoom.dataset_id == dataset_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    room = session.exec(found).first()
    if room is not None:
        return room
    try:
        with session.begin_nested():
            made = QueryRoom(
                id=new_id(),
                consumer_id=consumer_id,
                dataset_id=dataset_id,
                columns=list(columns),
                opened_at=now,
            )
            session.add(made)
    except IntegrityError:  # another transaction made it meanwhile
        return session.exec(found).one()
    return made


def left_running(session: Session, before: datetime, limit: int) -> Sequence[Query]:
    """Return queries that have been running since before then: their process died."""
    found = select(Query).where(Query.state == QueryState.RUNNING, col(Query.at) < before)
    return session.exec(found.order_by(col(Query.id)).limit(limit).with_for_update(skip_locked=True)).all()
