"""What the server says of itself, and that a stranger's validator agrees."""

from datahub.oauth.metadata import authorization_server
from tests.build import some_settings
from tests.oauth.making import ISSUER, Hub


def test_the_metadata_names_the_issuer_and_where_everything_is(one_hub: Hub) -> None:
    answer = one_hub.http.get("/.well-known/oauth-authorization-server")
    found = answer.json()
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert found["issuer"] == ISSUER
    assert found["grant_types_supported"] == [
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt", "client_secret_basic"]
    fapi = {"ES256", "PS256", "EdDSA", "Ed25519"}
    assert fapi == set(found["dpop_signing_alg_values_supported"])
    assert fapi < set(found["token_endpoint_auth_signing_alg_values_supported"])
    assert found["authorization_details_types_supported"] == ["dataset"]
    assert found["pushed_authorization_request_endpoint"] == f"{ISSUER}/oauth/par"
    for name in ("jwks_uri", "token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        path = found[name].removeprefix(ISSUER)
        assert one_hub.http.request("GET" if name == "jwks_uri" else "POST", path).status_code in (200, 400)


def test_over_tls_the_metadata_passes_authlibs_validation(one_hub: Hub) -> None:
    settings = some_settings(one_hub.settings.home, base_url="https://hub.example.org")
    assert authorization_server(settings)["issuer"] == "https://hub.example.org"


def test_a_client_that_knows_only_an_address_finds_the_authorization_server(one_hub: Hub) -> None:
    challenge = one_hub.http.get("/v1/clients").headers["www-authenticate"]
    where = challenge.partition('resource_metadata="')[2].partition('"')[0]
    resource = one_hub.http.get(where.removeprefix(ISSUER)).json()
    assert resource["resource"] == f"{ISSUER}/v1/clients"
    assert resource["bearer_methods_supported"] == ["header"]
    (server,) = resource["authorization_servers"]
    assert one_hub.http.get("/.well-known/oauth-authorization-server").json()["issuer"] == server


def test_the_published_keys_are_public(one_hub: Hub) -> None:
    (key,) = one_hub.http.get("/oauth/jwks").json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
