"""Offers over HTTP: made from a template or in ODRL, versioned, opened and closed; unknown terms are refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datahub.catalog import offer_by_id
from datahub.catalog.service.datasets import delete_dataset
from datahub.kernel import db
from datahub.policy import policy_hash, read_policy, templates
from tests.build import a_context
from tests.contracts.dsp import dsp_validator
from tests.contracts.stage import Stage, a_stage

LINKED = {"Accept": "application/ld+json"}


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


def test_an_offer_says_its_policy_in_odrl_and_in_words(stage: Stage) -> None:
    offer = stage.an_offer()
    assert (offer["state"], offer["version"], offer["template"]) == ("open", 1, "purpose")
    assert offer["labels"] == {"use": "enforced", "purpose": "enforced"}
    assert "only if" in offer["text"]["en"]
    assert "alleen als" in offer["text"]["nl"]
    assert offer["policy"]["@type"] == "Offer"
    assert policy_hash(read_policy(offer["policy"])) == offer["policyHash"]


def test_every_template_makes_an_offer(one_stage: Stage) -> None:
    for template in templates():
        for example in template.examples:
            made = one_stage.an_offer(template=template.name, parameters=example["parameters"])
            assert made["policy"]["@type"] == "Offer", template.name


def test_templates_are_listed_for_everybody(one_stage: Stage) -> None:
    listed = one_stage.client().get("/v1/policy-templates").json()["items"]
    assert {"open", "identified-organisations", "purpose-until-date", "results-only"} <= {
        t["name"] for t in listed
    }
    purpose = next(t for t in listed if t["name"] == "purpose")
    assert purpose["parameters"]["required"] == ["purposes"]


def test_terms_nobody_knows_are_refused_at_publication_all_at_once(stage: Stage) -> None:
    policy = {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Offer",
        "permission": [
            {
                "action": "fly",
                "constraint": [
                    {"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"},
                    {"leftOperand": "purpose", "operator": "isA", "rightOperand": "dpv:WorldPeace"},
                ],
            }
        ],
    }
    twice = [{"id": "q", "label": {"en": "Q"}}, {"id": "q", "label": {"en": "Q"}}]
    broken = [{"leftOperand": "shoeSize", "operator": "gt", "rightOperand": "40"}]
    body = {"title": {"en": "x"}, "policy": policy, "questions": twice, "automatic": broken}
    answer = stage.client("publisher").post(stage.offers_at, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "policy-not-usable")
    found = {e["pointer"] for e in answer.json()["errors"]}
    assert found == {
        "/policy/permission/0/action",
        "/policy/permission/0/constraint/0/leftOperand",
        "/policy/permission/0/constraint/1/rightOperand",
        "/automatic/0/leftOperand",
        "/questions/1/id",
    }
    assert stage.client("publisher").get(stage.offers_at).json()["items"] == []


def test_parameters_are_judged_by_the_template(one_stage: Stage) -> None:
    body: dict[str, Any] = {"title": {"en": "x"}, "template": "purpose", "parameters": {"aims": []}}
    answer = one_stage.client("publisher").post(one_stage.offers_at, json=body)
    assert {(e["pointer"], e["code"]) for e in answer.json()["errors"]} == {
        ("/parameters/aims", "unknown-parameter"),
        ("/parameters/purposes", "missing-parameter"),
    }
    unknown = one_stage.client("publisher").post(
        one_stage.offers_at, json={"title": {"en": "x"}, "template": "magic"}
    )
    assert [e["pointer"] for e in unknown.json()["errors"]] == ["/template"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": {"en": "x"}},
        {"title": {"en": "x"}, "template": "open", "policy": {}},
        {"title": {}, "template": "open"},
        {"title": {"en": "x"}, "policy": {}, "parameters": {}},
        {"title": {"en": "x"}, "template": "open", "approvalDeadlineDays": 0},
        {"title": {"en": "x"}, "template": "open", "questions": [{"id": "A b", "label": {"en": "x"}}]},
        {"title": {"en": "x"}, "template": "open", "surprise": 1},
        {"title": {"en": "x"}, "template": "open", "parameters": {"\ud800": 1}},
        {"title": {"en": "x"}, "template": "open", "parameters": {"a": [float("nan")]}},
        {"title": {"en": "x"}, "template": "open", "automatic": [{"a": "\x00"}]},
        {"title": {"en": "x"}, "policy": {"permission": []}},
        {"title": {"en": "x"}, "policy": {"obligation": [{"action": "attribute"}]}},
    ],
)
def test_an_offer_of_the_wrong_shape_is_refused(one_stage: Stage, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    client = one_stage.client("publisher")
    answer = client.post(one_stage.offers_at, content=json.dumps(body), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_an_offer_names_no_parties(one_stage: Stage) -> None:
    policy = {"@type": "Offer", "target": "urn:x", "permission": [{"action": "use", "assignee": "urn:y"}]}
    answer = one_stage.client("publisher").post(
        one_stage.offers_at, json={"title": {"en": "x"}, "policy": policy}
    )
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/policy/target", "/policy/assignee"}


def test_an_offer_can_be_checked_without_being_made(one_stage: Stage) -> None:
    body = {"title": {"en": "x"}, "template": "open"}
    client = one_stage.client("publisher")
    checked = client.post(one_stage.offers_at + "?validateOnly=true", json=body)
    assert checked.status_code == 200
    assert checked.json()["labels"]["use"] == "enforced"
    assert client.get(one_stage.offers_at).json()["items"] == []
    wrong = client.post(
        one_stage.offers_at + "?validateOnly=true", json={"title": {"en": "x"}, "template": "no"}
    )
    assert wrong.status_code == 400


def test_a_change_is_a_new_version_and_the_old_one_stays(stage: Stage) -> None:
    offer = stage.an_offer()
    where = f"{stage.offers_at}/{offer['id']}"
    client = stage.client("publisher")
    read = client.get(where)
    body = {"title": {"en": "Open"}, "template": "open"}
    assert client.put(where, json=body).status_code == 428
    assert client.put(where, json=body, headers={"If-Match": '"99"'}).status_code == 412
    changed = client.put(where, json=body, headers={"If-Match": read.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["version"], changed.json()["state"]) == (2, "open")
    stale = client.put(where, json=body, headers={"If-Match": read.headers["etag"]})
    assert stale.status_code == 412
    old = client.get(f"{where}/versions/1").json()
    assert (old["policyHash"], old["text"]) == (offer["policyHash"], offer["text"])
    assert client.get(f"{where}/versions/3").status_code == 404
    assert client.get(f"{where}/versions/0").status_code == 400
    history = client.get(f"{where}/transitions").json()["items"]
    assert [each["move"] for each in history] == ["make", "open", "change"]


def test_offers_open_close_and_reopen(stage: Stage) -> None:
    offer = stage.an_offer(is_open=False)
    where = f"{stage.offers_at}/{offer['id']}/transitions"
    client = stage.client("publisher")
    moves = [("reopen", 409), ("open", 201), ("open", 409), ("close", 201), ("reopen", 201), ("explode", 409)]
    for move, status in moves:
        answer = client.post(where, json={"move": move})
        assert answer.status_code == status, (move, answer.text)


def test_open_offers_are_for_everybody_and_drafts_for_their_provider(stage: Stage) -> None:
    offer, draft = stage.an_offer(), stage.an_offer(is_open=False)
    for token, expected in ((None, 1), ("requester", 1), ("publisher", 2), ("auditor", 2)):
        client = stage.client(token)
        assert len(client.get(stage.offers_at).json()["items"]) == expected, token
        assert client.get(f"{stage.offers_at}/{offer['id']}").status_code == 200
        assert client.get(f"{stage.offers_at}/{draft['id']}").status_code == (200 if expected == 2 else 404)


def test_only_a_publisher_of_the_provider_makes_and_moves_offers(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    stranger = one_stage.actors["stranger"]
    scopes = stranger.scopes | {"catalog:write"}
    one_stage.actors["stranger"] = type(stranger)(**{**vars(stranger), "scopes": scopes})
    client = one_stage.client("stranger")
    body = {"title": {"en": "x"}, "template": "open"}
    assert client.post(one_stage.offers_at, json=body).status_code == 403
    where = f"{one_stage.offers_at}/{offer['id']}"
    assert client.put(where, json=body, headers={"If-Match": "*"}).status_code == 403
    assert client.post(where + "/transitions", json={"move": "close"}).status_code == 403
    assert one_stage.client("approver").post(one_stage.offers_at, json=body).status_code == 403, "scope"
    assert one_stage.client().post(one_stage.offers_at, json=body).status_code == 401


def test_offers_on_a_dataset_nobody_may_see_are_not_there(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    with db.transaction(one_stage.engine) as session:
        dataset = session.merge(one_stage.dataset)
        dataset.state = "draft"
    assert one_stage.client("requester").get(one_stage.offers_at).status_code == 404
    assert one_stage.client("requester").get(f"{one_stage.offers_at}/{offer['id']}").status_code == 404
    assert one_stage.client("publisher").get(f"{one_stage.offers_at}/{offer['id']}").status_code == 200


def test_an_offer_reads_as_an_odrl_offer_valid_for_the_dataspace_protocol(one_stage: Stage) -> None:
    for template in templates():
        made = one_stage.an_offer(template=template.name, parameters=template.examples[0]["parameters"])
        answer = one_stage.client().get(f"{one_stage.offers_at}/{made['id']}", headers=LINKED)
        assert answer.headers["content-type"] == "application/ld+json"
        document = answer.json()
        assert "target" not in document
        dsp_validator("Offer").validate(document)
    again = {**LINKED, "If-None-Match": answer.headers["etag"]}
    assert one_stage.client().get(f"{one_stage.offers_at}/{made['id']}", headers=again).status_code == 304


def test_a_draft_dataset_is_deleted_with_its_offers(stage: Stage) -> None:
    offer = stage.an_offer()
    with db.transaction(stage.engine) as session:
        session.merge(stage.dataset).state = "draft"
    with a_context(stage.engine, stage.settings, stage.actors["publisher"]) as ctx:
        delete_dataset(ctx, stage.dataset.id)
    with db.transaction(stage.engine) as session:
        assert offer_by_id(session, offer["id"]) is None


def test_a_media_type_nobody_has_is_not_acceptable(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    where = f"{one_stage.offers_at}/{offer['id']}"
    assert one_stage.client().get(where, headers={"Accept": "text/html"}).status_code == 406
