"""A question of fixed form: by which columns, which measures, over which rows; and everything that is wrong with one.

Pure. Columns are those that the agreement lets be asked about; a hidden one is an unknown one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from datahub.kernel.errors import Fault

MOST_EPSILON = Decimal(10)
EPSILON_STEP = Decimal("0.000001")


class Function(StrEnum):
    """What may be measured; the names a policy's `dh:function` uses."""

    COUNT = "count"
    COUNT_DISTINCT = "countDistinct"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"


class Op(StrEnum):
    """What a filter compares; a missing value satisfies none but `isNull`."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    IS_NULL = "isNull"


class Unit(StrEnum):
    """To what a date or an instant is cut off."""

    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    HOUR = "hour"


Value = str | int | float | bool


@dataclass(frozen=True)
class ColumnRef:
    """A column of the dataset asked, or of the one joined to it."""

    name: str
    is_joined: bool = False


@dataclass(frozen=True)
class Dimension:
    """What groups are made by: a column as it is, cut off to a unit, or in buckets of equal width."""

    column: ColumnRef
    name: str
    truncate: Unit | None = None
    bucket: float | None = None


@dataclass(frozen=True)
class Measure:
    """What is told of each group. `bounds` clamp a value before it is summed with noise."""

    function: Function
    name: str
    column: ColumnRef | None = None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Condition:
    """One condition on rows; all must hold."""

    column: ColumnRef
    op: Op
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Joining:
    """The other dataset, and the column on either side that must be equal."""

    dataset: str
    left: str
    right: str
    agreement_id: str | None = None


@dataclass(frozen=True)
class Asked:
    """One question."""

    dimensions: tuple[Dimension, ...] = ()
    measures: tuple[Measure, ...] = ()
    conditions: tuple[Condition, ...] = ()
    join: Joining | None = None
    is_merged: bool = False
    """Groups that may not leave are taken together, if that may leave."""
    epsilon: Decimal | None = None
    most_rows_each: int | None = None
    """With noise: how many rows of one identity count at most."""


@dataclass(frozen=True)
class Side:
    """One of the tables of a question: its columns with the engine's types, and the terms it is asked under."""

    types: Mapping[str, str]
    is_results_only: bool = False
    entity_key: str | None = None
    functions: Sequence[str] = ()
    epsilon: Decimal | None = None


NUMBERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT", "DOUBLE", "FLOAT", "DECIMAL")
_DATES = ("DATE", "TIMESTAMP")


def faults_in(asked: Asked, main: Side, joined: Side | None) -> list[Fault]:
    """Return everything that is wrong with a question, each with where it stands in the body."""
    return [
        *_names(asked),
        *_columns(asked, main, joined),
        *_measures(asked, [side for side in (main, joined) if side is not None]),
        *_join(asked, main, joined),
        *_noise(asked, main, joined),
    ]


def _names(asked: Asked) -> Iterator[Fault]:
    seen: set[str] = set()
    for kind, each in (
        *((f"/dimensions/{n}", d.name) for n, d in enumerate(asked.dimensions)),
        *((f"/measures/{n}", m.name) for n, m in enumerate(asked.measures)),
    ):
        if each in seen:
            yield Fault(kind, f"the name {each!r} is given twice; say `as`", "name-doubled")
        seen.add(each)


def type_of(ref: ColumnRef, main: Side, joined: Side | None) -> str | None:
    """Return the engine's type of a column, or None when there is no such column."""
    side = joined if ref.is_joined else main
    return None if side is None else side.types.get(ref.name)


def _columns(asked: Asked, main: Side, joined: Side | None) -> Iterator[Fault]:
    refs = [
        *((f"/dimensions/{n}/column", d.column) for n, d in enumerate(asked.dimensions)),
        *((f"/measures/{n}/column", m.column) for n, m in enumerate(asked.measures) if m.column),
        *((f"/filters/{n}/column", c.column) for n, c in enumerate(asked.conditions)),
    ]
    for pointer, ref in refs:
        if type_of(ref, main, joined) is None:
            yield Fault(pointer, f"there is no column {ref.name!r}", "column-unknown")
    for n, each in enumerate(asked.dimensions):
        kind = type_of(each.column, main, joined) or ""
        if each.truncate and each.bucket is not None:
            yield Fault(f"/dimensions/{n}", "truncate and bucket do not go together", "dimension-unclear")
        if each.truncate and kind and not kind.startswith(_DATES):
            yield Fault(f"/dimensions/{n}/truncate", "takes a date or an instant", "dimension-type")
        if each.bucket is not None and kind and not kind.startswith(NUMBERS):
            yield Fault(f"/dimensions/{n}/bucket", "takes a number column", "dimension-type")


def _measures(asked: Asked, sides: Sequence[Side]) -> Iterator[Fault]:
    for n, each in enumerate(asked.measures):
        allowed = [set(side.functions) for side in sides if side.functions]
        if any(each.function not in some for some in allowed):
            detail = f"the agreement does not allow {each.function}"
            yield Fault(f"/measures/{n}/function", detail, "function-not-allowed")
        if each.column is None and each.function is not Function.COUNT:
            yield Fault(f"/measures/{n}/column", f"{each.function} takes a column", "column-missing")
        kind = "" if each.column is None else _kind(each.column, sides)
        if kind and each.function in {Function.SUM, Function.AVG} and not kind.startswith(NUMBERS):
            yield Fault(f"/measures/{n}/column", f"{each.function} takes a number column", "measure-type")


def _kind(ref: ColumnRef, sides: Sequence[Side]) -> str:
    place = 1 if ref.is_joined else 0
    return sides[place].types.get(ref.name, "") if place < len(sides) else ""


def _join(asked: Asked, main: Side, joined: Side | None) -> Iterator[Fault]:
    if asked.join is None or joined is None:
        return
    for name, key, side in (("left", asked.join.left, main), ("right", asked.join.right, joined)):
        if side.is_results_only and side.entity_key is None:
            detail = "this agreement names no column that counts groups, so it can be joined on none"
            yield Fault(f"/join/on/{name}", detail, "join-not-agreed")
        elif side.is_results_only and side.entity_key != key:
            yield Fault(f"/join/on/{name}", f"join on {side.entity_key!r}, the agreed key", "join-not-agreed")
        elif not side.is_results_only and key not in side.types:
            yield Fault(f"/join/on/{name}", f"there is no column {key!r}", "column-unknown")


def _noise(asked: Asked, main: Side, joined: Side | None) -> Iterator[Fault]:
    is_noisy = main.epsilon is not None or (joined is not None and joined.epsilon is not None)
    if not is_noisy:
        if asked.epsilon is not None:
            yield Fault("/epsilon", "this agreement gives exact results, without noise", "noise-not-agreed")
        return
    if asked.join is not None:
        yield Fault("/join", "results with noise cannot be joined", "noise-without-join")
    if asked.epsilon is None or asked.most_rows_each is None:
        yield Fault("/epsilon", "say epsilon and maxRowsEach: results leave with noise", "epsilon-missing")
    elif asked.epsilon % EPSILON_STEP:
        yield Fault("/epsilon", "at most six decimals", "epsilon-too-fine")
    if asked.is_merged:
        yield Fault("/smallGroups", "groups with noise are not merged", "noise-without-merge")
    for n, each in enumerate(asked.measures):
        if each.function not in {Function.COUNT, Function.SUM, Function.AVG}:
            yield Fault(f"/measures/{n}/function", "with noise: count, sum or avg", "function-not-allowed")
        elif each.function is not Function.COUNT and each.bounds is None:
            yield Fault(f"/measures/{n}/bounds", "say between which bounds the values lie", "bounds-missing")
