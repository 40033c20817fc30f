"""A plan as a query: the step from the compiled policy to one engine's SQL.

Apart from `compile`, so that whoever only decides never loads the SQL writer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datahub.policy.compile import FALSE, Mask, Plan
from datahub.policy.facts import Facts

if TYPE_CHECKING:
    from sqlglot import exp


def plan_sql(plan: Plan, table: str, facts: Facts, dialect: str = "duckdb") -> str:
    """Return the query that gives exactly the cells that may leave, in `duckdb`, `postgres` or `spark`.

    What a consumer filters on goes around this query, never into it: then a masked value cannot be found out.
    """
    from datahub.policy.sql import select, to_sql  # noqa: PLC0415 — only who asks for SQL needs sqlglot

    return to_sql(select(plan, table, plan.schema, facts), dialect)


@dataclass(frozen=True)
class Shown:
    """What leaves of a column, by the first layer whose test is true: raw (no mask) or behind a mask, else nothing.

    A layer without a test applies in every row that leaves.
    """

    column: str
    layers: Sequence[tuple[Mask | None, "exp.Expr | None"]]


def bucketed(number: "exp.Expr", steps: Sequence[int], *, is_exact: bool) -> "exp.Expr":
    """Return the lower bound of the bucket that a number lies in, as `sql.bucketed` says it."""
    from datahub.policy import sql  # noqa: PLC0415 — as above

    return sql.bucketed(number, steps, is_exact=is_exact)


def plan_tests(plan: Plan, facts: Facts) -> tuple["exp.Expr", Sequence[Shown]]:
    """Return the test of the rows that may leave and, per column, what leaves of it: the plan, its masks not applied.

    For whoever carries the plan out by other means than one query; `plan_sql` gives the query.
    """
    from datahub.policy.sql import Renderer  # noqa: PLC0415 — as above

    renderer, rows = Renderer(plan.schema, facts), plan.rows
    shown = []
    for cell in plan.cells:
        layers = [(None, cell.raw), *cell.masked]
        tested = [
            (mask, None if when == rows else renderer.predicate(when))
            for mask, when in layers
            if when != FALSE
        ]
        if tested:
            shown.append(Shown(cell.column, tested))
    return renderer.predicate(rows), shown
