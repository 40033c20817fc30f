"""What a sample shows of each column, and how rows are made up. Pure: chance comes from a seed.

A made-up value is never one that is in the table, unless the provider lets the values of that column be listed: numbers and
moments lie beyond the largest, texts are words of our own, and where nothing is known of a column nothing is made up.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
from sqlglot import exp

from datahub.engine import Limit, Output, Plan, Project, method_of
from datahub.kernel.errors import Fault

MASKS = ("null", "fixed", "year", "month", "first4", "last4")
_SHOWS_A_PART = frozenset({"year", "month", "first4", "last4"})
LEAST_SHARED = 10
"""A value of a listed column is shown when so many rows share it."""

_MOST_DISTINCT = 10_000
_INT64 = 1 << 63
Column = Mapping[str, Any]


def faults_of(chosen: Sequence[Column], stored: Sequence[Column], *, is_synthetic: bool) -> list[Fault]:
    """Return what is wrong with the columns chosen for a sample of a table with these columns."""
    names = [each["name"] for each in stored]
    seen: set[str] = set()
    faults = []
    for at, each in enumerate(chosen):
        where = f"/columns/{at}"
        if each["name"] not in names:
            faults.append(Fault(f"{where}/name", f"there is no column {each['name']!r}", "column-unknown"))
        if each["name"] in seen:
            faults.append(Fault(f"{where}/name", f"column {each['name']!r} comes twice", "column-doubled"))
        seen.add(each["name"])
        if is_synthetic and each.get("mask"):
            faults.append(Fault(f"{where}/mask", "made-up values need no mask", "misplaced"))
        if not is_synthetic and each.get("listed"):
            faults.append(Fault(f"{where}/listed", "is for made-up rows", "misplaced"))
    return faults


def warnings_of(
    chosen: Sequence[Column], stored: Sequence[Column], *, is_synthetic: bool
) -> list[dict[str, str]]:
    """Return a warning for each column that seems to be about people and of which real values leave."""
    known = {each["name"]: each for each in stored}
    warnings = []
    for each in chosen:
        column, mask = known.get(each["name"], {}), each.get("mask")
        suggested = (column.get("profile") or {}).get("suggested") or {}
        category = column.get("sensitivity") or suggested.get("category")
        is_safe = not each.get("listed") if is_synthetic else mask in ("null", "fixed")
        if category and not is_safe:
            how = "listed" if is_synthetic else "partly-shown" if mask in _SHOWS_A_PART else "shown"
            code = f"sensitive-column-{how}"
            warnings.append({"column": each["name"], "code": code, "category": str(category)})
    return warnings


def masked(schema: pa.Schema, chosen: Sequence[Column], rows: int) -> Plan:
    """Return the plan that shows the first rows, each chosen column behind its mask."""
    outputs = [_output(schema.field(each["name"]), each) for each in chosen if each["name"] in schema.names]
    return Plan(schema).then(Project(tuple(outputs)), Limit(rows))


def _output(field: pa.Field, chosen: Column) -> Output:
    column: exp.Expr = exp.column(field.name, quoted=True)
    if not chosen.get("mask"):
        return Output(field.name, field.type, column)
    method = method_of(chosen["mask"], field.type)
    value = method.apply(column, chosen.get("replacement"))
    if isinstance(value, exp.Null):
        return Output(field.name, field.type, value)
    if method.keeps_type:
        kind = "TIMESTAMPTZ" if pa.types.is_timestamp(field.type) else "DATE"
        return Output(
            field.name, field.type, exp.Cast(this=value, to=exp.DataType.build(kind, dialect="duckdb"))
        )
    return Output(field.name, pa.string(), value)


def synthetic(
    schema: pa.Schema,
    stored: Sequence[Column],
    chosen: Sequence[Column],
    *,
    rows: int,
    row_count: int,
    shared: Mapping[str, Sequence[Any]],
    seed: str,
    is_blind: bool = False,
) -> pa.Table:
    """Return made-up rows. `shared`: for listed columns of text, values that enough rows share.

    `is_blind`: nothing of the table is used but names and types, so that rows of people who said no count for nothing.
    """
    known = {each["name"]: each for each in stored}
    fields, arrays = [], []
    for each in chosen:
        name = each["name"]
        if name not in known or name not in schema.names:
            continue
        kind = schema.field(name).type
        profile = _blind(schema.field(name).type) if is_blind else known[name].get("profile") or {}
        nulls = (profile.get("nulls") or 0) / max(1, row_count)
        distinct = max(1, min(profile.get("distinct") or 1, _MOST_DISTINCT))
        cells: list[Any] = []
        for at in range(rows):
            chance = _chance(seed, name, str(at))
            # Listed values fall as they may; others come as often as there are different ones.
            number = chance if each.get("listed") else _chance(seed, name, "of", str(int(chance * distinct)))
            is_null = _chance(seed, name, "null", str(at)) < nulls
            cells.append(
                None
                if is_null
                else _made(kind, name, profile, number, shared.get(name) if each.get("listed") else None)
            )
        fields.append(pa.field(name, kind))
        arrays.append(pa.array(cells, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _blind(kind: pa.DataType) -> Column:
    """Return the figures of a column of which nothing is known but its type."""
    is_moment = pa.types.is_temporal(kind)
    low, high = ("2000-01-01", "2020-12-31") if is_moment else ("0", "100")
    return {"min": low, "max": high, "distinct": _MOST_DISTINCT}


def _chance(*parts: str) -> float:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)


def _made(kind: pa.DataType, name: str, profile: Column, number: float, listed: Sequence[Any] | None) -> Any:
    if pa.types.is_string(kind):
        if listed is not None:
            return listed[int(number * len(listed))] if listed else None
        return f"{name} synthetic-{int(number * _MOST_DISTINCT):04d}"
    if pa.types.is_boolean(kind):
        return number < 0.5 if listed is not None else None  # noqa: PLR2004 — a coin
    bounds = _bounds(kind, profile)
    if bounds is None:
        return None
    low, high = bounds
    for test, make in _MAKERS:
        if test(kind):
            try:
                return make(kind, low, high, number, listed is not None)
            except (OverflowError, InvalidOperation):
                return None
    return None


def _bounds(kind: pa.DataType, profile: Column) -> tuple[Any, Any] | None:
    low, high = profile.get("min"), profile.get("max")
    if low is None or high is None:
        return None
    for test, read in _READERS:
        if test(kind):
            return read(low), read(high)
    return None


def _instant(said: str) -> datetime:
    value = datetime.fromisoformat(said)
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


_READERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str], Any]], ...] = (
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
    (pa.types.is_decimal, Decimal),
    (pa.types.is_date, date.fromisoformat),
    (pa.types.is_timestamp, _instant),
)


def _integer(_: pa.DataType, low: int, high: int, number: float, is_listed: bool) -> int | None:
    if is_listed:
        return low + int(number * (high - low + 1))
    value = high + 1 + int(number * max(high - low, 1000))
    return value if value < _INT64 else None


def _floating(_: pa.DataType, low: float, high: float, number: float, is_listed: bool) -> float:
    span = (high - low) or 1.0
    return low + number * (high - low) if is_listed else high + span * 0.01 + number * span


def _decimal(
    kind: pa.DataType, low: Decimal, high: Decimal, number: float, is_listed: bool
) -> Decimal | None:
    step = Decimal(1).scaleb(-kind.scale)
    span = max(high - low, step * 1000)
    start = low if is_listed else high + step
    value = (start + (high - low if is_listed else span) * Decimal(number)).quantize(step)
    return value if len(value.as_tuple().digits) <= kind.precision else None


def _day(_: pa.DataType, low: date, high: date, number: float, is_listed: bool) -> date:
    days = (high - low).days
    if is_listed:
        return low + timedelta(days=int(number * (days + 1)))
    return high + timedelta(days=1 + int(number * max(days, 365)))


def _moment(_: pa.DataType, low: datetime, high: datetime, number: float, is_listed: bool) -> datetime:
    span = max(high - low, timedelta(days=1))
    return low + number * (high - low) if is_listed else high + timedelta(seconds=1) + number * span


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., Any]], ...] = (
    (pa.types.is_integer, _integer),
    (pa.types.is_floating, _floating),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_date, _day),
    (pa.types.is_timestamp, _moment),
)
