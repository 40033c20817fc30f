"""Floods, guessing, and what the owner of a client can read afterwards."""

import pytest

from datahub.kernel.errors import JsonValue
from datahub.oauth import Profile
from datahub.oauth.throttle import FAILURES, MAX_BUCKETS, WINDOW_S, Throttle
from datahub.participants import Role
from tests.build import NOON, a_participant
from tests.oauth.making import KEYS, Hub, SetClock


def guess(hub: Hub, client_id: str) -> int:
    return hub.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client_id, "dhs_wrong")
    ).status_code


def test_a_stranger_who_guesses_is_slowed_and_the_owner_is_not(one_hub: Hub, clock: SetClock) -> None:
    client, secret = one_hub.a_basic_client(one_hub.exchange, Role.AUDITOR)
    statuses = [guess(one_hub, client.id) for _ in range(FAILURES.size + 5)]
    assert statuses == [401] * FAILURES.size + [429] * 5
    asked = {"grant_type": "client_credentials"}
    slowed = one_hub.http.post("/oauth/token", data=asked, auth=(client.id, "dhs_wrong"))
    assert slowed.json()["error"] == "slow_down"
    assert int(slowed.headers["retry-after"]) >= 1
    assert slowed.headers["ratelimit"].startswith('"failures";r=0;')
    owner = one_hub.http.post("/oauth/token", data=asked, auth=(client.id, secret))
    assert owner.status_code == 200
    assert owner.headers["ratelimit-policy"] == '"client";q=60000;w=60'
    token = owner.json()["access_token"]
    found = one_hub.http.get(
        f"/v1/clients/{client.id}/auth-events?pageSize=200", headers={"Authorization": f"Bearer {token}"}
    ).json()["items"]
    assert [each["check"] for each in found].count("secret-wrong") == FAILURES.size
    assert [each["check"] for each in found].count("throttled") == 1
    clock.forward(seconds=WINDOW_S)
    assert guess(one_hub, client.id) == 401


def test_an_unknown_client_is_slowed_the_same(one_hub: Hub) -> None:
    statuses = [guess(one_hub, "00000000-0000-7000-8000-000000000000") for _ in range(FAILURES.size + 1)]
    assert statuses == [401] * FAILURES.size + [429]


def test_a_client_that_calls_without_end_is_told_to_wait(one_hub: Hub, clock: SetClock) -> None:
    client, secret = one_hub.a_basic_client(one_hub.exchange)
    one_hub.app.state.oauth_throttle = Throttle(client_size=10)
    asked = {"grant_type": "client_credentials"}
    answers = [one_hub.http.post("/oauth/token", data=asked, auth=(client.id, secret)) for _ in range(11)]
    assert [each.status_code for each in answers] == [200] * 10 + [429]
    assert [each.headers["ratelimit"].split(";")[1] for each in answers[:2]] == ["r=9", "r=8"]
    clock.forward(seconds=int(answers[-1].headers["retry-after"]))
    assert one_hub.http.post("/oauth/token", data=asked, auth=(client.id, secret)).status_code == 200


def test_buckets_are_bounded_in_number() -> None:
    throttle = Throttle(client_size=10)
    for number in range(MAX_BUCKETS + 100):
        throttle.charge_client(str(number), NOON)
    assert len(throttle._buckets) == MAX_BUCKETS


def test_addresses_of_one_ipv6_network_share_a_bucket() -> None:
    throttle = Throttle(client_size=10)
    left = [throttle.charge_failure(f"2001:db8::{n}", "a", NOON).left for n in range(1, 4)]
    assert left == [FAILURES.size - 1, FAILURES.size - 2, FAILURES.size - 3]
    assert throttle.charge_failure("2001:db8:0:1::1", "a", NOON).left == FAILURES.size - 1


@pytest.mark.parametrize(
    ("ask", "check", "fact", "skew"),
    [
        ({"scope": "clients:write"}, "scope-not-held", ("missing", ["clients:write"]), None),
        ({"iat_ahead": 90}, "assertion-claim-iat", ("secondsAhead", 90), 90),
        ({"expired": 400}, "assertion-expired", ("secondsAgo", 400), -400),
    ],
)
def test_the_owner_reads_which_check_failed_and_by_how_much(
    one_hub: Hub, ask: dict[str, int], check: str, fact: tuple[str, JsonValue], skew: int | None
) -> None:
    owner = a_participant(one_hub.engine, "waterschap")
    client = one_hub.a_client(owner)
    admin = one_hub.token(one_hub.a_client(owner, Role.ADMIN))
    now = int(one_hub.clock().timestamp())
    if "scope" in ask:
        answer = one_hub.ask(client, scope=ask["scope"])
    elif "iat_ahead" in ask:
        answer = one_hub.ask(client, assertion=one_hub.assertion(client, iat=now + ask["iat_ahead"]))
    else:
        answer = one_hub.ask(
            client, assertion=one_hub.assertion(client, exp=now - ask["expired"], iat=now - 460)
        )
    assert answer.status_code in (400, 401)
    headers = {"Authorization": f"Bearer {admin}"}
    event = one_hub.http.get(f"/v1/clients/{client.id}/auth-events", headers=headers).json()["items"][0]
    assert (event["outcome"], event["check"], event["clockSkewS"]) == ("refused", check, skew)
    assert event["facts"][fact[0]] == fact[1]
    stranger = one_hub.token(one_hub.a_client(a_participant(one_hub.engine, "gemeente"), Role.ADMIN))
    hidden = one_hub.http.get(
        f"/v1/clients/{client.id}/auth-events", headers={"Authorization": f"Bearer {stranger}"}
    )
    assert hidden.status_code == 404
    log = one_hub.http.get("/v1/log-entries?action=oauth.token&outcome=refused", headers=headers).json()[
        "items"
    ]
    assert [each["code"] for each in log] == [check]


def test_a_good_request_tells_how_far_the_clock_is_off(one_hub: Hub) -> None:
    owner = a_participant(one_hub.engine, "waterschap")
    client = one_hub.a_client(owner, Role.ADMIN, profile=Profile.FAPI2)
    later = int(one_hub.clock().timestamp()) + 7
    token = one_hub.bound_token(client, KEYS["ES256"], assertion=one_hub.assertion(client, iat=later))
    event = one_hub.call(token, path=f"/v1/clients/{client.id}/auth-events").json()["items"][0]
    assert (event["outcome"], event["check"], event["clockSkewS"]) == ("permit", "ok", 7)
