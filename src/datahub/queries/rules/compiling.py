"""A checked question as SQL, built as a tree: the rows it is about, each with its group's columns and measured values.

Pure. Only `base` is made of what was asked; everything after it works on the columns `d0…`, `m0…` and the tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from datahub.queries.rules.questions import (
    Asked,
    ColumnRef,
    Condition,
    Dimension,
    Function,
    Op,
    Side,
    Value,
    type_of,
)

MAIN, JOINED = "main_rows", "joined_rows"
ROW, IDENTITY = "__datahub_row", "__datahub_identity"
MAIN_KEY, JOINED_KEY = "__datahub_key_main", "__datahub_key_joined"

_COMPARE: dict[Op, type[exp.Binary]] = {
    Op.EQ: exp.EQ,
    Op.NE: exp.NEQ,
    Op.LT: exp.LT,
    Op.LE: exp.LTE,
    Op.GT: exp.GT,
    Op.GE: exp.GTE,
}


@dataclass(frozen=True)
class Sides:
    """The tables of a question."""

    main: Side
    joined: Side | None = None


def base(asked: Asked, sides: Sides) -> exp.Select:
    """Return the rows a question is about: group columns d0…, measured columns m0…, row and identity per side."""
    columns: list[exp.Expr] = [_dimension(each).as_(f"d{n}") for n, each in enumerate(asked.dimensions)]
    columns += [
        _column(each.column).as_(f"m{n}") for n, each in enumerate(asked.measures) if each.column is not None
    ]
    for number, table in enumerate((MAIN, JOINED) if asked.join else (MAIN,)):
        columns += [
            exp.column(ROW, table=table).as_(f"r{number}"),
            exp.column(IDENTITY, table=table).as_(f"i{number}"),
        ]
    query = exp.select(*columns).from_(MAIN)
    if asked.join is not None:
        same = exp.EQ(this=exp.column(MAIN_KEY, table=MAIN), expression=exp.column(JOINED_KEY, table=JOINED))
        query = query.join(exp.to_table(JOINED), on=same)
    for each in asked.conditions:
        query = query.where(_condition(each, type_of(each.column, sides.main, sides.joined) or "VARCHAR"))
    return query


def used(asked: Asked, *, is_joined: bool) -> frozenset[str]:
    """Return the columns of one side that the question is about."""
    refs = [
        *(each.column for each in asked.dimensions),
        *(each.column for each in asked.measures if each.column is not None),
        *(each.column for each in asked.conditions),
    ]
    return frozenset(ref.name for ref in refs if ref.is_joined == is_joined)


def literals(asked: Asked, sides: Sides) -> Iterator[tuple[int, int, str, str]]:
    """Yield each value of a filter: which filter, which value, its text, and the type it must have."""
    for at, each in enumerate(asked.conditions):
        if each.op is not Op.IS_NULL:
            kind = type_of(each.column, sides.main, sides.joined) or "VARCHAR"
            for place, value in enumerate(each.values):
                yield at, place, text_of(value), kind


def text_of(value: Value) -> str:
    """Return a filter's value as text that the engine reads as the column's type."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def views(asked: Asked) -> Sequence[tuple[str, str | None]]:
    """Return what is guarded apart: all rows under `*`, and per measured column the rows that have a value in it."""
    found = {"*": None} | {
        (f"+{each.column.name}" if each.column.is_joined else each.column.name): f"m{n}"
        for n, each in enumerate(asked.measures)
        if each.column is not None
    }
    return list(found.items())


def answer(asked: Asked, minimum: int, cells: str = "base") -> str:
    """Return the query that gives each group that is kept its columns and measures."""
    parts = [f"{_shown(n)} AS {_quoted(each.name)}" for n, each in enumerate(asked.dimensions)]
    joins = []
    for n, each in enumerate(asked.measures):
        if each.function in {Function.MIN, Function.MAX}:
            joins.append(_shared(n, each.function, minimum, cells))
            parts.append(f"any_value(x{n}.v) AS {_quoted(each.name)}")
        else:
            parts.append(
                f"{_MEASURES[each.function].format(f'm{n}' if each.column else '*')} AS {_quoted(each.name)}"
            )
    if asked.is_merged:
        parts.append("b.cell = 0 AS is_other")
    order = ", ".join(
        [*(["b.cell = 0"] if asked.is_merged else []), *(str(n + 1) for n in range(len(asked.dimensions)))]
    )
    text = (
        f"SELECT {', '.join(parts)} FROM {cells} b JOIN kept USING (cell) {' '.join(joins)} GROUP BY b.cell"  # noqa: S608 — names of our own and quoted ones
    )
    return f"{text} ORDER BY {order}" if order else text


_MEASURES = {
    Function.COUNT: "count({})",
    Function.COUNT_DISTINCT: "count(DISTINCT {})",
    Function.SUM: "sum({})",
    Function.AVG: "avg({})",
}


def _shown(n: int) -> str:
    return f"CASE WHEN b.cell > 0 THEN any_value(d{n}) END"


def _shared(n: int, function: Function, minimum: int, cells: str) -> str:
    """Return the least or greatest value that at least `minimum` identities of the group share: nobody's own."""
    per_value = (
        f"SELECT cell, m{n} AS v FROM {cells} WHERE m{n} IS NOT NULL GROUP BY cell, m{n} "  # noqa: S608 — as above
        f"HAVING count(DISTINCT i0) >= {minimum:d}"
    )
    return f"LEFT JOIN (SELECT cell, {function}(v) AS v FROM ({per_value}) GROUP BY cell) x{n} USING (cell)"  # noqa: S608 — as above


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def _column(ref: ColumnRef) -> exp.Expr:
    return exp.column(ref.name, table=JOINED if ref.is_joined else MAIN, quoted=True)


def _dimension(each: Dimension) -> exp.Expr:
    column = _column(each.column)
    if each.truncate is not None:
        return exp.Anonymous(this="date_trunc", expressions=[exp.Literal.string(each.truncate), column])
    if each.bucket is not None:
        width = exp.Literal.number(repr(float(each.bucket)))
        number = exp.cast(column, "double")
        whole = exp.Anonymous(this="floor", expressions=[exp.Div(this=number, expression=width, typed=True)])
        return exp.Mul(this=whole, expression=width.copy())
    return column


def _condition(each: Condition, kind: str) -> exp.Expr:
    column = _column(each.column)
    if each.op is Op.IS_NULL:
        is_null = exp.Is(this=column, expression=exp.Null())
        return is_null if each.values == (True,) else exp.Not(this=is_null)
    values = [_literal(text_of(value), kind) for value in each.values]
    if each.op is Op.IN:
        return exp.In(this=column, expressions=values)
    return _COMPARE[each.op](this=column, expression=values[0])


def _literal(text: str, kind: str) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build(kind, dialect="duckdb"))
