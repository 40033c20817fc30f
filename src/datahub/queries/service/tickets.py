"""A query's life in the database: opened before anything is computed, settled before anything leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from datahub.audit import Outcome, record
from datahub.catalog import find_dataset
from datahub.consent import Admission
from datahub.consent import settle as settle_people
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.queries import store
from datahub.queries.errors import DatasetColumnsChanged, InvalidQuestion, QueryBudgetSpent
from datahub.queries.models import Query, QueryKind, QueryRoom, QueryState
from datahub.queries.rules.compiling import used
from datahub.queries.rules.questions import Asked
from datahub.transfers import (
    ANSWER,
    QUERY,
    READ,
    DataNotFound,
    QueryPermit,
    Question,
    ReadDenial,
    authorise_query,
    reserve_leaving,
)

DAY = timedelta(days=1)
MICRO = 1_000_000


@dataclass(frozen=True)
class Order:
    """What a caller wants: of which dataset and version, under which agreement, and the body as it came."""

    dataset: str
    body: Mapping[str, Any]
    version: int | None = None
    agreement_id: str | None = None
    asked: Asked | None = None
    """None: SQL."""


@dataclass(frozen=True)
class Ticket:
    """A query that is in the log and counted, and may be computed once the transaction is committed."""

    query_id: str
    actor: Actor
    trace_id: str
    permits: Sequence[QueryPermit]
    rooms: Sequence[QueryRoom | None]

    @property
    def main(self) -> QueryPermit:
        """Return the permit on the dataset that was asked."""
        return self.permits[0]

    @property
    def minimum(self) -> int:
        """Return how many identities a group must have."""
        return max(permit.room.minimum for permit in self.permits)


def authorise(ctx: Context, order: Order, details: Mapping[str, Any]) -> Sequence[QueryPermit] | ReadDenial:
    """Decide on every dataset of a query, each with the other as what it is joined with. Raises DataNotFound."""
    join = order.asked.join if order.asked else None
    action = READ if order.asked is None else QUERY
    main = Question(
        order.dataset,
        order.version,
        order.agreement_id,
        action,
        _names(ctx, join.dataset if join else None),
        _touched(order, is_joined=False),
        details,
    )
    first = authorise_query(ctx, main)
    if isinstance(first, ReadDenial) or join is None:
        return first if isinstance(first, ReadDenial) else [first]
    joined_with = _names(ctx, first.dataset.id)
    touched = _touched(order, is_joined=True)
    second = authorise_query(
        ctx, Question(join.dataset, None, join.agreement_id, action, joined_with, touched, details)
    )
    if isinstance(second, ReadDenial):
        return second
    if second.dataset.id == first.dataset.id:
        fault = Fault("/join/dataset", "name another dataset than the one that is asked", "join-with-itself")
        raise InvalidQuestion("A dataset is not joined with itself.", faults=[fault])
    return [first, second]


def _touched(order: Order, *, is_joined: bool) -> frozenset[str] | None:
    """Return the columns a query is about; None: SQL, which may be about all of them."""
    if order.asked is None:
        return None
    join = order.asked.join
    key = frozenset[str]() if join is None else frozenset({join.right if is_joined else join.left})
    return used(order.asked, is_joined=is_joined) | key


def open_query(ctx: Context, order: Order) -> Ticket | ReadDenial:
    """Decide, record, count and keep one query, in the caller's transaction.

    Raises DataNotFound, InvalidQuestion, QueryBudgetSpent, DatasetColumnsChanged; then nothing is written here.
    """
    kind = QueryKind.SQL if order.asked is None else QueryKind.QUESTION
    query_id = new_id()
    permits = authorise(ctx, order, {"query": query_id, "kind": kind.value})
    if isinstance(permits, ReadDenial):
        return permits
    rooms = [_room(ctx, permit) for permit in permits]
    epsilon = order.asked.epsilon if order.asked else None
    for permit in permits:
        _must_be_left(ctx, permit, epsilon)
    main = permits[0]
    joined = permits[1] if len(permits) > 1 else None
    ctx.session.add(
        Query(
            id=query_id,
            at=ctx.now,
            kind=kind.value,
            state=QueryState.RUNNING.value,
            dataset_id=main.dataset.id,
            dataset_version=main.version.number,
            agreement_id=main.agreement.id if main.agreement else None,
            provider_id=main.dataset.provider_id,
            consumer_id=ctx.actor.participant_id,
            by_client_id=ctx.actor.client_id,
            purpose=main.about.purpose,
            asked=dict(order.body),
            epsilon_micro=int(epsilon * MICRO) if epsilon is not None and main.room.epsilon else None,
            joined_dataset_id=joined.dataset.id if joined else None,
            joined_agreement_id=joined.agreement.id if joined and joined.agreement else None,
            joined_provider_id=joined.dataset.provider_id if joined else None,
            decision_id=main.decision_id,
            entry_id=main.entry_id,
        )
    )
    ctx.session.flush()
    return Ticket(query_id, ctx.actor, ctx.trace_id, permits, rooms)


def settle(ctx: Context, ticket: Ticket, given: Mapping[int, str], *, rows: int, size: int) -> bool:
    """Record the answer and what it gave, or return False when other answers were given meanwhile: compute again.

    `given` maps the place of a table to the key of the file of what has now been given of it.
    """
    for place, key in given.items():
        room = _same_room(ctx, ticket, place)
        if room is None:
            return False
        room.given_key, room.revision = key, room.revision + 1
        ctx.session.add(room)
    state = QueryState.ANSWERED if rows or ticket.minimum == 1 else QueryState.WITHHELD
    code = "ok" if state is QueryState.ANSWERED else "result-withheld"
    _end(ctx, ticket, state, code, rows=rows, size=size)
    return True


def reserve(ctx: Context, ticket: Ticket, admission: Admission | None) -> None:
    """Write down, before SQL sees a row, whose rows it could give."""
    reserve_leaving(ctx, ticket.main.entry_id, ticket.main.agreement, admission)


def settle_left(ctx: Context, ticket: Ticket, admission: Admission | None) -> None:
    """Write down whose rows SQL saw: what an answer says of whom is not looked into, so it may say something of each."""
    if admission is not None:
        settle_people(ctx, ticket.main.entry_id, admission.left)


def close(ctx: Context, ticket: Ticket, state: QueryState, code: str) -> None:
    """Record that a query ended without an answer."""
    _end(ctx, ticket, state, code, rows=0, size=0)


def _end(ctx: Context, ticket: Ticket, state: QueryState, code: str, *, rows: int, size: int) -> None:
    query = store.query_by_id(ctx.session, ticket.query_id)
    assert query is not None  # noqa: S101 — it was committed before anything was computed
    query.state, query.code, query.rows, query.bytes, query.ended_at = state.value, code, rows, size, ctx.now
    ctx.session.add(query)
    outcome = Outcome.FINISHED if state is QueryState.ANSWERED else Outcome.ABORTED
    for permit in ticket.permits:
        about = replace(permit.about, of_entry_id=permit.entry_id, rows=rows, bytes=size)
        record(ctx, ANSWER, about, outcome=outcome, code=code)


def _same_room(ctx: Context, ticket: Ticket, place: int) -> QueryRoom | None:
    before = ticket.rooms[place]
    assert before is not None  # noqa: S101 — something is given only where there is a room
    now = store.room_for_change(ctx.session, before.consumer_id, before.dataset_id, before.columns, ctx.now)
    return now if now.revision == before.revision else None


def reread(ctx: Context, ticket: Ticket) -> Ticket:
    """Return the ticket with what has been given as it stands now."""
    return replace(ticket, rooms=[_room(ctx, permit) for permit in ticket.permits])


def _room(ctx: Context, permit: QueryPermit) -> QueryRoom | None:
    """Return what has been given of a results-only dataset without noise, as a value apart from the session."""
    consumer_id = ctx.actor.participant_id
    if not permit.room.is_results_only or consumer_id is None:
        return None
    columns = [f"{each['name']} {each['type']}" for each in permit.version.columns or ()]
    room = store.room_for_change(ctx.session, consumer_id, permit.dataset.id, columns, ctx.now)
    if permit.room.epsilon is not None:
        return None  # it was locked for the budget; noise needs no memory of what was given
    if room.given_key is None:
        room.columns = columns
    elif room.columns != columns:
        raise DatasetColumnsChanged(
            "The dataset has other columns than when you first asked, so answers cannot be compared.",
            remedy="Name an earlier version in your query, or ask the provider for another dataset.",
            datasetId=permit.dataset.id,
        )
    return QueryRoom(**room.model_dump())


def _must_be_left(ctx: Context, permit: QueryPermit, epsilon: Decimal | None) -> None:
    """Refuse what the agreement's budget no longer holds; the room is locked, or two would take the last one."""
    if not permit.room.is_results_only or permit.agreement is None:
        return
    left = budget(ctx, permit)
    facts: dict[str, Any] = {"agreementId": permit.agreement.id, "datasetId": permit.dataset.id}
    if left.queries < 1:
        raise QueryBudgetSpent(
            f"This agreement answers {ctx.settings.queries_per_day} queries in 24 hours, and has.",
            remedy="Ask again later; GET /v1/datasets/{id}/queries/allowed tells what is left.",
            reason="queries",
            **facts,
        )
    if left.epsilon is not None and epsilon is not None and epsilon > left.epsilon:
        raise QueryBudgetSpent(
            f"This agreement has {left.epsilon} of its epsilon left, and the query asks {epsilon}.",
            remedy="Ask with less epsilon, or ask the provider for a new agreement.",
            reason="epsilon",
            **facts,
        )


@dataclass(frozen=True)
class Budget:
    """What is left to an agreement: queries in the 24 hours before now, and epsilon for good (None: no noise)."""

    queries: int
    epsilon: Decimal | None


def budget(ctx: Context, permit: QueryPermit) -> Budget:
    """Return what is left to the agreement of a permit."""
    if permit.agreement is None:
        return Budget(ctx.settings.queries_per_day, None)
    number, _ = store.counted(ctx.session, permit.agreement.id, ctx.now - DAY)
    _, spent = store.counted(ctx.session, permit.agreement.id, None)
    total = permit.room.epsilon
    return Budget(
        max(0, ctx.settings.queries_per_day - number),
        None if total is None else max(Decimal(0), total - Decimal(spent) / MICRO),
    )


def _names(ctx: Context, reference: str | None) -> frozenset[str]:
    """Return every name by which a policy can mean the other dataset; none for a query on its own."""
    if reference is None:
        return frozenset()
    dataset = find_dataset(ctx.session, reference)
    if dataset is None:
        raise DataNotFound("No dataset with this id.")
    base = ctx.settings.base_url
    return frozenset({dataset.id, f"urn:uuid:{dataset.id}", f"{base}/v1/datasets/{dataset.id}"})


def staged_key(ticket: Ticket, place: int) -> str:
    """Return the key for the file of what has now been given of a table: its own, so that nobody's is replaced."""
    room = ticket.rooms[place]
    assert room is not None  # noqa: S101 — as above
    return f"{GIVEN_FOLDER}/{room.id}/{ticket.query_id}.parquet"


GIVEN_FOLDER = "given"
