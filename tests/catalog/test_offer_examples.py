"""Policy tests: examples kept with an offer hold its later versions; rules without effect are noticed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.stage import Stage, a_stage

UNIVERSITY = {"title": "A university", "purpose": "dpv:AcademicResearch", "expect": "allow"}
ADVERTISER = {"title": "An advertiser", "purpose": "dpv:Marketing", "expect": "deny"}


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = a_stage(tmp_path, database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def one_stage(sqlite_url: str, tmp_path: Path) -> Iterator[Stage]:
    """For what has nothing to do with the database."""
    made = a_stage(tmp_path, sqlite_url)
    yield made
    made.engine.dispose()


def _body(*purposes: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"en": "For research"},
        "template": "purpose",
        "parameters": {"purposes": list(purposes)},
        **more,
    }


def _put(stage: Stage, offer: dict[str, Any], body: dict[str, Any]) -> Any:
    where = f"{stage.offers_at}/{offer['id']}"
    client = stage.client("publisher")
    etag = client.get(where).headers["etag"]
    return client.put(where, json=body, headers={"If-Match": etag})


def test_a_change_that_breaks_an_example_is_refused_with_which_and_why(stage: Stage) -> None:
    offer = stage.an_offer(examples=[ADVERTISER, UNIVERSITY])
    refused = _put(stage, offer, _body("dpv:Marketing"))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "examples-broken")
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [
        ("/examples/0", "permitted"),
        ("/examples/1", "purpose-not-met"),
    ]
    assert "A university" in problem["errors"][1]["detail"]
    assert stage.client("publisher").get(f"{stage.offers_at}/{offer['id']}").json()["version"] == 1


def test_the_examples_may_be_changed_with_the_terms(stage: Stage) -> None:
    offer = stage.an_offer(examples=[UNIVERSITY, ADVERTISER])
    turned = [UNIVERSITY | {"expect": "deny"}, ADVERTISER | {"expect": "allow"}]
    changed = _put(stage, offer, _body("dpv:Marketing", examples=turned))
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    kept = stage.client("publisher").get(f"{stage.offers_at}/{offer['id']}/examples").json()["items"]
    assert kept == turned


def test_a_change_that_keeps_the_examples_keeps_them_on_record(stage: Stage) -> None:
    offer = stage.an_offer(examples=[UNIVERSITY])
    assert _put(stage, offer, _body("dpv:AcademicResearch")).status_code == 200
    again = _put(stage, offer, _body("dpv:Marketing"))
    assert (again.status_code, again.json()["code"]) == (409, "examples-broken")
    assert _put(stage, offer, _body("dpv:Marketing", examples=[])).status_code == 200


def test_examples_are_the_providers_own(stage: Stage) -> None:
    offer = stage.an_offer(examples=[UNIVERSITY])
    assert "examples" not in offer
    where = f"{stage.offers_at}/{offer['id']}/examples"
    assert stage.client("publisher").get(where).json() == {"items": [UNIVERSITY]}
    stage.actors["rival"] = replace(stage.actors["publisher"], participant_id=stage.stranger.id)
    assert stage.client("rival").get(where).status_code == 403


@pytest.mark.parametrize(
    ("examples", "found"),
    [
        ([{}], {"/examples/0/expect"}),
        ([UNIVERSITY, {"expect": "allow", "shoeSize": 40}], {"/examples/1/shoeSize"}),
        (
            [{"expect": "allow", "when": "soon", "purpose": "dpv:WorldPeace"}],
            {"/examples/0/when", "/examples/0/purpose"},
        ),
    ],
)
def test_an_example_that_says_nothing_is_refused(one_stage: Stage, examples: Any, found: set[str]) -> None:
    body = _body("dpv:AcademicResearch", examples=examples)
    answer = one_stage.client("publisher").post(one_stage.offers_at, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-offer")
    assert {each["pointer"] for each in answer.json()["errors"]} == found


def test_rows_are_examples_too(one_stage: Stage) -> None:
    rows = [{"row": {"area": "Noord"}, "expect": "allow"}, {"row": {"area": "Zuid"}, "expect": "deny"}]
    body: dict[str, Any] = {
        "template": "rows-where",
        "parameters": {"column": "area", "values": ["Noord"]},
        "examples": rows,
    }
    assert one_stage.an_offer(**body)["template"] == "rows-where"
    wrong = {**body, "title": {"en": "x"}, "parameters": {"column": "area", "values": ["Zuid"]}}
    answer = one_stage.client("publisher").post(one_stage.offers_at, json=wrong)
    assert [each["code"] for each in answer.json()["errors"]] == ["column-not-met", "permitted"]


def _odrl(*permissions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": {"en": "x"}, "policy": {"@type": "Offer", "permission": list(permissions), **more}}


WITHIN = {
    "action": "use",
    "constraint": [
        {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2026-01-01T00:00:00Z"},
        {"leftOperand": "dateTime", "operator": "gt", "rightOperand": "2027-01-01T00:00:00Z"},
    ],
}


def test_a_policy_nobody_could_ever_use_is_refused(one_stage: Stage) -> None:
    client = one_stage.client("publisher")
    answer = client.post(one_stage.offers_at, json=_odrl(WITHIN))
    assert (answer.status_code, answer.json()["code"]) == (400, "policy-not-usable")
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [
        ("/policy/permission/0", "contradiction")
    ]
    forbidden = client.post(
        one_stage.offers_at, json=_odrl({"action": "read"}, prohibition=[{"action": "use"}])
    )
    assert [each["code"] for each in forbidden.json()["errors"]] == ["always-prohibited"]


def test_a_rule_without_effect_is_a_warning(one_stage: Stage) -> None:
    body = _odrl({"action": "use"}, {"action": "read"}, WITHIN)
    client = one_stage.client("publisher")
    checked = client.post(one_stage.offers_at, json=body, params={"validateOnly": "true"}).json()
    made = client.post(one_stage.offers_at, json=body).json()
    assert checked["warnings"] == made["warnings"]
    assert {(each["pointer"], each["code"]) for each in made["warnings"]} == {
        ("/policy/permission/1", "shadowed"),
        ("/policy/permission/2", "contradiction"),
    }
    assert all(each["detail"] and each["remedy"] for each in made["warnings"])


@pytest.mark.parametrize(("rules", "terms"), [(51, 1), (1, 801)])
def test_a_policy_too_large_to_analyse_says_so(one_stage: Stage, rules: int, terms: int) -> None:
    term = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "dpv:Marketing"}
    rule = {"action": "use", "constraint": [{"or": [term] * terms}] if terms > 1 else [term]}
    made = one_stage.client("publisher").post(one_stage.offers_at, json=_odrl(*[rule] * rules)).json()
    assert [each["code"] for each in made["warnings"]] == ["not-analysed"]


LEGAL = {
    "leftOperand": "https://w3id.org/catenax/policy/Liability",
    "operator": "eq",
    "rightOperand": "cx.x:1",
}


def test_a_prohibition_that_nobody_can_judge_is_told_at_publication(one_stage: Stage) -> None:
    client = one_stage.client("publisher")
    some = _odrl({"action": "use"}, prohibition=[{"action": "distribute", "constraint": [LEGAL]}])
    made = client.post(one_stage.offers_at, json=some)
    assert made.status_code == 201
    (warning,) = (each for each in made.json()["warnings"] if each["code"] == "legal-prohibition")
    assert warning["pointer"] == "/policy/prohibition/0"
    assert "counts as if it always did" in warning["detail"]
    assert "condition of a permission" in warning["remedy"]
    everything = _odrl({"action": "use"}, prohibition=[{"action": "use", "constraint": [LEGAL]}])
    refused = client.post(one_stage.offers_at, json=everything).json()
    assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [
        ("/policy/permission/0", "always-prohibited"),
        ("/policy/prohibition/0", "legal-prohibition"),
    ]


@pytest.mark.parametrize(
    "rules", [{"permission": []}, {"permission": [], "obligation": [{"action": "inform"}]}]
)
def test_an_offer_that_grants_and_forbids_nothing_is_refused(one_stage: Stage, rules: dict[str, Any]) -> None:
    body = {"title": {"en": "x"}, "policy": {"@type": "Offer", **rules}}
    answer = one_stage.client("publisher").post(one_stage.offers_at, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "policy-not-usable")
    assert [each["code"] for each in answer.json()["errors"]] == ["no-rule"]
