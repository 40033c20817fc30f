"""The journal: what it says is durable is in the log, what it cannot write is refused, and it never blocks a loop."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from datahub.audit import (
    About,
    Decision,
    Entry,
    Journal,
    LogUnavailable,
    Outcome,
    UsedBefore,
    entry_values,
    line_of,
)
from datahub.audit.models import Pending
from datahub.audit.unrolling import unroll
from datahub.kernel import db
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from tests.build import NOON

ACTOR = Actor(client_id="a-client", participant_id=new_id())


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = db.make_engine(migrated_url)
    yield engine
    engine.dispose()


@pytest.fixture
def journal(engine: Engine) -> Iterator[Journal]:
    journal = Journal(engine)
    yield journal
    journal.close()


def a_row(**about: Any) -> dict[str, Any]:
    return entry_values(
        ACTOR,
        NOON,
        "t" * 32,
        "data.read",
        About(**about),
        outcome=Outcome.PERMIT,
    )


def a_decision() -> Decision:
    return Decision(
        id=new_id(),
        at=NOON,
        is_permit=True,
        code="ok",
        dataset_id=new_id(),
        facts={"purpose": "dpv:Research"},
        for_requester={"nl": "ja"},
        for_provider={"en": "yes"},
    )


def test_what_is_written_reads_back_as_what_record_writes(engine: Engine, journal: Journal) -> None:
    decision = a_decision()
    row = a_row(columns=["a", "b"], details={"é": [1, None]}, decision_id=decision.id, rows=3)

    assert journal.write(line_of(row, decision)) == 1

    with db.transaction(engine) as session:
        assert unroll(session) == 1
        assert unroll(session) == 0
        entry = session.get_one(Entry, row["id"])
        assert (entry.at, entry.columns, entry.details, entry.rows) == (NOON, ["a", "b"], {"é": [1, None]}, 3)
        assert entry.provider_id is None
        assert entry.subjects is None
        assert session.get_one(Decision, decision.id).facts == decision.facts
        assert [p.entry_ids for p in session.exec(select(Pending))] == [entry.id]
        wrong = "select count(*) from log_entry where subjects is null and details is not null"
        assert session.execute(text(wrong)).scalar() == 1


def test_the_epoch_comes_from_the_very_transaction(engine: Engine, journal: Journal) -> None:
    assert journal.write(line_of(a_row())) == 1
    with db.transaction(engine) as session:
        db.bump_epoch(session, db.AUTHORITY)
    assert journal.write(line_of(a_row())) == 2


def test_calls_on_a_loop_and_in_threads_share_commits_and_all_are_in_the_log(
    engine: Engine, journal: Journal
) -> None:
    rows = [a_row() for _ in range(400)]

    async def on_the_loop() -> list[int]:
        return await asyncio.gather(*(journal.written(line_of(row)) for row in rows[:200]))

    with ThreadPoolExecutor(20) as threads:
        in_threads = [threads.submit(journal.write, line_of(row)) for row in rows[200:]]
        assert asyncio.run(on_the_loop()) == [1] * 200
        assert [each.result() for each in in_threads] == [1] * 200

    with db.transaction(engine) as session:
        unroll(session)
        assert set(session.exec(select(Entry.id))) == {row["id"] for row in rows}
        batches = [each.split() for each in session.exec(select(Pending.entry_ids))]
    assert sorted(each for batch in batches for each in batch) == sorted(str(row["id"]) for row in rows)
    assert len(batches) < 200


def test_what_the_log_cannot_hold_has_no_form(journal: Journal) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        journal.write(line_of(a_row(purpose="x" * 301)))


def test_a_line_of_another_epoch_or_used_before_is_not_written(engine: Engine) -> None:
    used = set[str]()

    def use_up(_: Any, groups: Sequence[Sequence[str]]) -> list[bool]:
        outcomes = []
        for uses in groups:
            outcomes.append(used.isdisjoint(uses))
            used.update(uses if outcomes[-1] else ())
        return outcomes

    journal = Journal(engine, use_up)

    async def together() -> list[Any]:
        calls = [
            journal.written(line_of(a_row(rows=1)), 1),
            journal.written(line_of(a_row(rows=2)), 7),
            journal.written(line_of(a_row(rows=3)), 1, ["proof"]),
            journal.written(line_of(a_row(rows=4)), 1, ["proof"]),
            journal.written(line_of(a_row(rows=5)), 7, ["another"]),
            journal.written(line_of(a_row(rows=6))),
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(together())
    assert [answers[at] for at in (0, 1, 2, 4, 5)] == [1] * 5
    assert isinstance(answers[3], UsedBefore)
    with pytest.raises(UsedBefore):
        journal.write(line_of(a_row(rows=7)), 1, ["proof"])
    journal.close()
    with db.transaction(engine) as session:
        unroll(session)
        assert sorted(row or 0 for row in session.exec(select(Entry.rows))) == [1, 3, 6]
    assert used == {"proof"}


def test_the_spool_keeps_its_rows_until_their_entries_are_there(engine: Engine, journal: Journal) -> None:
    journal.write(line_of(a_row()))
    for change in ("update log_spool set lines = lines", "delete from log_spool"):
        with pytest.raises(DBAPIError, match="append-only"), db.transaction(engine) as session:
            session.execute(text(change))


def test_a_full_queue_refuses_at_once(engine: Engine) -> None:
    journal = Journal(engine, capacity=2)

    async def many() -> list[object]:
        calls = (journal.written(line_of(a_row())) for _ in range(3000))
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(many())
    journal.close()
    refused = [each for each in answers if isinstance(each, LogUnavailable)]
    assert refused
    assert refused[0].facts["retryAfter"] == 1
    with db.transaction(engine) as session:
        unroll(session)
        assert len(session.exec(select(Entry.id)).all()) == len(answers) - len(refused)


def test_a_closed_journal_has_written_what_waited_and_takes_no_more(engine: Engine) -> None:
    journal = Journal(engine)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(journal.write, line_of(a_row())) for _ in range(8)]
        assert [each.result() for each in waiting] == [1] * 8
    journal.close()
    with pytest.raises(LogUnavailable):
        journal.write(line_of(a_row()))


def test_a_lag_that_cannot_be_known_ends_no_journal(engine: Engine, journal: Journal) -> None:
    """The journal asks how far the tree is behind after a commit, when its callers have their answer already."""
    with db.transaction(engine) as session:
        session.execute(text("alter table log_pending rename to log_gone"))
    assert [journal.write(line_of(a_row())) for _ in range(2)] == [1, 1]
    with db.transaction(engine) as session:
        session.execute(text("alter table log_gone rename to log_pending"))


def test_a_lost_connection_is_an_answer_and_the_next_call_opens_another(
    engine: Engine, journal: Journal
) -> None:
    journal.write(line_of(a_row()))
    if engine.dialect.name == "sqlite":
        with db.transaction(engine) as session:
            session.execute(text("alter table log_spool rename to log_gone"))
        with pytest.raises(LogUnavailable):
            journal.write(line_of(a_row()))
        with db.transaction(engine) as session:
            session.execute(text("alter table log_gone rename to log_spool"))
    else:
        with db.transaction(engine) as session:
            end = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            session.execute(text(f"{end} and datname = current_database()"))
        with pytest.raises(LogUnavailable):
            journal.write(line_of(a_row()))
    assert journal.write(line_of(a_row())) == 1
