"""The law: a cell is in the result of the compiled query exactly when `decide` permits it; and Cedar agrees.

Differential random testing: 120 policies over 45 rows of 7 cells are 37,800 answers per run, in one DuckDB.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.policy import Facts, Policy, decide, read_policy
from datahub.policy.compile import FALSE, plan
from datahub.policy.evaluate import prepare
from datahub.policy.model import Atom, Connective, Constraint, Operator
from datahub.policy.registry import covering
from datahub.policy.sql import Renderer, select, to_sql
from datahub.policy.vocabulary import taxonomies
from tests.policy import strategies as make

duckdb = pytest.importorskip("duckdb")
sqlglot = pytest.importorskip("sqlglot")

ROWS = make.some_rows(seed=20261124, size=45)
TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "instant": "TIMESTAMPTZ",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
}


@contextmanager
def a_table() -> Iterator[Any]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Europe/Amsterdam'")
        columns = ", ".join(f'"{name}" {TYPES[sort]}' for name, sort in make.SCHEMA.items())
        connection.execute(f"CREATE TABLE t (number INTEGER, {columns})")
        places = ", ".join("?" for _ in range(len(make.SCHEMA) + 1))
        connection.executemany(
            f"INSERT INTO t VALUES ({places})", [[at, *row.values()] for at, row in enumerate(ROWS)]
        )
        yield connection


@pytest.fixture(scope="module")
def tables() -> Iterator[Any]:
    with a_table() as connection:
        yield connection


def visible(connection: Any, policy: Policy, facts: Facts) -> set[tuple[int, str]]:
    made = plan(policy, facts, make.SCHEMA)
    renderer = Renderer(make.SCHEMA, facts)
    shown = [cell for cell in made.cells if cell.rows != FALSE]
    if not shown:
        return set()
    marks = ", ".join(f"coalesce({to_sql(renderer.predicate(cell.rows))}, FALSE)" for cell in shown)
    found = connection.execute(f"SELECT number, {marks} FROM t").fetchall()
    return {(row[0], cell.column) for row in found for cell, mark in zip(shown, row[1:], strict=True) if mark}


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies(), facts=make.facts())
def test_a_cell_is_in_the_result_exactly_when_decide_permits_it(
    tables: Any, policy: Policy, facts: Facts
) -> None:
    permitted = {
        (at, column)
        for at, row in enumerate(ROWS)
        for column in make.SCHEMA
        if prepare(policy).permits(replace(facts, row=row, column=column))
    }
    assert visible(tables, policy, facts) == permitted


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies(), facts=make.facts())
def test_the_query_gives_exactly_the_rows_with_a_permitted_cell(
    tables: Any, policy: Policy, facts: Facts
) -> None:
    made = plan(policy, facts, make.SCHEMA)
    query = select(replace(made, limits={}), "t", make.SCHEMA, facts)
    for dialect in ("duckdb", "postgres", "spark"):
        sqlglot.parse_one(to_sql(query, dialect), dialect=dialect)
    rows = {row for row, _ in visible(tables, policy, facts)}
    assert len(tables.execute(to_sql(query)).fetchall()) == len(rows)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies(), facts=make.facts())
def test_what_decide_leaves_to_the_plan_is_what_some_row_could_get(policy: Policy, facts: Facts) -> None:
    decision = decide(policy, facts)
    made = plan(policy, facts, make.SCHEMA)
    if decision.permit:
        assert made.rows != FALSE
    if not decision.permit and not decision.permit_with_plan:
        assert all(
            not prepare(policy).permits(replace(facts, row=row, column=column))
            for row in ROWS
            for column in make.SCHEMA
        )


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    policy=make.policies(),
    facts=make.facts(),
    row=st.sampled_from(ROWS),
    column=st.sampled_from([*make.SCHEMA]),
)
def test_every_denial_is_explained_and_its_smallest_cause_is_real(
    policy: Policy, facts: Facts, row: dict[str, Any], column: str
) -> None:
    decision = decide(policy, replace(facts, row=row, column=column))
    for lang in ("nl", "en"):
        for view in ("requester", "provider"):
            assert decision.explanation(lang, view)
    if decision.permit:
        assert decision.reasons == decision.changes == ()
    else:
        assert decision.reasons
        assert decision.changes
        assert decision.code not in {"permitted", "permitted-with-plan"}


# Cedar as a second opinion on the boolean core: every fact known, equality and order, and/or/xone, purposes as a graph

cedarpy = pytest.importorskip("cedarpy")
TAKEN = {
    Operator.EQ: "==",
    Operator.NEQ: "!=",
    Operator.GT: ">",
    Operator.GTEQ: ">=",
    Operator.LT: "<",
    Operator.LTEQ: "<=",
}


def core_atoms() -> st.SearchStrategy[Any]:
    def of(name: str, operators: list[str], values: list[Any]) -> st.SearchStrategy[Any]:
        one = st.sampled_from(values)
        single = st.tuples(st.sampled_from(operators), one)
        several = st.tuples(st.sampled_from(["isAnyOf", "isNoneOf"]), st.lists(one, min_size=1, max_size=2))
        either = single if operators == ["isA"] else st.one_of(single, several)
        return either.map(lambda made: {"leftOperand": name, "operator": made[0], "rightOperand": made[1]})

    return st.one_of(
        of("urn:datahub:policy:column:place", ["eq", "neq"], ["Amsterdam", "amsterdam", "Æbleø", '"\\']),
        of("urn:datahub:policy:column:years", make.ORDER, [0, 17, 18, 2**53 + 1, -1]),
        of("purpose", ["isA"], make.PURPOSES),
    )


def in_cedar(constraint: Constraint | None) -> str:
    if constraint is None:
        return "true"
    if isinstance(constraint, Atom):
        return atom_in_cedar(constraint)
    parts = [f"({in_cedar(part)})" for part in constraint.parts]
    if constraint.connective is Connective.OR:
        return " || ".join(parts)
    if constraint.connective is Connective.XONE:
        ones = [
            " && ".join(part if other == at else f"!{part}" for other, part in enumerate(parts))
            for at in range(len(parts))
        ]
        return " || ".join(f"({one})" for one in ones)
    return " && ".join(parts)


def atom_in_cedar(atom: Atom) -> str:
    def constant(value: object) -> str:
        if atom.left == "purpose":
            return f'Purpose::"{value}"'
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)

    name = "context.purpose" if atom.left == "purpose" else f"context.{atom.left.rsplit(':', 1)[1]}"
    if atom.operator is Operator.IS_A:
        return f"{name} in {constant(atom.right[0])}"
    if atom.operator in TAKEN:
        return f"{name} {TAKEN[atom.operator]} {constant(atom.right[0])}"
    within = f"[{', '.join(constant(value) for value in atom.right)}].contains({name})"
    return f"!{within}" if atom.operator is Operator.IS_NONE_OF else within


def cedar_policies(policy: Policy) -> str:
    rules = [("permit", rule) for rule in policy.permissions] + [
        ("forbid", rule) for rule in policy.prohibitions
    ]
    return "\n".join(
        f'{effect}(principal, action in Action::"{rule.action}", resource) when {{ {in_cedar(rule.constraint)} }};'
        for effect, rule in rules
    )


def entity(kind: str, name: str, parents: tuple[str, ...]) -> dict[str, Any]:
    above = [{"type": kind, "id": parent} for parent in parents]
    return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": above}


ENTITIES = [
    entity("Purpose", name, concept.broader) for name, concept in taxonomies()["purpose"].concepts.items()
] + [entity("Action", name, covering(name)[1:2]) for name in ("use", "read", "distribute")]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    policy=make.policies(core_atoms),
    action=st.sampled_from(["use", "read", "distribute"]),
    purpose=st.sampled_from(make.PURPOSES),
    place=st.sampled_from(["Amsterdam", "Æbleø", "x", '"\\']),
    years=st.sampled_from([0, 17, 18, 2**53, 2**53 + 1]),
)
def test_cedar_gives_the_same_answer_on_the_boolean_core(
    policy: Policy, action: str, purpose: str, place: str, years: int
) -> None:
    request = {
        "principal": 'User::"u"',
        "action": f'Action::"{action}"',
        "resource": 'Dataset::"d"',
        "context": {
            "purpose": {"__entity": {"type": "Purpose", "id": purpose}},
            "place": place,
            "years": years,
        },
    }
    answer = cedarpy.is_authorized(request, cedar_policies(policy), ENTITIES)
    assert not answer.diagnostics.errors
    facts = Facts(action=action, purpose=purpose, row={"place": place, "years": years})
    assert decide(policy, facts).permit == answer.allowed


def test_limits_are_what_is_left_of_the_counters() -> None:
    policy = read_policy(
        {
            "@id": "urn:x",
            "permission": [
                {
                    "action": "use",
                    "constraint": [
                        {
                            "leftOperand": "urn:datahub:policy:rowsPerDay",
                            "operator": "lteq",
                            "rightOperand": 100,
                        },
                        {"leftOperand": "urn:datahub:policy:rows", "operator": "lt", "rightOperand": 51},
                    ],
                }
            ],
        }
    )
    facts = Facts(action="read", counts={"rowsPerDay": 70, "rows": 10})
    made = plan(policy, facts, make.SCHEMA)
    assert made.limits == {"rows": 30}
    assert to_sql(select(made, "t", make.SCHEMA, facts)).endswith("LIMIT 30")


def test_an_age_on_a_row_is_an_embargo_per_row(tables: Any) -> None:
    policy = read_policy(
        {
            "@id": "urn:x",
            "permission": [
                {
                    "action": "use",
                    "constraint": [
                        {"leftOperand": make.AGE + "seen", "operator": "gteq", "rightOperand": "P1D"}
                    ],
                }
            ],
        }
    )
    now = datetime(2026, 3, 30, 1, tzinfo=UTC)
    found = {row for row, _ in visible(tables, policy, Facts(action="read", now=now))}
    assert found == {
        at for at, row in enumerate(ROWS) if row["seen"] and now - row["seen"] >= timedelta(days=1)
    }
    assert not visible(tables, policy, Facts(action="read"))
