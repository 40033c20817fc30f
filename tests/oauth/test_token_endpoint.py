"""The token endpoint over HTTP: who gets a token, with what in it, and what everybody else gets."""

import base64
import json
import re
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlmodel import col, select

from datahub.audit import Entry
from datahub.kernel import db
from datahub.oauth import Profile
from datahub.participants import Participant, Person, Role
from tests.build import NOON, a_participant
from tests.oauth.making import ASSERTION_TYPE, ISSUER, KEYS, Hub, SetClock, basic, bearer, public_jwk

DATASET = "0190a0a0-0000-7000-8000-000000000001"


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".", maxsplit=1)[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def entries(hub: Hub, action: str = "oauth.token") -> list[Entry]:
    with db.transaction(hub.engine) as session:
        return list(session.exec(select(Entry).where(Entry.action == action).order_by(col(Entry.id))))


@pytest.mark.parametrize(
    ("alg", "key"), [("ES256", "ES256"), ("PS256", "PS256"), ("EdDSA", "EdDSA"), ("Ed25519", "EdDSA")]
)
def test_a_client_with_a_key_gets_a_token(hub: Hub, organisation: Participant, alg: str, key: str) -> None:
    # A key registered as EdDSA must also verify a signature that says Ed25519 (RFC 9864)
    client = hub.a_client(organisation, jwks={"keys": [{**public_jwk(KEYS[key]), "alg": key}]})
    answer = hub.ask(client, assertion=hub.assertion(client, KEYS[key], alg))
    assert answer.status_code == 200, (answer.text, entries(hub)[-1].code)
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 600
    assert "refresh_token" not in body
    claims = claims_of(body["access_token"])
    assert header_of(body["access_token"]) == {
        "alg": "ES256",
        "typ": "at+jwt",
        "kid": hub.http.get("/oauth/jwks").json()["keys"][0]["kid"],
    }
    now = int(NOON.timestamp())
    assert claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": client.id,
        "client_id": client.id,
        "iat": now,
        "exp": now + 600,
        "scope": body["scope"],
        "participant_id": organisation.id,
        "client_epoch": 1,
    }


def test_a_basic_client_gets_a_token_and_its_log_entry_has_no_secret(
    hub: Hub, organisation: Participant
) -> None:
    client, secret = hub.a_basic_client(organisation)
    answer = hub.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client.id, secret)
    )
    assert answer.status_code == 200, answer.text
    entry = entries(hub)[-1]
    assert (entry.outcome, entry.code, entry.actor_client_id) == ("permit", "ok", client.id)
    assert entry.details["tokenId"] == claims_of(answer.json()["access_token"])["jti"]
    assert secret not in json.dumps(entry.model_dump(mode="json"))


def test_a_token_opens_what_its_roles_carry_and_nothing_more(hub: Hub, organisation: Participant) -> None:
    token = hub.token(hub.a_client(organisation, Role.AUDITOR))
    assert hub.http.get("/v1/clients", headers=bearer(token)).status_code == 200
    refused = hub.http.post("/v1/clients", headers=bearer(token), json={"name": "x", "roles": ["admin"]})
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


BAD_ASSERTIONS: list[tuple[str, dict[str, Any]]] = [
    ("assertion-aud", {"aud": [ISSUER]}),
    ("assertion-aud", {"aud": [ISSUER, "https://evil.example"]}),
    ("assertion-aud", {"aud": f"{ISSUER}/"}),
    ("assertion-aud", {"aud": f"{ISSUER}/oauth/token"}),
    ("assertion-aud", {"aud": None}),
    ("assertion-expired", {"exp": int(NOON.timestamp()) - 300}),
    ("assertion-exp-too-far", {"exp": int(NOON.timestamp()) + 3600}),
    ("assertion-claim-missing", {"exp": None}),
    ("assertion-claim-exp", {"exp": "soon"}),
    ("assertion-claim-exp", {"exp": True}),
    ("assertion-claim-missing", {"jti": None}),
    ("assertion-jti", {"jti": "x" * 201}),
    ("assertion-claim-missing", {"iss": None}),
    ("assertion-claim-iss", {"iss": "somebody-else"}),
    ("assertion-unreadable", {"sub": None}),
    ("assertion-claim-iat", {"iat": int(NOON.timestamp()) + 90}),
    ("assertion-claim-nbf", {"nbf": int(NOON.timestamp()) + 90}),
    ("assertion-typ", {"typ": "at+jwt"}),
    ("assertion-typ", {"typ": "dpop+jwt"}),
    ("assertion-signature", {"key": ECKey.generate_key("P-256")}),
    ("assertion-unknown-key", {"kid": "another"}),
]


@pytest.mark.parametrize(("check", "changes"), BAD_ASSERTIONS)
def test_a_bad_assertion_is_refused_and_the_owner_can_read_why(
    one_hub: Hub, check: str, changes: dict[str, Any]
) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    answer = one_hub.ask(client, assertion=one_hub.assertion(client, **changes))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"
    entry = entries(one_hub)[-1]
    assert (entry.outcome, entry.code) == ("refused", check)
    if check != "assertion-unreadable":
        assert entry.consumer_id == client.participant_id


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_clock_eight_seconds_ahead_is_forgiven(one_hub: Hub, claim: str) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    ahead: dict[str, Any] = {claim: int(NOON.timestamp()) + 8}
    assert one_hub.ask(client, assertion=one_hub.assertion(client, **ahead)).status_code == 200


def test_algorithms_that_are_not_allowed_are_refused(one_hub: Hub) -> None:
    rsa = KEYS["PS256"]
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"), key=rsa, profile=Profile.FAPI2)
    good = one_hub.ask(
        client, assertion=one_hub.assertion(client, rsa, "PS256"), headers={"DPoP": one_hub.proof()}
    )
    assert good.status_code == 200
    for alg in ("RS256", "PS384"):
        answer = one_hub.ask(client, assertion=one_hub.assertion(client, rsa, alg))
        assert answer.json()["error"] == "invalid_client"
        assert entries(one_hub)[-1].code == "assertion-algorithm"


def test_an_assertion_works_once(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    assertion = hub.assertion(client)
    assert hub.ask(client, assertion=assertion).status_code == 200
    again = hub.ask(client, assertion=assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert entries(hub)[-1].code == "assertion-replayed"


def test_the_id_of_an_assertion_is_used_up_for_its_own_client_only(
    hub: Hub, organisation: Participant
) -> None:
    one, other = hub.a_client(organisation), hub.a_client(organisation)
    assert hub.ask(one, assertion=hub.assertion(one, jti="same")).status_code == 200
    assert hub.ask(other, assertion=hub.assertion(other, jti="same")).status_code == 200


def test_a_refused_request_does_not_use_its_assertion_up(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    assertion = hub.assertion(client)
    assert hub.ask(client, assertion=assertion, scope="participants:write").json()["error"] == "invalid_scope"
    assert hub.ask(client, assertion=assertion).status_code == 200


def test_a_disabled_client_gets_no_token(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    hub.change(client, state="disabled")
    assert hub.ask(client).json()["error"] == "invalid_client"
    assert entries(hub)[-1].code == "client-disabled"


def test_a_suspended_participant_gets_no_token(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    hub.suspend(organisation)
    answer = hub.ask(client)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    assert entries(hub)[-1].code == "participant-not-admitted"


def test_a_client_of_a_person_has_no_more_than_the_person(hub: Hub, organisation: Participant) -> None:
    person = Person(
        id=DATASET,
        participant_id=organisation.id,
        name="Ada",
        email="ada@waterschap.example",
        roles=["requester"],
        created_at=NOON,
    )
    with db.transaction(hub.engine) as session:
        session.add(person)
    client = hub.a_client(organisation, Role.REQUESTER, Role.ADMIN, person_id=person.id)
    assert "clients:write" not in hub.ask(client).json()["scope"]
    hub.change(person, is_active=False)
    assert hub.ask(client).json()["error"] == "unauthorized_client"


def test_scopes_are_narrowed_as_asked(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    assert hub.ask(client, scope="data:read log:read").json()["scope"] == "data:read log:read"
    for scope in ("data:read nonsense", "participants:write", " "):
        answer = hub.ask(client, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope


def test_requests_that_are_not_well_formed_are_refused(one_hub: Hub) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    other, secret = one_hub.a_basic_client(a_participant(one_hub.engine, "gemeente"))
    form = one_hub.form(client)
    pairs = list(form.items())
    basics = basic(other.id, secret)
    post = one_hub.http.post
    typed = {"Content-Type": "application/x-www-form-urlencoded"}

    def encoded(more: list[tuple[str, str]]) -> str:
        from urllib.parse import urlencode

        return urlencode(more)

    cases: list[tuple[str, int, Any]] = [
        ("invalid_request", 400, post("/oauth/token", json=form)),
        ("invalid_request", 400, post("/oauth/token?client_id=x", data=form)),
        ("invalid_request", 400, post("/oauth/token", data=form, headers=basics)),
        ("invalid_request", 400, post("/oauth/token", content=encoded([*pairs, pairs[0]]), headers=typed)),
        (
            "invalid_request",
            400,
            post("/oauth/token", content=encoded([(f"p{i}", "x") for i in range(40)]), headers=typed),
        ),
        ("invalid_request", 400, post("/oauth/token", content=b"grant_type=%ff", headers=typed)),
        ("invalid_request", 400, post("/oauth/token", content=b"grant_type=\xc3\xa9", headers=typed)),
        ("invalid_request", 413, post("/oauth/token", content=b"x" * 70_000, headers=typed)),
        ("invalid_request", 400, post("/oauth/token", data={"scope": "log:read"}, headers=basics)),
        (
            "unsupported_grant_type",
            400,
            post("/oauth/token", data={"grant_type": "password"}, headers=basics),
        ),
        ("invalid_client", 401, post("/oauth/token", data={"grant_type": "client_credentials"})),
        ("invalid_client", 401, post("/oauth/token", data=form | {"client_id": other.id})),
        ("invalid_client", 401, post("/oauth/token", data=form | {"client_assertion_type": "x"})),
        ("invalid_client", 401, post("/oauth/token", data={"client_id": other.id, "client_secret": secret})),
        ("invalid_client", 401, post("/oauth/token", data={"client_id": client.id}, headers=basics)),
        ("invalid_client", 401, post("/oauth/token", data=form | {"client_assertion": "a.b.c"})),
        ("invalid_client", 401, post("/oauth/token", data={"a": "b"}, headers={"Authorization": "Bearer x"})),
        ("invalid_client", 401, post("/oauth/token", data={"a": "b"}, headers={"Authorization": "Basic !!"})),
        ("invalid_client", 401, post("/oauth/token", data={"a": "b"}, headers=basic("nobody\x00", "x"))),
    ]
    for number, (error, status, answer) in enumerate(cases):
        assert (answer.status_code, answer.json()["error"]) == (status, error), (number, answer.text)
        assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", answer.json()["error_description"])
        assert answer.headers["content-type"] == "application/json"
    assert all(entry.outcome == "refused" for entry in entries(one_hub))
    assert len(entries(one_hub)) == len(cases)
    assert secret not in json.dumps([entry.model_dump(mode="json") for entry in entries(one_hub)])


def test_unknown_parameters_are_ignored(one_hub: Hub) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    assert one_hub.ask(client, something="else", scope="").status_code == 200


def test_a_client_of_one_profile_cannot_use_the_way_of_another(hub: Hub, organisation: Participant) -> None:
    keyed = hub.a_client(organisation)
    plain, _ = hub.a_basic_client(organisation)
    answer = hub.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(keyed.id, "x")
    )
    assert answer.json()["error"] == "invalid_client"
    assert entries(hub)[-1].code == "wrong-method"
    assert hub.ask(plain).json()["error"] == "invalid_client"
    assert entries(hub)[-1].code == "wrong-method"


def test_nobody_learns_whether_a_client_exists(hub: Hub, organisation: Participant) -> None:
    client, _ = hub.a_basic_client(organisation)
    form = {"grant_type": "client_credentials"}
    known = hub.http.post("/oauth/token", data=form, headers=basic(client.id, "dhs_wrong"))
    unknown = hub.http.post("/oauth/token", data=form, headers=basic(DATASET, "dhs_wrong"))
    assert known.json() == unknown.json()
    assert known.status_code == unknown.status_code == 401


def test_an_expired_secret_opens_nothing(hub: Hub, organisation: Participant, clock: SetClock) -> None:
    client, secret = hub.a_basic_client(organisation)
    with db.transaction(hub.engine) as session:
        from datahub.oauth import ClientSecret

        row = session.exec(select(ClientSecret)).one()
        row.expires_at = NOON
    form = {"grant_type": "client_credentials"}
    assert hub.http.post("/oauth/token", data=form, headers=basic(client.id, secret)).status_code == 401
    assert entries(hub)[-1].code == "secret-expired"


def test_keys_without_kid_are_found_when_only_one_fits(one_hub: Hub) -> None:
    owner = a_participant(one_hub.engine, "waterschap")
    both = {"keys": [public_jwk(KEYS["ES256"]), public_jwk(OKPKey.generate_key("Ed25519"))]}
    client = one_hub.a_client(owner, jwks=both)
    assert one_hub.ask(client).status_code == 200
    two = {"keys": [public_jwk(KEYS["PS256"]), public_jwk(RSAKey.generate_key(2048))]}
    client = one_hub.a_client(owner, jwks=two)
    assert one_hub.ask(client, assertion=one_hub.assertion(client, KEYS["PS256"], "PS256")).status_code == 401
    named = one_hub.assertion(client, KEYS["PS256"], "PS256", kid=KEYS["PS256"].thumbprint())
    assert one_hub.ask(client, assertion=named).status_code == 200


def test_the_type_of_the_assertion_is_the_one_of_the_specification() -> None:
    assert ASSERTION_TYPE.endswith("jwt-bearer")
