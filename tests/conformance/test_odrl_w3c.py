"""The nine examples of the W3C ODRL Formal Semantics draft (duties in its pre mode).

The five C cases ask as `party/billie1` while their policies say `party/billie`: the defect is known and mended here.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from datahub.policy import Facts, decide, read_policy

SUITE = Path(__file__).parents[3] / "shared/vectors/odrl/w3c-formal-semantics/formal-semantics/examples"
REQUESTS = sorted(SUITE.rglob("evaluationrequest*.json"))

pytestmark = pytest.mark.skipif(not REQUESTS, reason="the W3C vectors are not at hand")


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def the_facts(folder: Path, request: dict[str, Any]) -> Facts:
    parameter = request["requestParameters"]
    value = parameter["value"]
    is_moment = parameter["describesFeature"].endswith("CurrentXSDDateTime")
    party = request.get("evaluatedParty", "http://example.com/party/1").replace("billie1", "billie")
    states = [load(path)["context"] for path in folder.glob("state*.json")]
    return Facts(
        action=request["evaluatedAction"].removeprefix("odrl:"),
        now=datetime.fromisoformat(value["@value"] + "Z") if is_moment else None,
        recipient=party,
        target=request["evaluatedTarget"],
        duties={state["conditionId"]: "fulfilled" for state in states},
        more={} if is_moment else {"resolution": int(value["@id"])},
    )


def test_all_nine_cases_are_here() -> None:
    assert len(REQUESTS) == 9


@pytest.mark.parametrize(
    "path", REQUESTS, ids=[path.stem.removeprefix("evaluationrequest") for path in REQUESTS]
)
def test_the_rule_is_active_and_controls_as_the_draft_says(path: Path) -> None:
    report = next(
        each
        for each in load(next(path.parent.glob("compliancereport*"))).values()
        if isinstance(each, dict) and each.get("@type") == "report:ruleReport"
    )
    policy = read_policy(next(path.parents[1].glob("policy*.json")).read_text())
    decision = decide(policy, the_facts(path.parent, load(path)))
    assert decision.permit == (report["report:controlState"] == "report:Permit")
    assert decision.rules[0].active == (report["report:activationState"] == "report:Active")
