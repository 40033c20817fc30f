"""How many entries a second become durable, get into the tree and can be searched: two workers and the sequencer.

Each worker has callers that await the journal as the doors do: a read with its decision, then its delivery. The load is
closed: a caller waits for its commit, and until its next turn when a rate is asked for. Beside it stand bare inserts of
the very same entries, in batches, by two processes, on the same database in the same run.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256, shake_256
from pathlib import Path
from threading import Event
from typing import Any

import psutil
from sqlalchemy import Engine, text

from datahub import migrations
from datahub.audit import (
    About,
    Decision,
    Journal,
    Line,
    Outcome,
    entry_values,
    form_of,
    leaves,
    prepare_process,
    run_sequencer,
    self_audit,
)
from datahub.audit.rows import ENTRY_COLUMNS
from datahub.kernel import db
from datahub.kernel.clock import system_clock
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from tests.bench.requests import _database
from tests.build import some_settings

WORKERS, CALLERS, PERMITS = 2, 25, 50
BARE_BATCH = 100
DRAIN_S = 120
FLOOR_ENTRIES = 20_000


@dataclass(frozen=True)
class Run:
    """What one load came to; seconds and entries."""

    wall_s: float
    acknowledged: int
    integrated: int
    took_s: Sequence[float]
    lags_s: Sequence[float]
    drained_s: float
    cpu_s: dict[str, float]

    def percentile_ms(self, share: float) -> float:
        """Milliseconds within which this share of the commits was acknowledged."""
        return 1000 * sorted(self.took_s)[min(int(len(self.took_s) * share), len(self.took_s) - 1)]


def measure(database: str, seconds: float, rate: float) -> Iterator[str]:
    """Yield lines on one database: the load at `rate` entries a second, the load without a bound, bare inserts."""
    with tempfile.TemporaryDirectory() as name, _database(database, Path(name)) as url:
        engine = db.make_engine(url)
        migrations.upgrade(engine)
        bare = _bare(engine, url, Path(name), seconds / 3)
        yield f"{'bare inserts':22}{bare.acknowledged / bare.wall_s:9,.0f} /s{_cpu(bare, bare.acknowledged)}"
        for words, asked in ((f"offered {rate:,.0f}/s", rate), ("no bound", 0.0)):
            run = _run(engine, url, Path(name), seconds, asked)
            yield (
                f"{words:22}{run.acknowledged / run.wall_s:9,.0f} /s durable, p50 {run.percentile_ms(0.5):.1f} ms, "
                f"p99 {run.percentile_ms(0.99):.1f} ms; {run.integrated / (run.wall_s + run.drained_s):,.0f} /s in the "
                f"tree and searchable, {_of_bare(run, bare):.2f} of bare; lag {_lag(run)}, drained in "
                f"{run.drained_s:.1f} s{_cpu(run, run.integrated)}"
            )
            if asked:
                each = 2e6 * run.cpu_s["workers"] / run.integrated
                yield f"{'cost of a read':22}{each:9,.0f} µs of the worker's CPU for its two entries, with their callers"
        size, start = _integrated(engine), time.process_time()
        assert self_audit.audit_log(engine, some_settings(Path(name), url), system_clock()) is None
        rate, floor = size / (time.process_time() - start), _hashed_per_cpu_s()
        yield (
            f"{'self-audit':22}{rate:9,.0f} entries per CPU-second of this process, each with its record: "
            f"{rate / floor:.2f} of {floor:,.0f}, which hashing alone allows in Python"
        )
        engine.dispose()


def _hashed_per_cpu_s() -> float:
    """Return for how many entries a CPU-second lets this process make the salts and the digests, and do nothing else."""
    read, end = ((b"x" * 32, [b"x" * (60 + length) for length in lengths]) for lengths in _TAILS)
    start = time.process_time()
    for _ in range(FLOOR_ENTRIES // 2):
        for key, fields in (read, end):
            shake_256(key).digest(_SALTS_BYTES)
            for field in fields:
                sha256(field).digest()
    return FLOOR_ENTRIES / (time.process_time() - start)


# Characters after the salt of what is hashed for a read and for its delivery: fields, commitment, leaf, its node.
_TAILS = ([280, 50, *[70] * 5, 110, 60, 1100, 400, 160, 5], [280, 50, *[70] * 5, 70, 60, 400, 160, 5])
_SALTS_BYTES = leaves.NONCE_BYTES + leaves.SALT_BYTES * len(leaves.NAMES)


def _of_bare(run: Run, bare: Run) -> float:
    return (run.integrated / (run.wall_s + run.drained_s)) / (bare.acknowledged / bare.wall_s)


def _lag(run: Run) -> str:
    third = max(1, len(run.lags_s) // 3)
    early, late = run.lags_s[:third], run.lags_s[-third:]
    return f"{sum(early) / len(early):.2f} s at first, {sum(late) / len(late):.2f} s at last"


def _cpu(run: Run, entries: int) -> str:
    each = ", ".join(f"{name} {1e6 * spent / entries:.0f}" for name, spent in run.cpu_s.items())
    return f"; CPU {1e6 * sum(run.cpu_s.values()) / entries:.0f} µs an entry ({each})"


def _run(engine: Engine, url: str, home: Path, seconds: float, rate: float) -> Run:
    before = _integrated(engine)
    with _processes(
        [
            ("sequencer", str(home), url),
            *(("worker", str(home), url, str(seconds), str(rate / WORKERS)) for _ in range(WORKERS)),
        ]
    ) as (sequencer, *workers):
        while not (home / "log" / "sequencer.lock").exists():
            time.sleep(0.1)
        spent, lags = _Spent({"sequencer": sequencer}), list[float]()
        while any(each.poll() is None for each in workers):
            spent.look()
            time.sleep(min(1.0, seconds / 10))
            lags.append(_lag_s(engine))
        told = [json.loads(home.joinpath(f"{each.pid}.json").read_text()) for each in workers]
        acknowledged = sum(len(each["took"]) for each in told)
        done = time.perf_counter()
        while _integrated(engine) - before < acknowledged and time.perf_counter() < done + DRAIN_S:
            time.sleep(0.02)
            spent.look()
        integrated, drained_s = _integrated(engine) - before, time.perf_counter() - done
        spent.look()
    assert integrated == acknowledged, (integrated, acknowledged)
    took = [took for each in told for took in each["took"]]
    worked = sum(each["cpu_s"] for each in told)
    return Run(
        seconds, acknowledged, integrated, took, lags, drained_s, {"workers": worked} | spent.seconds()
    )


def _integrated(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("select coalesce(max(size), 0) from log_head")).scalar_one())


def _lag_s(engine: Engine) -> float:
    found = text("select (select min(id) from log_pending), (select min(id) from log_spool)")
    with engine.execution_options(is_read=True).connect() as connection:
        waiting = [each for each in connection.execute(found).one() if each is not None]
    if not waiting:
        return 0.0
    return max(0.0, time.time() - int(min(waiting).replace("-", "")[:12], 16) / 1000)


class _Spent:
    """CPU-seconds of some processes, and of the database's own, from now on."""

    def __init__(self, named: "dict[str, subprocess.Popen[bytes]]") -> None:
        self._named = {name: [psutil.Process(each.pid)] for name, each in named.items()}
        self._seen = dict[str, dict[int, float]]()
        self.look()
        self._first = {name: dict(of) for name, of in self._seen.items()}

    def look(self) -> None:
        """Note what each process has used so far; one that has ended counts as it was last seen."""
        for name, group in (*self._named.items(), ("database", _postgres())):
            for process in group:
                with suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    self._seen.setdefault(name, {})[process.pid] = times.user + times.system

    def seconds(self) -> dict[str, float]:
        """Return what each used since the first look."""
        return {
            name: sum(spent - self._first.get(name, {}).get(pid, 0.0) for pid, spent in of.items())
            for name, of in self._seen.items()
        }


def _postgres() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [each for each in children if _name_of(each).startswith("postgres")]


def _name_of(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


@contextmanager
def _processes(words: Sequence[Sequence[str]]) -> "Iterator[list[subprocess.Popen[bytes]]]":
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    started = [
        subprocess.Popen([sys.executable, "-m", "tests.bench.log_write", *each], env=environment)
        for each in words
    ]
    try:
        yield started
    finally:
        for each in started:
            if each.poll() is None:
                each.kill()
            each.wait()


def _bare(engine: Engine, url: str, home: Path, seconds: float) -> Run:
    """Insert the same rows, in batches, into a table of the same columns with its primary key and no other index."""
    columns = ", ".join(f'"{name}"' for name in ENTRY_COLUMNS)
    with engine.begin() as connection:
        connection.execute(text(f"create table bare as select {columns} from log_entry where 1 = 0"))
        connection.execute(text("create unique index bare_id on bare (id)"))
    with _processes([("bare", str(home), url, str(seconds), "0")] * WORKERS) as started:
        spent = _Spent({})
        while any(each.poll() is None for each in started):
            spent.look()
            time.sleep(0.2)
        told = [json.loads(home.joinpath(f"{each.pid}.json").read_text()) for each in started]
    worked = {"writers": sum(each["cpu_s"] for each in told)}
    return Run(seconds, sum(each["entries"] for each in told), 0, (), (), 0.0, worked | spent.seconds())


def _permits() -> Iterator[tuple[Any, Any]]:
    """Yield the forms of the two lines that a read by a permit known by heart leaves."""
    for number in range(PERMITS):
        ids: dict[str, Any] = {
            "provider_id": new_id(),
            "consumer_id": new_id(),
            "dataset_id": new_id(),
            "agreement_id": new_id(),
        }
        about = About(
            **ids, dataset_version=1, purpose="dpv:ResearchAndDevelopment", policy_hash=f"{number:064x}"
        )
        actor = Actor(client_id=f"client-{number}", participant_id=ids["consumer_id"])
        now = system_clock()
        decision = Decision(
            id=new_id(),
            at=now,
            is_permit=True,
            code="ok",
            **ids,
            policy_hash=f"{number:064x}",
            facts={"purpose": "dpv:ResearchAndDevelopment", "at": "2026-06-01T12:00:00Z", "region": "NL"},
            for_requester={
                "nl": "Toegestaan: het doel is onderzoek.",
                "en": "Allowed: the purpose is research.",
            },
            for_provider={
                "nl": "Toegestaan: het doel is onderzoek.",
                "en": "Allowed: the purpose is research.",
            },
        )
        read = entry_values(actor, now, "", "data.read", about, outcome=Outcome.PERMIT)
        given = About(**ids, dataset_version=1, rows=2, bytes=64)
        end = entry_values(actor, now, "", "data.deliver", given, outcome=Outcome.FINISHED)
        yield form_of(read, decision), form_of(end)


async def _worker(url: str, seconds: float, rate: float) -> list[float]:
    journal = Journal(db.make_engine(url))
    permits, took = list(_permits()), list[float]()
    every_s = CALLERS * 2 / rate if rate else 0.0
    end = time.perf_counter() + seconds

    async def written(line: Line) -> None:
        start = time.perf_counter()
        await journal.written(line)
        took.append(time.perf_counter() - start)

    async def caller(number: int) -> None:
        turn = time.perf_counter() + every_s * number / CALLERS
        while time.perf_counter() < end:
            if every_s:
                await asyncio.sleep(max(0.0, turn - time.perf_counter()))
                turn += every_s
            read, ending = permits[(number + len(took)) % PERMITS]
            given = Line(read, new_id(), datetime.now(UTC), new_id(), new_id())
            await written(given)
            await written(Line(ending, new_id(), datetime.now(UTC), given.trace_id, None, given.id))

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    journal.close()
    return took


def _insert(url: str, seconds: float) -> int:
    engine, done = db.make_engine(url), 0
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    columns = ", ".join(f'"{name}"' for name in ENTRY_COLUMNS)
    put = f"insert into bare ({columns}) values ({', '.join([mark] * len(ENTRY_COLUMNS))})"
    about = About(
        provider_id=new_id(), consumer_id=new_id(), dataset_id=new_id(), purpose="dpv:ResearchAndDevelopment"
    )
    values = entry_values(
        Actor(client_id="c"), system_clock(), "", "data.read", about, outcome=Outcome.PERMIT
    )
    same = tuple(
        json.dumps(values[name]) if name == "details" else values[name] for name in ENTRY_COLUMNS[2:]
    )
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        at = system_clock().isoformat()
        with engine.begin() as connection:
            connection.exec_driver_sql(put, [(new_id(), at, *same) for _ in range(BARE_BATCH)])
        done += BARE_BATCH
    return done


def _main(role: str, home: str, url: str, seconds: str = "0", rate: str = "0") -> None:
    if role == "sequencer":
        prepare_process()
        run_sequencer(some_settings(Path(home), url), Event(), system_clock)
        return
    before = time.process_time()
    if role == "worker":
        took = asyncio.run(_worker(url, float(seconds), float(rate)))
        told: dict[str, Any] = {"took": took}
    else:
        told = {"entries": _insert(url, float(seconds))}
    told["cpu_s"] = time.process_time() - before
    Path(home, f"{os.getpid()}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    _main(*sys.argv[1:])
