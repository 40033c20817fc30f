"""Crash drills: whatever is killed under load, no acknowledged entry is lost, none is there twice, the log verifies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from datahub.audit import self_audit, sequencer
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from tests.build import some_settings
from tests.conftest import migrate
from tests.postgres import DURABLE, postgres_server

# One process: callers on a journal that write down what was acknowledged, or the sequencer.
PROGRAM = """
import os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from datahub.audit import Journal, LogUnavailable, Outcome, entry_values, line_of, run_sequencer
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from datahub.kernel.context import Actor
from tests.build import some_settings

role, home, url = sys.argv[1:4]
if role == "sequencer":
    run_sequencer(some_settings(Path(home), url), threading.Event(), system_clock)
journal = Journal(db.make_engine(url))
acked = os.open(sys.argv[4], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def calls(_):
    while True:
        row = entry_values(Actor(client_id="drill"), system_clock(), "t" * 32, "data.read", outcome=Outcome.PERMIT)
        try:
            journal.write(line_of(row))
        except LogUnavailable:
            continue
        os.write(acked, row["id"].encode() + b"\\n")

with ThreadPoolExecutor(8) as threads:
    list(threads.map(calls, range(8)))
"""


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def has_grown(file: Path, by: int = 40) -> None:
    """Wait until more was acknowledged."""
    start = file.stat().st_size if file.exists() else 0
    while not file.exists() or file.stat().st_size < start + by * 37:
        time.sleep(0.02)


def is_all_there(home: Path, url: str, acked: list[Path]) -> int:
    """Hold the log against what was acknowledged; return how much that was."""
    engine, settings = db.make_engine(url), some_settings(home, url)
    sequencer.check_at_boot(engine, settings)
    sequencer.work(engine, settings, system_clock)
    assert self_audit.audit_log(engine, settings, system_clock()) is None
    told = [
        line for file in acked if file.exists() for line in file.read_text().splitlines() if len(line) == 36
    ]
    with engine.connect() as connection:
        placed = connection.execute(text("select entry_id, leaf_index from log_leaf")).all()
        size = connection.execute(text("select size from log_head")).scalar_one()
        entries = connection.execute(text("select count(*) from log_entry")).scalar_one()
    engine.dispose()
    assert set(told) <= {each.entry_id for each in placed}
    assert sorted(each.leaf_index for each in placed) == list(range(size))
    assert entries == size
    return len(told)


def size_of(engine: Engine) -> int:
    """Return how many entries are in the tree."""
    with engine.connect() as connection:
        found = connection.execute(text("select coalesce(max(size), 0) from log_head"))
        return int(found.scalar_one())


def drill(home: Path, url: str, kills: int) -> int:
    """Kill in turn the sequencer, all three, a worker and the other, each under load and while the tree grows."""
    acked = [home / "acked.0", home / "acked.1"]
    engine = db.make_engine(url)
    done = 0
    while done < kills:
        size = size_of(engine)
        with (
            running("worker", str(home), url, str(acked[0])) as one,
            running("worker", str(home), url, str(acked[1])) as two,
            running("sequencer", str(home), url) as three,
        ):
            for file in acked:
                has_grown(file)
            while size_of(engine) == size:
                time.sleep(0.02)
            for child in ((three,), (one, two, three), (one,), (two,))[done % 4]:
                child.kill()
        done += 1
    engine.dispose()
    return is_all_there(home, url, acked)


def test_a_killed_process_loses_no_acknowledged_entry(migrated_sqlite_url: str, tmp_path: Path) -> None:
    assert drill(tmp_path, migrated_sqlite_url, 2) > 100


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_25_kills_on_sqlite(migrated_sqlite_url: str, tmp_path: Path) -> None:
    print("acknowledged, and all there:", drill(tmp_path, migrated_sqlite_url, 25))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_25_kills_on_postgresql(tmp_path: Path) -> None:
    with postgres_server(DURABLE) as server:
        url = server.url(server.create_database())
        migrate(url)
        print("acknowledged, and all there:", drill(tmp_path, url, 25))


def stop_at_once(home: Path, stops: int, by: int) -> int:
    """Stop PostgreSQL under load, at once and without a word, and start it again; return what was acknowledged."""
    with postgres_server(DURABLE) as server:
        url = server.url(server.create_database())
        migrate(url)
        acked = [home / "acked.0", home / "acked.1"]
        with (
            running("worker", str(home), url, str(acked[0])),
            running("worker", str(home), url, str(acked[1])),
            running("sequencer", str(home), url),
        ):
            for _ in range(stops):
                for file in acked:
                    has_grown(file, by)
                server.kill()
                server.start()
            for file in acked:  # they find their way back by themselves
                has_grown(file, by)
        return is_all_there(home, url, acked)


def test_an_immediate_stop_of_postgresql_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    assert stop_at_once(tmp_path, 1, 40) > 100


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_3_immediate_stops_of_postgresql(tmp_path: Path) -> None:
    print("acknowledged, and all there:", stop_at_once(tmp_path, 3, 500))
