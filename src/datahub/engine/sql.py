"""A plan as SQL, through sqlglot's syntax tree; never by joining strings.

Each step is a query over the step before it, so that a later filter sees what an earlier mask left of a value.
"""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from datahub.engine.plan import (
    Limit,
    MinAggregate,
    Output,
    Plan,
    Predicate,
    Project,
    Step,
    SubjectGate,
    column,
)

_TYPES = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "BIGINT"),
    (pa.types.is_floating, "DOUBLE"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (pa.types.is_timestamp, "TIMESTAMPTZ"),
)
_FUNCTIONS: dict[str, type[exp.AggFunc]] = {
    "count": exp.Count,
    "sum": exp.Sum,
    "avg": exp.Avg,
    "min": exp.Min,
    "max": exp.Max,
}


def render(plan: Plan, source: exp.Expr) -> exp.Select:
    """Return the query of a plan over `source`, which holds the rows that passed the plan's gate and no others."""
    query = exp.Select(expressions=[exp.Star()]).from_(source)
    is_open = True  # whether a condition may still be added to this query
    for at, step in enumerate(plan.steps):
        if not is_open or (isinstance(step, Project) and _is_projected(query)):
            query = exp.Select(expressions=[exp.Star()]).from_(query.subquery(f"step_{at}"))
            is_open = True
        query = _add(query, step)
        is_open = isinstance(step, Predicate | SubjectGate)
    return query


def _is_projected(query: exp.Select) -> bool:
    return not isinstance(query.expressions[0], exp.Star)


def _add(query: exp.Select, step: Step) -> exp.Select:
    match step:
        case Predicate(test):
            return query.where(test.copy(), copy=False)
        case SubjectGate():
            return query
        case Project(outputs):
            return query.select(*_columns(outputs), append=False, copy=False)
        case MinAggregate():
            return _grouped(query, step)
        case Limit(rows):
            return query.limit(rows, copy=False)


def _columns(outputs: Sequence[Output]) -> list[exp.Expr]:
    return [
        (each.value.copy() if not isinstance(each.value, exp.Null) else _empty(each.type)).as_(
            each.name, quoted=True
        )
        for each in outputs
    ]


def _empty(found: pa.DataType) -> exp.Expr:
    return exp.Cast(this=exp.Null(), to=exp.DataType.build(sql_type(found), dialect="duckdb"))


def sql_type(found: pa.DataType) -> str:
    """Return the engine's name of a stored type."""
    if pa.types.is_decimal(found):
        return f"DECIMAL({found.precision}, {found.scale})"
    return next((name for test, name in _TYPES if test(found)), "TEXT")


def _grouped(query: exp.Select, step: MinAggregate) -> exp.Select:
    keys: list[exp.Expr] = [column(name) for name in step.by]
    measures = [_measure(each.function, each.column).as_(each.name, quoted=True) for each in step.measures]
    size = _measure("count", None) if step.entity is None else _measure("countDistinct", step.entity)
    query = query.select(*keys, *measures, append=False, copy=False)
    if keys:
        query = query.group_by(*(each.copy() for each in keys), copy=False)
    return query.having(exp.GTE(this=size, expression=exp.Literal.number(step.minimum)), copy=False)


def _measure(function: str, name: str | None) -> exp.Expr:
    """Return one figure. Raises KeyError for a function that is not on the list."""
    inner: exp.Expr = exp.Star() if name is None else column(name)
    if function == "countDistinct":
        return exp.Count(this=exp.Distinct(expressions=[inner]))
    return _FUNCTIONS[function](this=inner)


def fingerprint(plan: Plan) -> str:
    """Return a digest that differs when what the plan gives may differ: another test, column, mask or key.

    Who passes a gate is not in it.
    """
    parts = [render(plan, exp.to_table("t")).sql("duckdb")]
    for step in plan.steps:
        if isinstance(step, Project):
            parts += [
                f"{each.name}:{code.text.sql('duckdb')}:{hashlib.sha256(code.key or b'').hexdigest()}"
                for each in step.outputs
                for code in each.codes
            ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
