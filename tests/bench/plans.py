"""What a policy costs on the way out: CPU and wall time over the raw engine scan writing the same form, in one run.

The table is the seeded one of 20 million rows and 8 columns over 2 million subjects, some 600 MB; kept under `.cache`.
`make bench ARGS="plan"` takes a smaller one, `ARGS="plan --full"` the whole.
"""

import asyncio
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datahub.catalog.ingest import Arrangement, Beside
from datahub.catalog.ingest.arranged import arrange
from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Scan, plan_scan
from datahub.engine import Engine, Subjects, run
from datahub.policy import Facts, fill_template, read_policy
from datahub.transfers.rules import Release, release_of

CACHE = Path(".cache/bench")
SMALL, FULL = 4_000_000, 20_000_000
BATCH = 500_000
STRIDE = 7_368_787  # a prime
COUNTRIES = np.array(["NL", "DE", "BE", "FR", "LU", "DK", "SE", "ES", "IT", "PL"])
SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("sid", pa.int64()),
        ("event_ts", pa.timestamp("us", "UTC")),
        ("country", pa.string()),
        ("amount", pa.float64()),
        ("category", pa.int64()),
        ("device_id", pa.int64()),
        ("email", pa.string()),
    ]
)
TYPES = {"string": "string", "int64": "int64", "double": "float64"}
STORED = [
    {"name": f.name, "type": "timestamp" if pa.types.is_timestamp(f.type) else TYPES[str(f.type)]}
    for f in SCHEMA
]


def table(rows: int, subjects: int | None = None) -> Path:
    """Return the seeded table, made when it is not there yet; ten rows a subject unless told."""
    subjects = subjects or rows // 10
    path = CACHE / (
        f"events-{rows}.parquet" if subjects == rows // 10 else f"events-{rows}-{subjects}.parquet"
    )
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(".part")
        random = np.random.default_rng(20_261_124)
        with pq.ParquetWriter(made, SCHEMA, compression="zstd") as writer:
            for start in range(0, rows, BATCH):
                writer.write_batch(
                    _rows(random, start, min(BATCH, rows - start), rows, subjects), row_group_size=122_880
                )
        made.rename(path)
    return path


def _rows(random: np.random.Generator, start: int, count: int, rows: int, subjects: int) -> pa.RecordBatch:
    if subjects == rows:  # each comes once, in no order
        sid = np.arange(start, start + count) * STRIDE % rows
    else:
        sid = random.integers(0, subjects, count)
    columns = [
        pa.array(np.char.add("S", np.char.zfill(sid.astype(str), 17))),
        pa.array(sid),
        pa.array(random.integers(1_600_000_000_000_000, 1_700_000_000_000_000, count)).cast(
            pa.timestamp("us", "UTC")
        ),
        pa.array(COUNTRIES[random.integers(0, 10, count)]),
        pa.array(np.round(random.normal(100, 20, count), 4)),
        pa.array(random.integers(0, 100, count)),
        pa.array(random.integers(0, 2**40, count)),
        pa.array(np.char.add(sid.astype(str), "@example.org")),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def clustered(path: Path) -> Path:
    """Return the same rows clustered by subject, as ingest clusters them."""
    target = path.with_name(path.stem + "-clustered.parquet")
    if not target.exists():
        made = target.with_suffix(".part")
        shutil.copy(path, made)
        _arranged(made, is_clustered=True)
        made.rename(target)
        for old, new in zip(_beside(made), _beside(target), strict=True):
            old.rename(new)
    return target


def subjects(path: Path) -> Subjects:
    """Return the dictionary of subjects beside a table, made when it is not there yet."""
    if not _beside(path)[0].exists():
        _arranged(path, is_clustered=False)
    return Subjects("subject_id", str(path), *_beside(path))


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".subjects.parquet"), path.with_suffix(".rows.parquet")


def _arranged(path: Path, *, is_clustered: bool) -> None:
    keys, rows = (each.absolute() for each in _beside(path))
    keys.touch()
    rows.touch()
    try:
        arrange(
            path.absolute(),
            Arrangement("subject_id", is_clustered=is_clustered),
            Beside(keys, rows),
            path.parent,
        )
    except BaseException:  # what is there is taken for good by the next run
        keys.unlink()
        rows.unlink()
        raise


def release(template: str, *more: dict[str, Any], **parameters: Any) -> Release:
    """Return what a template's policy lets leave; further mask duties are put into its one permission."""
    document: Any = fill_template(template, parameters)
    (permission,) = document["permission"]
    permission["duty"] = [*permission.get("duty", []), *more]
    facts = Facts(action="read", agreed=True)
    found = release_of(read_policy(document), facts, STORED, lambda: b"k" * 32)
    assert isinstance(found, Release), found
    return found


def mask(column: str, method: str) -> dict[str, Any]:
    """Return the duty of one mask."""
    document: Any = fill_template("columns-masked", {"columns": [column], "method": method})
    (duty,) = document["permission"][0]["duty"]
    return dict(duty)


@dataclass(frozen=True)
class Figure:
    """One case: seconds of CPU and of the clock, rows given, bytes, memory at its highest so far."""

    case: str
    cpu_s: float
    wall_s: float
    rows: int
    size: int
    peak_mib: int


def measured(case: str, work: Callable[[], tuple[int, int]], times: int = 2) -> Figure:
    """Return the best of some goes."""
    best: Figure | None = None
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        rows, size = work()
        found = Figure(case, time.process_time() - cpu, time.perf_counter() - wall, rows, size, _peak())
        best = found if best is None or found.cpu_s < best.cpu_s else best
    assert best is not None
    return best


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def raw(path: Path, query: str = "FROM t") -> tuple[int, int]:
    """Let DuckDB scan and write Arrow with nothing of ours around it."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "512MB"}) as connection:
        connection.execute(f"CREATE VIEW t AS FROM read_parquet('{path}')")
        return written(connection.sql(query).to_arrow_reader(1_000_000))


def written(batches: Any) -> tuple[int, int]:
    """Write Arrow to nowhere; return rows and bytes."""
    sink, writer, rows = pa.MockOutputStream(), None, 0
    for batch in batches:
        writer = writer or pa.ipc.new_stream(sink, batch.schema)
        writer.write_batch(batch)
        rows += batch.num_rows
    return rows, int(sink.size())


def ours(scan: Scan, engine: Engine | None = None) -> tuple[int, int]:
    """Carry the plan out and write Arrow the same way."""
    with run(scan.plan, scan.stored, engine=engine) as batches:
        return written(batches)


def streamed(scan: Scan) -> tuple[int, int]:
    """Go all the way: writer thread, queue, blocks."""

    async def go() -> tuple[int, int]:
        async with stream_table(scan, TableFormat.ARROW) as stream:
            async for _ in stream:
                pass
        return stream.outcome.rows, stream.outcome.bytes

    return asyncio.run(go())


SHOWN = ["subject_id", "event_ts", "country", "amount", "category", "device_id", "email"]


def measure(rows: int) -> Iterator[tuple[Figure, float, float]]:
    """Give each case with its CPU and wall time over those of the raw scan of the same table."""
    for layout, path in (("", table(rows)), ("clustered, ", clustered(table(rows)))):
        plain = measured(f"{layout}raw DuckDB", lambda path=path: raw(path))  # type: ignore[misc]
        yield plain, 1.0, 1.0
        for name, work in cases(path).items():
            found = measured(layout + name, work)
            yield found, found.cpu_s / plain.cpu_s, found.wall_s / plain.wall_s


def cases(path: Path) -> dict[str, Callable[[], tuple[int, int]]]:
    """Return what is measured on one table."""
    three = release("rows-where", column="country", values=["NL", "DE", "BE"])
    nine = release(
        "rows-where",
        mask("subject_id", "hmac"),
        mask("email", "last4"),
        column="country",
        values=[str(name) for name in COUNTRIES[:9]],
    )
    some = plan_scan(path, release=three.steps)
    full = plan_scan(path, fields=SHOWN, release=nine.steps, subjects=subjects(path))
    return {
        "all of it, polars": lambda: ours(plan_scan(path), Engine.POLARS),
        "all of it, DuckDB": lambda: ours(plan_scan(path), Engine.DUCKDB),
        "all of it, streamed": lambda: streamed(plan_scan(path)),
        "predicate (3 of 10), polars": lambda: ours(some, Engine.POLARS),
        "predicate (3 of 10), DuckDB": lambda: ours(some, Engine.DUCKDB),
        "predicate (9 of 10) + 7 columns + pseudonym + mask": lambda: ours(full),
        "same, streamed": lambda: streamed(full),
    }


def show(*, is_full: bool) -> None:
    """Print the figures."""
    rows = FULL if is_full else SMALL
    print(f"A plan carried out over {rows:,} rows, over the raw engine scan writing the same Arrow stream")
    print(f"  {'case':62}{'CPU ×':>8}{'wall ×':>8}{'Mrow/s':>8}{'MB':>8}{'peak MiB':>10}")
    for figure, cpu, wall in measure(rows):
        speed = rows / figure.wall_s / 1e6
        print(
            f"  {figure.case:62}{cpu:8.2f}{wall:8.2f}{speed:8.1f}{figure.size / 1e6:8.0f}{figure.peak_mib:10}"
        )


if __name__ == "__main__":
    show(is_full=False)
