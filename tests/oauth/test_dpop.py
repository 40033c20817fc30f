"""DPoP (RFC 9449) at the token endpoint and at the doors: each check by itself, nonces, replays, no way down."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey

from datahub.oauth import Client, Profile
from datahub.participants import Participant, Role
from tests.build import NOON, a_participant
from tests.oauth.making import ISSUER, KEYS, Hub, SetClock, basic, bearer, public_jwk, sign
from tests.oauth.test_token_endpoint import claims_of, entries

NOW = int(NOON.timestamp())
WEAK = {"kty": "RSA", "n": "w" * 171, "e": "AQAB"}  # 1024 bits
OTHER = ECKey.generate_key("P-256")


def a_fapi2_client(hub: Hub, owner: Participant | None = None, **more: Any) -> Client:
    owner = owner or a_participant(hub.engine, "waterschap")
    return hub.a_client(owner, Role.AUDITOR, profile=Profile.FAPI2, **more)


# check → what is done to a proof that is else good (RFC 9449 §4.3; the sub-checks of FAPI's dpop-negative-tests)
BAD: list[tuple[str, dict[str, Any]]] = [
    ("typ", {"header": {"typ": None}}),
    ("typ", {"header": {"typ": "JWT"}}),
    ("typ", {"header": {"typ": "at+jwt"}}),
    ("jwk", {"header": {"jwk": None}}),
    ("jwk", {"header": {"jwk": "a key"}}),
    ("jwk-private-key", {"header": {"jwk": KEYS["ES256"].as_dict(private=True)}}),
    ("jwk-private-key", {"header": {"jwk": OctKey.generate_key(256).as_dict(private=True)}}),
    ("jwk-key-size", {"header": {"jwk": WEAK}, "key": KEYS["PS256"], "alg": "PS256"}),
    ("jwk-curve", {"header": {"jwk": ECKey.generate_key("P-384").as_dict(private=False)}}),
    ("signature", {"header": {"jwk": public_jwk(OTHER)}}),
    ("algorithm", {"key": KEYS["PS256"], "alg": "RS256"}),
    ("algorithm", {"header": {"jwk": public_jwk(KEYS["PS256"])}}),
    ("crit", {"header": {"crit": ["exp"]}}),
    ("jti", {"jti": None}),
    ("jti", {"jti": ""}),
    ("jti", {"jti": 7}),
    ("jti", {"jti": "x" * 201}),
    ("htm", {"htm": None}),
    ("htm", {"htm": "PUT"}),
    ("htm", {"htm": "get"}),
    ("htu", {"htu": None}),
    ("htu", {"htu": 7}),
    ("htu", {"htu": f"{ISSUER}/v1/other"}),
    ("htu", {"htu": "https://evil.example/v1/clients"}),
    ("htu", {"htu": f"http://x@{ISSUER[7:]}/v1/clients"}),
    ("htu", {"htu": f"{ISSUER}/v1%2Fclients"}),
    ("iat", {"iat": None}),
    ("iat", {"iat": "now"}),
    ("iat", {"iat": True}),
    ("iat", {"iat": NOW - 3600}),
    ("iat", {"iat": NOW + 3600}),
    ("iat", {"iat": NOW + 61}),
    ("nbf", {"nbf": NOW + 90}),
    ("expired", {"exp": NOW - 90}),
]
AT_DOOR: list[tuple[str, dict[str, Any]]] = [
    ("ath", {"ath": None}),
    ("ath", {"ath": "x"}),
    ("ath", {"ath": base64.urlsafe_b64encode(hashlib.sha256(b"other").digest()).decode()}),
    ("key", {"key": OTHER}),
]


def test_a_door_refuses_each_proof_that_does_not_fit_and_takes_the_good_one_after(one_hub: Hub) -> None:
    token = one_hub.bound_token(a_fapi2_client(one_hub))
    for check, changes in [*BAD, *AT_DOOR]:
        answer = one_hub.call(token, **changes)
        assert answer.status_code == 401, (check, changes)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["error"], answer.json()["check"]) == ("invalid_dpop_proof", check), changes
        assert answer.headers["www-authenticate"].startswith("DPoP ")
        assert 'algs="ES256 PS256 Ed25519 EdDSA"' in answer.headers["www-authenticate"]
    assert one_hub.call(token).status_code == 200


def test_the_token_endpoint_refuses_each_proof_that_does_not_fit(one_hub: Hub) -> None:
    client = a_fapi2_client(one_hub)
    form = one_hub.form(client)
    for check, changes in BAD:
        answer = one_hub.http.post("/oauth/token", data=form, headers={"DPoP": one_hub.proof(**changes)})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), (check, changes)
        assert entries(one_hub)[-1].code == f"proof-{check}"
    # Refused for its proof, the assertion is still good
    good = one_hub.http.post("/oauth/token", data=form, headers={"DPoP": one_hub.proof()})
    assert good.status_code == 200


def test_what_is_no_jwt_is_no_proof(one_hub: Hub) -> None:
    token = one_hub.bound_token(a_fapi2_client(one_hub))
    proof = one_hub.proof("GET", "/v1/clients", token=token)
    head, body, signature = proof.split(".")
    none = sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(OTHER)}, {}, OTHER).split(".")[0]
    for bad in ("", "x", "a.b.c", f"{head}.{body}.", f"{none}.{body}.{signature}", f"{proof}=", proof * 20):
        answer = one_hub.http.get("/v1/clients", headers={"Authorization": f"DPoP {token}", "DPoP": bad})
        assert answer.status_code == 401, bad
    two = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("DPoP", proof)]
    assert one_hub.http.get("/v1/clients", headers=two).status_code == 401
    form = one_hub.form(a_fapi2_client(one_hub, a_participant(one_hub.engine, "gemeente")))
    pair = [("DPoP", one_hub.proof()), ("DPoP", one_hub.proof())]
    assert one_hub.http.post("/oauth/token", data=form, headers=pair).json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize(
    "changes",
    [
        {"htu": f"{ISSUER}/v1/clients?state=active#top"},
        {"htu": "HTTP://127.0.0.1:8000/v1/clients"},
        {"htu": f"{ISSUER}/v1/./x/../clients"},
        {"htu": f"{ISSUER}/v1/client%73"},
        {"iat": NOW - 10},
        {"iat": NOW + 10},
        {"iat": NOW + 0.5},
        {"nbf": NOW, "exp": NOW + 60},
        {"something": ["else"], "header": {"extra": True}},
        {"key": KEYS["PS256"], "alg": "PS256"},
        {"key": KEYS["EdDSA"], "alg": "EdDSA"},
        {"key": KEYS["EdDSA"], "alg": "Ed25519"},
        {"header": {"typ": "application/dpop+JWT"}},
    ],
)
def test_a_proof_may_differ_in_what_does_not_matter(one_hub: Hub, changes: dict[str, Any]) -> None:
    token = one_hub.bound_token(a_fapi2_client(one_hub), key=changes.get("key"))
    assert one_hub.call(token, **changes).status_code == 200


def test_a_default_port_and_the_case_of_a_host_do_not_matter() -> None:
    from datahub.oauth.dpop import normal_address

    assert normal_address("https://Hub.Example:443/a?b#c") == normal_address("https://hub.example/a")
    assert normal_address("https://hub.example") == "https://hub.example/"
    assert normal_address("https://hub.example:8443/a") != normal_address("https://hub.example/a")
    assert normal_address("https://hub.example/A") != normal_address("https://hub.example/a")
    for none in (
        "",
        "hub.example/a",
        "//hub.example/a",
        "ftp://hub.example/",
        "https://[",
        "https://h:x/",
        "https://é/",
    ):
        assert normal_address(none) == "", none


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_case_of_the_scheme_does_not_matter(one_hub: Hub, scheme: str) -> None:
    token = one_hub.bound_token(a_fapi2_client(one_hub))
    headers = {"Authorization": f"{scheme} {token}", "DPOP": one_hub.proof("GET", "/v1/clients", token=token)}
    assert one_hub.http.get("/v1/clients", headers=headers).status_code == 200


def test_a_bound_token_says_its_key_and_is_good_with_it_alone(hub: Hub, organisation: Participant) -> None:
    client = a_fapi2_client(hub, organisation)
    token = hub.bound_token(client)
    assert claims_of(token)["cnf"] == {"jkt": KEYS["ES256"].thumbprint()}
    assert hub.call(token).status_code == 200
    proof = hub.proof("GET", "/v1/clients", token=token)
    for headers in (
        bearer(token),
        {**bearer(token), "DPoP": proof},
        {"Authorization": f"DPoP {token}"},
        {"DPoP": proof},
    ):
        answer = hub.http.get("/v1/clients", headers=headers)
        assert answer.status_code == 401, headers
        assert "DPoP " in answer.headers["www-authenticate"]
        assert 'algs="' in answer.headers["www-authenticate"]
    assert hub.call(token, key=OTHER).status_code == 401
    asked = hub.http.post("/oauth/introspect", data=hub.form(client, token=token)).json()
    assert (asked["token_type"], asked["cnf"]) == ("DPoP", claims_of(token)["cnf"])


def test_a_bearer_token_proves_no_key(one_hub: Hub) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"), Role.AUDITOR)
    token = one_hub.token(client)
    assert one_hub.call(token).status_code == 401
    assert one_hub.http.get("/v1/clients", headers=bearer(token)).status_code == 200


def test_a_client_that_must_be_bound_gets_no_other_token(hub: Hub, organisation: Participant) -> None:
    asked_for = hub.a_client(organisation, Role.AUDITOR, is_dpop_bound=True)
    for client in (a_fapi2_client(hub, organisation), asked_for):
        answer = hub.ask(client)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
        assert answer.headers["dpop-nonce"] == hub.nonce
        assert entries(hub)[-1].code == "proof-no-proof"
    plain = hub.a_client(organisation, Role.AUDITOR)
    token = hub.token(plain)
    assert hub.http.get("/v1/clients", headers=bearer(token)).status_code == 200
    hub.change(plain, is_dpop_bound=True)  # from then on a token without a key is good no more
    assert hub.http.get("/v1/clients", headers=bearer(token)).status_code == 401


def test_a_nonce_is_asked_for_on_both_sides_and_the_same_form_may_answer(
    hub: Hub, organisation: Participant
) -> None:
    form = hub.form(a_fapi2_client(hub, organisation))
    for nonce in (None, "forged", ""):
        answer = hub.http.post("/oauth/token", data=form, headers={"DPoP": hub.proof(nonce=nonce)})
        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"] == hub.nonce
    answer = hub.http.post("/oauth/token", data=form, headers={"DPoP": hub.proof()})
    assert answer.status_code == 200
    assert answer.headers["dpop-nonce"] == hub.nonce
    token = answer.json()["access_token"]
    for nonce in (None, "forged", "x" * 3000):
        answer = hub.call(token, nonce=nonce)
        assert answer.status_code == 401
        assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
        assert answer.headers["dpop-nonce"] == hub.nonce
    assert hub.call(token).status_code == 200


def test_nonces_rotate_with_grace_and_the_next_one_comes_with_the_answer(
    one_hub: Hub, clock: SetClock
) -> None:
    client = a_fapi2_client(one_hub)
    first = one_hub.nonce
    clock.forward(minutes=5)
    assert one_hub.nonce != first
    token = one_hub.bound_token(client)
    answer = one_hub.call(token, nonce=first)
    assert (answer.status_code, answer.headers["dpop-nonce"]) == (200, one_hub.nonce)
    assert "dpop-nonce" not in one_hub.call(token).headers
    clock.forward(minutes=5)
    assert 'error="use_dpop_nonce"' in one_hub.call(token, nonce=first).headers["www-authenticate"]


def test_a_nonce_of_another_exchange_is_not_ours(one_hub: Hub) -> None:
    from datahub.oauth.nonces import is_nonce, nonce_now
    from tests.build import MASTER_KEY, some_settings

    other = some_settings(one_hub.settings.home, master_key=MASTER_KEY.replace("A", "B", 1))
    assert not is_nonce(one_hub.settings, nonce_now(other, NOON), NOON)
    assert is_nonce(one_hub.settings, nonce_now(one_hub.settings, NOON + timedelta(minutes=5)), NOON)


def test_a_proof_works_once_at_each_door_also_when_the_call_is_refused(
    hub: Hub, organisation: Participant
) -> None:
    token = hub.bound_token(a_fapi2_client(hub, organisation))
    for method, status in (("GET", 200), ("POST", 403)):
        shown = {
            "Authorization": f"DPoP {token}",
            "DPoP": hub.proof(method, "/v1/clients", token=token),
        }
        body = {"name": "x", "roles": ["auditor"]} if method == "POST" else None
        assert hub.http.request(method, "/v1/clients", headers=shown, json=body).status_code == status
        again = hub.another_http().request(method, "/v1/clients", headers=shown, json=body)
        assert (again.status_code, again.json()["check"]) == (401, "jti")
    assert hub.call(token, jti="same").status_code == 200
    assert hub.call(token, jti="same").status_code == 401
    assert hub.call(token, path="/v1/participants", jti="same").status_code == 200


def test_a_proof_works_once_at_the_token_endpoint(hub: Hub, organisation: Participant) -> None:
    client = a_fapi2_client(hub, organisation)
    proof = {"DPoP": hub.proof()}
    assert hub.ask(client, headers=proof).status_code == 200
    form = hub.form(client)
    again = hub.http.post("/oauth/token", data=form, headers=proof)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")
    assert entries(hub)[-1].code == "proof-replayed"
    assert hub.http.post("/oauth/token", data=form, headers={"DPoP": hub.proof()}).status_code == 200


def test_a_basic_client_may_bind_its_tokens_too(one_hub: Hub) -> None:
    client, secret = one_hub.a_basic_client(a_participant(one_hub.engine, "waterschap"), Role.AUDITOR)
    headers = {**basic(client.id, secret), "DPoP": one_hub.proof()}
    answer = one_hub.http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=headers)
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("DPoP", 600)
    assert one_hub.call(answer.json()["access_token"]).status_code == 200


def test_used_proofs_are_forgotten_when_they_could_not_be_used_anyway(one_hub: Hub, clock: SetClock) -> None:
    from sqlalchemy import text

    from datahub.kernel import db
    from datahub.oauth import jobs
    from tests.build import a_context, an_actor

    token = one_hub.bound_token(a_fapi2_client(one_hub))
    for _ in range(5):
        assert one_hub.call(token).status_code == 200

    def kept() -> int:
        with db.transaction(one_hub.engine) as session:
            return int(
                session.connection().execute(text("select count(*) from oauth_used_assertion")).scalar_one()
            )

    assert kept() == 7
    for after_s, left in ((300, 6), (400, 0)):
        with a_context(
            one_hub.engine, one_hub.settings, an_actor(one_hub.exchange), NOON + timedelta(seconds=after_s)
        ) as ctx:
            jobs.purge(ctx)
        assert kept() == left
