"""Queries on the access log; lists take the actor and hold only what concerns them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Engine, String, and_, case, exists, false, func, or_, select, true
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import aliased
from sqlmodel import Session, col
from sqlmodel import select as select_rows
from sqlmodel.sql.expression import SelectOfScalar

from datahub.audit.models import OVERSEERS, Decision, Entry, Outcome
from datahub.kernel import db
from datahub.kernel.context import Actor, Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page

BATCH = 1000


@dataclass(frozen=True)
class EntryFilter:
    """Which entries are wanted; every field that is set narrows the list. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    actor_participant_id: str | None = None
    actor_client_id: str | None = None
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str | None = None
    agreement_id: str | None = None
    offer_id: str | None = None
    thing_id: str | None = None
    decision_id: str | None = None
    of_entry_id: str | None = None
    trace_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    code: str | None = None
    purpose: str | None = None

    def in_words(self) -> dict[str, str]:
        """Return only what was asked, for the log and for the cursor's seal."""
        asked = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: str(value) for name, value in asked.items() if value is not None}


def about_thing(session: Session, thing_id: str, actions: Sequence[str]) -> Sequence[Entry]:
    """Return the entries about one thing, oldest first."""
    found = (
        select_rows(Entry)
        .where(Entry.thing_id == thing_id, col(Entry.action).in_(actions))
        .order_by(col(Entry.id))
    )
    return session.exec(found).all()


def permits_without_outcome(
    session: Session, action: str, since: datetime, until: datetime, limit: int
) -> Sequence[Entry]:
    """Return permits of an action, written in [since, until), whose delivery has no recorded end; oldest first."""
    outcome = aliased(Entry)
    ends = (Outcome.FINISHED.value, Outcome.ABORTED.value)
    has_end = exists().where(col(outcome.of_entry_id) == col(Entry.id), col(outcome.outcome).in_(ends))
    found = select_rows(Entry).where(
        Entry.action == action,
        Entry.outcome == Outcome.PERMIT,
        col(Entry.at) >= since,
        col(Entry.at) < until,
        ~has_end,
    )
    return session.exec(found.order_by(col(Entry.at), col(Entry.id)).limit(limit)).all()


def entry_by_id(session: Session, entry_id: str) -> Entry | None:
    """Return an entry; the caller checks who may see it."""
    return session.get(Entry, entry_id)


def decision_by_id(session: Session, decision_id: str) -> Decision | None:
    """Return a decision; the caller checks who may see it."""
    return session.get(Decision, decision_id)


def decisions_on(
    session: Session, dataset_id: str, action: str, since: datetime, limit: int
) -> Sequence[Decision]:
    """Return the newest decisions on attempts at an action on a dataset, made at `since` or later."""
    found = (
        select_rows(Decision)
        .join(Entry, col(Entry.decision_id) == col(Decision.id))
        .where(Entry.dataset_id == dataset_id, Entry.action == action, col(Entry.at) >= since)
    )
    return session.exec(found.order_by(col(Entry.id).desc()).limit(limit)).all()


def entries_page(
    ctx: Context, actor: Actor, wanted: EntryFilter, request: PageRequest, *, is_oldest_first: bool
) -> Page[Entry]:
    """Return one page of the entries that concern the actor, in the order of writing."""
    key = SortKey(col(Entry.id), "id", is_descending=not is_oldest_first)
    return read_page(ctx, _entries(actor, wanted), [key], request)


def all_entries(
    engine: Engine, actor: Actor, wanted: EntryFilter, *, before_id: str, is_oldest_first: bool
) -> Iterator[Sequence[Entry]]:
    """Give every entry written before `before_id`, in batches, each in a short transaction of its own."""
    last: str | None = None
    order = col(Entry.id).asc() if is_oldest_first else col(Entry.id).desc()
    found = _entries(actor, wanted).where(col(Entry.id) < before_id).order_by(order).limit(BATCH)
    while True:
        here = found
        if last is not None:
            here = found.where(col(Entry.id) > last if is_oldest_first else col(Entry.id) < last)
        with db.transaction(engine, is_read=True) as session:
            batch = session.exec(here).all()
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        last = batch[-1].id


def _entries(actor: Actor, wanted: EntryFilter) -> SelectOfScalar[Entry]:
    return select_rows(Entry).where(*conditions(actor, wanted))


def conditions(actor: Actor, wanted: EntryFilter) -> list[ColumnElement[bool]]:
    """Return what an entry must be: wanted, and the actor's to see."""
    conditions = [_visible(actor)]
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is None:
            continue
        if field.name == "since":
            conditions.append(col(Entry.at) >= value)
        elif field.name == "until":
            conditions.append(col(Entry.at) < value)
        elif field.name == "actor_participant_id":
            conditions.append(_acted(value))
        else:
            conditions.append(col(getattr(Entry, field.name)) == value)
    return conditions


def _visible(actor: Actor) -> ColumnElement[bool]:
    if actor.oversees(*OVERSEERS):
        return true()
    if actor.participant_id is None:
        return false()
    own = actor.participant_id
    return or_(col(Entry.provider_id) == own, col(Entry.consumer_id) == own, _acted_alone(own))


def _acted(participant_id: str) -> ColumnElement[bool]:
    """Return the condition that an organisation acted, in the two parts that an index each finds."""
    as_consumer = and_(
        col(Entry.consumer_id) == participant_id, col(Entry.actor_participant_id) == participant_id
    )
    return or_(as_consumer, _acted_alone(participant_id))


def _acted_alone(participant_id: str) -> ColumnElement[bool]:
    """Return the condition that an organisation acted and was not the consumer: what its index holds."""
    other = col(Entry.actor_participant_id).is_distinct_from(col(Entry.consumer_id))
    return and_(col(Entry.actor_participant_id) == participant_id, other)


# The day is the first ten characters of the instant in UTC, on both databases (PostgreSQL's session is set to UTC).
_GROUP_COLUMNS: dict[str, ColumnElement[str]] = {
    "dataset": cast("ColumnElement[str]", col(Entry.dataset_id)),
    "provider": cast("ColumnElement[str]", col(Entry.provider_id)),
    "consumer": cast("ColumnElement[str]", col(Entry.consumer_id)),
    "agreement": cast("ColumnElement[str]", col(Entry.agreement_id)),
    "purpose": cast("ColumnElement[str]", col(Entry.purpose)),
    "day": func.substr(sql_cast(col(Entry.at), String), 1, 10),
}


def statistics_page(
    ctx: Context, actor: Actor, wanted: EntryFilter, group_by: Sequence[str], request: PageRequest
) -> Page[Any]:
    """Return counts of decisions and deliveries per group; rows have the groupings and the counts as attributes."""
    groups = [func.coalesce(_GROUP_COLUMNS[name], "").label(name) for name in group_by]
    counted = (
        select(
            *groups,
            *(_count(outcome).label(name) for name, outcome in _COUNTS.items()),
            func.coalesce(func.sum(col(Entry.rows)), 0).label("rows"),
            func.coalesce(func.sum(col(Entry.bytes)), 0).label("bytes"),
        )
        .where(*conditions(actor, wanted), col(Entry.action).startswith("data."))
        .where(col(Entry.outcome).in_(_COUNTS.values()))  # a token that was granted is not yet a read
        .group_by(*groups)
    ).subquery()
    keys = [SortKey(counted.c[name], name) for name in group_by]
    return read_page(ctx, cast("SelectOfScalar[Any]", select(counted)), keys, request)


_COUNTS = {
    "permitted": Outcome.PERMIT.value,
    "denied": Outcome.DENY.value,
    "finished": Outcome.FINISHED.value,
    "aborted": Outcome.ABORTED.value,
}


def _count(outcome: str) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((col(Entry.outcome) == outcome, 1), else_=0)), 0)
