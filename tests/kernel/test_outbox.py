"""The outbox: facts stand or fall with their verb, handlers run at least once, failures wait longer each time."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel, select

from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.outbox import KEPT, PAUSES_S, OutboxRow, announce, forget_done, work_off
from tests.build import NOON, a_context, some_settings


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = db.make_engine(database_url)
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["outbox"]])
    yield engine
    engine.dispose()


def test_a_fact_is_handled_once_and_not_again(engine: Engine, tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    seen: list[Mapping[str, Any]] = []
    with a_context(engine, settings, ANONYMOUS) as ctx:
        announce(ctx, "Happened", {"n": 1})
    handlers = {"Happened": lambda _ctx, payload: seen.append(payload)}
    assert work_off(engine, settings, handlers, NOON) == 1
    assert work_off(engine, settings, handlers, NOON) == 0
    assert seen == [{"n": 1}]


def test_a_fact_of_a_verb_that_failed_never_existed(engine: Engine, tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    with pytest.raises(RuntimeError), a_context(engine, settings, ANONYMOUS) as ctx:
        announce(ctx, "Happened", {})
        raise RuntimeError
    with db.transaction(engine) as session:
        assert session.exec(select(OutboxRow)).all() == []


def test_a_failing_handler_is_tried_again_with_growing_pauses_and_then_kept_as_dead(
    engine: Engine, tmp_path: Path
) -> None:
    settings = some_settings(tmp_path)
    calls: list[int] = []

    def fail(ctx: Context, payload: Mapping[str, Any]) -> None:
        calls.append(1)
        message = "the other side is down"
        raise RuntimeError(message)

    with a_context(engine, settings, ANONYMOUS) as ctx:
        announce(ctx, "Happened", {})
    now = NOON
    for pause in PAUSES_S:
        assert work_off(engine, settings, {"Happened": fail}, now) == 0
        assert work_off(engine, settings, {"Happened": fail}, now + timedelta(seconds=pause - 1)) == 0
        now += timedelta(seconds=pause)
    work_off(engine, settings, {"Happened": fail}, now)
    assert len(calls) == len(PAUSES_S) + 1
    work_off(engine, settings, {"Happened": fail}, now + timedelta(days=30))
    assert len(calls) == len(PAUSES_S) + 1
    with db.transaction(engine) as session:
        row = session.exec(select(OutboxRow)).one()
        assert row.is_dead
        assert "the other side is down" in str(row.last_fault)


def test_one_failing_fact_does_not_stop_the_others(engine: Engine, tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    seen: list[Any] = []
    with a_context(engine, settings, ANONYMOUS) as ctx:
        announce(ctx, "Unknown", {})
        announce(ctx, "Happened", {"n": 2})
    assert work_off(engine, settings, {"Happened": lambda _c, p: seen.append(p)}, NOON) == 1
    assert seen == [{"n": 2}]


def test_the_claim_of_a_worker_that_died_is_taken_over(engine: Engine, tmp_path: Path) -> None:
    settings = some_settings(tmp_path)
    with a_context(engine, settings, ANONYMOUS) as ctx:
        announce(ctx, "Happened", {})
        ctx.session.flush()
        ctx.session.exec(select(OutboxRow)).one().claimed_at = NOON
    handlers = {"Happened": lambda _c, _p: None}
    assert work_off(engine, settings, handlers, NOON + timedelta(minutes=1)) == 0
    assert work_off(engine, settings, handlers, NOON + timedelta(minutes=6)) == 1


def test_what_is_done_is_forgotten_after_a_while_and_what_waits_or_failed_is_not(
    engine: Engine, tmp_path: Path
) -> None:
    settings = some_settings(tmp_path)
    with a_context(engine, settings, ANONYMOUS) as ctx:
        for fact in ("Happened", "Happened", "Unknown"):
            announce(ctx, fact, {})
    assert work_off(engine, settings, {"Happened": lambda _c, _p: None}, NOON) == 2
    for now, gone in ((NOON + KEPT, 0), (NOON + KEPT + timedelta(seconds=1), 2)):
        with db.transaction(engine) as session:
            assert forget_done(Context(session, ANONYMOUS, now, "t", settings), limit=1) == min(gone, 1)
            assert forget_done(Context(session, ANONYMOUS, now, "t", settings)) == max(gone - 1, 0)
    with db.transaction(engine) as session:
        assert [row.fact for row in session.exec(select(OutboxRow)).all()] == ["Unknown"]
