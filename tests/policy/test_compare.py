"""Comparison with proof: what holds survives random attempts, what does not is shown by one that `decide` confirms."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.policy import (
    Facts,
    Policy,
    compatible,
    decide,
    equivalent,
    fill_template,
    grants_nothing_beyond,
    hygiene,
    read_policy,
    templates,
)
from datahub.policy.evaluate import prepare
from tests.policy import strategies as make
from tests.policy.build import a_constraint, a_policy, some_facts

pytest.importorskip("z3")


def filled(name: str, **parameters: Any) -> Policy:
    return read_policy(fill_template(name, parameters))


RESEARCH = filled("purpose", purposes=["dpv:ResearchAndDevelopment"])
ACADEMIC = filled("purpose", purposes=["dpv:AcademicResearch"])
OPEN = filled("open")
A_YEAR = filled("until-date", until="2027-01-01T00:00:00Z")
HALF_A_YEAR = filled("until-date", until="2026-07-01T00:00:00Z")

NARROWER = [
    (ACADEMIC, RESEARCH),
    (RESEARCH, OPEN),
    (HALF_A_YEAR, A_YEAR),
    (filled("duration", term="P30D"), filled("duration", term="P60D")),
    (filled("number-of-reads", reads=9), filled("number-of-reads", reads=10)),
    (filled("quota", amount=9, of="rowsPerDay"), filled("quota", amount=10, of="rowsPerDay")),
    (filled("rows-where", column="r", values=["a"]), filled("rows-where", column="r", values=["a", "b"])),
    (filled("rows-where", column="r", values=[1]), filled("rows-where", column="r", values=[1, 2.5])),
    (filled("columns-without", columns=["a", "b"]), filled("columns-without", columns=["a"])),
    (filled("columns-masked", columns=["a"], method="hash"), OPEN),
    (filled("results-only", minimumGroup=10), filled("aggregated", minimumGroup=10)),
    (filled("delete-after", term="P30D"), OPEN),
    (filled("no-redistribution"), OPEN),
    (filled("role", roles=["a"]), filled("role", roles=["a", "b"])),
    (filled("identified-organisations", organisations=["did:web:a"]), OPEN),
    (filled("consent", purposes=["dpv:AcademicResearch"]), ACADEMIC),
    (filled("embargo", **{"from": "2027-01-01T00:00:00Z"}), OPEN),
    (
        a_policy(a_constraint("urn:datahub:policy:securityLevel", "eq", "idsc:TRUST_PLUS_SECURITY_PROFILE")),
        a_policy(a_constraint("urn:datahub:policy:securityLevel", "gteq", "idsc:TRUST_SECURITY_PROFILE")),
    ),
    (
        a_policy(a_constraint("urn:datahub:policy:age:seen", "gteq", "P2D")),
        a_policy(a_constraint("urn:datahub:policy:age:seen", "gteq", "P1D")),
    ),
    (
        a_policy({**a_constraint("timeInterval", "eq", "P14D"), "urn:datahub:policy:anchor": "2026-01-01"}),
        a_policy({**a_constraint("timeInterval", "eq", "P7D"), "urn:datahub:policy:anchor": "2026-01-08"}),
    ),
    (
        a_policy({**a_constraint("timeInterval", "eq", "PT12H"), "urn:datahub:policy:anchor": "2026-01-01"}),
        a_policy({**a_constraint("timeInterval", "eq", "PT6H"), "urn:datahub:policy:anchor": "2026-01-01"}),
    ),
    (
        a_policy(
            a_constraint("urn:datahub:policy:column:d", "lt", {"@value": "2020-01-01", "@type": "xsd:date"})
        ),
        a_policy(
            a_constraint("urn:datahub:policy:column:d", "lteq", {"@value": "2020-01-01", "@type": "xsd:date"})
        ),
    ),
    (a_policy(a_constraint("language", "eq", "nl-NL")), a_policy(a_constraint("language", "isPartOf", "nl"))),
    (
        a_policy(a_constraint("spatial", "eq", "region:GM0363")),
        a_policy(a_constraint("spatial", "isPartOf", "region:EU")),
    ),
    (
        a_policy(a_constraint("recipient", "eq", "did:web:a")),
        a_policy(a_constraint("recipient", "isPartOf", "did:web:a")),
    ),
    (
        a_policy(a_constraint("urn:datahub:policy:credential", "isAllOf", ["a", "b"])),
        a_policy(a_constraint("urn:datahub:policy:credential", "isAnyOf", ["b", "c"])),
    ),
    (
        a_policy(**{"@type": "Agreement", "target": "urn:d", "assigner": "urn:p", "assignee": "did:web:a"}),
        a_policy(),
    ),
]


@pytest.mark.parametrize(("narrow", "wide"), NARROWER, ids=lambda policy: policy.uid.rsplit(":", 1)[1])
def test_a_narrower_policy_grants_nothing_beyond_and_the_wider_one_does(narrow: Policy, wide: Policy) -> None:
    assert grants_nothing_beyond(narrow, wide).holds is True
    beyond = grants_nothing_beyond(wide, narrow)
    assert beyond.holds is False
    assert beyond.counterexample is not None
    assert prepare(wide).permits(beyond.counterexample)
    assert beyond.told()["action"]


@pytest.mark.parametrize(
    "policy",
    [read_policy(fill_template(each.name, each.examples[0]["parameters"])) for each in templates()],
    ids=[each.name for each in templates()],
)
def test_every_policy_is_equivalent_to_itself_and_usable(policy: Policy) -> None:
    assert equivalent(policy, policy).holds is True
    assert {fault.code for fault in hygiene(policy)} <= {"never-bites"}


def test_two_policies_that_no_attempt_satisfies_conflict() -> None:
    assert compatible(RESEARCH, filled("purpose", purposes=["dpv:Marketing"])).holds is False
    both = compatible(RESEARCH, A_YEAR)
    assert both.holds is True
    assert both.counterexample is not None
    assert decide(RESEARCH, both.counterexample).permit
    assert decide(A_YEAR, both.counterexample).permit


def test_order_of_comparison_matters_in_equivalence_too() -> None:
    assert equivalent(ACADEMIC, RESEARCH).holds is False
    assert equivalent(RESEARCH, ACADEMIC).holds is False
    marketing = a_constraint("purpose", "isA", "dpv:Marketing")
    assert equivalent(a_policy({"xone": [marketing]}), a_policy(marketing)).holds is True


def test_a_missing_duty_is_named_in_the_counterexample() -> None:
    beyond = grants_nothing_beyond(OPEN, filled("delete-after", term="P30D"))
    assert beyond.duties == {"delete": "violated"}
    paying = a_policy(permission=[{"action": "use", "duty": [{"action": "compensate"}]}])
    assert grants_nothing_beyond(OPEN, paying).holds is False
    assert grants_nothing_beyond(paying, OPEN).holds is True


def test_legal_terms_count_once_they_are_accepted() -> None:
    legal = a_policy(a_constraint("https://w3id.org/catenax/policy/Liability", "eq", "cx.liability:1"))
    assert decide(legal, some_facts(agreed=True)).permit
    assert not decide(legal, some_facts()).permit
    assert grants_nothing_beyond(legal, a_policy()).holds is True
    beyond = grants_nothing_beyond(a_policy(), legal)
    assert beyond.counterexample is not None
    assert not beyond.counterexample.agreed


def test_an_obligation_of_the_policy_narrows_it() -> None:
    bound = a_policy(obligation=[{"action": "urn:datahub:policy:reportUse"}])
    assert grants_nothing_beyond(bound, a_policy()).holds is True
    assert grants_nothing_beyond(a_policy(), bound).duties == {"dh:reportUse": "violated"}


def test_each_kind_of_useless_rule_is_found() -> None:
    never = [
        a_constraint("dateTime", "lt", "2020-01-01T00:00:00Z"),
        a_constraint("dateTime", "gt", "2021-01-01T00:00:00Z"),
    ]
    policy = a_policy(
        permission=[
            {"action": "use", "constraint": never},
            {"action": "use", "constraint": [a_constraint("purpose", "isA", "dpv:AcademicResearch")]},
            {"action": "use", "constraint": [a_constraint("purpose", "isA", "dpv:ResearchAndDevelopment")]},
            {"action": "distribute"},
        ],
        prohibition=[{"action": "distribute"}, {"action": "sell"}],
    )
    assert {(fault.pointer, fault.code) for fault in hygiene(policy)} == {
        ("/permission/0", "contradiction"),
        ("/permission/1", "shadowed"),
        ("/permission/3", "always-prohibited"),
        ("/prohibition/1", "never-bites"),
    }


def test_a_policy_to_be_filled_in_can_never_be_used() -> None:
    policy = read_policy(
        {
            "@id": "urn:x",
            "permission": [{"action": "use", "constraint": [a_constraint("recipient", "eq", "?who")]}],
        },
        foreign=True,
    )
    assert [fault.code for fault in hygiene(policy)] == ["contradiction"]


ROWS = make.some_rows(seed=7, size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=make.policies(), second=make.policies(), facts=make.facts(), columns=st.sampled_from([*make.SCHEMA])
)
def test_no_random_attempt_contradicts_a_proof(
    first: Policy, second: Policy, facts: Facts, columns: str
) -> None:
    answer = grants_nothing_beyond(first, second)
    assert answer.holds is not None
    for row in ROWS:
        attempt = replace(facts, row=row, column=columns)
        if answer.holds and prepare(first).permits(attempt):
            assert prepare(second).permits(attempt)


def test_what_z3_cannot_settle_in_time_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    from datahub.policy import smt

    def gives_up(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(smt, "solve", gives_up)
    assert grants_nothing_beyond(OPEN, RESEARCH).holds is None
    assert compatible(OPEN, RESEARCH).holds is None
    assert equivalent(OPEN, RESEARCH).told() == {}


def test_a_solver_that_gives_up_says_so_and_hygiene_calls_it_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import z3

    from datahub.policy.smt import solve

    monkeypatch.setattr(z3.Solver, "check", lambda *_: z3.unknown)
    with pytest.raises(TimeoutError):
        solve(())
    assert {fault.code for fault in hygiene(OPEN)} == {"undecided"}


def test_named_sets_and_durations_come_back_in_the_counterexample() -> None:
    project = a_policy(a_constraint("urn:datahub:policy:project", "eq", "p1"))
    beyond = grants_nothing_beyond(project, a_policy(a_constraint("urn:datahub:policy:project", "eq", "p2")))
    assert beyond.holds is False
    assert beyond.counterexample is not None
    assert beyond.counterexample.more == {"dh:project": frozenset({"p1"})}
    metered = a_policy(a_constraint("meteredTime", "eq", "P1D"))
    longer = grants_nothing_beyond(metered, a_policy(a_constraint("meteredTime", "gt", "P1D")))
    assert longer.counterexample is not None
    assert longer.counterexample.more == {"meteredTime": timedelta(days=1)}


def test_an_interval_without_length_never_recurs_in_a_proof_either() -> None:
    never = a_policy({**a_constraint("timeInterval", "eq", "P0D"), "urn:datahub:policy:anchor": "2026-01-01"})
    assert [fault.code for fault in hygiene(never)] == ["contradiction"]
