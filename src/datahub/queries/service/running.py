"""From an order to its answer: open and commit, compute, settle and commit, and only then give.

Whatever happens in between, the query gets its end in the database and the log; what was computed never leaves without.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import BoundedSemaphore

import pyarrow as pa
from sqlalchemy import Engine

from datahub.audit import own_transaction
from datahub.catalog import ObjectMissing, ObjectStore, StorageFailed, storage
from datahub.consent import Admission
from datahub.kernel.clock import Clock
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import JsonValue, Refusal
from datahub.kernel.settings import Settings
from datahub.queries import clean_room, noise, sandbox
from datahub.queries.clean_room import Answered, Limits, Table
from datahub.queries.errors import (
    QueriesBusy,
    QueriesCrossed,
    QueryTooHeavy,
    ResultWithheld,
    SqlNotAllowed,
    TableNotReadable,
)
from datahub.queries.models import QueryState
from datahub.queries.rules.grammar import NotAllowedError, rewritten
from datahub.queries.service import tickets
from datahub.queries.service.tickets import Order, Ticket
from datahub.transfers import Release, Room, open_gate

WAIT_S = 10
MOST_TRIES = 3
_slots: dict[int, BoundedSemaphore] = {}


@dataclass(frozen=True)
class Desk:
    """What is needed to open transactions of one's own."""

    engine: Engine
    settings: Settings
    clock: Clock


@dataclass(frozen=True)
class Answer:
    """What may be given now: it is settled."""

    ticket: Ticket
    table: pa.Table
    is_cut: bool = False


def answer(desk: Desk, ticket: Ticket, order: Order) -> Answer:
    """Compute and settle a ticket whose transaction is committed.

    Raises InvalidQuestion, SqlNotAllowed, SqlFailed, QueryTooHeavy, ResultWithheld, QueriesCrossed, QueriesBusy,
    TableNotReadable, NoiseNotInstalled, LogUnavailable: all but the last are in the log with the query's end.
    """
    try:
        with _slot(desk.settings):
            return _sql(desk, ticket, order) if order.asked is None else _question(desk, ticket, order)
    except ResultWithheld:
        raise
    except Refusal as refusal:
        state = QueryState.STOPPED if isinstance(refusal, QueryTooHeavy) else QueryState.FAILED
        _closed(desk, ticket, state, refusal.code())
        raise _named(refusal, ticket) from refusal
    except BaseException:
        _closed(desk, ticket, QueryState.FAILED, "query-failed")
        raise


def _sql(desk: Desk, ticket: Ticket, order: Order) -> Answer:
    admission = _gates(desk, ticket)[0]
    with _transaction(desk, ticket.actor, ticket.trace_id) as ctx:
        tickets.reserve(ctx, ticket, admission)
    table = _tables(desk, ticket, [admission])[0]
    limits = limits_of(desk.settings)
    with clean_room.opened(limits, []) as connection:
        types = clean_room.sides_of(connection, [table]).main.types
    try:
        sql = rewritten(str(order.body["sql"]), types, sandbox.MOST_ROWS)
    except NotAllowedError as fault:
        detail = "This SQL may not run here; see errors."
        remedy = f"Send one SELECT over the table data, whose columns are {', '.join(types)}."
        raise SqlNotAllowed(detail, remedy=remedy, faults=fault.faults) from None
    rows = sandbox.run(limits, sql, table)
    with _transaction(desk, ticket.actor, ticket.trace_id) as ctx:
        tickets.settle(ctx, ticket, {}, rows=rows.table.num_rows, size=rows.table.nbytes)
        tickets.settle_left(ctx, ticket, admission)
    return Answer(ticket, rows.table, rows.is_cut)


def _question(desk: Desk, ticket: Ticket, order: Order) -> Answer:
    assert order.asked is not None  # noqa: S101 — the caller looked
    store = storage(desk.settings)
    for _ in range(MOST_TRIES):
        tables = _tables(desk, ticket, _gates(desk, ticket))
        limits = limits_of(desk.settings)
        found = (
            noise.ask_with_noise(limits, order.asked, tables[0])
            if tables[0].room.epsilon is not None
            else clean_room.ask(limits, order.asked, tables)
        )
        if _settled(desk, ticket, found, store):
            if found.table.num_rows == 0 and ticket.minimum > 1:
                raise _named(_withheld(ticket), ticket)
            return Answer(ticket, found.table)
        with _transaction(desk, ticket.actor, ticket.trace_id) as ctx:
            ticket = tickets.reread(ctx, ticket)
    raise QueriesCrossed("Other queries on this dataset were answered meanwhile.", remedy="Ask again.")


def _settled(desk: Desk, ticket: Ticket, found: Answered, store: ObjectStore) -> bool:
    """Store what has now been given, then settle; what was given before is of no more use."""
    keys = {place: tickets.staged_key(ticket, place) for place in found.given}
    try:
        for place, path in found.given.items():
            store.put(keys[place], path, replace=True)
    except StorageFailed as fault:
        raise TableNotReadable("What is given cannot be kept now; nothing was given.") from fault
    finally:
        for path in found.given.values():
            path.unlink(missing_ok=True)
    with _transaction(desk, ticket.actor, ticket.trace_id) as ctx:
        is_settled = tickets.settle(ctx, ticket, keys, rows=found.table.num_rows, size=found.table.nbytes)
        if not is_settled:
            ctx.session.rollback()
    old = [room.given_key for place in keys if (room := ticket.rooms[place]) and room.given_key]
    for key in old if is_settled else keys.values():
        with suppress(StorageFailed):  # a file nobody names any more does no harm
            store.delete(key)
    return is_settled


def _gates(desk: Desk, ticket: Ticket) -> list[Admission | None]:
    """Open the gate of each table. Raises ConsentChanged, TableNotReadable."""
    try:
        return [open_gate(desk, each.version, each.need, each.touched) for each in ticket.permits]
    except (ObjectMissing, StorageFailed, OSError) as fault:
        raise TableNotReadable("The stored table cannot be read now; nothing was given.") from fault


def _tables(desk: Desk, ticket: Ticket, gates: Sequence[Admission | None] | None = None) -> list[Table]:
    """Return the tables of a query; without gates they can be described, and no row of them be read."""
    store = storage(desk.settings)
    shut = [None] * len(ticket.permits)
    try:
        return [
            Table(
                store.table_source(permit.version.object_key or ""),
                [each["name"] for each in permit.version.columns or ()],
                _room_of(permit.release, permit.room),
                store.table_source(room.given_key) if room and room.given_key else None,
                gate,
            )
            for permit, room, gate in zip(ticket.permits, ticket.rooms, gates or shut, strict=True)
        ]
    except (ObjectMissing, StorageFailed) as fault:
        raise TableNotReadable("The stored table cannot be read now; nothing was given.") from fault


def _room_of(release: Release | None, room: Room) -> Room:
    """Return the room with the release the permit carries: for SQL the rows', for questions the room's own."""
    return Room(release, room.minimum, room.entity_key, room.functions, room.epsilon)


def limits_of(settings: Settings) -> Limits:
    """Return what one query may take."""
    return Limits(settings.query_memory_mb, settings.query_time_s, storage(settings).staging)


@contextmanager
def _slot(settings: Settings) -> Iterator[None]:
    slots = _slots.setdefault(settings.query_slots, BoundedSemaphore(settings.query_slots))
    if not slots.acquire(timeout=WAIT_S):
        raise QueriesBusy(
            "As many queries run as this exchange takes at once.", remedy="Ask again in a moment."
        )
    try:
        yield
    finally:
        slots.release()


@contextmanager
def _transaction(desk: Desk, actor: Actor, trace_id: str) -> Iterator[Context]:
    with own_transaction(desk.engine, desk.settings, actor, desk.clock(), trace_id) as ctx:
        yield ctx


def _closed(desk: Desk, ticket: Ticket, state: QueryState, code: str) -> None:
    with _transaction(desk, ticket.actor, ticket.trace_id) as ctx:
        tickets.close(ctx, ticket, state, code)


def _withheld(ticket: Ticket) -> ResultWithheld:
    return ResultWithheld(
        f"No group of this answer may leave: every one holds fewer than {ticket.minimum}, "
        f"or differs from earlier answers by fewer than {ticket.minimum}.",
        remedy="Ask with fewer dimensions or wider filters; a query like an earlier one gives the same groups.",
    )


def _named(refusal: Refusal, ticket: Ticket) -> Refusal:
    """Return the refusal with the query, the decision and the entry it belongs to: it is in the log already."""
    facts: Mapping[str, JsonValue] = {
        "queryId": ticket.query_id,
        "decisionId": ticket.main.decision_id,
        "entryId": ticket.main.entry_id,
        **refusal.facts,
    }
    return type(refusal)(refusal.detail, remedy=refusal.remedy, faults=refusal.faults, **facts)


def checked(desk: Desk, order: Order, ticket: Ticket) -> Mapping[str, str]:
    """Return the columns that may be asked about, after checking a question without computing it.

    Raises InvalidQuestion, TableNotReadable.
    """
    tables = _tables(desk, ticket)
    with clean_room.opened(limits_of(desk.settings), []) as connection:
        sides = clean_room.sides_of(connection, tables)
        if order.asked is not None and order.asked.measures:
            clean_room.check(connection, order.asked, sides)
        return sides.main.types
