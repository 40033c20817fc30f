"""Parquet and Arrow IPC (file and stream) into our Parquet: types mapped, values checked, nested columns refused.

Batches are read one at a time and pages in small buffers, so that one huge row group does not come into memory whole.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names and texts in it are escaped by sqlglot

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.catalog.ingest import cells
from datahub.catalog.ingest.columns import Column, ColumnType, Kind, TableFacts
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.faults import (
    FAULT_CAP,
    TableFault,
    TableFaults,
    bad_value,
    name_faults,
    presence_faults,
    stop,
)
from datahub.catalog.ingest.store_parquet import facts, quoted, write

BATCH_ROWS = 65_536
MAX_COLUMNS = 2000
_FIRST_DAY, _LAST_DAY = "0001-01-01", "9999-12-31"


def ingest_parquet(
    source: Path, target: Path, *, declared: Sequence[Column] | None, scratch: Path
) -> TableFacts:
    """Store a Parquet file anew as our Parquet; raises TableFaults."""
    try:
        with pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20) as file:
            reading = _Reading(file.schema_arrow, declared)
            return reading.store(file.iter_batches(batch_size=BATCH_ROWS), target, scratch)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise stop("unreadable", f"not a Parquet file that can be read: {_brief(error)}") from None


def ingest_arrow(
    source: Path, target: Path, *, declared: Sequence[Column] | None, scratch: Path
) -> TableFacts:
    """Store an Arrow IPC file or stream as our Parquet; raises TableFaults."""
    try:
        with pa.OSFile(str(source)) as file:
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            if is_file:
                with pa.ipc.open_file(file) as reader:
                    batches = (reader.get_batch(n) for n in range(reader.num_record_batches))
                    return _Reading(reader.schema, declared).store(batches, target, scratch)
            with pa.ipc.open_stream(file) as stream:
                return _Reading(stream.schema, declared).store(iter(stream), target, scratch)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise stop(
            "unreadable", f"not an Arrow IPC file or stream that can be read: {_brief(error)}"
        ) from None


class _Reading:
    """One pass over record batches of a known schema, with the faults found on the way."""

    def __init__(self, schema: pa.Schema, declared: Sequence[Column] | None) -> None:
        names = [str(name) for name in schema.names]
        if len(names) > MAX_COLUMNS or not names:
            raise stop("too-many-columns", f"{len(names)} columns; between 1 and {MAX_COLUMNS} are taken")
        faults = name_faults(names)
        faults += [
            TableFault(
                "column-type",
                f"column {field.name!r} is {field.type}: {_advice(field.type)}",
                None,
                field.name,
            )
            for field in schema
            if ColumnType.of_arrow(field.type) is None
        ]
        if declared is not None:
            faults += presence_faults(names, [column.name for column in declared])
        if faults:
            raise TableFaults(faults)
        found = {field.name: ColumnType.of_arrow(field.type) or ColumnType(Kind.STRING) for field in schema}
        self.inferred = declared is None
        self.columns = list(declared or [Column(name, kind) for name, kind in found.items()])
        faults = [
            TableFault(
                "column-type",
                f"column {c.name!r} is {found[c.name].name}, declared is {c.type.name}",
                None,
                c.name,
            )
            for c in self.columns
            if not _may_become(found[c.name], c.type)
        ]
        if faults:
            raise TableFaults(faults)
        self.schema = pa.schema([pa.field(column.name, column.type.arrow) for column in self.columns])
        self.faults: list[TableFault] = []
        self.total = 0
        self.stopped: BaseException | None = None

    def store(self, batches: Iterator[pa.RecordBatch], target: Path, scratch: Path) -> TableFacts:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._checked(batches))
        with engine([target], scratch) as connection:
            connection.register("incoming", reader)
            names = ", ".join(quoted(column.name) for column in self.columns)
            try:
                write(connection, f"SELECT {names} FROM incoming", target)
            except duckdb.Error as error:
                raise self.stopped or stop("unreadable", f"a batch cannot be read: {_brief(error)}") from None
        if self.stopped is not None:
            raise self.stopped
        if self.faults:
            raise TableFaults(self.faults, self.total)
        return facts(target, self.columns, inferred=self.inferred)

    def _checked(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield batches of the stored types; after the first fault only count on, writing nothing more."""
        first = 1
        try:
            for batch in batches:
                batch.validate(full=True)
                arrays = [self._column(batch.column(column.name), column, first) for column in self.columns]
                first += batch.num_rows
                if not self.faults:
                    yield pa.record_batch(arrays, schema=self.schema)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            self.stopped = stop(
                "unreadable", f"after row {first - 1} the file cannot be read: {_brief(error)}"
            )
            raise

    def _column(self, array: pa.Array, column: Column, first: int) -> pa.Array:
        wanted = column.type.arrow
        if not column.nullable and array.null_count:
            self._note(array, pc.is_null(array), column, first)
        try:
            stored = _cast(array, wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return self._one_by_one(array, column, first)
        wrong = _unfit(stored, column.type.kind)
        if wrong is not None and pc.any(wrong).as_py():
            self._note(array, wrong, column, first)
        return stored

    def _note(self, array: pa.Array, wrong: pa.Array, column: Column, first: int) -> None:
        places = pc.indices_nonzero(pc.fill_null(wrong, fill_value=False))
        self.total += len(places)
        for place in (
            places[: FAULT_CAP - len(self.faults)].to_pylist() if len(self.faults) < FAULT_CAP else ()
        ):
            self._fault(array, place, column, first)

    def _fault(self, array: pa.Array, place: int, column: Column, first: int) -> None:
        value = array[place].cast(pa.string()).as_py() if array[place].is_valid else None
        self.faults.append(bad_value(first + place, column.name, value, cells.expected(column.type)))

    def _one_by_one(self, array: pa.Array, column: Column, first: int) -> pa.Array:
        """Find which values do not convert; only for a batch that failed as a whole."""
        for place in range(len(array)):
            try:
                _cast(array.slice(place, 1), column.type.arrow)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                self.total += 1
                if len(self.faults) < FAULT_CAP:
                    self._fault(array, place, column, first)
        return pa.nulls(len(array), column.type.arrow)


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Convert without loss or raise: no rounding, no overflow, no truncation."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
        array = (
            array.cast(pa.decimal128(max(21, wanted.scale + 19), 0))
            if wanted.scale
            else array.cast(pa.decimal128(38, 0))
        )
    if pa.types.is_timestamp(array.type) and array.type.tz is None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    return array.cast(wanted, safe=True)


def _unfit(stored: pa.Array, kind: Kind) -> pa.Array | None:
    """Return which values no format could carry: not finite, years beyond 1 to 9999, NUL in text."""
    if kind is Kind.FLOAT64:
        return pc.invert(pc.is_finite(stored))
    if kind is Kind.STRING:
        return pc.match_substring(stored, "\0")
    if kind in {Kind.DATE, Kind.TIMESTAMP}:
        days = (
            stored.cast(pa.date32())
            if kind is Kind.DATE
            else pc.floor_temporal(stored, unit="day").cast(pa.date32())
        )
        low, high = (pa.scalar(day).cast(pa.date32()) for day in (_FIRST_DAY, _LAST_DAY))
        return pc.or_(pc.less(days, low), pc.greater(days, high))
    if kind is Kind.TIME:
        return pc.less(stored.cast(pa.int64()), 0)
    return None


def _may_become(found: ColumnType, wanted: ColumnType) -> bool:
    widening = {(Kind.INT64, Kind.FLOAT64), (Kind.INT64, Kind.DECIMAL), (Kind.DATE, Kind.TIMESTAMP)}
    return found.kind == wanted.kind or (found.kind, wanted.kind) in widening


def _advice(found: pa.DataType) -> str:
    if pa.types.is_nested(found):
        return "nested columns are not taken; write each part as a column of its own"
    if pa.types.is_binary(found) or pa.types.is_large_binary(found) or pa.types.is_fixed_size_binary(found):
        return "bytes are not taken in a table; publish them as files, or as text"
    return "this type is not taken; use string, boolean, int64, float64, decimal, date, time or timestamp"


def _brief(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
