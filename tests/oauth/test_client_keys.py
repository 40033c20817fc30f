"""A client's keys at an address: fetched through the guard, kept, fetched again when needed and not more often."""

from typing import Any

import pytest
from joserfc.jwk import ECKey

from datahub.oauth import Client
from datahub.participants import Participant, Role
from tests.build import a_participant
from tests.oauth.making import KEYS, Hub, SetClock, Site, bearer, public_jwk
from tests.oauth.test_token_endpoint import entries

NEXT = ECKey.generate_key("P-256")


def a_client(hub: Hub, site: Site, owner: Participant | None = None) -> Client:
    client = hub.a_client(owner or a_participant(hub.engine, "waterschap"), Role.AUDITOR)
    hub.change(client, jwks=None, jwks_uri=site.url)
    return client


def ask(hub: Hub, client: Client, key: Any = KEYS["ES256"]) -> int:
    return hub.ask(client, assertion=hub.assertion(client, key, kid=key.thumbprint())).status_code


def test_keys_are_fetched_once_and_again_for_a_new_key_but_once_a_minute(
    hub: Hub, organisation: Participant, site: Site, clock: SetClock
) -> None:
    site.publish(KEYS["ES256"])
    client = a_client(hub, site, organisation)
    assert [ask(hub, client) for _ in range(3)] == [200, 200, 200]
    assert len(site.visits) == 1
    assert [ask(hub, client, NEXT) for _ in range(3)] == [401, 401, 401]
    assert len(site.visits) == 1  # the first fetch was less than a minute ago
    clock.forward(seconds=61)
    site.publish(KEYS["ES256"], NEXT)
    assert ask(hub, client, NEXT) == 200
    assert len(site.visits) == 2
    assert [ask(hub, client, ECKey.generate_key("P-256")) for _ in range(5)] == [401] * 5
    assert len(site.visits) == 2
    clock.forward(minutes=11)
    site.publish(NEXT)
    assert ask(hub, client, NEXT) == 200
    assert len(site.visits) == 3
    assert ask(hub, client) == 401


def test_when_the_site_fails_the_last_keys_are_good_for_a_day(
    one_hub: Hub, site: Site, clock: SetClock
) -> None:
    site.publish(KEYS["ES256"])
    client = a_client(one_hub, site)
    assert ask(one_hub, client) == 200
    site.status = 500
    for _ in range(2):
        clock.forward(minutes=30)
        assert ask(one_hub, client) == 200
    clock.forward(hours=24)
    assert ask(one_hub, client) == 401
    assert entries(one_hub)[-1].code == "assertion-keys-not-fetched"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 302, "location": "/other"},
        {"status": 404},
        {"body": b"no json"},
        {"body": b"[]"},
        {"body": b'{"keys": 7}'},
        {"body": b'{"keys": [7, {"kty": "oct", "k": "AA"}]}'},
        {"body": b'{"keys": []}' + b" " * 70_000},
    ],
)
def test_what_is_no_set_of_public_keys_is_not_used(one_hub: Hub, site: Site, answer: dict[str, Any]) -> None:
    site.publish(KEYS["ES256"])
    for name, value in answer.items():
        setattr(site, name, value)
    client = a_client(one_hub, site)
    assert ask(one_hub, client) == 401
    assert site.visits == ["/jwks"]
    assert entries(one_hub)[-1].code == "assertion-keys-not-fetched"


def test_a_client_registers_keys_by_address_and_an_address_inside_is_refused(
    one_hub: Hub, site: Site
) -> None:
    from tests.build import some_settings

    admin = bearer(one_hub.token(one_hub.a_client(one_hub.exchange, Role.ADMIN)))
    body = {"name": "by address", "roles": ["auditor"], "jwksUri": site.url}
    made = one_hub.http.post("/v1/clients", headers=admin, json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["jwksUri"], made.json()["jwks"]) == (site.url, None)
    assert made.json()["securityProfile"] == "fapi2"
    assert made.json()["dpopBoundAccessTokens"] is True
    keys = {"keys": [public_jwk(KEYS["ES256"])]}
    both = one_hub.http.post("/v1/clients", headers=admin, json={**body, "jwks": keys})
    assert both.json()["errors"][0]["pointer"] == "/jwksUri"
    door = one_hub.app.state.door
    strict = some_settings(one_hub.settings.home, one_hub.settings.database_url, is_egress_private=False)
    import dataclasses

    one_hub.app.state.door = dataclasses.replace(door, settings=strict)
    for inside in (site.url, "https://127.0.0.1/x:y", "file:///etc/passwd", "http://example.org/jwks"):
        answer = one_hub.http.post("/v1/clients", headers=admin, json={**body, "jwksUri": inside})
        if inside.startswith("https://"):
            continue  # its address is judged when it is fetched
        assert answer.status_code == 400, inside
        assert answer.json()["errors"][0]["pointer"] == "/jwksUri"
