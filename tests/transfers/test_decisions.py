"""An external gateway asks: may this subject use that dataset now? The answer is decided and logged as a read is."""

from typing import Any

import pytest

from tests.dataplane.conftest import RESEARCH, World


def ask(world: World, dataset_id: str, subject: tuple[str, str], **context: Any) -> dict[str, Any]:
    body = {
        "subject": {"type": subject[0], "id": subject[1]},
        "action": {"name": context.pop("action", "read")},
        "resource": {"type": "dataset", "id": dataset_id},
        "context": context,
    }
    answer = world.provider.post("/v1/decisions", json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    assert answer.headers["datahub-log-entry"] == said["context"]["entryId"]
    return said


def test_a_token_and_a_named_organisation_get_the_same_decision(world: World) -> None:
    dataset_id = world.dataset("kaart")
    agreement_id = world.agreement(dataset_id)
    by_token = ask(world, dataset_id, ("access-token", world.token(dataset_id)))
    by_name = ask(world, dataset_id, ("participant", world.consumer.id), purpose=RESEARCH)
    for said in (by_token, by_name):
        assert said["decision"] is True
        why = said["context"]
        assert (why["code"], why["agreementId"], why["purpose"]) == ("permitted", agreement_id, RESEARCH)
        decision = world.consumer.done("GET", f"/v1/decisions/{why['decisionId']}", 200)
        assert decision["isPermit"] is True
    entries = world.entries("data.decide")
    assert [entry.outcome for entry in entries] == ["permit", "permit"]
    assert entries[0].consumer_id == world.consumer.id
    assert entries[0].actor_participant_id == world.provider.id
    assert entries[0].details["subjectClientId"] == world.consumer.client_id


def test_a_token_is_refused_with_the_state_of_the_agreement_there_is(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id = world.dataset("kaart")
    offer_id = world.offer(dataset_id)
    none = world.ask_token(dataset_id).json()
    assert none["code"] == "agreement-required"
    agreement_id = world.agreement(dataset_id, offer_id)
    where = f"/v1/agreements/{agreement_id}/transitions"
    for move, code in (("suspend", "agreement-suspended"), ("revoke", "agreement-revoked")):
        world.provider.done("POST", where, 201, json={"move": move, "reason": "a look"})
        assert world.ask_token(dataset_id).json()["code"] == code


def test_a_denial_is_an_answer_with_its_reason(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id = world.dataset("kaart")
    agreement_id = world.agreement(dataset_id)
    token = world.token(dataset_id)
    marketing = ask(world, dataset_id, ("participant", world.consumer.id), purpose="dpv:Marketing")
    assert (marketing["decision"], marketing["context"]["code"]) == (False, "purpose-not-agreed")
    stranger = ask(world, dataset_id, ("participant", world.stranger.id))
    assert stranger["context"]["code"] == "agreement-required"
    assert ask(world, dataset_id, ("participant", "nobody"))["context"]["code"] == "consumer-not-active"
    assert ask(world, dataset_id, ("access-token", "junk"))["context"]["code"] == "token-not-good"
    where = f"/v1/agreements/{agreement_id}/transitions"
    world.provider.done("POST", where, 201, json={"move": "suspend", "reason": "a look"})
    assert ask(world, dataset_id, ("access-token", token))["context"]["code"] == "token-not-good"
    by_name = ask(world, dataset_id, ("participant", world.consumer.id))
    assert by_name["context"]["code"] == "agreement-suspended"
    assert by_name["context"]["remedy"]
    assert [entry.outcome for entry in world.entries("data.decide")] == ["deny"] * 6


def test_one_may_ask_only_about_ones_own_data(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id = world.dataset("kaart")
    question = {
        "subject": {"type": "participant", "id": world.consumer.id},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": dataset_id},
    }
    assert world.hub.http.post("/v1/decisions", json=question).status_code == 401
    assert world.consumer.post("/v1/decisions", json=question).status_code == 403
    other = world.hub.party("ander", *world.provider.roles)
    refused = other.post("/v1/decisions", json=question)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-yours")
    assert world.hub.admin.post("/v1/decisions", json=question).status_code == 200
    question["resource"]["id"] = "none/such"
    assert world.hub.admin.post("/v1/decisions", json=question).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": {"type": "person", "id": "x"}},
        {"subject": {"type": "access-token", "id": ""}},
        {"context": {"purpose": "dpv:Marketing"}, "subject": {"type": "access-token", "id": "x"}},
        {"resource": {"type": "table", "id": "x"}},
        {"action": {"name": "distribute"}},
        {"more": 1},
    ],
)
def test_a_question_that_cannot_be_is_refused(sqlite_world: World, wrong: dict[str, Any]) -> None:
    right = {
        "subject": {"type": "participant", "id": "x"},
        "action": {"name": "read"},
        "resource": {"type": "dataset", "id": "x"},
    }
    answer = sqlite_world.provider.post("/v1/decisions", json=right | wrong)
    assert answer.status_code == 400
    assert answer.json()["errors"]
