"""The database: instants keep their zone, a failing commit is a failing call, SQLite is durable and waits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, text
from sqlalchemy.exc import OperationalError, StatementError
from sqlmodel import Field, SQLModel, select
from starlette.testclient import TestClient

from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.rest import Door, Envelope, allow_anyone, install
from tests.build import NOON, some_settings


class Moment(SQLModel, table=True):
    """A table of this test's own."""

    __tablename__ = "moment"
    id: int = Field(sa_column=Column(Integer, primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))


class Parent(SQLModel, table=True):
    """A table of this test's own."""

    __tablename__ = "test_parent"
    id: int = Field(sa_column=Column(Integer, primary_key=True))


class Child(SQLModel, table=True):
    """Refers to its parent by a constraint that is judged only at commit."""

    __tablename__ = "test_child"
    id: int = Field(sa_column=Column(Integer, primary_key=True))
    name: str = Field(sa_column=Column(String(10), nullable=False))
    parent_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("test_parent.id", deferrable=True, initially="DEFERRED"), nullable=False
        )
    )


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = db.make_engine(database_url)
    tables = [SQLModel.metadata.tables[name] for name in ("moment", "test_parent", "test_child")]
    SQLModel.metadata.create_all(engine, tables=tables)
    yield engine
    engine.dispose()


def test_an_instant_comes_back_in_utc_whatever_its_zone(engine: Engine) -> None:
    with db.transaction(engine) as session:
        session.add(Moment(id=1, at=datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))))
    with db.transaction(engine) as session:
        at = session.exec(select(Moment)).one().at
        assert at == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
        assert at.utcoffset() == timedelta(0)


def test_a_naive_instant_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="naive instant"), db.transaction(engine) as session:
        session.add(Moment(id=1, at=datetime(2026, 7, 1, 14, 0)))  # noqa: DTZ001 — the point of the test
        session.flush()


def test_a_failing_commit_is_a_failing_call(engine: Engine, tmp_path: Path) -> None:
    """FastAPI's default scope would commit after the response, and the client would have seen 201."""
    app = FastAPI()

    @app.post("/children", status_code=201)
    def make(ctx: Annotated[Context, allow_anyone()]) -> dict[str, int]:
        ctx.session.add(Child(id=1, name="x", parent_id=99))
        ctx.session.flush()
        return {"id": 1}

    install(app)
    app.state.door = Door(
        settings=some_settings(tmp_path),
        engine=engine,
        clock=lambda: NOON,
        authenticate=lambda _ctx, _token: ANONYMOUS,
        on_refusal=lambda _request, _refusal: {},
        methods_of=lambda _path: (),
    )
    client = TestClient(Envelope(app, "1.0.0"), raise_server_exceptions=False)
    answer = client.post("/children")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["api-version"] == "1.0.0"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "parent" not in answer.text
    with db.transaction(engine) as session:
        assert session.exec(select(Child)).all() == []


def test_sqlite_keeps_what_it_acknowledged(sqlite_url: str) -> None:
    engine = db.make_engine(sqlite_url)
    with engine.connect() as connection:
        for file in ("main", "spool"):
            assert connection.execute(text(f"PRAGMA {file}.journal_mode")).scalar() == "wal"
            assert connection.execute(text(f"PRAGMA {file}.synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_two_writers_wait_for_each_other(engine: Engine) -> None:
    def write(start: int) -> None:
        for i in range(start, start + 20):
            with db.transaction(engine) as session:
                count = len(session.exec(select(Moment.id)).all())  # read, then write: upgrades a lock
                session.add(Moment(id=i, at=NOON + timedelta(seconds=count)))

    threads = [Thread(target=write, args=(n * 100,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.transaction(engine) as session:
        assert len(session.exec(select(Moment.id)).all()) == 80


@pytest.mark.parametrize("file", ["main", "spool"])
def test_a_lock_of_sqlite_is_one_files_and_is_not_waited_for_without_end(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    engine = db.make_engine(sqlite_url)
    holder, other = (engine.raw_connection() for _ in range(2))
    held: Any = holder.driver_connection
    looks: Any = other.driver_connection
    held.execute("begin")
    db.take_lock(held, file)
    looks.execute("begin")
    db.take_lock(looks, {"main": "spool", "spool": "main"}[file])
    looks.execute("rollback")
    with pytest.raises(OperationalError, match="locked"), engine.begin():
        pass
    held.execute("rollback")
    with engine.begin() as connection:
        connection.execute(text("create table whatever (id integer)"))
    for each in (holder, other):
        each.close()
    engine.dispose()
