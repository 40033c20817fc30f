"""Clients over REST: who may register what, keys and secrets, disabling."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey
from sqlmodel import select

from datahub.kernel import db
from datahub.kernel.ids import new_id
from datahub.kernel.rest.reply import StoredReply
from datahub.oauth import register_first_client
from datahub.oauth.errors import FirstClientExists
from datahub.participants import Participant, Person, Role
from tests.build import NOON, a_context, a_participant, an_actor
from tests.oauth.making import KEYS, Hub, SetClock, basic, bearer, public_jwk

FORM = {"grant_type": "client_credentials"}


def an_admin(hub: Hub, organisation: Participant) -> dict[str, str]:
    return bearer(hub.token(hub.a_client(organisation, Role.ADMIN)))


def registration(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "nightly import",
        "securityProfile": "fapi2",
        "roles": ["requester"],
        "jwks": {"keys": [public_jwk(KEYS["ES256"])]},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def codes(answer: Any) -> set[tuple[str, str]]:
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}


def test_an_administrator_registers_a_client_that_then_works(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    answer = hub.http.post("/v1/clients", headers=admin, json=registration())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["participantId"] == organisation.id
    assert made["state"] == "active"
    assert made["jwks"]["keys"][0]["kid"] == KEYS["ES256"].thumbprint()
    read = hub.http.get(answer.headers["location"], headers=admin)
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])
    with db.transaction(hub.engine) as session:
        from datahub.oauth import client_by_id

        client = client_by_id(session, made["id"])
    assert client is not None
    assert hub.call(hub.bound_token(client), path="/v1/participants").status_code == 200


def test_the_same_registration_twice_makes_one_client(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    answers = [
        hub.http.post("/v1/clients", headers={**admin, "Idempotency-Key": "k"}, json=registration()).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(hub.http.get("/v1/clients", headers=admin).json()["items"]) == 2


def test_clients_of_other_organisations_are_not_there(hub: Hub, organisation: Participant) -> None:
    own = an_admin(hub, organisation)
    foreign = hub.a_client(a_participant(hub.engine, "gemeente"))
    for method, path, body in (
        ("GET", f"/v1/clients/{foreign.id}", None),
        ("PATCH", f"/v1/clients/{foreign.id}", {"name": "x"}),
        ("POST", f"/v1/clients/{foreign.id}/transitions", {"move": "disable"}),
        ("GET", f"/v1/clients/{foreign.id}/transitions", None),
        ("POST", f"/v1/clients/{foreign.id}/secrets", {}),
        ("DELETE", f"/v1/clients/{foreign.id}/secrets/{new_id()}", None),
        ("GET", "/v1/clients/%00", None),
    ):
        answer = hub.http.request(method, path, headers={**own, "If-Match": "*"}, json=body)
        assert answer.status_code == 404, (method, path, answer.text)
    assert foreign.id not in hub.http.get("/v1/clients", headers=own).text
    everything = an_admin(hub, hub.exchange)
    assert foreign.id in hub.http.get("/v1/clients", headers=everything).text
    only = hub.http.get(f"/v1/clients?participantId={foreign.participant_id}", headers=everything).json()
    assert [client["id"] for client in only["items"]] == [foreign.id]
    assert hub.http.get("/v1/clients?participantId=%00", headers=everything).status_code == 400


def test_a_client_for_another_organisation_is_registered_by_the_exchange_only(
    hub: Hub, organisation: Participant
) -> None:
    other = a_participant(hub.engine, "gemeente")
    body = registration(participantId=other.id)
    refused = hub.http.post("/v1/clients", headers=an_admin(hub, organisation), json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "client-change-not-allowed")
    made = hub.http.post("/v1/clients", headers=an_admin(hub, hub.exchange), json=body)
    assert made.json()["participantId"] == other.id


def test_an_auditor_reads_clients_but_changes_none(hub: Hub, organisation: Participant) -> None:
    auditor = bearer(hub.token(hub.a_client(organisation, Role.AUDITOR)))
    assert hub.http.get("/v1/clients", headers=auditor).status_code == 200
    assert hub.http.post("/v1/clients", headers=auditor, json=registration()).status_code == 403


BAD_KEYS: list[tuple[str, dict[str, Any]]] = [
    ("key-type", {"kty": "EC2"}),
    ("key-type", {}),
    ("key-type", {"kty": ["EC"]}),
    ("curve", public_jwk(ECKey.generate_key("P-384"))),
    ("curve", {**public_jwk(KEYS["ES256"]), "crv": "secp256k1"}),
    ("curve", public_jwk(OKPKey.generate_key("X25519"))),
    ("curve", public_jwk(OKPKey.generate_key("Ed448"))),
    ("algorithm", {**public_jwk(KEYS["PS256"]), "alg": "RS256"}),
    ("algorithm", {**public_jwk(KEYS["ES256"]), "alg": "none"}),
    ("algorithm", {**public_jwk(KEYS["ES256"]), "alg": ["ES256"]}),
    ("key-size", {"kty": "RSA", "n": "w" * 171, "e": "AQAB"}),
    ("use", {**public_jwk(KEYS["ES256"]), "use": "enc"}),
    ("use", {**public_jwk(KEYS["ES256"]), "key_ops": ["sign"]}),
    ("use", {**public_jwk(KEYS["ES256"]), "key_ops": 7}),
    ("kid", {**public_jwk(KEYS["ES256"]), "kid": ""}),
    ("kid", {**public_jwk(KEYS["ES256"]), "kid": 7}),
    ("kid", {**public_jwk(KEYS["ES256"]), "kid": "\x00"}),
    ("kid", {**public_jwk(KEYS["ES256"]), "kid": "sleutel-é"}),
    ("malformed", {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    ("malformed", {"kty": "EC", "crv": "P-256"}),
    ("malformed", {"kty": "EC", "crv": "P-256", "x": 1, "y": None}),
    ("key-size", {"kty": "RSA", "n": "", "e": ""}),
    ("malformed", {"kty": "RSA", "n": "w" * 342, "e": ""}),
    ("malformed", {"kty": "RSA", "n": 7}),
    ("malformed", {"kty": "OKP", "crv": "Ed25519", "x": "!!"}),
]


def test_each_key_that_cannot_be_used_is_named(one_hub: Hub) -> None:
    admin = an_admin(one_hub, one_hub.exchange)
    for code, key in BAD_KEYS:
        body = registration(jwks={"keys": [public_jwk(KEYS["ES256"]), key]})
        answer = one_hub.http.post("/v1/clients", headers=admin, json=body)
        assert answer.status_code == 400, (code, key)
        assert codes(answer) == {("/jwks/keys/1", code)}, (key, answer.text)


@pytest.mark.parametrize("key", [*KEYS.values(), OctKey.generate_key(256)])
def test_a_private_key_is_refused_loudly_and_kept_nowhere(one_hub: Hub, key: Any) -> None:
    admin = an_admin(one_hub, one_hub.exchange)
    private = key.as_dict(private=True)
    answer = one_hub.http.post("/v1/clients", headers=admin, json=registration(jwks={"keys": [private]}))
    assert (answer.status_code, answer.json()["code"]) == (400, "private-key-sent")
    assert "compromised" in answer.json()["detail"]
    hidden = private.get("d") or private["k"]
    assert hidden not in answer.text
    from datahub.audit import Entry

    with db.transaction(one_hub.engine) as session:
        kept = json.dumps([e.model_dump(mode="json") for e in session.exec(select(Entry))])
    assert hidden not in kept


def test_all_that_contradicts_itself_is_named_at_once(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    person = Person(
        id=new_id(),
        participant_id=organisation.id,
        name="Ada",
        email="ada@waterschap.example",
        roles=["requester"],
        created_at=NOON,
    )
    with db.transaction(hub.engine) as session:
        session.add(person)
    key = public_jwk(KEYS["ES256"])
    body = registration(personId=person.id, roles=["requester", "admin"], jwks={"keys": [key, key]})
    answer = hub.http.post("/v1/clients", headers=admin, json=body)
    assert codes(answer) == {("/roles/1", "role-not-held"), ("/jwks/keys/1", "duplicate-kid")}
    answer = hub.http.post("/v1/clients", headers=admin, json=registration(jwks=None))
    assert codes(answer) == {("/jwks", "missing")}
    answer = hub.http.post("/v1/clients", headers=admin, json=registration(securityProfile="basic"))
    assert codes(answer) == {("/jwks", "not-allowed")}
    answer = hub.http.post("/v1/clients", headers=admin, json=registration(personId=new_id()))
    assert answer.status_code == 404


def test_secrets_rotate_with_two_live(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    body = registration(securityProfile="basic", jwks=None)
    client_id = hub.http.post("/v1/clients", headers=admin, json=body).json()["id"]
    where = f"/v1/clients/{client_id}/secrets"

    def opens(secret: str) -> bool:
        return hub.http.post("/oauth/token", data=FORM, headers=basic(client_id, secret)).status_code == 200

    first, second = (hub.http.post(where, headers=admin, json={}).json() for _ in range(2))
    assert first["secret"].startswith("dhs_")
    assert opens(first["secret"])
    assert opens(second["secret"])
    assert not opens(first["secret"] + "x")
    third = hub.http.post(where, headers=admin, json={})
    assert (third.status_code, third.json()["code"]) == (409, "too-many-secrets")
    read = hub.http.get(f"/v1/clients/{client_id}", headers=admin)
    assert [s["id"] for s in read.json()["secrets"]] == [first["id"], second["id"]]
    assert read.json()["secrets"][0]["lastUsedAt"]
    assert first["secret"] not in read.text
    gone = f"{where}/{first['id']}"
    assert hub.http.delete(gone, headers=admin).status_code == 428
    assert hub.http.delete(gone, headers={**admin, "If-Match": '"1"'}).status_code == 412
    assert hub.http.delete(gone, headers={**admin, "If-Match": read.headers["etag"]}).status_code == 204
    assert hub.http.delete(gone, headers={**admin, "If-Match": "*"}).status_code == 404
    assert not opens(first["secret"])
    assert opens(second["secret"])
    assert hub.http.post(where, headers=admin, json={}).status_code == 201


def test_a_repeated_request_for_a_secret_makes_one_and_shows_it_once(
    hub: Hub, organisation: Participant
) -> None:
    client, _ = hub.a_basic_client(organisation)
    headers = {**an_admin(hub, organisation), "Idempotency-Key": "once"}
    where = f"/v1/clients/{client.id}/secrets"
    first, again = (hub.http.post(where, headers=headers, json={}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again.json()["secret"] is None
    assert again.headers["idempotent-replayed"] == "true"
    with db.transaction(hub.engine) as session:
        stored = session.exec(select(StoredReply)).all()
    assert all(first.json()["secret"].encode() not in reply.body for reply in stored)


def test_secrets_are_not_for_clients_with_keys_nor_from_the_past(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    keyed, (plain, _) = hub.a_client(organisation), hub.a_basic_client(organisation)
    answer = hub.http.post(f"/v1/clients/{keyed.id}/secrets", headers=admin, json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "no-secrets-for-this-client")
    body = {"expiresAt": "2020-01-01T00:00:00Z"}
    answer = hub.http.post(f"/v1/clients/{plain.id}/secrets", headers=admin, json=body)
    assert codes(answer) == {("/expiresAt", "in-the-past")}


def test_a_secret_ends_when_it_says(hub: Hub, organisation: Participant, clock: SetClock) -> None:
    admin = an_admin(hub, organisation)
    client, _ = hub.a_basic_client(organisation)
    body = {"expiresAt": "2026-06-01T13:00:00Z"}
    secret = hub.http.post(f"/v1/clients/{client.id}/secrets", headers=admin, json=body).json()["secret"]
    assert hub.http.post("/oauth/token", data=FORM, headers=basic(client.id, secret)).status_code == 200
    clock.forward(hours=1)
    assert hub.http.post("/oauth/token", data=FORM, headers=basic(client.id, secret)).status_code == 401


def test_keys_are_replaced_with_if_match(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    client = hub.a_client(organisation)
    where = f"/v1/clients/{client.id}"
    body = {"jwks": {"keys": [public_jwk(KEYS["EdDSA"])]}, "name": "renamed"}
    assert hub.http.patch(where, headers=admin, json=body).status_code == 428
    changed = hub.http.patch(where, headers={**admin, "If-Match": '"1"'}, json=body)
    assert (changed.json()["name"], changed.headers["etag"]) == ("renamed", '"2"')
    assert hub.http.patch(where, headers={**admin, "If-Match": '"1"'}, json=body).status_code == 412
    assert hub.ask(client).status_code == 401
    assert hub.ask(client, assertion=hub.assertion(client, KEYS["EdDSA"], "EdDSA")).status_code == 200
    empties: list[dict[str, Any]] = [{}, {"name": None}, {"jwks": {"keys": []}}, {"roles": []}]
    for empty in empties:
        assert hub.http.patch(where, headers={**admin, "If-Match": "*"}, json=empty).status_code == 400


def test_moves_are_kept_as_history(hub: Hub, organisation: Participant) -> None:
    admin = an_admin(hub, organisation)
    client_id = hub.http.post("/v1/clients", headers=admin, json=registration()).json()["id"]
    where = f"/v1/clients/{client_id}/transitions"
    for move, status in (("disable", 201), ("disable", 409), ("enable", 201), ("explode", 409)):
        assert hub.http.post(where, headers=admin, json={"move": move}).status_code == status
    items = hub.http.get(where, headers=admin).json()["items"]
    assert [item["move"] for item in items] == ["register", "disable", "enable"]
    assert items[1]["fromState"] == "active"


def test_the_first_client_of_the_exchange_is_made_once(one_hub: Hub) -> None:
    actor = an_actor(one_hub.exchange)
    with a_context(one_hub.engine, one_hub.settings, actor) as ctx:
        client, secret = register_first_client(ctx, "setup")
    with a_context(one_hub.engine, one_hub.settings, actor) as ctx, pytest.raises(FirstClientExists):
        register_first_client(ctx, "setup")
    answer = one_hub.http.post("/oauth/token", data=FORM, headers=basic(client.id, secret.text))
    assert "participants:write" in answer.json()["scope"]
