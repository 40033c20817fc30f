"""Plans: masks, groups, consent and layers of several permissions, run for real on DuckDB."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from datahub.policy import Facts, Mask, Policy, decide, fill_template, plan, plan_sql, plan_tests, read_policy
from datahub.policy.compile import FALSE, TRUE, UNKNOWN, Join, Known, join, negated
from datahub.policy.evaluate import left_open
from datahub.policy.model import Connective
from datahub.policy.sql import Renderer, masked, select_groups, to_sql
from tests.policy.build import NOW, a_constraint, a_document, a_policy

duckdb = pytest.importorskip("duckdb")
exp = pytest.importorskip("sqlglot").exp

SCHEMA: Any = {
    "id": "integer",
    "name": "text",
    "area": "text",
    "born": "date",
    "at": "instant",
    "amount": "number",
}
FACTS = Facts(action="read", now=NOW)
C = "urn:datahub:policy:column:"


@pytest.fixture(scope="module")
def tables() -> Iterator[Any]:
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE t (id BIGINT, name VARCHAR, area VARCHAR, born DATE, "at" TIMESTAMPTZ, amount DOUBLE, '
            '"__consent" BOOLEAN)'
        )
        rows = [
            (
                at,
                f"person {at // 2}",
                "Noord" if at < 6 else "Zuid",
                date(1980 + at, 5, 6),
                NOW,
                at / 2,
                (True, False, None)[at % 3],
            )
            for at in range(8)
        ]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        yield connection


def filled(name: str, **parameters: Any) -> Policy:
    return read_policy(fill_template(name, parameters))


def run(connection: Any, policy: Policy, facts: Facts = FACTS) -> list[dict[str, Any]]:
    found = connection.execute(plan_sql(plan(policy, facts, SCHEMA), "t", facts))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("null", None),
        ("fixed", "***"),
        ("hash", hashlib.sha256(b"person 0").hexdigest()),
        ("first4", "pers"),
        ("last4", "on 0"),
    ],
)
def test_a_masked_column_leaves_behind_its_mask_only(tables: Any, method: str, shown: str | None) -> None:
    rows = run(tables, filled("columns-masked", columns=["name"], method=method))
    assert len(rows) == 8
    assert rows[0]["name"] == shown
    assert rows[0]["area"] == "Noord"


def test_moments_are_masked_to_their_year_or_month(tables: Any) -> None:
    rows = run(tables, filled("columns-masked", columns=["born"], method="year"))
    assert {row["born"].strftime("%m-%d") for row in rows} == {"01-01"}
    rows = run(tables, filled("columns-masked", columns=["born"], method="month"))
    assert {row["born"].strftime("%m-%d") for row in rows} == {"05-01"}


def test_a_keyed_mask_takes_its_key_as_a_parameter(tables: Any) -> None:
    query = plan_sql(
        plan(filled("columns-masked", columns=["name"], method="hmac"), FACTS, SCHEMA), "t", FACTS
    )
    rows = tables.execute(query, {"pseudonym_key": "secret"}).fetchall()
    assert rows[0][1] == hashlib.sha256(b"secretperson 0").hexdigest()
    assert "secret" not in query


def test_a_mask_may_say_what_replaces_the_value(tables: Any) -> None:
    document = a_document()
    document["permission"][0]["duty"] = [
        {
            "action": "idsc:REPLACE",
            "constraint": [
                a_constraint("idsc:JSON_PATH", "eq", "name"),
                a_constraint("idsc:REPLACE_WITH", "eq", "somebody"),
            ],
        }
    ]
    assert {row["name"] for row in run(tables, read_policy(document))} == {"somebody"}


def test_postgres_hashes_bytes_and_spark_has_its_own_function() -> None:
    made = plan(filled("columns-masked", columns=["name"], method="hash"), FACTS, SCHEMA)
    assert "CONVERT_TO(CAST(\"name\" AS TEXT), 'UTF8')" in plan_sql(made, "t", FACTS, "postgres")
    assert "SHA2(CAST(`name` AS STRING), 256)" in plan_sql(made, "t", FACTS, "spark")


def test_columns_withheld_are_not_in_the_result(tables: Any) -> None:
    made = plan(filled("columns-without", columns=["name", "born"]), FACTS, SCHEMA)
    assert made.columns == ("id", "area", "at", "amount")
    assert set(run(tables, filled("columns-without", columns=["name", "born"]))[0]) == set(made.columns)


def test_two_permissions_give_each_row_the_better_of_their_views(tables: Any) -> None:
    document = a_document(a_constraint(C + "area", "eq", "Noord"))
    mask = {
        "action": "urn:datahub:policy:mask",
        "constraint": [
            a_constraint("urn:datahub:policy:maskedColumn", "isAnyOf", ["name", "amount"]),
            a_constraint("urn:datahub:policy:method", "eq", "first4"),
        ],
    }
    document["permission"].append({"action": "use", "duty": [mask]})
    rows = run(tables, read_policy(document))
    assert [row["name"] for row in rows][5:] == ["person 2", "pers", "pers"]
    assert [row["amount"] for row in rows][5:] == ["2.5", "***", "***"], "a part that is all of it"


def test_what_a_prohibition_forbids_leaves_in_no_layer(tables: Any) -> None:
    policy = a_policy(
        prohibition=[{"action": "use", "constraint": [a_constraint(C + "area", "eq", "Zuid")]}],
    )
    assert {row["area"] for row in run(tables, policy)} == {"Noord"}


def test_rows_without_consent_stay(tables: Any) -> None:
    policy = filled("consent", purposes=["dpv:ResearchAndDevelopment"])
    facts = Facts(action="read", purpose="dpv:AcademicResearch")
    assert plan(policy, facts, SCHEMA).needs_consent
    assert [row["id"] for row in run(tables, policy, facts)] == [0, 3, 6]
    assert plan(policy, FACTS, SCHEMA).is_empty
    assert not run(tables, policy)


def test_groups_that_are_too_small_stay(tables: Any) -> None:
    made = plan(filled("aggregated", minimumGroup=2, entityKey="name"), FACTS, SCHEMA)
    assert made.columns == ()
    assert not made.is_empty
    (group,) = made.groups
    measures = {"n": ("count", "id"), "people": ("countDistinct", "name"), "mean": ("avg", "amount")}
    query = select_groups(group, "t", ["area"], measures, Renderer(SCHEMA, FACTS))
    assert tables.execute(to_sql(query)).fetchall() == [("Noord", 6, 3, 1.25)]
    whole = select_groups(group, "t", [], {"sum": ("sum", "amount")}, Renderer(SCHEMA, FACTS))
    assert tables.execute(to_sql(whole)).fetchall() == [(14.0,)]


def test_a_function_the_policy_does_not_name_is_refused() -> None:
    document = a_document()
    document["permission"][0]["duty"] = [
        {
            "action": "urn:datahub:policy:aggregateOnly",
            "constraint": [a_constraint("urn:datahub:policy:function", "isAnyOf", ["count"])],
        }
    ]
    (group,) = plan(read_policy(document), FACTS, SCHEMA).groups
    assert group.minimum == 2
    with pytest.raises(ValueError, match="does not allow"):
        select_groups(group, "t", ["area"], {"mean": ("avg", "amount")}, Renderer(SCHEMA, FACTS))


def test_nothing_flows_once_an_obligation_was_broken() -> None:
    policy = a_policy(obligation=[{"@id": "urn:o", "action": "delete"}])
    assert plan(policy, Facts(action="read", duties={"urn:o": "violated"}), SCHEMA).is_empty
    assert not plan(policy, FACTS, SCHEMA).is_empty


def test_a_prohibition_settled_by_the_facts_stops_the_whole_table() -> None:
    policy = a_policy(
        prohibition=[{"action": "use", "constraint": [a_constraint("purpose", "isA", "dpv:Marketing")]}]
    )
    assert plan(policy, Facts(action="read", purpose="dpv:DirectMarketing"), SCHEMA).is_empty
    assert plan(policy, FACTS, SCHEMA).is_empty
    assert plan(policy, Facts(action="read", purpose="dpv:AcademicResearch"), SCHEMA).rows == TRUE


def test_limits_widen_among_permissions_and_tighten_within_one() -> None:
    def limited(*constraints: object) -> dict[str, object]:
        return {"action": "use", "constraint": list(constraints)}

    rows = "urn:datahub:policy:rows"
    policy = a_policy(
        permission=[
            limited(
                a_constraint(rows, "lteq", 100), a_constraint("urn:datahub:policy:rowsPerDay", "lteq", 20)
            ),
            limited(a_constraint(rows, "lteq", 50)),
        ]
    )
    facts = Facts(action="read", counts={"rows": 10, "rowsPerDay": 0, "dh:reads": 3})
    assert plan(policy, facts, SCHEMA).limits == {"rows": 40}
    unlimited = a_policy(permission=[limited(a_constraint(rows, "lteq", 50)), {"action": "use"}])
    assert plan(unlimited, facts, SCHEMA).limits == {}
    reads = a_policy(a_constraint("count", "lteq", 5))
    assert plan(reads, Facts(action="read", counts={"reads": 3}), SCHEMA).limits == {"reads": 2}


def test_a_column_the_table_does_not_have_is_unknown_in_every_row(tables: Any) -> None:
    policy = a_policy(a_constraint(C + "absent", "neq", "x"))
    assert plan(policy, FACTS, SCHEMA).rows == FALSE
    assert not run(tables, policy)
    age = a_policy(a_constraint("urn:datahub:policy:age:name", "gteq", "P1D"))
    assert plan(age, FACTS, SCHEMA).rows == FALSE


def test_residuals_settle_what_can_be_settled() -> None:
    assert join(Connective.XONE, (TRUE, TRUE, UNKNOWN)) == FALSE
    assert join(Connective.XONE, (TRUE, UNKNOWN)) == UNKNOWN
    assert join(Connective.XONE, (TRUE, FALSE)) == TRUE
    assert negated(UNKNOWN) == UNKNOWN
    assert join(Connective.AND, (UNKNOWN, TRUE)) == Known(None)
    assert isinstance(join(Connective.OR, (UNKNOWN, FALSE, Join(Connective.AND, ()))), Join)


def test_an_unheard_of_mask_hides_the_value() -> None:
    assert masked(exp.column("x"), Mask("smudge")).sql() == "NULL"


def test_a_text_with_quotes_cannot_leave_its_place(tables: Any) -> None:
    policy = filled("rows-where", column="name", values=["person 0' OR '1'='1", "person 1"])
    assert {row["name"] for row in run(tables, policy)} == {"person 1"}
    odd: Any = {'a"; DROP TABLE t; --': "text"}
    query = plan_sql(
        plan(filled("rows-where", column='a"; DROP TABLE t; --', values=["x"]), FACTS, odd), "t", FACTS
    )
    assert 'a""; DROP TABLE' in query


def test_the_time_of_a_plan_is_the_facts(tables: Any) -> None:
    policy = a_policy(a_constraint("urn:datahub:policy:age:at", "gteq", "PT0S"))
    assert len(run(tables, policy)) == 8
    assert not run(tables, policy, Facts(action="read", now=datetime(2026, 5, 1, tzinfo=UTC)))


def test_consent_is_noticed_wherever_it_stands() -> None:
    consent = a_constraint("urn:datahub:policy:consent", "eq", {"@value": "false", "@type": "xsd:boolean"})
    area = a_constraint(C + "area", "eq", "Noord")
    policy = a_policy({"or": [area, area]}, prohibition=[{"action": "use", "constraint": [consent]}])
    assert plan(policy, FACTS, SCHEMA).needs_consent
    assert not plan(a_policy({"or": [area, {"xone": [area]}]}), FACTS, SCHEMA).needs_consent
    assert not plan(a_policy(), FACTS, SCHEMA).needs_consent


@pytest.mark.parametrize("given", [True, False])
def test_where_consent_is_known_of_every_row_it_is_settled(*, given: bool) -> None:
    wanted = a_constraint("urn:datahub:policy:consent", "eq", {"@value": "true", "@type": "xsd:boolean"})
    found = plan(a_policy(wanted), FACTS, SCHEMA, consent=given)
    assert not found.needs_consent
    assert found.rows == (TRUE if given else FALSE)


def test_a_condition_to_be_filled_in_lets_no_row_leave() -> None:
    document = a_document(a_constraint(C + "area", "eq", "?area"))
    policy = read_policy(document, foreign=True)
    assert plan(policy, FACTS, SCHEMA).is_empty
    assert not decide(policy, Facts(action="read", row={"area": "?area"})).permit


@pytest.mark.parametrize("operator", ["isAllOf", "isAnyOf", "eq"])
def test_all_of_one_value_is_that_value(tables: Any, operator: str) -> None:
    policy = a_policy(a_constraint(C + "area", operator, ["Noord", "Noord"] if operator != "eq" else "Noord"))
    assert [row["id"] for row in run(tables, policy)] == list(range(6))


def test_no_row_holds_all_of_two_values(tables: Any) -> None:
    assert run(tables, a_policy(a_constraint(C + "area", "isAllOf", ["Noord", "Zuid"]))) == []


def test_the_tests_of_a_plan_say_what_leaves_of_each_column() -> None:
    document = a_document(a_constraint(C + "area", "eq", "Noord"))
    hidden = [a_constraint("urn:datahub:policy:maskedColumn", "eq", "name")]
    document["permission"][0]["duty"] = [{"action": "urn:datahub:policy:mask", "constraint": hidden}]
    unmasked = [a_constraint(C + "id", "gt", 3), a_constraint("urn:datahub:policy:column", "eq", "name")]
    document["permission"].append({"action": "use", "constraint": unmasked})
    rows, shown = plan_tests(plan(read_policy(document), FACTS, SCHEMA), FACTS)
    said = {
        each.column: [(mask and mask.method, test.sql() if test else None) for mask, test in each.layers]
        for each in shown
    }
    north, late = "\"area\" = 'Noord'", '"id" > 3'
    assert rows.sql() == f"({north} OR {late})"
    assert said["name"] == [(None, late), ("null", north)]
    assert said["id"] == [(None, north)]


def test_a_column_of_which_nothing_leaves_has_no_test() -> None:
    _, shown = plan_tests(plan(filled("columns-without", columns=["name"]), FACTS, SCHEMA), FACTS)
    assert [(each.column, each.layers) for each in shown] == [
        (column, [(None, None)]) for column in SCHEMA if column != "name"
    ]


def test_nothing_of_another_action_is_planned() -> None:
    assert plan(a_policy(), Facts(action="sell", now=NOW), SCHEMA).is_empty
    assert not plan(a_policy(), FACTS, SCHEMA).is_empty


def test_each_of_several_prohibitions_keeps_its_rows_back(tables: Any) -> None:
    south, first = a_constraint(C + "area", "eq", "Zuid"), a_constraint(C + "id", "lt", 2)
    forbidden = [{"action": "use", "constraint": [each]} for each in (south, first)]
    assert [row["id"] for row in run(tables, a_policy(prohibition=forbidden))] == [2, 3, 4, 5]


def test_a_prohibition_for_one_organisation_leaves_the_others_their_rows() -> None:
    policy = a_policy(
        prohibition=[{"action": "use", "assignee": "urn:a"}, {"action": "use", "assignee": "urn:b"}]
    )
    for who, stopped in (("urn:a", True), ("urn:b", True), ("urn:c", False)):
        assert plan(policy, Facts(action="read", now=NOW, recipient=[who]), SCHEMA).is_empty is stopped


def test_a_permission_for_groups_does_not_hide_one_for_rows() -> None:
    document = a_document(a_constraint(C + "area", "eq", "Zuid"))
    smallest = [a_constraint("urn:datahub:policy:minimumGroup", "eq", 4)]
    duty = [{"action": "urn:datahub:policy:aggregateOnly", "constraint": smallest}]
    document["permission"] = [{"action": "use", "duty": duty}, *document["permission"]]
    document["prohibition"] = [{"action": "use", "constraint": [a_constraint(C + "id", "lt", 2)]}]
    made = plan(read_policy(document), FACTS, SCHEMA)
    assert made.columns == tuple(SCHEMA)
    (group,) = made.groups
    assert group.minimum == 4
    assert Renderer(SCHEMA, FACTS).predicate(group.rows).sql() == 'NOT ("id" < 2)'


def test_a_choice_of_rows_stays_a_choice(tables: Any) -> None:
    either = {"or": [a_constraint(C + "area", "eq", "Zuid"), a_constraint(C + "id", "eq", 0)]}
    assert [row["id"] for row in run(tables, a_policy(either))] == [0, 6, 7]


@pytest.mark.parametrize(("operator", "found"), [("isAnyOf", 0), ("isNoneOf", 8), ("isAllOf", 8)])
def test_no_values_at_all_compare_as_the_empty_set(tables: Any, operator: str, found: int) -> None:
    policy = a_policy(a_constraint(C + "area", operator, []))
    assert len(run(tables, policy)) == found
    assert decide(policy, Facts(action="read", now=NOW, row={"area": "Noord"})).permit is (found > 0)


def test_limits_count_whichever_name_the_use_goes_by() -> None:
    policy = a_policy(a_constraint("urn:datahub:policy:rows", "lteq", 100))
    for name in ("rows", "dh:rows"):
        used = Facts(action="read", now=NOW, counts={name: 40})
        assert plan(policy, used, SCHEMA).limits == {"rows": 60}
        assert decide(policy, used).permit
        assert not decide(policy, Facts(action="read", now=NOW, counts={name: 100})).permit


def test_a_limit_that_refines_the_action_limits_as_well() -> None:
    document = a_document()
    refined = {"rdf:value": "use", "refinement": [a_constraint("urn:datahub:policy:rows", "lt", 10)]}
    document["permission"] = [{"action": refined}]
    facts = Facts(action="read", now=NOW, counts={"rows": 4})
    assert plan(read_policy(document), facts, SCHEMA).limits == {"rows": 5}


def test_a_plan_is_the_same_for_an_attempt_whose_rows_were_left_open() -> None:
    policy = a_policy(
        a_constraint("urn:datahub:policy:column", "eq", "name"), a_constraint(C + "area", "eq", "Noord")
    )
    made = plan(policy, FACTS, SCHEMA)
    assert made.columns == ("name",)
    assert plan(policy, left_open(FACTS), SCHEMA) == made
