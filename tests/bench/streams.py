"""What streaming costs over the raw engine: ratios of throughput, and the memory high-water mark.

`python -m tests.bench.streams [rows]`: the table is made from a seed, every figure comes from this machine, now.
"""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datahub.catalog.ingest import TableForm, ingest
from datahub.catalog.objects import open_store
from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import plan_scan

ROWS = 2_000_000
BATCH = 250_000


@dataclass(frozen=True)
class Row:
    """One measured case: seconds of ours and of the raw engine, what went through, and memory so far."""

    case: str
    rows: int
    size_bytes: int
    ours_s: float
    raw_s: float
    peak_rss_mib: int

    @property
    def ratio(self) -> float:
        """Our throughput over the raw engine's; 1 is as fast, more is faster."""
        return self.raw_s / self.ours_s if self.ours_s else 0.0


def make_table(path: Path, rows: int) -> None:
    """Write the seeded table: eight columns, half text."""
    random = np.random.default_rng(20_261_123)
    schema = pa.schema(
        [
            ("subject", pa.string()),
            ("sid", pa.int64()),
            ("at", pa.timestamp("us", "UTC")),
            ("country", pa.string()),
            ("amount", pa.float64()),
            ("category", pa.int64()),
            ("price", pa.decimal128(12, 2)),
            ("email", pa.string()),
        ]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, BATCH):
            count = min(BATCH, rows - start)
            sid = random.integers(0, 2_000_000, count)
            cents = (
                pa.array(random.integers(0, 10**6, count))
                .cast(pa.decimal128(21, 2))
                .cast(pa.decimal128(12, 2))
            )
            instants = pa.array(random.integers(1_600_000_000_000_000, 1_700_000_000_000_000, count))
            columns = [
                pa.array(np.char.add("S", np.char.zfill(sid.astype(str), 17))),
                pa.array(sid),
                instants.cast(pa.timestamp("us", "UTC")),
                pa.array(np.array(["NL", "DE", "BE", "FR"])[random.integers(0, 4, count)]),
                pa.array(np.round(random.normal(100, 20, count), 4)),
                pa.array(random.integers(0, 100, count)),
                cents,
                pa.array(np.char.add(sid.astype(str), "@example.org")),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    started = time.perf_counter()
    size = work()
    return time.perf_counter() - started, size


def _fetch(path: Path, form: TableFormat, fields: Sequence[str] | None) -> int:
    async def run() -> int:
        async with stream_table(plan_scan(path, fields=fields), form) as stream:
            async for _ in stream:
                pass
        return stream.outcome.bytes

    return asyncio.run(run())


def _raw(path: Path, form: TableFormat, folder: Path) -> int:
    """Let the engine do the same with nothing of ours around it."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "512MB"}) as connection:
        query = f"FROM read_parquet('{path}')"
        if form is TableFormat.ARROW:
            sink = pa.MockOutputStream()
            reader = connection.sql(query).to_arrow_reader(1_000_000)
            with pa.ipc.new_stream(sink, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            return int(sink.size())
        options = {
            TableFormat.CSV: "FORMAT csv, HEADER",
            TableFormat.JSON_LINES: "FORMAT json",
            TableFormat.PARQUET: "FORMAT parquet, COMPRESSION zstd",
        }[form]
        target = folder / "raw"
        connection.execute(f"COPY ({query}) TO '{target}' ({options})")
        size = target.stat().st_size
        target.unlink()
        return size


def _rss_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def run(rows: int = ROWS) -> list[Row]:
    """Measure and print; returns the figures."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "table.parquet"
        make_table(path, rows)
        names = pq.read_schema(path).names
        for form in TableFormat:
            ours_s, size = _timed(lambda form=form: _fetch(path, form, names[::-1]))  # type: ignore[misc]
            raw_s, _ = _timed(lambda form=form: _raw(path, form, folder))  # type: ignore[misc]
            found.append(_show(Row(f"fetch {form}", rows, size, ours_s, raw_s, _rss_mib())))
        ours_s, size = _timed(lambda: _fetch(path, TableFormat.PARQUET, None))
        found.append(_show(Row("fetch parquet, as stored", rows, size, ours_s, found[-2].raw_s, _rss_mib())))
        found += [
            _ingest(path, form, folder, rows)
            for form in (TableForm.CSV, TableForm.JSON_LINES, TableForm.PARQUET)
        ]
        found.append(_object(folder, path, rows))
    return found


def _ingest(path: Path, form: TableForm, folder: Path, rows: int) -> Row:
    """Compare with the engine's own reading with all its guesses, which checks less."""
    source, target = folder / "source", folder / "part-target"
    with duckdb.connect() as connection:
        options = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}[
            form.value
        ]
        connection.execute(f"COPY (FROM read_parquet('{path}')) TO '{source}' ({options})")
    size = source.stat().st_size
    ours_s, _ = _timed(lambda: ingest(source, target, form).size_bytes)
    reader = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}[form.value]
    extra = ", format = 'newline_delimited'" if form is TableForm.JSON_LINES else ""
    with duckdb.connect(config={"threads": 2}) as connection:
        query = f"COPY (FROM {reader}('{source}'{extra})) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        raw_s, _ = _timed(lambda: len(connection.execute(query).fetchall()))
    return _show(Row(f"ingest {form}", rows, size, ours_s, raw_s, _rss_mib()))


def _object(folder: Path, path: Path, rows: int) -> Row:
    """Compare streaming a stored object with reading the file in one loop."""
    store = open_store(folder / "objects")
    staged = store.staged()
    staged.write_bytes(path.read_bytes())
    store.put("tables/t.parquet", staged)

    async def stream() -> int:
        async with await store.open("tables/t.parquet") as blocks:
            return sum([len(block) async for block in blocks])

    def loop() -> int:
        size = 0
        with path.open("rb", buffering=0) as file:
            while block := file.read(1 << 20):
                size += len(block)
        return size

    raw_s, size = _timed(loop)
    ours_s, _ = _timed(lambda: asyncio.run(stream()))
    return _show(Row("object as it is", rows, size, ours_s, raw_s, _rss_mib()))


def _show(row: Row) -> Row:
    rate = row.size_bytes / row.ours_s / 1e6
    times = f"{row.ours_s:7.2f} s, raw {row.raw_s:6.2f} s, ratio {row.ratio:5.2f}"
    print(f"{row.case:26s} {row.rows:>10,} rows {times}, {rate:8.0f} MB/s, peak {row.peak_rss_mib} MiB")
    return row


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
