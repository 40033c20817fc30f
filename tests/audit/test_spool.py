"""SQLite's spool in a file of its own: what one transaction held together before is still neither lost nor there twice."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlmodel import SQLModel

from datahub import migrations
from datahub.audit import (
    Journal,
    Outcome,
    entry_values,
    erasure,
    line_of,
    rounds,
    self_audit,
    sequencer,
    spool,
)
from datahub.audit.unrolling import unroll
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.oauth import use_up
from datahub.oauth.replay import use_of
from tests.build import NOON, a_context, some_settings


@pytest.fixture
def engine(migrated_sqlite_url: str) -> Iterator[Engine]:
    engine = db.make_engine(migrated_sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(migrated_sqlite_url: str, tmp_path: Path) -> Settings:
    return some_settings(tmp_path, migrated_sqlite_url)


@pytest.fixture
def journal(engine: Engine) -> Iterator[Journal]:
    journal = Journal(engine)
    yield journal
    journal.close()


def a_line(journal: Journal) -> str:
    row = entry_values(Actor(client_id="c"), system_clock(), "t" * 32, "data.read", outcome=Outcome.PERMIT)
    journal.write(line_of(row))
    return str(row["id"])


def count(engine: Engine, table: str) -> int:
    with db.transaction(engine, is_read=True) as session:
        return int(session.execute(text(f"select count(*) from {table}")).scalar_one())


def is_whole(engine: Engine, settings: Settings, told: list[str]) -> None:
    """Hold what the log has against what was acknowledged."""
    sequencer.work(engine, settings, system_clock)
    with db.transaction(engine, is_read=True) as session:
        entries = sorted(session.execute(text("select id from log_entry")).scalars())
        placed = sorted(session.execute(text("select entry_id from log_leaf")).scalars())
    assert entries == placed == sorted(told)
    assert (count(engine, "log_spool"), count(engine, "log_unrolled")) == (0, 0)
    assert self_audit.audit_log(engine, settings, system_clock()) is None


KILLED = """
import os, sys
from pathlib import Path
from datahub.audit import sequencer, spool
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from tests.build import some_settings
sweep = spool.sweep
spool.sweep = lambda engine, ids=None: sweep(engine) if ids is None else os.kill(os.getpid(), 9)
sequencer.work(db.make_engine(sys.argv[2]), some_settings(Path(sys.argv[1]), sys.argv[2]), system_clock)
"""


def left_in_the_spool(engine: Engine, settings: Settings) -> None:
    """Let a sequencer be killed after its round is committed, and before its rows have left the spool."""
    words = [sys.executable, "-c", KILLED, str(settings.home), str(settings.database_url)]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert done.returncode == -9
    assert count(engine, "log_spool") > 0


def test_a_kill_between_the_two_files_loses_nothing_and_doubles_nothing(
    engine: Engine, settings: Settings, journal: Journal
) -> None:
    told = [a_line(journal) for _ in range(3)]
    left_in_the_spool(engine, settings)
    assert count(engine, "log_leaf") == 3
    told.append(a_line(journal))
    with db.transaction(engine) as session:
        assert unroll(session) == 1
    is_whole(engine, settings, told)


def test_what_was_erased_does_not_come_back_from_the_spool(
    engine: Engine, settings: Settings, journal: Journal
) -> None:
    gone = a_line(journal)
    left_in_the_spool(engine, settings)
    admin = Actor(client_id="a", participant_id=new_id(), roles=frozenset({"admin"}), is_exchange=True)
    with a_context(engine, settings, admin, NOON) as ctx:
        erasure.erase_record(ctx, gone, "a court said so")
    sequencer.work(engine, settings, system_clock)
    with db.transaction(engine) as session:
        assert unroll(session) == 0
        assert list(session.execute(text("select action from log_entry")).scalars()) == ["log.erase"]
    assert (count(engine, "log_spool"), count(engine, "log_leaf")) == (0, 2)


def test_a_round_that_a_reader_was_quicker_than_changes_nothing(
    engine: Engine, settings: Settings, journal: Journal
) -> None:
    told = [a_line(journal)]
    is_whole(engine, settings, told)
    told.append(a_line(journal))
    made = rounds.make(engine, settings)
    assert made is not None
    with db.transaction(engine) as session:
        assert unroll(session) == 1
    assert rounds.save(engine, made, NOON) == 0
    assert count(engine, "log_leaf") == 1
    is_whole(engine, settings, told)


def test_readers_see_what_was_acknowledged_while_others_unroll_too(
    engine: Engine, settings: Settings, journal: Journal
) -> None:
    told = [a_line(journal)]
    is_whole(engine, settings, told)
    is_over = threading.Event()

    def until_over(unroll: Callable[[], int]) -> None:
        while not is_over.is_set():
            unroll()

    def read(_: int) -> list[str]:
        mine = []
        for _ in range(20):
            mine.append(a_line(journal))
            with db.transaction(engine) as session:
                unroll(session)
                found = session.execute(text("select 1 from log_entry where id = :id"), {"id": mine[-1]})
                assert found.first() is not None
        return mine

    with ThreadPoolExecutor(5) as threads:
        sequencers = [
            threads.submit(until_over, lambda: sequencer.work(engine, settings, system_clock)),
            threads.submit(until_over, lambda: sequencer.integrate(engine, settings, system_clock())),
        ]
        try:
            told += [each for mine in threads.map(read, range(3)) for each in mine]
        finally:
            is_over.set()
        for each in sequencers:
            each.result()
    is_whole(engine, settings, told)


def test_the_journal_waits_for_no_round_but_for_whoever_may_move_the_epoch(
    engine: Engine, journal: Journal
) -> None:
    with db.transaction(engine, is_late=True) as session:  # as a round does
        session.execute(text("update epoch set value = value"))
        assert journal.write(line_of(entry_values(Actor(client_id="c"), NOON, "t", "data.read"))) == 1
    with ThreadPoolExecutor(1) as threads:
        with db.transaction(engine) as session:
            session.execute(text("select 1"))  # it begins, and has the locks
            line = line_of(entry_values(Actor(client_id="c"), NOON, "t", "data.read"))
            late = threads.submit(journal.write, line)
            threading.Event().wait(0.1)
            assert not late.done()
            db.bump_epoch(session, db.AUTHORITY)
        assert late.result() == 2


def test_only_rows_whose_entries_are_there_can_be_taken_off(engine: Engine, journal: Journal) -> None:
    a_line(journal)
    with db.transaction(engine) as session:
        driver: Any = session.connection().connection.driver_connection
        spool.remove(driver, list(session.execute(text("select id from log_spool")).scalars()))
    file = sqlite3.connect(f"{engine.url.database}{db.SPOOL_SUFFIX}")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        file.execute("delete from log_spool")  # whoever comes by another program
    file.close()
    assert count(engine, "log_spool") == 1


def test_the_files_tables_are_the_models(engine: Engine) -> None:
    for name in migrations.TABLES:
        import_module(name)
    found = inspect(engine)
    spooled = [each for each in SQLModel.metadata.sorted_tables if each.info.get("is_spooled")]
    assert {each.name for each in spooled} == set(migrations.spool.MOVED)
    for table in spooled:
        assert table.name not in found.get_table_names()
        there = {
            each["name"]: (str(each["type"]), each["nullable"])
            for each in found.get_columns(table.name, "spool")
        }
        dialect = engine.dialect
        assert there == {each.name: (each.type.compile(dialect), each.nullable) for each in table.columns}
        assert found.get_pk_constraint(table.name, "spool")["constrained_columns"] == [
            each.name for each in table.primary_key
        ]
        assert {each["name"] for each in found.get_indexes(table.name, "spool")} == {
            each.name for each in table.indexes
        }


def test_an_upgrade_loses_no_row_of_the_spool(sqlite_url: str, tmp_path: Path) -> None:
    engine = db.make_engine(sqlite_url)
    with engine.begin() as connection:
        command.upgrade(migrations._config(connection), "0021")
    journal, used = Journal(engine), use_of("dpop", "owner", "once", int(NOON.timestamp()))
    told = [a_line(journal)]
    journal.close()
    with db.transaction(engine) as session:
        assert use_up(session, [used])
        assert session.execute(text("select count(*) from main.log_spool")).scalar_one() == 1
    for _ in range(2):
        migrations.upgrade(engine)
    with db.transaction(engine) as session:
        assert not use_up(session, [used])
    is_whole(engine, some_settings(tmp_path, sqlite_url), told)
    engine.dispose()


def test_a_lost_file_is_made_anew(migrated_sqlite_url: str) -> None:
    Path(f"{migrated_sqlite_url.removeprefix('sqlite:///')}{db.SPOOL_SUFFIX}").unlink()
    engine = db.make_engine(migrated_sqlite_url)
    migrations.upgrade(engine)
    journal = Journal(engine)
    a_line(journal)
    journal.close()
    assert count(engine, "log_spool") == 1
    engine.dispose()


def test_the_write_ahead_log_begins_anew_once_it_is_long_unless_somebody_reads(
    engine: Engine, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time something is left that could not yet be carried over: without a restart it would never begin anew."""

    class Meanwhile:
        def __init__(self, driver: Any) -> None:
            self._driver = driver

        def execute(self, statement: str) -> list[Any]:
            found = list(self._driver.execute(statement))
            if "passive" in statement:
                reader.rollback()
            return found

    @contextmanager
    def lent(engine: Engine) -> Iterator[Any]:
        with driver_of(engine) as driver:
            yield Meanwhile(driver)

    driver_of = spool._driver
    monkeypatch.setattr(spool, "_driver", lent)
    monkeypatch.setattr(spool, "_LONG", 0)
    file = Path(f"{engine.url.database}{db.SPOOL_SUFFIX}-wal")
    reader = sqlite3.connect(f"{engine.url.database}{db.SPOOL_SUFFIX}", isolation_level=None)

    def grown(lines: int = 30) -> int:
        for _ in range(lines):
            a_line(journal)
        reader.execute("begin")
        reader.execute("select count(*) from log_spool").fetchall()
        a_line(journal)
        spool.carry_over(engine)
        return file.stat().st_size

    first = grown()
    assert grown(20) == first
    with db.transaction(engine, is_read=True) as session:
        session.execute(text("select count(*) from log_spool"))
        assert grown(60) > first
        a_line(journal)  # what reads keeps nobody from writing
    before = grown()
    assert grown(20) == before
    reader.close()
