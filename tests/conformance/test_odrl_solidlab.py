"""The SolidLab ODRL test suite: 68 cases of policy, request and state of the world (duties in its post mode)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from datahub.policy import Facts, Timing, compliance_report, decide, read_policy

SUITE = Path(__file__).parents[3] / "shared" / "vectors" / "odrl" / "solidlab"
CASES: list[dict[str, Any]] = (
    json.loads((SUITE / "cases.json").read_text())["cases"] if SUITE.is_dir() else []
)
ODRL = "http://www.w3.org/ns/odrl/2/"
REPORT = "https://w3id.org/force/compliance-report#"

pytestmark = pytest.mark.skipif(not CASES, reason="the SolidLab vectors are not at hand")


def the_facts(request: str, world: str) -> Facts:
    rdflib = pytest.importorskip("rdflib")
    asked = rdflib.Graph().parse(SUITE / "data" / request)
    state = rdflib.Graph().parse(SUITE / "data" / world)

    def named(local: str) -> set[str]:
        return {str(each) for each in asked.objects(None, rdflib.URIRef(ODRL + local))}

    def with_collections(names: set[str]) -> set[str]:
        part_of = rdflib.URIRef(ODRL + "partOf")
        return names | {str(each) for name in names for each in state.objects(rdflib.URIRef(name), part_of)}

    now = state.value(rdflib.URIRef("http://example.com/request/currentTime"), rdflib.DCTERMS.issued)
    duties = {
        str(state.value(report, rdflib.URIRef(REPORT + "rule"))): str(
            state.value(report, rdflib.URIRef(REPORT + "deonticState"))
        )
        .removeprefix(REPORT)
        .lower()
        for report in state.subjects(rdflib.RDF.type, rdflib.URIRef(REPORT + "DutyReport"))
    }
    return Facts(
        action=named("action").pop().removeprefix(ODRL),
        now=datetime.fromisoformat(str(now)),
        recipient=with_collections(named("assignee")),
        target=with_collections(named("target")),
        duties=duties,
    )


def test_all_68_cases_are_here() -> None:
    assert len(CASES) == 68


@pytest.mark.parametrize("case", CASES, ids=[Path(case["file"]).stem for case in CASES])
def test_the_rules_are_active_and_the_answer_is_as_the_suite_says(case: dict[str, Any]) -> None:
    policy = read_policy((SUITE / "data" / case["policy"]).read_text(), duty_timing=Timing.POST)
    decision = decide(policy, the_facts(case["request"], case["sotw"]))
    assert decision.permit == (case["derived_decision_closed"] == "Allow")
    for expected in case["expected_rules"]:
        applied = any(report.applied for report in decision.rules if report.uid == expected["rule"])
        assert applied == (expected["activation"] == "Active"), expected["rule"]


@pytest.mark.parametrize("case", CASES, ids=[Path(case["file"]).stem for case in CASES])
def test_the_compliance_report_has_the_premises_the_suite_expects(case: dict[str, Any]) -> None:
    policy = read_policy((SUITE / "data" / case["policy"]).read_text(), duty_timing=Timing.POST)
    report: Any = compliance_report(decide(policy, the_facts(case["request"], case["sotw"])))
    for expected in case["expected_rules"]:
        found = [
            rule for rule in report["report:ruleReport"] if rule["report:rule"]["@id"] == expected["rule"]
        ]
        assert {rule["@type"] for rule in found} == {f"report:{expected['type']}"}
        states = [rule["report:activationState"]["@id"] for rule in found]
        assert ("report:Active" in states) == (expected["activation"] == "Active")
        stated = {
            kind: states for kind, states in expected["premises"].items() if kind != "UNTYPED"
        }  # a slip in 065
        for kind, satisfactions in stated.items():
            seen = sorted(
                premise["report:satisfactionState"]["@id"].removeprefix("report:")
                for premise in found[0]["report:premiseReport"]
                if premise["@type"] == f"report:{kind}"
            )
            assert seen == sorted(satisfactions), (expected["rule"], kind)
