"""What the client makes of addresses, keys, answers and time, against an exchange that is made up at the network's edge."""

import json
from typing import Any

import httpx2
import pytest

from datahub.client import (
    Conflict,
    Forbidden,
    Hub,
    NotAuthenticated,
    NotConfigured,
    NotReachable,
    PolicyDenied,
    Profile,
    RateLimited,
)
from datahub.client.credentials import new_key
from datahub.client.errors import Refused, nearest, refusal
from tests.client.edge import QUICK, a_hub, in_turn, tokens

SECRET = Profile(url="http://hub.example", client_id="c", secret="s")


@pytest.mark.parametrize(
    "url", ["", "hub.example", "ftp://hub.example", "https://", "http://[::1", "http://x:99999"]
)
def test_what_is_no_address_is_told_before_anything_is_sent(url: str) -> None:
    with pytest.raises(NotConfigured, match=r"No exchange to call|no address"):
        Hub(profile=Profile(url=url))


@pytest.mark.parametrize(
    "key",
    ["x", "[]", "{}", '{"kty": "EC"}', '{"kty": "oct", "k": "AAAA"}', json.dumps(new_key()[1])],
    ids=range(6),
)
def test_what_is_no_private_key_is_told_before_anything_is_sent(key: str) -> None:
    with pytest.raises(NotConfigured, match="key"):
        Hub(profile=Profile(url="http://hub.example", client_id="c", private_key=key))


def test_another_server_at_the_address_is_told_from_an_exchange() -> None:
    page = httpx2.Response(200, html="<p>Welcome</p>")
    hub, _ = a_hub(in_turn(page))
    with pytest.raises(NotConfigured, match="no exchange"):
        list(hub.datasets.search())
    hub, _ = a_hub(in_turn(httpx2.Response(404, html="<p>Nothing</p>")), profile=SECRET)
    with pytest.raises(NotConfigured, match="no exchange"):
        hub.ask_token()


def test_a_token_is_asked_for_again_while_the_exchange_is_away() -> None:
    busy = httpx2.Response(503, headers={"Retry-After": "0"}, json={"code": "not-ready"})
    hub, calls = a_hub(tokens(httpx2.ConnectError("refused"), busy), profile=SECRET)
    assert list(hub.datasets.search()) == []
    assert [call.url.path for call in calls].count("/oauth/token") == 3
    away = httpx2.ConnectError("refused")
    hub, calls = a_hub(tokens(*[away] * 9), profile=SECRET)
    with pytest.raises(NotReachable):
        list(hub.datasets.search())
    assert [call.url.path for call in calls].count("/oauth/token") == QUICK.attempts


def test_a_token_serves_many_calls_and_is_renewed_before_it_ends() -> None:
    hub, calls = a_hub(tokens(), profile=SECRET)
    for _ in range(3):
        list(hub.datasets.search())
    assert [call.url.path for call in calls].count("/oauth/token") == 1
    hub, calls = a_hub(tokens(lifetime_s=20), profile=SECRET)  # less than the margin
    for _ in range(3):
        list(hub.datasets.search())
    assert [call.url.path for call in calls].count("/oauth/token") == 3


def test_a_creation_is_sent_again_under_the_same_key_until_its_first_try_is_answered() -> None:
    working = httpx2.Response(409, json={"code": "request-in-progress"})
    made = httpx2.Response(201, json={"id": "1"})
    hub, calls = a_hub(in_turn(httpx2.ReadTimeout("slow"), working, working, made))
    assert hub.call("POST", "/v1/datasets", body={}).json() == {"id": "1"}
    assert len({call.headers["idempotency-key"] for call in calls}) == 1
    taken = httpx2.Response(409, json={"code": "slug-taken"})
    hub, calls = a_hub(in_turn(taken))
    with pytest.raises(Conflict):
        hub.call("POST", "/v1/datasets", body={})
    assert len(calls) == 1


def test_retry_after_is_obeyed_and_never_past_the_deadline() -> None:
    limited = httpx2.Response(429, headers={"Retry-After": "3600"}, json={"code": "slow-down"})
    hub, calls = a_hub(in_turn(limited))
    with pytest.raises(RateLimited) as told:
        list(hub.datasets.search())
    assert (told.value.retry_after, len(calls)) == (3600, 1)


@pytest.mark.parametrize(
    ("status", "problem", "kind", "code"),
    [
        (400, {"error": "invalid_client"}, NotAuthenticated, "invalid_client"),
        (400, {"error": "invalid_dpop_proof"}, NotAuthenticated, "invalid_dpop_proof"),
        (400, {"error": "unauthorized_client"}, Forbidden, "unauthorized_client"),
        (
            400,
            {"error": "invalid_authorization_details", "code": "agreement-expired"},
            PolicyDenied,
            "agreement-expired",
        ),
        (403, {"code": "policy-forbids", "decisionId": "d"}, PolicyDenied, "policy-forbids"),
        (403, {"code": "insufficient-scope"}, Forbidden, "insufficient-scope"),
        (418, {}, Refused, "http-418"),
    ],
    ids=range(7),
)
def test_each_refusal_has_its_place_in_the_tree(
    status: int, problem: dict[str, Any], kind: type[Refused], code: str
) -> None:
    found = refusal(status, problem)
    assert isinstance(found, kind)
    assert isinstance(found, PolicyDenied) == (kind is PolicyDenied)
    assert (found.code, found.status) == (code, status)


def test_why_no_token_names_the_data_is_told_where_the_read_only_says_that_none_does() -> None:
    read = refusal(403, {"code": "agreement-required", "decisionId": "d"}, request_id="r")
    denied = refusal(
        400,
        {
            "error": "invalid_authorization_details",
            "code": "quota-exhausted",
            "wouldPermit": [{"change": "wait"}],
        },
    )
    told = nearest(read, denied)
    assert isinstance(told, PolicyDenied)
    assert (told.code, told.decision_id, told.request_id) == ("quota-exhausted", "d", "r")
    assert told.would_permit == [{"change": "wait"}]
    revoked = refusal(403, {"code": "agreement-revoked", "decisionId": "d"})
    assert nearest(revoked, denied) is revoked
    assert nearest(read, None) is read
