"""A plan as a polars query: the same trees, read node by node; what polars would mean otherwise is refused.

`Unfit` sends the plan to the SQL engine, so that a node is added here only when both give the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pyarrow as pa
from sqlglot import exp

from datahub.engine.plan import (
    ROW_NUMBER,
    Limit,
    MinAggregate,
    Plan,
    Predicate,
    Project,
    RowGate,
    SubjectGate,
    columns_used,
)

_TYPES = pl.DataType | type[pl.DataType]


class Unfit(Exception):  # noqa: N818 — says what the plan is for this engine
    """The plan holds something that this engine does not do, or not in the same way."""


def render(plan: Plan, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return the query of a plan over a frame; raises Unfit."""
    types: Mapping[str, pa.DataType] = {field.name: field.type for field in plan.schema}
    for step in plan.steps:
        match step:
            case Predicate(test):
                frame = frame.filter(_read(test, types))
            case SubjectGate(gate, row):
                asked = pl.map_batches([row, *_beside(plan)], _keeping(gate), pl.Boolean, is_elementwise=True)
                frame = frame.filter(asked)
            case Project(outputs):
                frame = frame.select(
                    _read(each.value, types).cast(_polars_type(each.type)).alias(each.name)
                    for each in outputs
                )
                types = {each.name: each.type for each in outputs}
            case Limit(rows):
                frame = frame.limit(rows)
            case MinAggregate():
                raise Unfit("groups")
    try:
        frame.collect_schema()  # types that do not go together are found here, not in the middle of a stream
    except pl.exceptions.PolarsError as error:
        raise Unfit(str(error)) from error
    return frame


def _beside(plan: Plan) -> list[str]:
    """Return the stored column that the gate is shown beside the numbers of rows; it does not look at it.

    When a filter names a stored column, polars reads that one first and unpacks of the others the rows that pass and no
    more; rows by number alone it unpacks whole and copies. The column is one that is read anyway, of a fixed width
    where there is one.
    """
    names = columns_used(plan)
    widths = (pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp, pa.types.is_date)
    fixed = [each for each in names if any(test(plan.schema.field(each).type) for test in widths)]
    return [*fixed, *names][:1]


def _keeping(gate: RowGate | None) -> Callable[[Sequence[pl.Series]], pl.Series]:
    def keep(found: Sequence[pl.Series]) -> pl.Series:
        if gate is None:  # pragma: no cover — a plan that is closed is not rendered
            raise Unfit("closed")
        return pl.Series(gate.keep(found[0].to_numpy()))

    return keep


def _polars_type(found: pa.DataType) -> Any:
    for test, name in _POLARS:
        if test(found):
            return name
    if pa.types.is_decimal(found):
        return pl.Decimal(found.precision, found.scale)
    raise Unfit(str(found))


_POLARS: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
    (pa.types.is_string, pl.String),
    (pa.types.is_boolean, pl.Boolean),
    (pa.types.is_integer, pl.Int64),
    (pa.types.is_floating, pl.Float64),
    (pa.types.is_date, pl.Date),
    (pa.types.is_time, pl.Time),
    (pa.types.is_timestamp, pl.Datetime("us", "UTC")),
)

Types = Mapping[str, pa.DataType]
_COMPARE: Mapping[type[exp.Expr], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.And: lambda a, b: a & b,
    exp.Or: lambda a, b: a | b,
    exp.Add: lambda a, b: a + b,
    exp.Sub: lambda a, b: a - b,
    exp.Mul: lambda a, b: a * b,
    exp.Div: lambda a, b: a / b,
    exp.Mod: lambda a, b: a % b,
}


def _read(node: exp.Expr, types: Types) -> pl.Expr:
    found = _COMPARE.get(type(node))
    if found is not None:
        return found(_read(node.this, types), _read(node.expression, types))
    reader = _READERS.get(type(node))
    if reader is None:
        raise Unfit(type(node).__name__)
    return reader(node, types)


def _column(node: exp.Expr, types: Types) -> pl.Expr:
    if node.name == ROW_NUMBER and ROW_NUMBER not in types:
        return pl.col(ROW_NUMBER)
    if node.name not in types or pa.types.is_decimal(types[node.name]):
        raise Unfit(node.name)
    return pl.col(node.name)


def _literal(node: exp.Expr, _: Types) -> pl.Expr:
    if node.is_string:
        return pl.lit(str(node.this))
    whole = int(node.this)
    if not -(2**63) <= whole < 2**63:
        raise Unfit("large number")
    return pl.lit(whole, pl.Int64)


def _negative(node: exp.Expr, types: Types) -> pl.Expr:
    return -_read(node.this, types)


def _is(node: exp.Expr, types: Types) -> pl.Expr:
    if not isinstance(node.expression, exp.Null):
        raise Unfit("IS")
    return _read(node.this, types).is_null()


def _in(node: exp.Expr, types: Types) -> pl.Expr:
    if node.args.get("query") is not None:
        raise Unfit("IN (query)")
    value = _read(node.this, types)
    found = pl.lit(value=False)
    for each in node.expressions:
        found = found | (value == _read(each, types))
    return found


def _case(node: exp.Expr, types: Types) -> pl.Expr:
    if node.this is not None:
        raise Unfit("CASE of a value")
    default = node.args.get("default")
    chain: Any = pl
    for each in node.args["ifs"]:
        chain = chain.when(_read(each.this, types)).then(_read(each.args["true"], types))
    found: pl.Expr = chain.otherwise(pl.lit(None) if default is None else _read(default, types))
    return found


_CONSTANTS: Mapping[str, tuple[Callable[[str], Any], Any]] = {
    "TIMESTAMPTZ": (
        lambda text: _utc(datetime.fromisoformat(text)),
        pl.Datetime("us", "UTC"),
    ),
    "DATE": (date.fromisoformat, pl.Date),
    "TIME": (time.fromisoformat, pl.Time),
    "BIGINT": (int, pl.Int64),
    "DOUBLE": (float, pl.Float64),
    "BOOLEAN": (lambda text: {"True": True, "False": False}[text], pl.Boolean),
}


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_NUMBERS: Mapping[str, Any] = {"BIGINT": pl.Int64, "DOUBLE": pl.Float64}


def _cast(node: exp.Expr, types: Types) -> pl.Expr:
    target = str(node.args["to"].sql("duckdb"))
    inner = node.this
    if isinstance(inner, exp.Null):
        return pl.lit(None, _CONSTANTS[target][1] if target in _CONSTANTS else None)
    if isinstance(inner, exp.Literal) and inner.is_string and target in _CONSTANTS:
        reader, kind = _CONSTANTS[target]
        return pl.lit(reader(str(inner.this)), kind)
    value = _read(inner, types)
    stored = types.get(inner.name) if isinstance(inner, exp.Column) else None
    if target == "TEXT" and stored is not None and pa.types.is_string(stored):
        return value
    if target == "TEXT" and stored is not None and pa.types.is_integer(stored):
        return value.cast(pl.String)
    if (
        target == "DOUBLE"
        and stored is not None
        and (pa.types.is_integer(stored) or pa.types.is_floating(stored))
    ):
        return value.cast(pl.Float64)
    if isinstance(inner, exp.TimestampTrunc) and target in {"DATE", "TIMESTAMPTZ"}:
        return value  # truncated in its own type already
    if isinstance(inner, exp.Case | exp.Mul) and target in _NUMBERS:
        return value.cast(_NUMBERS[target])  # the bound of a bucket
    raise Unfit(f"CAST to {target}")


def _nullif(node: exp.Expr, types: Types) -> pl.Expr:
    value = _read(node.this, types)
    return pl.when(value == _read(node.expression, types)).then(None).otherwise(value)


def _truncated(node: exp.Expr, types: Types) -> pl.Expr:
    units = {"YEAR": "1y", "MONTH": "1mo", "DAY": "1d", "HOUR": "1h"}
    unit = str(node.args["unit"].name).upper()
    if unit not in units or not isinstance(node.this, exp.Column):
        raise Unfit("TRUNC")
    return _read(node.this, types).dt.truncate(units[unit])


_READERS: Mapping[type[exp.Expr], Callable[[exp.Expr, Types], pl.Expr]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: lambda node, _: pl.lit(bool(node.this)),
    exp.Null: lambda _, __: pl.lit(None),
    exp.Neg: _negative,
    exp.Paren: lambda node, types: _read(node.this, types),
    exp.Not: lambda node, types: ~_read(node.this, types).cast(pl.Boolean),
    exp.Is: _is,
    exp.In: _in,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Floor: lambda node, types: _read(node.this, types).floor(),
    exp.Nullif: _nullif,
    exp.Length: lambda node, types: _read(node.this, types).str.len_chars(),
    exp.Left: lambda node, types: _read(node.this, types).str.head(int(node.expression.this)),
    exp.Right: lambda node, types: _read(node.this, types).str.tail(int(node.expression.this)),
    exp.TimestampTrunc: _truncated,
}
