"""Where a token is good, requests pushed ahead, and all that a caller finds from one refused call."""

import json
import re
from typing import Any

import pytest

from datahub.oauth.challenges import challenge
from datahub.oauth.metadata import authorization_server
from datahub.participants import Participant, Role
from tests.build import NOON, a_participant, some_settings
from tests.oauth.making import ISSUER, Hub, SetClock, bearer
from tests.oauth.test_dpop import OTHER, a_fapi2_client
from tests.oauth.test_token_details import a_grant_check, details
from tests.oauth.test_token_endpoint import DATASET, claims_of, entries

DATA = f"/v1/datasets/{DATASET}/data"


def test_a_token_for_an_address_is_good_there_and_below_and_nowhere_else(one_hub: Hub) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"), Role.AUDITOR)
    token = one_hub.token(client, resource=[f"{ISSUER}/v1/clients", f"{ISSUER}/v1/log-entries"])
    assert claims_of(token)["aud"] == [f"{ISSUER}/v1/clients", f"{ISSUER}/v1/log-entries"]
    for path, status in (
        ("/v1/clients", 200),
        (f"/v1/clients/{client.id}", 200),
        ("/v1/log-entries", 200),
        ("/v1/participants", 401),
        ("/v1/clients-of-others", 404),
    ):
        assert one_hub.http.get(path, headers=bearer(token)).status_code == status, path
    one = one_hub.token(client, resource=f"{ISSUER}/v1/clients")
    assert claims_of(one)["aud"] == f"{ISSUER}/v1/clients"
    asked = one_hub.http.post("/oauth/introspect", data=one_hub.form(client, token=one)).json()
    assert (asked["active"], asked["aud"]) == (True, f"{ISSUER}/v1/clients")
    for whole in (None, ISSUER, f"{ISSUER}/", [f"{ISSUER}/v1/clients", ISSUER]):
        more = {} if whole is None else {"resource": whole}
        assert claims_of(one_hub.token(client, **more))["aud"] == ISSUER


@pytest.mark.parametrize(
    "resource",
    [
        "/v1/clients",
        "v1/clients",
        f"{ISSUER}/v1/clients#top",
        f"{ISSUER}#",
        f"{ISSUER}/v1/clients?a=b",
        f"{ISSUER}/v1/nothing",
        f"{ISSUER}/v1/../v1/clients",
        f"{ISSUER}/v1//clients",
        f"{ISSUER}/v1/client%73",
        f"{ISSUER}.evil.example/v1/clients",
        "https://evil.example/v1/clients",
        "https://[",
        "urn:example:resource",
        [f"{ISSUER}/v1/clients", "https://evil.example"],
        [f"{ISSUER}/v1/clients"] * 6,
    ],
)
def test_a_resource_that_is_no_address_of_this_exchange_is_refused(one_hub: Hub, resource: Any) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    answer = one_hub.ask(client, resource=resource)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_a_request_is_pushed_and_then_named_once(hub: Hub, organisation: Participant) -> None:
    hub.app.state.grant_check = a_grant_check
    client = a_fapi2_client(hub, organisation, jwks=None)
    hub.change(client, roles=["requester"])
    wish = {"scope": "data:read", "authorization_details": details(), "resource": f"{ISSUER}/v1/datasets"}
    form = {**hub.form(client, **wish)}
    del form["grant_type"]
    answer = hub.http.post("/oauth/par", data=form, headers={"DPoP": hub.proof(path="/oauth/par")})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    pushed = answer.json()
    assert pushed["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 5 <= pushed["expires_in"] < 600

    def use(other: Any = None, **more: Any) -> Any:
        proof = {"DPoP": hub.proof(key=more.pop("key", None))}
        return hub.ask(other or client, headers=proof, request_uri=pushed["request_uri"], **more)

    stranger = a_fapi2_client(hub, organisation)
    assert use(stranger).json()["error"] == "invalid_request_uri"
    assert use(key=OTHER).json()["error"] == "invalid_request_uri"
    assert use(scope="data:read").json()["error"] == "invalid_request"
    good = use()
    assert good.status_code == 200, good.text
    assert good.json()["scope"] == "data:read"
    assert good.json()["authorization_details"][0]["agreement"]
    assert claims_of(good.json()["access_token"])["aud"] == f"{ISSUER}/v1/datasets"
    assert use().json()["error"] == "invalid_request_uri"


def test_a_pushed_request_expires_and_is_refused_early(one_hub: Hub, clock: SetClock) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))

    def push(**more: Any) -> Any:
        return one_hub.http.post("/oauth/par", data=one_hub.form(client, **more))

    for error, more in (
        ("invalid_request", {"request_uri": "urn:x"}),
        ("unsupported_response_type", {"response_type": "code"}),
        ("invalid_scope", {"scope": "participants:write"}),
        ("invalid_target", {"resource": "https://evil.example"}),
        ("invalid_authorization_details", {"authorization_details": "[]"}),
        ("invalid_client", {"assertion": one_hub.assertion(client, aud=f"{ISSUER}/oauth/par")}),
    ):
        assert push(**more).json()["error"] == error, more
    assert one_hub.http.get("/oauth/par").status_code == 405
    pushed = push(scope="data:read").json()["request_uri"]
    clock.forward(seconds=91)
    assert one_hub.ask(client, request_uri=pushed).json()["error"] == "invalid_request_uri"
    assert one_hub.ask(client, request_uri="urn:x").json()["error"] == "invalid_request_uri"
    assert entries(one_hub)[-1].code == "request-uri"


def test_a_client_that_knows_only_a_data_address_finds_everything(one_hub: Hub) -> None:
    refused = one_hub.http.get("/v1/clients")
    assert refused.status_code == 401
    assert refused.headers["dpop-nonce"] == one_hub.nonce
    told = refused.headers["www-authenticate"]
    assert told.startswith("DPoP ")
    assert ", Bearer " in told
    where = re.findall(r'resource_metadata="([^"]+)"', told)[0]
    resource = one_hub.http.get(where.removeprefix(ISSUER)).json()
    assert resource["resource"] == f"{ISSUER}/v1/clients"
    server = resource["authorization_servers"][0]
    found = one_hub.http.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == server
    # ... and asks for a token for just that address, which opens it
    client = a_fapi2_client(one_hub)
    path = found["token_endpoint"].removeprefix(ISSUER)
    form = one_hub.form(client, resource=resource["resource"])
    proof = one_hub.proof(path=path, nonce=refused.headers["dpop-nonce"])
    answer = one_hub.http.post(path, data=form, headers={"DPoP": proof})
    assert one_hub.call(answer.json()["access_token"]).status_code == 200
    assert one_hub.http.get("/.well-known/oauth-protected-resource/v1/nothing").status_code == 404
    assert one_hub.http.get("/.well-known/oauth-authorization-server/elsewhere").status_code == 404


def test_a_data_address_says_which_details_would_do(one_hub: Hub) -> None:
    from datahub.kernel.errors import Unauthenticated

    wanted = [{"type": "dataset", "identifier": DATASET, "actions": ["read"]}]
    told = challenge(one_hub.settings, DATA, Unauthenticated('a "quote" \\ é\n'), False, NOON)  # noqa: FBT003
    written = told["WWW-Authenticate"]
    assert written.isascii()
    assert written.isprintable()
    value = re.findall(r'authorization_details="((?:[^"\\]|\\.)*)"', written)[0]
    assert json.loads(re.sub(r"\\(.)", r"\1", value)) == wanted
    metadata = one_hub.http.get(f"/.well-known/oauth-protected-resource{DATA}").json()
    assert metadata["resource"] == ISSUER + DATA
    assert metadata["authorization_details"] == wanted
    token = one_hub.token(one_hub.a_client(a_participant(one_hub.engine, "waterschap")))
    bad = one_hub.http.get(DATA, headers=bearer(token + "x"))
    assert bad.status_code == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert "authorization_details=" in bad.headers["www-authenticate"]


def test_an_issuer_with_a_path_has_its_metadata_where_rfc_8414_says(one_hub: Hub) -> None:
    settings = some_settings(one_hub.settings.home, base_url="https://hub.example.org/exchange")
    found = authorization_server(settings)
    assert found["issuer"] == "https://hub.example.org/exchange"
    from datahub.oauth.challenges import metadata_address

    assert metadata_address(settings, "/v1/clients") == (
        "https://hub.example.org/.well-known/oauth-protected-resource/exchange/v1/clients"
    )


def test_the_metadata_have_no_member_that_nobody_registered(one_hub: Hub) -> None:
    found = one_hub.http.get("/.well-known/oauth-authorization-server").json()
    assert found.keys() <= {
        *("issuer", "token_endpoint", "jwks_uri", "scopes_supported", "response_types_supported"),
        *("grant_types_supported", "service_documentation", "authorization_details_types_supported"),
        *(f"{e}_endpoint_auth_methods_supported" for e in ("token", "revocation", "introspection")),
        *(
            f"{e}_endpoint_auth_signing_alg_values_supported"
            for e in ("token", "revocation", "introspection")
        ),
        *("revocation_endpoint", "introspection_endpoint", "dpop_signing_alg_values_supported"),
        *("pushed_authorization_request_endpoint", "require_pushed_authorization_requests"),
        *("protected_resources", "client_id_metadata_document_supported"),
    }
    assert found["authorization_details_types_supported"] == ["dataset"]
    assert "none" not in json.dumps(found)
