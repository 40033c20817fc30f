"""Clients whose client_id is the address of a document about them: registered, known by it, and only while it is theirs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datahub.oauth import Profile
from datahub.participants import Role
from tests.oauth.making import KEYS, Hub, SetClock, Site, a_hub, bearer, public_jwk
from tests.oauth.test_token_endpoint import claims_of, entries

KEY, NEXT = KEYS["ES256"], KEYS["EdDSA"]


@pytest.fixture
def taking(tmp_path: Path, migrated_sqlite_url: str, clock: SetClock) -> Iterator[Hub]:
    made = a_hub(tmp_path, migrated_sqlite_url, clock, client_metadata_documents=True)
    yield made
    made.engine.dispose()


def a_document(site: Site, *keys: Any, **changes: Any) -> bytes:
    members = [{**public_jwk(key), "kid": key.thumbprint()} for key in keys or (KEY,)]
    made = {
        "client_id": site.url,
        "client_name": "Night run",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "jwks": {"keys": members},
    } | changes
    return json.dumps({name: value for name, value in made.items() if value is not None}).encode()


def register(hub: Hub, url: str, **more: Any) -> Any:
    admin = bearer(hub.token(hub.a_client(hub.exchange, Role.ADMIN)))
    body = {"name": "by document", "roles": ["auditor"], "clientMetadataUri": url, **more}
    return hub.http.post("/v1/clients", headers=admin, json=body)


def ask(hub: Hub, name: str, key: Any = KEY, alg: str = "ES256") -> Any:
    now = int(hub.clock().timestamp())
    some = hub.a_client(hub.exchange)  # whose id the claims replace
    signed = hub.assertion(some, key, alg, iss=name, sub=name, iat=now, exp=now + 60, kid=key.thumbprint())
    form = hub.form(some, assertion=signed, client_id=name)
    return hub.http.post("/oauth/token", data=form, headers={"DPoP": hub.proof(key=key, alg=alg)})


def test_a_client_is_known_by_its_document_and_rotates_its_keys_there(
    taking: Hub, site: Site, clock: SetClock
) -> None:
    site.body = a_document(site)
    made = register(taking, site.url)
    assert made.status_code == 201, made.text
    assert made.json()["clientMetadataUri"] == site.url
    for _ in range(2):
        answer = ask(taking, site.url)
        assert answer.status_code == 200, entries(taking)[-1].code
    assert claims_of(answer.json()["access_token"])["client_id"] == made.json()["id"]
    assert len(site.visits) == 1
    assert ask(taking, made.json()["id"]).status_code == 401  # an id that is not the one it goes by
    clock.forward(minutes=2)
    site.body = a_document(site, NEXT)
    assert ask(taking, site.url, NEXT, "EdDSA").status_code == 200
    assert ask(taking, site.url).status_code == 401


def test_the_keys_may_lie_at_another_address(taking: Hub, site: Site) -> None:
    register(taking, site.url)
    # The site gives the same body for both addresses: a document that is a JWK set too
    keys = [{**public_jwk(KEY), "kid": KEY.thumbprint()}]
    site.body = a_document(site, jwks=None, jwks_uri=f"{site.url}/keys", keys=keys)
    assert ask(taking, site.url).status_code == 200, entries(taking)[-1].code
    assert site.visits == ["/jwks", "/jwks/keys"]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://elsewhere.example/client"},
        {"client_id": None},
        {"client_secret": "x"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": None},
        {"jwks": None},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"jwks": None, "jwks_uri": 7},
        {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
    ],
    ids=lambda changes: "-".join(f"{name}={str(value)[:12]}" for name, value in changes.items()),
)
def test_a_document_that_is_not_that_clients_lets_nobody_in(
    taking: Hub, site: Site, changes: dict[str, Any]
) -> None:
    register(taking, site.url)
    site.body = a_document(site, **changes)
    assert ask(taking, site.url).status_code == 401
    assert entries(taking)[-1].code == "assertion-keys-not-fetched"


def test_an_address_that_cannot_be_a_client_id_is_refused_and_nobody_fetches(taking: Hub, site: Site) -> None:
    origin = site.url.rpartition("/")[0]
    for url, code in (
        (origin, "address"),
        (f"{origin}/a/../b", "address"),
        (f"{site.url}?a=b", "address"),
        (f"{site.url}/{'a' * 300}", "string-too-long"),
        (f"{site.url}/é", "address"),
        (f"{site.url}#a", "address-not-allowed"),
        ("no address", "address-not-allowed"),
    ):
        answer = register(taking, url)
        assert answer.status_code == 400, url
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [
            ("/clientMetadataUri", code)
        ], url
    both = register(taking, site.url, jwks={"keys": [public_jwk(KEY)]}).json()["errors"]
    assert [each["pointer"] for each in both] == ["/clientMetadataUri"]
    assert register(taking, site.url).status_code == 201
    assert register(taking, site.url).json()["errors"][0]["code"] == "taken"
    assert not site.visits


def test_its_keys_are_nowhere_else(taking: Hub, site: Site) -> None:
    made = register(taking, site.url)
    admin = bearer(taking.token(taking.a_client(taking.exchange, Role.ADMIN)))
    where = f"/v1/clients/{made.json()['id']}"
    changed = {"jwks": {"keys": [public_jwk(KEY)]}}
    answer = taking.http.patch(where, headers={**admin, "If-Match": made.headers["etag"]}, json=changed)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/jwks")


def test_no_exchange_takes_documents_unless_told(one_hub: Hub, site: Site) -> None:
    answer = register(one_hub, site.url)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "not-available"
    assert (
        one_hub.http.get("/.well-known/oauth-authorization-server").json()[
            "client_id_metadata_document_supported"
        ]
        is False
    )
    site.body = a_document(site)
    one_hub.a_client(one_hub.exchange, profile=Profile.FAPI2, metadata_uri=site.url)  # from when they were
    assert ask(one_hub, site.url).status_code == 401
    assert entries(one_hub)[-1].code == "assertion-documents-not-taken"
    assert not site.visits
