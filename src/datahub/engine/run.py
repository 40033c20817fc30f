"""A plan carried out: the one place where an engine is chosen, and from where record batches come.

Measured with `make bench ARGS="plan"`: polars scans and filters with less CPU, so it does every plan that it reads as
DuckDB does; DuckDB does the rest (groups, decimals compared, a table on S3). A small table is read into memory first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sqlglot import exp

from datahub.engine import duck, frames, gated, sql
from datahub.engine.afterwards import ROW, After, split
from datahub.engine.plan import ROW_NUMBER, Limit, MinAggregate, Plan, Predicate, RowGate, SubjectGate
from datahub.engine.subjects import Subjects

SMALL_BYTES = 8 << 20
"""A table of at most so many bytes, decompressed, is read into memory: no engine has to be made for it."""

ENOUGH_ROWS = 65_536
"""What polars gives is handed on when it has so many rows: to wait for more is to copy them together."""

BATCH_BYTES = 32 << 20
MOST_ROWS, LEAST_ROWS = 1_000_000, 8_192
_SOURCE = "source"


class Engine(StrEnum):
    """Who carries a plan out."""

    DUCKDB = "duckdb"
    POLARS = "polars"


@dataclass(frozen=True)
class Stored:
    """A stored Parquet table and what its footer says: columns, rows, bytes when decompressed."""

    source: Path | pa.NativeFile
    schema: pa.Schema
    row_count: int
    size: int
    subjects: Subjects | None = None

    @classmethod
    def of(cls, source: Path | pa.NativeFile, subjects: Subjects | None = None) -> "Stored":
        """Read the footer only. `subjects`: the dictionary that lies beside the table, where there is one."""
        with pq.ParquetFile(source) as file:
            found = file.metadata
            size = sum(found.row_group(at).total_byte_size for at in range(found.num_row_groups))
            return cls(source, file.schema_arrow.remove_metadata(), found.num_rows, size, subjects)

    @property
    def batch_rows(self) -> int:
        """How many rows a batch has at most: a million, fewer of a wide table, so that memory stays flat."""
        width = max(1, self.size // max(1, self.row_count))
        return max(LEAST_ROWS, min(MOST_ROWS, BATCH_BYTES // width))


class Batches:
    """Record batches of the columns a plan gives, in stored order; another thread may interrupt."""

    def __init__(self, found: Iterator[pa.RecordBatch], interrupt: Callable[[], None]) -> None:
        self._found = found
        self.interrupt = interrupt

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Give the batches, once."""
        return self._found


def engine_for(plan: Plan, stored: Stored) -> Engine:
    """Return who carries the plan out: whoever is faster of those that can."""
    if not isinstance(stored.source, Path):
        return Engine.DUCKDB
    if gated.gate_of(plan) is not None:
        plan = gated.numbered(plan)
    try:
        frames.render(split(plan)[0], _frame_of(plan.schema))
    except frames.Unfit:
        return Engine.DUCKDB
    return Engine.POLARS


@contextmanager
def run(
    plan: Plan,
    stored: Stored,
    *,
    engine: Engine | None = None,
    rows: int | None = None,
    threads: int = duck.THREADS,
) -> Iterator[Batches]:
    """Carry the plan out over a stored table; memory does not grow with the table.

    Raises Unfit when an engine is named that cannot do it, GateClosed, and whatever the engine or the gate raises.
    """
    gate, wanted = gated.gate_of(plan), plan.out
    if gate is not None:
        plan = gated.numbered(plan)
        gate.look()
    is_small = stored.size <= SMALL_BYTES
    by_number = stored.subjects is not None and not is_small and ROW_NUMBER not in stored.schema.names
    front, after = split(plan, stored.subjects if by_number else None)
    rows = rows or stored.batch_rows
    with ExitStack() as open_now:
        memory = _in_memory(stored) if is_small else None
        frame = (
            None if engine is Engine.DUCKDB else _framed(front, stored, memory, is_asked=engine is not None)
        )
        if frame is not None:
            found, interrupt = _polars(frame, rows, is_small=memory is not None), _nothing
        else:
            ending = open_now.enter_context(_duckdb(front, stored, memory, threads, gate))
            found, interrupt = iter(ending.reader(rows)), ending.interrupt
        if after is not None:
            found = open_now.enter_context(_after(after, found))
        is_typed = not any(isinstance(step, MinAggregate) for step in plan.steps)
        shaped = _shaped(found, plan.out if is_typed else None)
        if gate is not None and is_typed:
            # Whoever announced the columns did so from the plan as it was given, which may say that one is never null.
            shaped = _shaped(gated.passed(shaped, gate, gated.row_of(plan)), wanted)
        yield Batches(shaped, interrupt)


def _frame_of(schema: pa.Schema) -> pl.LazyFrame:
    empty = pl.from_arrow(schema.empty_table())
    assert isinstance(empty, pl.DataFrame)  # noqa: S101 — a table becomes a frame
    return empty.lazy()


def _in_memory(stored: Stored) -> pa.Table:
    if isinstance(stored.source, pa.NativeFile):
        stored.source.seek(0)
    return pq.ParquetFile(stored.source).read(use_threads=False)


def _framed(front: Plan, stored: Stored, memory: pa.Table | None, *, is_asked: bool) -> pl.LazyFrame | None:
    """Return the plan as a polars query, or None where polars does not do it; raises Unfit when it was asked for."""
    if memory is None and not isinstance(stored.source, Path):
        if is_asked:
            raise frames.Unfit("not a local file")
        return None
    try:
        row = next((step.row for step in front.steps if isinstance(step, SubjectGate)), None)
        if memory is None:
            index = row or (ROW_NUMBER if _is_numbered(front) else None)
            frame = pl.scan_parquet(stored.source, glob=False, row_index_name=index)
            if row is not None and _is_numbered(front):
                frame = frame.with_columns(pl.col(row).alias(ROW_NUMBER))
            return frames.render(front, frame)
        whole = pl.from_arrow(memory)
        assert isinstance(whole, pl.DataFrame)  # noqa: S101 — as above
        return frames.render(front, (whole if row is None else whole.with_row_index(row)).lazy())
    except frames.Unfit:
        if is_asked:
            raise
        return None


def _polars(frame: pl.LazyFrame, rows: int, *, is_small: bool) -> Iterator[pa.RecordBatch]:
    found = iter([frame.collect()]) if is_small else frame.collect_batches(maintain_order=True)
    for each in _of_some_size(found, min(rows, ENOUGH_ROWS), rows):
        yield from each.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks().to_batches()


def _of_some_size(found: Iterator[pl.DataFrame], least: int, most: int) -> Iterator[pl.DataFrame]:
    """Give frames as they come, which copies nothing; small ones together, and large ones in parts."""
    waiting, count = list[pl.DataFrame](), 0
    for each in found:
        waiting.append(each)
        count += len(each)
        if count >= least:
            yield from pl.concat(waiting, rechunk=False).iter_slices(most)
            waiting, count = [], 0
    if count:
        yield from pl.concat(waiting, rechunk=False).iter_slices(most)


def _is_numbered(front: Plan) -> bool:
    """Tell whether the plan asks for the numbers of rows; without, the engine is spared making them."""
    return ROW in front.out.names


class _Query:
    """A query on one connection, which another thread may interrupt as long as it is open, and never after."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> None:
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = connection
        self._relation = relation

    def reader(self, rows: int) -> pa.RecordBatchReader:
        return self._relation.to_arrow_reader(rows)

    def interrupt(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()

    def is_over(self) -> None:
        with self._lock:
            self._connection = None


@contextmanager
def _duckdb(
    front: Plan, stored: Stored, memory: pa.Table | None, threads: int, gate: RowGate | None
) -> Iterator[_Query]:
    is_file = gate is None and memory is None and isinstance(stored.source, Path)
    opened = duck.instance_for(Path(str(stored.source)), threads=threads) if is_file else duck.closed()
    with opened as connection:
        if is_file:
            path: list[exp.Expr] = [exp.Literal.string(str(stored.source))]
            if _is_numbered(front):
                path.append(exp.EQ(this=exp.column(ROW_NUMBER), expression=exp.true()))
            table: exp.Expr = exp.Table(this=exp.Anonymous(this="read_parquet", expressions=path))
        else:
            table = exp.to_table(_SOURCE)
            connection.register(_SOURCE, _source(front, stored, memory, gate))
        query = _Query(connection, connection.sql(sql.render(front, table).sql("duckdb")))
        try:
            yield query
        finally:
            query.is_over()


def _source(front: Plan, stored: Stored, memory: pa.Table | None, gate: RowGate | None) -> object:
    if gate is not None:
        return gated.read(stored.source, memory, front, gate, is_numbered=_is_numbered(front))
    return memory if memory is not None else _dataset(stored.source)


def _dataset(source: pa.NativeFile) -> ds.Dataset:
    """Make an open file a dataset, so that the engine pushes columns and filters down into its reading."""
    file_format = ds.ParquetFileFormat()
    fragment = file_format.make_fragment(source)
    return ds.FileSystemDataset([fragment], fragment.physical_schema, file_format)


@contextmanager
def _after(after: After, found: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    tests = [step.test.sql("duckdb") for step in after.steps if isinstance(step, Predicate)]
    left = min((step.rows for step in after.steps if isinstance(step, Limit)), default=None)

    def coded(connection: duckdb.DuckDBPyConnection | None) -> Iterator[pa.RecordBatch]:
        remaining = left
        for batch in found:
            table = pa.Table.from_batches([after.coded(batch)])
            if connection is not None:
                relation = connection.from_arrow(table)
                for test in tests:
                    relation = relation.filter(test)
                table = relation.to_arrow_table()
            if remaining is not None:
                table = table.slice(0, remaining)
                remaining -= table.num_rows
            yield from table.select(after.out.names).combine_chunks().to_batches()
            if remaining == 0:
                return

    if not tests:
        yield coded(None)
        return
    with duck.closed() as connection:
        yield coded(connection)


def _shaped(found: Iterator[pa.RecordBatch], out: pa.Schema | None) -> Iterator[pa.RecordBatch]:
    for batch in found:
        if out is None or batch.schema == out:
            yield batch if out is None else batch.replace_schema_metadata(None)
        else:
            yield batch.select(out.names).cast(out)


def _nothing() -> None:
    return
