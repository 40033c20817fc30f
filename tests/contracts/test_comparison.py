"""Comparison at work: returned terms against the offer, a renewal against what it replaces."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from datahub.contracts.rules.comparison import plain
from tests.contracts.stage import Stage


def _terms(*purposes: str) -> dict[str, Any]:
    return {"template": "purpose", "parameters": {"purposes": list(purposes)}}


@pytest.mark.parametrize(
    ("purposes", "verdict"),
    [
        (["dpv:AcademicResearch"], "narrower"),
        (["dpv:ResearchAndDevelopment", "dpv:Marketing"], "wider"),
        (["dpv:ResearchAndDevelopment"], "same"),
        (["dpv:Marketing"], "different"),
    ],
)
def test_returned_terms_say_whether_they_grant_anything_beyond_the_offer(
    one_stage: Stage, purposes: list[str], verdict: str
) -> None:
    request = one_stage.ask(one_stage.an_offer())
    moved = one_stage.move("approver", request, "return", reason="like this", **_terms(*purposes))
    assert moved.status_code == 201, moved.text
    steps = one_stage.client("requester").get(f"/v1/access-requests/{request['id']}/transitions").json()
    found = steps["items"][-1]["terms"]["comparison"]
    assert found["verdict"] == verdict
    assert ("onlyNewPermits" in found) is (verdict in ("wider", "different"))
    assert "comparison" not in steps["items"][0]["terms"]


def test_a_return_that_leaves_the_policy_alone_compares_nothing(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    moved = one_stage.move("approver", request, "return", reason="shorter", validUntil="2027-01-01T00:00:00Z")
    assert moved.status_code == 201, moved.text
    steps = one_stage.client("requester").get(f"/v1/access-requests/{request['id']}/transitions").json()
    assert "comparison" not in steps["items"][-1]["terms"]


def test_a_renewal_says_whether_it_grants_anything_beyond_what_it_replaces(stage: Stage) -> None:
    old = stage.an_agreement()
    offer = stage.an_offer(**_terms("dpv:AcademicResearch"))
    request = stage.ask(offer, supersedes=old["id"])
    approved = stage.move("approver", request, "approve")
    assert approved.status_code == 201, approved.text
    new = stage.read("requester", approved.json()["agreementId"])
    (found,) = [each for each in new["changes"] if each["term"] == "comparison"]
    assert found["verdict"] == "narrower"
    assert found["onlyOldPermits"]["purpose"]


WITHOUT_SOLVER = """
import sys
sys.modules["z3"] = None  # as where the extra is not installed
from datahub.contracts.rules.comparison import relation
from datahub.policy import fill_template, read_policy

def filled(purpose):
    return read_policy(fill_template("purpose", {"purposes": [purpose]}))

print(relation(filled("dpv:Marketing"), filled("dpv:AcademicResearch")).told())
print(relation(filled("dpv:Marketing"), filled("dpv:Marketing")).told())
"""


def test_without_the_solver_it_says_so() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_SOLVER], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["{'verdict': 'not-analysed'}", "{'verdict': 'same'}"]


def test_facts_are_shown_as_plain_json() -> None:
    assert plain({"a": frozenset({"y", "x"}), "b": datetime(2026, 1, 1, tzinfo=UTC)}) == {
        "a": ["x", "y"],
        "b": "2026-01-01T00:00:00Z",
    }
    assert plain([date(2026, 1, 1), timedelta(hours=1), Decimal("1.5"), None]) == [
        "1.5",
        "2026-01-01",
        None,
        "PT3600S",
    ]
