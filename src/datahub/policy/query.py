"""A plan as a query: the step from the compiled policy to one engine's SQL.

Apart from `compile`, so that whoever only decides never loads the SQL writer.
"""

from datahub.policy.compile import Plan
from datahub.policy.facts import Facts


def plan_sql(plan: Plan, table: str, facts: Facts, dialect: str = "duckdb") -> str:
    """Return the query that gives exactly the cells that may leave, in `duckdb`, `postgres` or `spark`.

    What a consumer filters on goes around this query, never into it: then a masked value cannot be found out.
    """
    from datahub.policy.sql import select, to_sql  # noqa: PLC0415 — only who asks for SQL needs sqlglot

    return to_sql(select(plan, table, plan.schema, facts), dialect)
