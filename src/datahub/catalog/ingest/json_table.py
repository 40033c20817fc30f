"""JSON Lines (one object a line) into Parquet: typed values, unknown and doubled keys refused, faults with their line.

Types are those of JSON: a quoted number is a string. Decimals may be strings, so that no reader rounds them.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names and texts in it are escaped by sqlglot

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from datahub.catalog.ingest import cells
from datahub.catalog.ingest.columns import Column, ColumnType, Kind, TableFacts
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.faults import (
    FAULT_CAP,
    TableFault,
    TableFaults,
    bad_value,
    clip,
    name_faults,
    presence_faults,
    stop,
)
from datahub.catalog.ingest.store_parquet import facts, literal, quoted, write

LINE_LIMIT_BYTES = 4 << 20
MAX_COLUMNS = 2000
SAMPLE_ROWS = 100_000
_EXACT_DIGITS = 15
"""A JSON number with at most so many digits survives being read as a double."""

_NATURE = {
    "UBIGINT": Kind.INT64,
    "BIGINT": Kind.INT64,
    "HUGEINT": Kind.FLOAT64,
    "UHUGEINT": Kind.FLOAT64,
    "DOUBLE": Kind.FLOAT64,
    "BOOLEAN": Kind.BOOLEAN,
    "VARCHAR": Kind.STRING,
}


def ingest_json(
    source: Path, target: Path, *, declared: Sequence[Column] | None, scratch: Path
) -> TableFacts:
    """Store the JSON Lines as Parquet in `target`; raises TableFaults."""
    if source.stat().st_size == 0 and declared is None:
        raise stop("file-empty", "the file is empty, and no columns are declared", line=1)
    reading = _Reading(source, target, scratch)
    names = reading.names()
    if declared is not None:
        faults = [
            fault
            for fault in presence_faults(names, [c.name for c in declared])
            if fault.code == "column-unknown"
        ]
        if faults:
            raise TableFaults(faults)
        columns = list(declared)
        if not reading.store(columns, strict=False):
            raise reading.faults(columns)
        return facts(target, columns, inferred=False)
    if not names:
        raise stop("file-empty", "no line holds a value, and no columns are declared", line=1)
    faults = name_faults(names)
    if faults:
        raise TableFaults(faults)
    columns = reading.infer(names, SAMPLE_ROWS)
    if not reading.store(columns, strict=True):
        columns = reading.infer(names, None)
        if not reading.store(columns, strict=True):
            raise reading.faults(columns)
    return facts(target, columns, inferred=True)


@dataclass(frozen=True)
class _Reading:
    source: Path
    target: Path
    scratch: Path

    def _scan(self, names: Sequence[str]) -> str:
        columns = ", ".join(f"{literal(name)}: 'JSON'" for name in names)
        return (
            f"read_json({literal(str(self.source))}, format = 'newline_delimited', auto_detect = false, records = true, "
            f"columns = {{{columns}}}, maximum_object_size = {LINE_LIMIT_BYTES})"
        )

    def names(self) -> list[str]:
        """Return the keys of all objects, in order of the first line; raises TableFaults."""
        lines = (
            f"read_json_objects({literal(str(self.source))}, format = 'newline_delimited', "
            f"maximum_object_size = {LINE_LIMIT_BYTES})"
        )
        with engine([self.source], self.scratch) as connection:
            try:
                first = connection.execute(f"SELECT json_keys(json) FROM {lines} LIMIT 1").fetchone()
                keys = connection.execute(
                    f"SELECT DISTINCT unnest(json_keys(json)) AS k FROM {lines} ORDER BY k LIMIT {MAX_COLUMNS + 1}"
                ).fetchall()
            except duckdb.Error:
                keys = None
        if keys is None:
            raise self.faults([])
        if len(keys) > MAX_COLUMNS:
            raise stop("too-many-columns", f"more than {MAX_COLUMNS} different keys")
        ordered = dict.fromkeys((first or ([],))[0] or [])
        return list(ordered | dict.fromkeys(name for (name,) in keys))

    def store(self, columns: Sequence[Column], *, strict: bool) -> bool:
        """Write all rows typed, or return False when the file is not what the columns say."""
        chosen = []
        for column in columns:
            name = quoted(column.name)
            value = _typed(name, column.type, strict=strict)
            chosen.append(f"{cells.or_fail(value, name, column.type, nullable=column.nullable)} AS {name}")
        query = f"SELECT {', '.join(chosen)} FROM {self._scan([column.name for column in columns])}"
        with engine([self.source, self.target], self.scratch) as connection:
            try:
                write(connection, query, self.target)
            except (duckdb.InvalidInputException, duckdb.ConversionException):
                return False
        return True

    def infer(self, names: Sequence[str], rows: int | None) -> list[Column]:
        """Return the type that fits every value of each column; whole numbers among others make all float64."""
        limit = f" LIMIT {rows}" if rows else ""
        tests = []
        for name in names:
            cell = quoted(name)
            tests.append(f"list(DISTINCT json_type({cell})) FILTER ({cell} IS NOT NULL)")
            tests += [
                f"coalesce(bool_and({_typed(cell, ColumnType(kind), strict=True)} IS NOT NULL) "
                f"FILTER ({cell} IS NOT NULL), false)"
                for kind in cells.FROM_JSON_STRING
            ]
        query = f"SELECT {', '.join(tests)} FROM (SELECT * FROM {self._scan(names)}{limit})"
        with engine([self.source], self.scratch) as connection:
            try:
                answers = connection.execute(query).fetchone() or ()
            except duckdb.Error:
                answers = None
        if answers is None:
            raise self.faults([])
        width = 1 + len(cells.FROM_JSON_STRING)
        columns = []
        for n, name in enumerate(names):
            types, *fits = answers[n * width : (n + 1) * width]
            if rows and not types:
                return self.infer(names, None)  # the sample says nothing of this column
            natures = {_NATURE.get(found, Kind.STRING) for found in types or ()}
            kind = Kind.FLOAT64 if natures == {Kind.INT64, Kind.FLOAT64} else _only(natures)
            if kind is Kind.STRING:
                kind = next((k for k, fit in zip(cells.FROM_JSON_STRING, fits, strict=True) if fit), kind)
            columns.append(Column(name, ColumnType(kind)))
        return columns

    def faults(self, columns: Sequence[Column]) -> TableFaults:
        """Return every fault, found line by line in Python: slower, but it knows where it is."""
        faults: list[TableFault] = []
        total = 0
        for fault in self._all_faults({column.name: column for column in columns}):
            total += 1
            if len(faults) < FAULT_CAP:
                faults.append(fault)
        if not faults:
            return stop("json-structure", "the JSON Lines cannot be read with these columns")
        return TableFaults(faults, total)

    def _all_faults(self, columns: dict[str, Column]) -> Iterator[TableFault]:
        guess = (
            not columns
        )  # reading stopped before there were columns: the first value of each says what it is
        with self.source.open("rb") as file:
            number = 0
            while line := file.readline(LINE_LIMIT_BYTES + 1):
                number += 1
                if len(line) > LINE_LIMIT_BYTES:
                    yield TableFault(
                        "record-too-large", f"line {number} has more than {LINE_LIMIT_BYTES} bytes", number
                    )
                    return
                if line.strip():
                    yield from _line_faults(number, line, columns, guess=guess)


def _only(natures: set[Kind]) -> Kind:
    """Return the one nature of a column; of several the first by name, against which the others are faults."""
    return min(natures, default=Kind.STRING)


def _typed(cell: str, column_type: ColumnType, *, strict: bool) -> str:
    """Return the SQL that turns a JSON value into the typed value, or NULL where it is not one."""
    nature, text, kind = f"json_type({cell})", f"({cell}->>'$')", column_type.kind
    if kind is Kind.BOOLEAN:
        return f"CASE WHEN {nature} = 'BOOLEAN' THEN CAST({text} AS BOOLEAN) END"
    if kind is Kind.INT64:
        return f"CASE WHEN {nature} IN ('BIGINT', 'UBIGINT') THEN TRY_CAST({text} AS BIGINT) END"
    if kind is Kind.FLOAT64:
        value = cells.within(f"TRY_CAST({text} AS DOUBLE)", kind)
        return (
            f"CASE WHEN {nature} IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE') THEN {value} END"
        )
    if kind is Kind.DECIMAL:
        exact = f"length(regexp_replace({text}, '[^0-9]', '', 'g')) <= {_EXACT_DIGITS}"
        fine = f"{nature} = 'VARCHAR' OR ({nature} IN ('BIGINT', 'UBIGINT', 'DOUBLE') AND {exact})"
        return f"CASE WHEN {fine} THEN {cells.typed(text, column_type)} END"
    return f"CASE WHEN {nature} = 'VARCHAR' THEN {cells.typed(text, column_type, strict=strict)} END"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found


def _no_constant(text: str) -> NoReturn:
    msg = f"{text} is not JSON; write null"
    raise ValueError(msg)


def _nature_of(value: object) -> ColumnType:
    if isinstance(value, bool):
        return ColumnType(Kind.BOOLEAN)
    return ColumnType(Kind.FLOAT64 if isinstance(value, int | Decimal) else Kind.STRING)


def _line_faults(
    number: int, line: bytes, columns: dict[str, Column], *, guess: bool
) -> Iterator[TableFault]:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_constant, parse_float=Decimal)
    except UnicodeDecodeError as error:
        yield TableFault("not-utf-8", f"line {number} is not UTF-8 (byte 0x{line[error.start]:02x})", number)
        return
    except (ValueError, RecursionError) as error:
        shown = clip(line.decode("utf-8", errors="replace").strip())
        yield TableFault("json", f"line {number} is not one JSON object: {error}", number, None, shown)
        return
    if not isinstance(found, dict):
        yield TableFault("json", f"line {number} is not a JSON object", number, None, clip(text.strip()))
        return
    if guess:
        columns |= {
            name: Column(name, _nature_of(value))
            for name, value in found.items()
            if name not in columns and value is not None
        }
    for name, column in columns.items():
        fault = _value_fault(number, column, found.get(name))
        if fault is not None:
            yield fault


def _value_fault(number: int, column: Column, value: Any) -> TableFault | None:
    wanted = cells.expected(column.type)
    if value is None:
        return None if column.nullable else bad_value(number, column.name, None, wanted)
    if isinstance(value, dict | list):
        shown = clip(json.dumps(value, default=str))
        where = f"line {number}, column {column.name!r}"
        message = f"{where}: nested values are not taken; write each part as a column of its own"
        return TableFault("nested", message, number, column.name, shown, wanted)
    if _fits(value, column.type):
        return None
    shown = json.dumps(value) if isinstance(value, bool) else str(value)
    return bad_value(number, column.name, shown, wanted)


def _fits(value: str | bool | int | Decimal, column_type: ColumnType) -> bool:
    kind = column_type.kind
    if isinstance(value, bool):
        return kind is Kind.BOOLEAN
    if isinstance(value, str) and kind is not Kind.DECIMAL:
        return _text_fits(value, column_type)
    if kind is Kind.DECIMAL:
        return _decimal_fits(value, column_type)
    if kind is Kind.INT64:
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return kind is Kind.FLOAT64 and math.isfinite(float(value))


def _decimal_fits(value: str | int | Decimal, column_type: ColumnType) -> bool:
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    exact = isinstance(value, str) or len(re.sub(r"\D", "", text)) <= _EXACT_DIGITS
    matches = re.fullmatch(cells.accept_pattern(column_type), text, re.ASCII)
    return bool(matches) and exact and abs(Decimal(text)) < 10 ** (column_type.precision - column_type.scale)


def _text_fits(value: str, column_type: ColumnType) -> bool:
    kind = column_type.kind
    if kind is Kind.STRING:
        return "\0" not in value
    reads: dict[Kind, Callable[[str], object]] = {
        Kind.DATE: date.fromisoformat,
        Kind.TIME: time.fromisoformat,
        Kind.TIMESTAMP: lambda text: datetime.fromisoformat(text.upper()),
    }
    if kind not in reads or not re.fullmatch(cells.accept_pattern(column_type), value, re.ASCII):
        return False
    try:
        reads[kind](value)
    except ValueError:
        return False
    return True
