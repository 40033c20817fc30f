"""A scan over one stored Parquet table: which columns, which rows; planned and checked before anything is sent.

Where only part of a table may leave, a plan says which (the release); columns and filters then choose from its result.

Filters are read as values of their column's type and stand as escaped literals in a query built as a tree. They are
not bound as parameters, because the engine then keeps the whole result in memory instead of streaming it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from sqlglot import exp

from datahub.engine import Limit, Plan, Predicate, Stored, SubjectGate, Subjects, kept

_DECIMAL_DIGITS = 38
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
    """A checked scan: a stored table, and the plan of what goes out of it."""

    stored: Stored
    plan: Plan

    @property
    def source(self) -> Path | pa.NativeFile:
        """Where the stored table is read from."""
        return self.stored.source

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that go out, in that order."""
        return tuple(self.plan.out.names)

    @property
    def schema(self) -> pa.Schema:
        """Of the columns that go out."""
        return self.plan.out

    @property
    def row_count(self) -> int:
        """Rows stored, before any filter."""
        return self.stored.row_count

    @property
    def is_whole(self) -> bool:
        """Every column in stored order and no filter: as Parquet, the stored bytes themselves are the answer."""
        return self.plan.is_whole


def plan_scan(
    source: Path | pa.NativeFile,
    *,
    fields: Sequence[str] | None = None,
    filters: Sequence[Filter] = (),
    limit: int | None = None,
    release: Callable[[pa.Schema], Plan] | None = None,
    subjects: Subjects | None = None,
) -> Scan:
    """Check fields and filters against the stored table's footer; raises ScanFaults with all that is wrong.

    `release` gives, for the stored columns, the plan of what may leave; a column that it hides is an unknown one.
    """
    stored = Stored.of(source, subjects)
    plan = Plan(stored.schema) if release is None else release(stored.schema)
    schema = plan.out
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
    is_veiled = any(isinstance(step, Predicate | SubjectGate) for step in plan.steps)
    conditions: list[Predicate] = []
    for position, condition in enumerate(filters):
        try:
            if condition.column not in names:
                raise _Unfit("column-unknown", f"there is no column {condition.column!r}")
            test = _render(condition, schema.field(condition.column).type)
            conditions.append(Predicate(_veiled(test) if is_veiled else test))
        except _Unfit as unfit:
            faults.append(ScanFault("filter", position, unfit.code, f"filter {position + 1}: {unfit}"))
    if faults:
        raise ScanFaults(faults)
    # What the reader filters on comes after the release: then a masked value cannot be found out.
    plan = plan.then(*conditions, *(() if limit is None else (Limit(limit),)))
    return Scan(stored, plan if chosen == names else plan.then(kept(schema, chosen)))


def _veiled(test: exp.Expr) -> exp.Expr:
    """Write a test so that no engine looks it up in the statistics of the stored table.

    They speak of the rows that may not leave too: how fast an answer comes would tell what these hold.
    """
    return exp.Case(
        ifs=[exp.If(this=test, true=exp.Boolean(this=True))],
        default=exp.Boolean(this=False),
    )


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
