"""Token exchange (RFC 8693): narrower in everything, and it ends with what it came from."""

from typing import Any

import pytest

from datahub.kernel.ids import new_id
from datahub.oauth import Profile
from datahub.oauth.exchange import ACCESS_TOKEN, GRANT_TYPE
from datahub.participants import Role
from tests.build import a_participant
from tests.oauth.making import ISSUER, KEYS, Hub, SetClock
from tests.oauth.test_token_endpoint import claims_of

DATASET, OTHER, AGREEMENT = new_id(), new_id(), new_id()


@pytest.fixture
def agreed(one_hub: Hub) -> Hub:
    """An exchange where every detail asked for is agreed."""
    one_hub.app.state.grant_check = lambda _ctx, _who, detail: {"agreement": AGREEMENT, **detail}
    return one_hub


def exchanged(hub: Hub, client: Any, token: str, **more: Any) -> Any:
    asked = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **more,
    }
    headers = asked.pop("headers", None)
    return hub.http.post(
        "/oauth/token",
        data={k: v for k, v in (hub.form(client) | asked).items() if v is not None},
        headers=headers,
    )


def details(*identifiers: str, **more: Any) -> str:
    import json

    return json.dumps([{"type": "dataset", "identifier": each, **more} for each in identifiers])


def test_a_token_is_narrowed_to_one_agreement_and_never_outlives_it(agreed: Hub, clock: SetClock) -> None:
    client = agreed.a_client(a_participant(agreed.engine, "waterschap"))
    token = agreed.token(client)
    clock.forward(seconds=100)
    answer = exchanged(agreed, client, token, scope="data:read", authorization_details=details(DATASET))
    found = answer.json()
    assert answer.status_code == 200, found
    assert found["issued_token_type"] == ACCESS_TOKEN
    assert (found["scope"], found["expires_in"]) == ("data:read", 500)
    assert found["authorization_details"][0]["agreement"] == AGREEMENT
    again = exchanged(agreed, client, found["access_token"]).json()
    assert again["authorization_details"] == found["authorization_details"]
    assert claims_of(again["access_token"])["sub"] == client.id


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"scope": "log:read"}, "invalid_scope"),
        ({"authorization_details": details(OTHER)}, "invalid_authorization_details"),
        (
            {"authorization_details": details(DATASET, actions=["read", "query"])},
            "invalid_authorization_details",
        ),
        ({"resource": f"{ISSUER}/v1/agreements"}, "invalid_target"),
        ({"resource": ISSUER}, "invalid_target"),
        ({"subject_token": "x.y.z"}, "invalid_request"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    ],
)
def test_nothing_can_be_widened(agreed: Hub, more: dict[str, str], error: str) -> None:
    client = agreed.a_client(a_participant(agreed.engine, "waterschap"))
    wide: dict[str, Any] = {"scope": "data:read requests:read", "resource": f"{ISSUER}/v1/datasets"}
    token = agreed.ask(client, **wide, authorization_details=details(DATASET)).json()["access_token"]
    answer = exchanged(agreed, client, token, **more)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_what_ends_the_first_token_ends_the_second(agreed: Hub, clock: SetClock) -> None:
    client = agreed.a_client(agreed.exchange, Role.AUDITOR)
    first = agreed.token(client)
    second = exchanged(agreed, client, first).json()["access_token"]
    third = exchanged(agreed, client, second).json()["access_token"]
    bearer = {"Authorization": f"Bearer {third}"}
    assert agreed.http.get("/v1/clients", headers=bearer).status_code == 200
    revoked = agreed.http.post("/oauth/revoke", data=agreed.form(client, token=first))
    assert revoked.status_code == 200
    assert agreed.http.get("/v1/clients", headers=bearer).status_code == 401
    assert exchanged(agreed, client, third).json()["error"] == "invalid_request"


def test_a_bound_token_stays_bound_to_its_key(agreed: Hub) -> None:
    owner = a_participant(agreed.engine, "waterschap")
    client = agreed.a_client(owner, profile=Profile.FAPI2)
    token = agreed.bound_token(client)
    wrong = {"DPoP": agreed.proof(key=KEYS["EdDSA"], alg="EdDSA")}
    assert exchanged(agreed, client, token, headers=wrong).json()["error"] == "invalid_dpop_proof"
    assert exchanged(agreed, client, token).json()["error"] == "invalid_dpop_proof"
    weaker = agreed.a_client(owner)
    assert exchanged(agreed, weaker, token).json()["error"] == "invalid_dpop_proof"
    found = exchanged(agreed, client, token, headers={"DPoP": agreed.proof()}).json()
    assert found["token_type"] == "DPoP"
    claims = [claims_of(each) for each in (token, found["access_token"])]
    assert claims[0]["cnf"] == claims[1]["cnf"]


def test_another_client_of_the_organisation_acts_and_a_stranger_does_not(agreed: Hub) -> None:
    owner = a_participant(agreed.engine, "waterschap")
    one, two = agreed.a_client(owner), agreed.a_client(owner)
    token = agreed.token(one)
    found = exchanged(agreed, two, token).json()
    claims = claims_of(found["access_token"])
    assert (claims["sub"], claims["client_id"], claims["act"]) == (one.id, two.id, {"sub": two.id})
    stranger = agreed.a_client(a_participant(agreed.engine, "gemeente"))
    assert exchanged(agreed, stranger, token).json()["error"] == "invalid_request"
    agreed.change(one, state="disabled")
    assert exchanged(agreed, two, token).json()["error"] == "invalid_request"
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    assert agreed.http.get("/v1/agreements", headers=bearer).status_code == 401


def test_a_token_is_exchanged_four_times_at_most(agreed: Hub) -> None:
    client = agreed.a_client(a_participant(agreed.engine, "waterschap"))
    token = agreed.token(client)
    for _ in range(4):
        token = exchanged(agreed, client, token).json()["access_token"]
    assert exchanged(agreed, client, token).json()["error"] == "invalid_request"
