"""Consents a second that an import works off, by the clock and per CPU-second, the database's own CPU included.

Beside them stands the floor of the database: the same rows written by the same statements and nothing else.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from sqlmodel import Session

from datahub.consent.models import Channel, ConsentImport, ImportForm
from datahub.consent.service import imports
from datahub.consent.store import bulk
from datahub.consent.store.rules import add_topics, topics_of
from datahub.kernel.clock import rfc3339
from tests.bench.budgets import Budgets
from tests.bench.consent_world import World, a_world
from tests.bench.log_write import _postgres
from tests.bench.story import RESEARCH

# What is written is spread over so long; each instant is of a few consents.
SPREAD_S = 100 * 24 * 3600
FLOOR_CHUNKS = 10
AIM = 50_000
Found = TypeVar("Found")
NAMES = ("subject", "purpose", "move", "at", "validUntil", "explicit")


@dataclass(frozen=True)
class Spent:
    """Seconds: of the clock, of this process, of the database's processes."""

    wall_s: float
    own_s: float
    database_s: float

    def said(self, name: str, count: int) -> str:
        """Say how many a second that were."""
        cpu = self.own_s + self.database_s
        return (
            f"{name:34}{count / self.wall_s:9,.0f} /s{count / cpu:9,.0f} /cpu-s   "
            f"({1e6 * self.own_s / count:.1f} µs of ours, {1e6 * self.database_s / count:.1f} of the database's own)"
        )


def measure(database: str, consents: int, budgets: Budgets) -> Iterator[str]:
    """Yield a line for each kind of file on one database."""
    with tempfile.TemporaryDirectory() as name, a_world(database, Path(name)) as world:
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=200)
        gives = _lines(consents, start, "give")
        for about in ("dry run, NDJSON", "new, NDJSON"):
            with _kept() as kept:
                done, spent = _sent(world, ImportForm.NDJSON, gives, is_dry=about.startswith("dry"))
            assert (done.applied, done.faulty) == (consents, 0), done
            yield spent.said(about, consents)
        rate = consents / (spent.own_s + spent.database_s)
        yield budgets.at_least(f"{database}: new consents imported", rate, AIM, "/cpu-s")
        done, spent = _sent(world, ImportForm.CSV, gives)
        assert (done.unchanged, done.faulty) == (consents, 0), done
        yield spent.said("sent again, CSV", consents)
        done, spent = _sent(world, ImportForm.CSV, _lines(consents, start + timedelta(days=100), "withdraw"))
        assert (done.applied, done.faulty) == (consents, 0), done
        yield spent.said("withdrawn, CSV", consents)
        count, spent = _floor(world, kept)
        yield spent.said("floor: rows of new ones, bare", count)


def _lines(consents: int, start: datetime, move: str) -> list[dict[str, Any]]:
    until = rfc3339(start + timedelta(days=300))
    is_yes = move == "give"
    return [
        {
            "subject": f"S{n * 7_368_787 % (10 * consents):017}",
            "purpose": RESEARCH,
            "move": move,
            "at": rfc3339(start + timedelta(seconds=n * 7919 % SPREAD_S)),
            **({"validUntil": until, "explicit": True} if is_yes else {}),
        }
        for n in range(consents)
    ]


def _sent(
    world: World, form: ImportForm, lines: Sequence[dict[str, Any]], *, is_dry: bool = False
) -> tuple[ConsentImport, Spent]:
    path = world.settings.home / "sent"
    path.write_bytes(_written(form, lines))
    size, digest = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    arrived = imports.Arrived(path, size, digest, form, Channel.PAPER, None, is_dry)
    with world.context() as ctx:
        taken = imports.take_import(ctx, world.dataset_id, arrived).id

    def work() -> ConsentImport:
        while True:
            with world.context() as ctx:
                imports.work_imports(ctx)
                found = ctx.session.get(ConsentImport, taken)
                assert found is not None
                if found.finished_at is not None:
                    return found

    return _spent(work)


def _written(form: ImportForm, lines: Sequence[dict[str, Any]]) -> bytes:
    if form is ImportForm.NDJSON:
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    names = [name for name in NAMES if name in lines[0]]
    rows = [
        ",".join(str(line[name]).lower() if name == "explicit" else line[name] for name in names)
        for line in lines
    ]
    return "\n".join([",".join(names), *rows, ""]).encode()


@contextmanager
def _kept() -> Iterator[list[bulk.Rows]]:
    """Keep the rows that are written within the block, a part of them that is enough to write anew."""
    kept: list[bulk.Rows] = []
    write = bulk.write

    def keep(session: Session, rows: bulk.Rows) -> None:
        if len(kept) < FLOOR_CHUNKS:
            kept.append(rows)
        write(session, rows)

    with patch.object(bulk, "write", keep):
        yield kept


def _floor(world: World, chunks: Sequence[bulk.Rows]) -> tuple[int, Spent]:
    """Write rows once more under other ids, on a topic of their own, in the same transactions."""
    with world.context() as ctx:
        add_topics(ctx.session, "other", ["other"])
        topic_no = topics_of(ctx.session, "other")["other"].no
    again = [
        bulk.Rows(
            new=[("f" + row[0][1:], topic_no, *row[2:]) for row in rows.new],
            events=[("f" + row[0][1:], *row[1:]) for row in rows.events],
        )
        for rows in chunks
    ]

    def work() -> int:
        for rows in again:
            with world.context() as ctx:
                bulk.write(ctx.session, rows)
        return sum(len(rows.new) for rows in again)

    return _spent(work)


def _spent(work: Callable[[], Found]) -> tuple[Found, Spent]:
    others = _cpu_of_database()
    wall, own = time.perf_counter(), time.process_time()
    found = work()
    spent = Spent(time.perf_counter() - wall, time.process_time() - own, _cpu_of_database() - others)
    return found, spent


def _cpu_of_database() -> float:
    times = [each.cpu_times() for each in _postgres()]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)
