"""The agreement's own policy is asked at every read, and says why not in each side's words."""

from datetime import timedelta

from tests.dataplane.conftest import World


def test_a_policy_whose_time_is_over_denies_and_explains(world: World) -> None:
    dataset = world.dataset("rivers")
    until = (world.hub.clock.now + timedelta(minutes=5)).isoformat()
    world.agreement(dataset, offer=world.offer(dataset, "until-date", parameters={"until": until}))
    token = world.token(dataset)
    assert world.fetch(dataset, token).status_code == 200
    world.hub.clock.forward(minutes=6)
    refused = world.fetch(dataset, token)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted-by-policy")
    assert refused.json()["decisionCode"] == "date-time-not-met"
    assert set(refused.json()["explanation"]) == {"nl", "en"}
    attempt = world.entries("data.read")[-1]
    assert (attempt.outcome, attempt.code) == ("deny", "date-time-not-met")
    decision = world.provider.get(f"/v1/decisions/{attempt.decision_id}").json()
    assert decision["explanation"]["provider"]["rules"] == [
        {"code": "date-time-not-met", "rule": "/permission/0"}
    ]


def test_results_only_gives_no_rows(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset, offer=world.offer(dataset, "results-only", parameters={"minimumGroup": 10}))
    assert world.ask_token(dataset).status_code == 400
    assert world.consumer.get(f"/v1/datasets/{dataset}/data").status_code == 403


def test_an_offer_without_conditions_on_who_still_takes_an_agreement(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "no-redistribution")
    assert world.fetch(dataset).status_code == 401
    refused = world.consumer.get(f"/v1/datasets/{dataset}/data")
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-required")


def test_an_offer_that_closed_is_open_to_nobody(world: World) -> None:
    dataset = world.dataset("rivers")
    offer = world.offer(dataset, "open")
    assert world.fetch(dataset).status_code == 200
    where = f"/v1/datasets/{dataset}/offers/{offer['id']}/transitions"
    world.provider.done("POST", where, 201, json={"move": "close"})
    assert world.fetch(dataset).status_code == 401


def test_a_suspended_consumer_reads_nothing(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    token = world.token(dataset)
    where = f"/v1/participants/{world.consumer.id}/transitions"
    world.hub.admin.done("POST", where, 201, json={"move": "suspend", "reason": "unpaid"})
    assert world.fetch(dataset, token).status_code == 401


def test_a_suspended_providers_data_does_not_flow(world: World) -> None:
    agreed, opened = world.dataset("agreed"), world.dataset("opened")
    world.agreement(agreed)
    world.offer(opened, "open")
    token = world.token(agreed)
    where = f"/v1/participants/{world.provider.id}/transitions"
    world.hub.admin.done("POST", where, 201, json={"move": "suspend", "reason": "unpaid"})
    for refused in (world.fetch(agreed, token), world.fetch(opened)):
        assert (refused.status_code, refused.json()["code"]) == (403, "provider-not-active")
