"""A scan over one stored Parquet table: which columns, which rows; planned and checked before anything is sent.

Where only part of a table may leave, a query says which (the release); columns and filters then choose from its result.

Filters are read as values of their column's type and stand as escaped literals in a query built as a tree. They are
not bound as parameters, because the engine then keeps the whole result in memory instead of streaming it.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import NoReturn

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sqlglot import exp

MEMORY_LIMIT = "512MB"
_SOURCE = "source"
_RELEASED = "released"
_DECIMAL_DIGITS = 38
# Nothing is fetched from elsewhere, and no Python variable becomes a table.
_CLOSED = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}

Value = str | bool | int | float | Decimal | date | time | datetime


class Op(StrEnum):
    """What a filter compares; `ne` and the orderings never hold for a missing value, as in SQL."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    IS_NULL = "isNull"


@dataclass(frozen=True)
class Filter:
    """One condition as the caller wrote it; all conditions must hold. `isNull` takes `true` or `false`."""

    column: str
    op: Op
    values: tuple[str, ...]


@dataclass(frozen=True)
class ScanFault:
    """One thing wrong: which query parameter, which of its entries (from 0), a stable code, and a sentence."""

    parameter: str
    position: int
    code: str
    message: str


class ScanFaults(Exception):  # noqa: N818 — what was asked is wrong, not the program
    """The scan cannot be made as asked; carries every fault."""

    def __init__(self, faults: Sequence[ScanFault]) -> None:
        """Keep the faults in the order of the query."""
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


@dataclass(frozen=True)
class Scan:
    """A checked scan; `columns` are those that go out, in that order."""

    source: Path | pa.NativeFile
    columns: tuple[str, ...]
    schema: pa.Schema
    """Of the columns that go out."""
    conditions: tuple[exp.Expr, ...]
    row_count: int
    """Rows stored, before any filter."""
    is_whole: bool
    """Every column in stored order and no filter: as Parquet, the stored bytes themselves are the answer."""
    release: str | None = None
    """The query over the table that gives what may leave of it; None: all of it."""

    @contextmanager
    def batches(
        self, outputs: Sequence[exp.Expr] | None = None, *, rows: int = 122_880, threads: int = 2
    ) -> Iterator[tuple[pa.RecordBatchReader, Callable[[], None]]]:
        """Open the engine and yield a reader of batches of about `rows`, and what interrupts it from another thread.

        `outputs` replace the plain columns. Row order is the stored order. Memory does not grow with the table.
        """
        chosen = outputs or [exp.column(name, quoted=True) for name in self.columns]
        with _engine(self.source, threads) as connection:
            query = exp.Select(expressions=list(chosen)).from_(_table(connection, self.source, self.release))
            for condition in self.conditions:
                query = query.where(condition)
            ending = _Ending(connection)
            try:
                yield connection.sql(query.sql("duckdb")).to_arrow_reader(rows), ending.interrupt
            finally:
                ending.is_over()


def _table(
    connection: duckdb.DuckDBPyConnection, source: Path | pa.NativeFile, release: str | None
) -> exp.Expr:
    """Return what to select from: the stored table, or what of it may leave."""
    if not isinstance(source, Path):
        connection.register(_SOURCE, _dataset(source))
        stored: exp.Expr = exp.to_table(_SOURCE)
    else:
        file = exp.Literal.string(str(source))
        stored = exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[file]))
    if release is None:
        return stored
    if isinstance(source, Path):
        everything = exp.Select(expressions=[exp.Star()]).from_(stored)
        connection.execute(f"CREATE TEMP VIEW {_SOURCE} AS {everything.sql('duckdb')}")
    connection.execute(f"CREATE TEMP VIEW {_RELEASED} AS {release}")
    return exp.to_table(_RELEASED)


class _Ending:
    """Lets another thread interrupt the engine as long as it is open, and never after."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = connection

    def interrupt(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()

    def is_over(self) -> None:
        with self._lock:
            self._connection = None


def plan_scan(
    source: Path | pa.NativeFile,
    *,
    fields: Sequence[str] | None = None,
    filters: Sequence[Filter] = (),
    release: Callable[[str], str] | None = None,
) -> Scan:
    """Check fields and filters against the stored table's footer; raises ScanFaults with all that is wrong.

    `release` gives, for a table's name, the query of what may leave of it; a column that it hides is an unknown one.
    """
    with pq.ParquetFile(source) as stored:
        schema, row_count = stored.schema_arrow, stored.metadata.num_rows
    released: str | None = None
    if release is not None:
        released, schema = _typed(release(_SOURCE), schema)
    faults: list[ScanFault] = []
    names = tuple(schema.names)
    chosen = tuple(fields) if fields is not None else names
    if not chosen:
        faults.append(ScanFault("fields", 0, "fields-empty", "fields: name at least one column"))
    for position, name in enumerate(chosen):
        if name not in names:
            faults.append(
                ScanFault("fields", position, "column-unknown", f"fields: there is no column {name!r}")
            )
        elif name in chosen[:position]:
            faults.append(
                ScanFault("fields", position, "column-doubled", f"fields: column {name!r} is named twice")
            )
    conditions: list[exp.Expr] = []
    for position, condition in enumerate(filters):
        try:
            if condition.column not in names:
                raise _Unfit("column-unknown", f"there is no column {condition.column!r}")
            conditions.append(_render(condition, schema.field(condition.column).type))
        except _Unfit as unfit:
            faults.append(ScanFault("filter", position, unfit.code, f"filter {position + 1}: {unfit}"))
    if faults:
        raise ScanFaults(faults)
    out = pa.schema([schema.field(name) for name in chosen])
    is_whole = released is None and chosen == names and not conditions
    return Scan(source, chosen, out, tuple(conditions), row_count, is_whole, released)


def _typed(release: str, stored: pa.Schema) -> tuple[str, pa.Schema]:
    """Return a release whose columns have their stored type, or text where a mask made text of them, and its schema.

    An emptied column has no type of its own, and a truncated date would be a moment without a zone. Reads no data.
    """
    with duckdb.connect(config={"threads": 1, **_CLOSED}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register(_SOURCE, stored.empty_table())
        table, given = connection.table(_SOURCE), connection.sql(release)
        types = {name: str(each) for name, each in zip(table.columns, table.types, strict=True)}
        found = {name: str(each) for name, each in zip(given.columns, given.types, strict=True)}
        other = {name for name, each in found.items() if each not in (types[name], "VARCHAR")}
        if other:
            columns = [
                f"CAST({_quoted(name)} AS {types[name]}) AS {_quoted(name)}"
                if name in other
                else _quoted(name)
                for name in given.columns
            ]
            release = f"SELECT {', '.join(columns)} FROM ({release})"  # noqa: S608 — quoted names, the engine's own types
            given = connection.sql(release)
        return release, given.to_arrow_table().schema


def _quoted(name: str) -> str:
    return exp.column(name, quoted=True).sql("duckdb")


class _Unfit(Exception):  # noqa: N818 — becomes a ScanFault
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_COMPARE: dict[Op, type[exp.Binary]] = {
    Op.EQ: exp.EQ,
    Op.NE: exp.NEQ,
    Op.LT: exp.LT,
    Op.LE: exp.LTE,
    Op.GT: exp.GT,
    Op.GE: exp.GTE,
}


def _render(condition: Filter, found: pa.DataType) -> exp.Expr:
    column = exp.column(condition.column, quoted=True)
    if condition.op is Op.IS_NULL:
        if condition.values not in {("true",), ("false",)}:
            raise _Unfit("filter-value", "isNull takes true or false")
        is_null = exp.Is(this=column, expression=exp.Null())
        return is_null if condition.values == ("true",) else exp.Not(this=is_null)
    if condition.op is not Op.IN and len(condition.values) != 1:
        raise _Unfit("filter-value", f"{condition.op} takes one value")
    if not condition.values:
        raise _Unfit("filter-value", "in takes at least one value")
    if pa.types.is_boolean(found) and condition.op not in {Op.EQ, Op.NE, Op.IN}:
        raise _Unfit("filter-operator", f"{condition.op} does not apply to a boolean column")
    values = [_read(text, found, condition.column) for text in condition.values]
    if condition.op is Op.IN:
        return exp.In(this=column, expressions=values)
    return _COMPARE[condition.op](this=column, expression=values[0])


def _read(text: str, found: pa.DataType, column: str) -> exp.Expr:
    """Read a filter's value as the column's type and return it as a literal of that type."""
    for test, reader, wanted, type_name in _READERS:
        if test(found):
            try:
                return _literal(reader(text), type_name)
            except (ValueError, InvalidOperation, OverflowError):
                raise _Unfit(
                    "filter-value", f"column {column!r} is {wanted}, and {text[:80]!r} is not"
                ) from None
    raise _Unfit("filter-column", f"column {column!r} cannot be filtered on")


def _literal(value: Value, type_name: str) -> exp.Expr:
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, Decimal):
        type_name = f"DECIMAL(38, {max(0, -int(value.as_tuple().exponent))})"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build(type_name, dialect="duckdb"))


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else _no()


def _whole(text: str) -> int:
    value = int(text) if text.isascii() and text.strip() == text and "_" not in text else _no()
    return value if -(2**63) <= value < 2**63 else _no()


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) and "_" not in text else _no()


def _exact(text: str) -> Decimal:
    value = Decimal(text)
    digits = value.as_tuple().digits
    exponent = int(value.as_tuple().exponent) if value.is_finite() else _no()
    plain = max(len(digits), -exponent) + max(0, exponent) <= _DECIMAL_DIGITS
    return value if plain and "_" not in text else _no()


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def _clock(text: str) -> time:
    value = time.fromisoformat(text)
    return value if value.tzinfo is None else _no()


def _text(text: str) -> str:
    return text if "\0" not in text else _no()


def _no() -> NoReturn:
    raise ValueError


_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Value], str, str], ...] = (
    (pa.types.is_string, _text, "string", "TEXT"),
    (pa.types.is_boolean, _boolean, "boolean", "BOOLEAN"),
    (pa.types.is_integer, _whole, "int64", "BIGINT"),
    (pa.types.is_floating, _finite, "float64", "DOUBLE"),
    (pa.types.is_decimal, _exact, "decimal", "DECIMAL"),
    (pa.types.is_date, date.fromisoformat, "date (YYYY-MM-DD)", "DATE"),
    (pa.types.is_time, _clock, "time (HH:MM:SS)", "TIME"),
    (pa.types.is_timestamp, _instant, "timestamp (ISO 8601)", "TIMESTAMPTZ"),
)


def _dataset(source: pa.NativeFile) -> ds.Dataset:
    """Make an open file a dataset, so that the engine pushes columns and filters down into its reading."""
    file_format = ds.ParquetFileFormat()
    fragment = file_format.make_fragment(source)
    return ds.FileSystemDataset([fragment], fragment.physical_schema, file_format)


@contextmanager
def _engine(source: Path | pa.NativeFile, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory engine that can read this one file and nothing else."""
    spill = tempfile.mkdtemp(prefix="datahub-scan-")
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": threads,
            "temp_directory": spill,
            **_CLOSED,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if isinstance(source, Path):
            connection.execute(f"SET allowed_paths = [{exp.Literal.string(str(source)).sql('duckdb')}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)
