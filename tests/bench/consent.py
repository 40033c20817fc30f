"""Consent at work: a gated read over the same read without a gate, the news of a no, imports, memory.

Tables as `plans` makes them, of ten rows a subject and of one; nine in ten subjects let their rows go. The consents
lie in a real database and come through the real gate.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from sqlalchemy import text

from datahub.catalog import DatasetVersion, storage
from datahub.catalog.service.uploads import subject_keys
from datahub.consent import Admission, Need, admit, need_of
from datahub.consent.service.people_index import Named, People, people_of
from datahub.consent.store.rules import current_rule, step_epoch
from datahub.dataplane.scan import Scan, plan_scan
from datahub.engine.plan import SubjectGate
from datahub.kernel import db
from datahub.kernel.ids import new_id
from tests.bench import consent_import, consent_news, plans
from tests.bench.budgets import Budgets
from tests.bench.consent_world import World, a_world
from tests.bench.plans import Figure
from tests.bench.story import RESEARCH

AIM, AIM_CLUSTERED = 1.4, 1.15
NEWS = 20
FILLED_AT_ONCE = 100_000
MIB = 1 << 20
Found = TypeVar("Found")


def show(*, is_full: bool) -> Iterator[str]:
    """Yield every figure of consent."""
    budgets = Budgets()
    return budgets.judged(_all(budgets, is_full=is_full))


def _all(budgets: Budgets, *, is_full: bool) -> Iterator[str]:
    rows = plans.FULL if is_full else 500_000
    for subjects in (rows // 10, rows):
        yield f"{rows:,} rows about {subjects:,} subjects"
        for line in gated(rows, subjects, budgets):
            yield f"  {line}"
    for database in ("sqlite", "postgresql"):
        yield f"A withdrawal and the other worker, {database}"
        for line in consent_news.measure(database, 500 if is_full else 60, budgets):
            yield f"  {line}"
    for database in ("sqlite", "postgresql"):
        count = 2_000_000 if is_full else 50_000
        yield f"Import of {count:,} consents, {database}"
        for line in consent_import.measure(database, count, budgets):
            yield f"  {line}"


@dataclass(frozen=True)
class Case:
    """One table: how it lies, what a gated read of it may cost over a plain one."""

    name: str
    table: Path
    aim: float


def gated(rows: int, subjects: int, budgets: Budgets) -> Iterator[str]:
    """Yield what the gate costs on tables of one size."""
    path = plans.table(rows, subjects)
    cases = [Case("as it came", path, AIM)]
    if subjects < rows:  # where each subject has one row there is nothing to cluster
        cases.append(Case("clustered", plans.clustered(path), AIM_CLUSTERED))
    for case in cases:
        with tempfile.TemporaryDirectory() as folder, a_world("sqlite", Path(folder)) as world:
            yield from _at_gate(world, case, budgets)


def _at_gate(world: World, case: Case, budgets: Budgets) -> Iterator[str]:
    table, name = case.table, case.name
    version = _stored(world, table)
    with db.transaction(world.engine, is_read=True) as session:
        rule = current_rule(session, world.dataset_id)
    assert rule is not None
    people, numbering = _timed(lambda: people_of(world.settings, version, Named.by(rule)))
    _fill(world, people)
    with world.context() as ctx:
        need = need_of(ctx, world.dataset_id, version, RESEARCH, ["class:participants"], is_asked=False)
    assert isinstance(need, Need)

    def opened() -> Admission:
        return admit(world, version, need, plans.SCHEMA.names)

    before = _anonymous()
    admission, loading = _timed(opened)
    kept = _anonymous() - before
    plain = plan_scan(table)
    behind = replace(plain, plan=plain.plan.behind(SubjectGate(admission)))
    for way, work in (("engine", plans.ours), ("streamed", plans.streamed)):
        wall, cpu, bare, ours = _over(work, plain, behind)
        share = ours.rows / bare.rows
        assert 0.88 < share < 0.92, share
        said = budgets.at_most(f"{name}, {way}: CPU over the read without a gate", cpu, case.aim, "×")
        yield f"{said}; by the clock {wall:.2f}, {bare.rows / ours.wall_s / 1e6:.1f} Mrow/s read"
    million = len(people) / 1e6
    yield (
        f"{name}: numbering {numbering:.1f} s, once a version; consents read {loading:.1f} s, once a process "
        f"({loading / million:.1f} s a million)"
    )
    yield (
        f"{name}: memory a million people {people.index.nbytes / million / MIB:.1f} MiB mapped from a file, "
        f"{kept / million / MIB:.1f} MiB kept after the first read"
    )
    took = [_news(world, admission, opened, 10 * person) for person in range(NEWS)]
    looks, opens = ([1000 * each[at] for each in took] for at in (0, 1))
    yield (
        f"{name}: after one withdrawal a running stream's next look {np.median(looks):.1f} ms (most {max(looks):.1f}), "
        f"the next read's opening {np.median(opens):.1f} ms (most {max(opens):.1f})"
    )


def _over(
    work: Callable[[Scan], tuple[int, int]], plain: Scan, behind: Scan, turns: int = 3
) -> tuple[float, float, Figure, Figure]:
    """Return by how much one is dearer, by the clock and by CPU: they take turns, and the best of each counts."""
    bare, ours = list[Figure](), list[Figure]()
    for _ in range(turns):
        bare.append(plans.measured("bare", lambda: work(plain), times=1))
        ours.append(plans.measured("gated", lambda: work(behind), times=1))
    wall = min(each.wall_s for each in ours) / min(each.wall_s for each in bare)
    cpu = min(each.cpu_s for each in ours) / min(each.cpu_s for each in bare)
    return wall, cpu, bare[0], min(ours, key=lambda each: each.wall_s)


def _stored(world: World, table: Path) -> DatasetVersion:
    """Put a table in the store as ingest does, with the dictionary of its subjects beside it."""
    store, key = storage(world.settings), f"{world.dataset_id}/1/table.parquet"
    beside = plans.subjects(table)
    for name, source in zip((key, *subject_keys(key)), (table, beside.keys, beside.rows), strict=True):
        assert isinstance(source, Path)
        staged = store.staged()
        shutil.copyfile(source, staged)
        store.put(name, staged)
    columns = [{**each, "profile": {"is_subject": each["name"] == "subject_id"}} for each in plans.STORED]
    version = DatasetVersion(
        id=new_id(),
        dataset_id=world.dataset_id,
        number=1,
        created_at=datetime.now(UTC),
        media_type="application/vnd.apache.parquet",
        bytes=table.stat().st_size,
        sha256="0" * 64,
        source_media_type="application/vnd.apache.parquet",
        source_bytes=table.stat().st_size,
        columns=columns,
        row_count=plain_rows(table),
        object_key=key,
    )
    with db.transaction(world.engine) as session:
        session.add(version)
        session.flush()
        session.expunge(version)
    return version


def plain_rows(table: Path) -> int:
    """Return how many rows a table has."""
    return plan_scan(table).row_count


def _fill(world: World, people: People) -> None:
    """Put what everybody decided in the database, as fast as it takes rows: nine in ten said yes, the others withdrew."""
    topic_no = world.topic_no
    until = int((datetime.now(UTC) + timedelta(days=200)).timestamp())
    at = "2026-01-01 00:00:00.000000"
    put = "insert into consent_record values (?, ?, ?, ?, ?, ?, 1, 0, ?, 1, 1)"
    with world.engine.begin() as connection:
        for start in range(0, len(people), FILLED_AT_ONCE):
            digests = people.index.digests_at(np.arange(start, min(start + FILLED_AT_ONCE, len(people))))
            rows = [
                (f"{n:036}", topic_no, digest, "withdrawn", None, 0, at)
                if n % 10 == 7
                else (f"{n:036}", topic_no, digest, "given", until, 1, at)
                for n, digest in enumerate(digests, start)
            ]
            connection.exec_driver_sql(put, rows)
        connection.execute(text("update consent_topic set epoch = 1 where no = :no"), {"no": topic_no})


def _news(
    world: World, admission: Admission, opened: Callable[[], Admission], person: int
) -> tuple[float, float]:
    """Let somebody withdraw; return the seconds of the next look of a stream that runs, and of the next read's opening."""
    (digest,) = admission.people.index.digests_at(np.array([person]))
    topic_no = world.topic_no
    with world.context() as ctx:
        epoch = step_epoch(ctx.session, topic_no)
        change = "update consent_record set state = 'withdrawn', until_s = null, epoch = :epoch"
        ctx.session.execute(
            text(f"{change} where topic_no = :no and subject = :subject"),
            {"no": topic_no, "subject": digest, "epoch": epoch},
        )
    is_less, look = _timed(admission.look)
    assert is_less
    after, opening = _timed(opened)
    assert not after.allowed.people[person]
    return look, opening


def _timed(work: Callable[[], Found]) -> tuple[Found, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def _anonymous() -> int:
    """Return the memory of this process that no file gives back, bytes."""
    return int(psutil.Process(os.getpid()).memory_full_info().uss)
