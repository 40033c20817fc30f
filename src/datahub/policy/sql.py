"""Renders a plan as SQL through sqlglot's syntax tree, never by joining strings; DuckDB, PostgreSQL and Spark.

SQL's three truth values are Kleene's, so a residual translates word for word, and WHERE keeps what is true. Each
comparison names the types it compares, so that no dialect chooses them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlglot import exp

from datahub.policy.compile import (
    FALSE,
    Cell,
    ColumnSort,
    Groups,
    Join,
    Known,
    Mask,
    Not,
    Plan,
    Residual,
)
from datahub.policy.facts import Facts
from datahub.policy.model import Atom, Connective, Operator, Value
from datahub.policy.registry import AGE, COLUMN

CONSENT: Final = "__consent"
"""The boolean column that the consent work joins to the table."""
PSEUDONYM_KEY: Final = "pseudonym_key"
"""The named parameter that holds the key of keyed masks; it never stands in the text of a query."""

_COMPARE: Final[Mapping[Operator, type[exp.Binary]]] = {
    Operator.EQ: exp.EQ,
    Operator.NEQ: exp.NEQ,
    Operator.GT: exp.GT,
    Operator.GTEQ: exp.GTE,
    Operator.LT: exp.LT,
    Operator.LTEQ: exp.LTE,
}
_MIRRORED: Final[Mapping[Operator, Operator]] = {
    Operator.GT: Operator.LT,
    Operator.GTEQ: Operator.LTEQ,
    Operator.LT: Operator.GT,
    Operator.LTEQ: Operator.GTEQ,
}


class Renderer:
    """Renders residuals for one table: its columns, and the time at which ages are taken."""

    def __init__(self, schema: Mapping[str, ColumnSort], facts: Facts) -> None:
        self.schema = schema
        self.now = facts.now

    def predicate(self, part: Residual) -> exp.Expr:
        """Return the residual as a boolean expression."""
        match part:
            case Known(truth):
                return _truth(truth)
            case Not(inner):
                return exp.Not(this=exp.paren(self.predicate(inner), copy=False))
            case Join(Connective.XONE, parts):
                return _exactly_one([self.predicate(each) for each in parts])
            case Join(connective, parts):
                tree = exp.and_ if connective is Connective.AND else exp.or_
                return exp.paren(tree(*(self.predicate(each) for each in parts), copy=False), copy=False)
            case _:
                return self.comparison(part.atom)

    def comparison(self, atom: Atom) -> exp.Expr:
        """Return one comparison with a column."""
        if atom.left == "dh:consent":
            return _compared(
                exp.column(CONSENT, quoted=True), atom.operator, [_constant(each) for each in atom.right]
            )
        if atom.left.startswith(AGE):
            return self.age(atom)
        name = atom.left.removeprefix(COLUMN)
        sort = self.schema[name]
        column: exp.Expr = exp.column(name, quoted=True)
        whole = sort == "integer" and all(isinstance(value, int) for value in atom.right)
        if sort in {"integer", "number"} and not whole:
            doubled = exp.cast(column, "double")
            column = exp.Nullif(this=doubled, expression=_double("NaN")) if sort == "number" else doubled
            return _compared(
                column, atom.operator, [_double(repr(float(_number(each)))) for each in atom.right]
            )
        constants = [_constant(each, naive=sort == "timestamp") for each in atom.right]
        return _compared(column, atom.operator, constants)

    def age(self, atom: Atom) -> exp.Expr:
        """Compare a column's moment with the present minus the duration: older is earlier, so the operator turns."""
        name = atom.left.removeprefix(AGE)
        naive = self.schema[name] == "timestamp"
        moments = [self.now - each for each in atom.right if self.now and isinstance(each, timedelta)]
        constants = [_constant(each, naive=naive) for each in moments]
        operator = _MIRRORED.get(atom.operator, atom.operator)
        return _compared(exp.column(name, quoted=True), operator, constants)


def _number(value: Value) -> int | Decimal:
    if not isinstance(
        value, int | Decimal
    ):  # pragma: no cover (the plan lets only fitting constants through)
        raise TypeError(value)
    return value


def _truth(truth: bool | None) -> exp.Expr:
    return exp.cast(exp.Null(), "boolean") if truth is None else exp.Boolean(this=truth)


def _double(text: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), "double")


def _constant(value: Value, *, naive: bool = False) -> exp.Expr:
    match value:
        case bool():
            return exp.Boolean(this=value)
        case int():
            literal = exp.Literal.number(abs(value))
            return exp.Neg(this=literal) if value < 0 else literal
        case datetime():
            moment = value.astimezone(UTC)
            if naive:
                return exp.cast(exp.Literal.string(moment.replace(tzinfo=None).isoformat(" ")), "timestamp")
            return exp.cast(exp.Literal.string(moment.isoformat(" ")), "timestamptz")
        case date():
            return exp.cast(exp.Literal.string(value.isoformat()), "date")
        case _:
            return exp.Literal.string(str(value))


def _compared(column: exp.Expr, operator: Operator, constants: Sequence[exp.Expr]) -> exp.Expr:
    """Compare; the set operators see the column as the set with one member, and an absent value stays unknown."""
    if operator in _COMPARE:
        return _COMPARE[operator](this=column, expression=constants[0])
    distinct = list(dict.fromkeys(constants))
    if operator is Operator.IS_ALL_OF and len(distinct) == 1:
        return exp.EQ(this=column, expression=distinct[0])
    if not distinct or operator is Operator.IS_ALL_OF:
        settled = not distinct and operator is not Operator.IS_ANY_OF
        return exp.Case(ifs=[exp.If(this=_present(column), true=_truth(settled))])
    within = exp.In(this=column, expressions=distinct)
    return exp.Not(this=within) if operator is Operator.IS_NONE_OF else within


def _present(column: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=column, expression=exp.Null()))


def _exactly_one(parts: Sequence[exp.Expr]) -> exp.Expr:
    """Two true settle it; else one unknown leaves it open; else it is whether one is true."""
    ones = [
        exp.Case(ifs=[exp.If(this=part.copy(), true=exp.Literal.number(1))], default=exp.Literal.number(0))
        for part in parts
    ]
    total: exp.Expr = exp.Literal.number(0)
    for one in ones:
        total = exp.Add(this=total, expression=one)
    unknown = [exp.Is(this=exp.paren(part.copy()), expression=exp.Null()) for part in parts]
    return exp.Case(
        ifs=[
            exp.If(
                this=exp.GT(this=exp.paren(total), expression=exp.Literal.number(1)), true=_truth(truth=False)
            ),
            exp.If(this=exp.or_(*unknown), true=_truth(truth=None)),
        ],
        default=exp.EQ(this=exp.paren(total.copy()), expression=exp.Literal.number(1)),
    )


def select(plan: Plan, table: str, schema: Mapping[str, ColumnSort], facts: Facts) -> exp.Select:
    """Return the query that gives exactly the cells the plan lets leave; one without columns gives no rows."""
    renderer = Renderer(schema, facts)
    shown = [cell for cell in plan.cells if cell.rows != FALSE]
    rows = plan.rows
    columns = [_expression(cell, rows, renderer, schema).as_(cell.column, quoted=True) for cell in shown]
    query = exp.select(*(columns or [exp.Null()])).from_(exp.table_(table, quoted=True))
    query = query.where(renderer.predicate(rows))
    limit = plan.limits.get("rows")
    return query if limit is None else query.limit(max(limit, 0))


def _expression(cell: Cell, rows: Residual, renderer: Renderer, schema: Mapping[str, ColumnSort]) -> exp.Expr:
    """Return what leaves of a column: the value, its mask, or nothing, by the first condition that is true."""
    column = exp.column(cell.column, quoted=True)
    is_whole = schema[cell.column] == "integer"
    layers = [
        (column, cell.raw),
        *((masked(column, mask, is_whole=is_whole), when) for mask, when in cell.masked),
    ]
    layers = [(shown, when) for shown, when in layers if when != FALSE]
    if len(layers) == 1 and layers[0][1] == rows:
        return layers[0][0]
    if len({type(shown) for shown, _ in layers}) > 1 and schema[cell.column] != "text":
        layers = [(exp.cast(shown, "text"), when) for shown, when in layers]
    return exp.Case(ifs=[exp.If(this=renderer.predicate(when), true=shown) for shown, when in layers])


def masked(column: exp.Expr, mask: Mask, *, is_whole: bool = False) -> exp.Expr:
    """Return a column behind its mask; `is_whole`: it holds whole numbers."""
    text = exp.cast(column.copy(), "text")
    match mask.method:
        case "fixed":
            return exp.Literal.string(mask.replacement or "***")
        case "hash":
            return exp.SHA2(this=text, length=exp.Literal.number(256))
        case "hmac":
            key = exp.Placeholder(this=PSEUDONYM_KEY)
            return exp.SHA2(this=exp.DPipe(this=key, expression=text), length=exp.Literal.number(256))
        case "first4":
            return _part(text, exp.Left)
        case "last4":
            return _part(text, exp.Right)
        case "bucket":
            return bucketed(column, mask.steps, is_exact=is_whole)
        case "year" | "month" | "day" | "hour":
            return exp.TimestampTrunc(this=column.copy(), unit=exp.var(mask.method.upper()))
        case _:
            return exp.Null()


def bucketed(number: exp.Expr, steps: Sequence[int], *, is_exact: bool) -> exp.Expr:
    """Return the lower bound of the bucket that a number lies in; nothing below the lowest of several bounds.

    `is_exact`: of a type in which remainders are exact. Of floats they are not: a very small negative one would stay.
    """
    if len(steps) > 1:
        reached = [
            exp.If(this=exp.GTE(this=number.copy(), expression=_whole(step)), true=_whole(step))
            for step in sorted(steps, reverse=True)
        ]
        return exp.Case(ifs=reached)
    (width,) = steps
    if not is_exact:
        floor = exp.Floor(this=exp.Div(this=number.copy(), expression=_whole(width)))
        return exp.Mul(this=floor, expression=_whole(width))
    above = exp.Add(this=exp.Mod(this=number.copy(), expression=_whole(width)), expression=_whole(width))
    rest = exp.Mod(this=exp.Paren(this=above), expression=_whole(width))
    lower = exp.Sub(this=number.copy(), expression=exp.Paren(this=rest))
    # A bucket that begins below what 64 bits hold has no bound to show.
    fits = exp.GTE(this=number.copy(), expression=_whole(width - 2**63))
    return exp.Case(ifs=[exp.If(this=fits, true=lower)])


def _whole(number: int) -> exp.Expr:
    literal = exp.Literal.number(abs(number))
    return exp.Neg(this=literal) if number < 0 else literal


def _part(text: exp.Expr, take: type[exp.Left | exp.Right]) -> exp.Expr:
    """Show four characters of a longer text, and none of one that would be shown whole."""
    four = exp.Literal.number(4)
    longer = exp.GT(this=exp.Length(this=text.copy()), expression=four.copy())
    present = exp.Not(this=exp.Is(this=text.copy(), expression=exp.Null()))
    part = take(this=text.copy(), expression=four)
    return exp.Case(
        ifs=[exp.If(this=longer, true=part), exp.If(this=present, true=exp.Literal.string("***"))]
    )


def select_groups(
    group: Groups,
    table: str,
    by: Sequence[str],
    measures: Mapping[str, tuple[str, str]],
    renderer: Renderer,
) -> exp.Select:
    """Return the groups of `by` that are large enough, with the measures asked for: name → (function, column).

    Raises ValueError when a function is not among those the policy allows.
    """
    allowed = set(group.functions or _FUNCTIONS)
    columns: list[exp.Expr] = [exp.column(name, quoted=True) for name in by]
    for name, (function, column) in measures.items():
        if function not in allowed or function not in _FUNCTIONS:
            message = f"the policy does not allow the function {function}"
            raise ValueError(message)
        columns.append(_measure(function, exp.column(column, quoted=True)).as_(name, quoted=True))
    key = group.entity_key
    size = exp.Count(this=exp.Distinct(expressions=[exp.column(key, quoted=True)]) if key else exp.Star())
    query = exp.select(*columns).from_(exp.table_(table, quoted=True)).where(renderer.predicate(group.rows))
    if by:
        query = query.group_by(*(exp.column(name, quoted=True) for name in by))
    return query.having(exp.GTE(this=size, expression=exp.Literal.number(group.minimum)))


_FUNCTIONS: Final = {
    "count": exp.Count,
    "countDistinct": exp.Count,
    "sum": exp.Sum,
    "avg": exp.Avg,
    "min": exp.Min,
    "max": exp.Max,
}


def _measure(function: str, column: exp.Expr) -> exp.Expr:
    inner = exp.Distinct(expressions=[column]) if function == "countDistinct" else column
    return _FUNCTIONS[function](this=inner)


def to_sql(query: exp.Expr, dialect: str = "duckdb") -> str:
    """Write the syntax tree in a dialect; PostgreSQL hashes bytes, so text is encoded first."""
    tree = query.transform(_encoded) if dialect == "postgres" else query
    return tree.sql(dialect=dialect)


def _encoded(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.SHA2):
        return node
    raw = exp.func("convert_to", node.this, exp.Literal.string("UTF8"))
    return exp.func("encode", exp.func("sha256", raw), exp.Literal.string("hex"))
