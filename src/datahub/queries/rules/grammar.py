"""The SQL that others may send: one SELECT over one table, of nodes, functions and types on a list; all else is refused.

Pure. What was sent never runs: only the text written anew from the checked tree does. An allow-list, because the engine
has more ways out than any deny-list (dynamic SQL, catalogue functions, files, settings).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError, TokenError
from sqlglot.optimizer.qualify import qualify

from datahub.kernel.errors import Fault

TABLE = "data"
LONGEST = 10_000
DEEPEST = 60
MOST_NODES = 2_000
MOST_TABLES = 6
LONGEST_TEXT = 1_000

_STRUCTURE = (
    "Select Union Intersect Except Subquery From Join Where Group Having Order Ordered Limit Offset Distinct With CTE "
    "Table TableAlias Identifier Column Alias Star Literal Null Boolean Paren Tuple Var DataType DataTypeParam Cast "
    "TryCast Case If And Or Not Xor Is In Exists Between EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Like ILike Add Sub "
    "Mul Div IntDiv Mod Neg DPipe Interval Window WindowSpec Cube Rollup GroupingSets Filter WithinGroup Qualify"
)
# As sqlglot names them; those it has no name for stand in `_PLAIN`.
_FUNCTIONS = (
    "Count CountIf Sum Avg Min Max Stddev StddevPop StddevSamp Variance VariancePop Corr CovarPop CovarSamp Median "
    "Quantile PercentileCont PercentileDisc ApproxDistinct AnyValue First Last ArgMax ArgMin LogicalAnd LogicalOr "
    "RowNumber Rank DenseRank PercentRank CumeDist Ntile Lag Lead FirstValue LastValue NthValue "
    "Abs Ceil Floor Round Sqrt Cbrt Exp Ln Log Pow Sign Sin Cos Tan Asin Acos Atan Atan2 Degrees Radians Pi "
    "Greatest Least Coalesce Nullif "
    "Lower Upper Trim Length Substring Left Right Replace Concat StartsWith EndsWith Contains StrPosition SplitPart "
    "Reverse RegexpLike DateTrunc TimestampTrunc Extract Year Month Day Hour Minute Second Quarter Week DayOfWeek "
    "DayOfYear WeekOfYear DateDiff DateAdd DateSub LastDay CurrentDate"
)
_PLAIN = frozenset(
    [
        "log10",
        "log2",
        "mod",
        "trunc",
        "sem",
        "skewness",
        "kurtosis",
        "mad",
        "mode",
        "epoch",
        "isodow",
        "isfinite",
        "isnan",
        "date_part",
        "datediff",
        "list_value",
        "entropy",
        "product",
    ]
) - {"list_value"}
_NODES: frozenset[type[exp.Expr]] = frozenset(
    getattr(exp, name) for name in f"{_STRUCTURE} {_FUNCTIONS}".split() if hasattr(exp, name)
)
_TYPES = frozenset(
    getattr(exp.DataType.Type, name)
    for name in [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "INT128",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "VARCHAR",
        "TEXT",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "TIMESTAMPNTZ",
        "INTERVAL",
    ]
    if hasattr(exp.DataType.Type, name)
)


class NotAllowedError(ValueError):
    """The SQL is not allowed; carries every fault found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults in the order of the text."""
        self.faults = tuple(faults)
        super().__init__("; ".join(each.detail for each in faults))


def rewritten(text: str, types: Mapping[str, str], most_rows: int) -> str:
    """Return the SQL that may run for the SQL that was sent, giving at most one row more than `most_rows`.

    `types` are the columns of the one table, `data`. Raises NotAllowedError.
    """
    tree = _parsed(text)
    faults = list(_faults(tree))
    if faults:
        raise NotAllowedError(faults[:20])
    tree = _qualified(tree, types)
    again = list(_faults(tree))
    if again:
        raise NotAllowedError(again[:20])
    wrapped = exp.select("*").from_(tree.subquery("answer")).limit(most_rows + 1)
    return wrapped.sql("duckdb", comments=False)


def _parsed(text: str) -> exp.Query:
    if len(text) > LONGEST:
        raise NotAllowedError([Fault("/sql", f"longer than {LONGEST} characters", "sql-too-long")])
    if "\0" in text:
        raise NotAllowedError([Fault("/sql", "holds a NUL character", "control-character")])
    try:
        found = sqlglot.parse(text, dialect="duckdb")
    except (ParseError, TokenError) as fault:
        raise NotAllowedError([_not_read(fault)]) from None
    except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise NotAllowedError([Fault("/sql", "cannot be read as SQL", "sql-syntax")]) from None
    trees = [tree for tree in found if tree is not None]
    if len(trees) != 1:
        raise NotAllowedError([Fault("/sql", "send exactly one SELECT", "sql-not-one")])
    (tree,) = trees
    if not isinstance(tree, exp.Select | exp.SetOperation):
        raise NotAllowedError([Fault("/sql", "only SELECT may be sent", "sql-not-select")])
    return tree


def _not_read(fault: ParseError | TokenError) -> Fault:
    known = fault.errors[0] if isinstance(fault, ParseError) and fault.errors else {}
    where = {name: known[name] for name in ("line", "col") if isinstance(known.get(name), int)}
    said = (
        f"cannot be read as SQL, at line {where['line']}, column {where['col']}"
        if len(where) > 1
        else "cannot be read as SQL"
    )
    return Fault("/sql", said, "sql-syntax", where)


def _faults(tree: exp.Query) -> Iterator[Fault]:
    tables = 0
    names = {TABLE}
    for cte in tree.find_all(exp.CTE):
        if cte.alias.lower() == TABLE or cte.alias.lower() in names:
            yield _fault(cte, f"the name {cte.alias!r} is taken", "sql-name-taken")
        names.add(cte.alias.lower())
    for nodes, node in enumerate(tree.walk(), 1):
        tables += isinstance(node, exp.Table)
        if nodes > MOST_NODES or tables > MOST_TABLES or (nodes % 16 == 0 and node.depth > DEEPEST):
            yield Fault("/sql", "is too large: simplify it", "sql-too-large")
            return
        yield from _fault_of(node, names)


def _fault_of(node: exp.Expr, names: set[str]) -> Iterator[Fault]:
    if isinstance(node, exp.Anonymous):
        if str(node.this).lower() not in _PLAIN:
            yield _fault(node, f"the function {str(node.this)[:60]!r} is not allowed", "sql-function")
    elif type(node) not in _NODES:
        kind = node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.upper()
        code = "sql-function" if isinstance(node, exp.Func) else "sql-construct"
        yield _fault(node, f"{kind[:60]} is not allowed", code)
    elif isinstance(node, exp.Table):
        yield from _fault_of_table(node, names)
    else:
        for is_wrong, detail, code in _FURTHER:
            if is_wrong(node):
                yield _fault(node, detail, code)


def _fault_of_table(node: exp.Table, names: set[str]) -> Iterator[Fault]:
    if node.args.get("db") or node.args.get("catalog") or not isinstance(node.this, exp.Identifier):
        yield _fault(node, f"only the table {TABLE} may be read", "sql-table")
    elif node.name.lower() not in names:
        yield _fault(node, f"there is no table {node.name[:60]!r}; the rows are in {TABLE}", "sql-table")


def _is_empty(node: exp.Expr) -> bool:
    return isinstance(node, exp.Select) and not node.expressions


def _is_recursive(node: exp.Expr) -> bool:
    return isinstance(node, exp.With) and bool(node.args.get("recursive"))


def _is_other_type(node: exp.Expr) -> bool:
    return isinstance(node, exp.DataType) and (node.this not in _TYPES or bool(node.args.get("nested")))


def _is_long(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and len(str(node.this)) > LONGEST_TEXT


def _is_other_join(node: exp.Expr) -> bool:
    return isinstance(node, exp.Join) and (node.args.get("method") or "").upper() not in {"", "NATURAL"}


# What an allowed node must not be: (test, sentence, code).
_FURTHER: Sequence[tuple[Callable[[exp.Expr], bool], str, str]] = (
    (_is_empty, "a SELECT of nothing", "sql-construct"),
    (_is_recursive, "RECURSIVE is not allowed", "sql-construct"),
    (_is_other_type, "a type that is not allowed", "sql-type"),
    (_is_long, f"a constant longer than {LONGEST_TEXT} characters", "sql-too-large"),
    (_is_other_join, "this kind of join is not allowed", "sql-construct"),
)


def _fault(node: exp.Expr, detail: str, code: str) -> Fault:
    for each in node.walk():
        line, column = each.meta.get("line"), each.meta.get("col")
        if isinstance(line, int) and isinstance(column, int):
            return Fault(
                "/sql", f"{detail}, at line {line}, column {column}", code, {"line": line, "col": column}
            )
    return Fault("/sql", detail, code)


def _qualified(tree: exp.Query, types: Mapping[str, str]) -> exp.Query:
    """Resolve every column against the rows there are, so that nothing is left for the engine to guess."""
    schema: dict[str, object] = {TABLE: dict(types)}
    try:
        found = qualify(tree, dialect="duckdb", schema=schema, identify=True)
    except OptimizeError as fault:
        said = str(fault).split("\n")[0][:200]
        raise NotAllowedError([Fault("/sql", said, "sql-column")]) from None
    except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise NotAllowedError([Fault("/sql", "its columns cannot be resolved", "sql-column")]) from None
    assert isinstance(found, exp.Query)  # noqa: S101 — qualifying a query gives a query
    return found
