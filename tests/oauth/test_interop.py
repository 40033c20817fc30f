"""Clients that nobody here wrote, over a real socket: Authlib on httpx2 and on requests, curl."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # type: ignore[import-untyped]
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import KeySet

from datahub.kernel.clock import system_clock
from datahub.kernel.rest import Envelope
from datahub.oauth import Profile
from datahub.participants import Role
from tests.oauth.making import KEYS, Hub, a_hub
from tests.server import HTTP


@dataclass
class Live:
    """An exchange that listens on loopback, in real time."""

    hub: Hub
    url: str


@pytest.fixture
def live(tmp_path: Path, migrated_sqlite_url: str) -> Iterator[Live]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # so that a client that is faster than the server's start only waits
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        hub = a_hub(tmp_path, migrated_sqlite_url, system_clock, base_url=url)
        server = uvicorn.Server(
            uvicorn.Config(Envelope(hub.app, "1.0.0"), log_level="warning", lifespan="off")
        )
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield Live(hub, url)
        server.should_exit = True
        thread.join(timeout=10)
        hub.engine.dispose()


def private_key_jwt(live: Live, alg: str) -> PrivateKeyJWT:
    # Its own audience is the token endpoint and its own lifetime an hour; FAPI 2.0 wants the issuer, and us 300 s.
    exp = int(system_clock().timestamp()) + 60
    return PrivateKeyJWT(live.url, claims={"exp": exp}, alg=alg)


@pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
@pytest.mark.parametrize("kind", [OAuth2Client, OAuth2Session])
def test_authlibs_client_gets_and_uses_a_token_with_a_key(live: Live, kind: type, alg: str) -> None:
    key = KEYS["EdDSA" if alg == "Ed25519" else alg]
    client = live.hub.a_client(live.hub.exchange, Role.AUDITOR, key=key)
    with kind(client.id, key, token_endpoint_auth_method="private_key_jwt") as session:
        session.register_client_auth_method(private_key_jwt(live, alg))
        token = session.fetch_token(f"{live.url}/oauth/token", grant_type="client_credentials")
        assert token["token_type"] == "Bearer"
        answer = session.get(f"{live.url}/v1/clients")
        assert answer.status_code == 200
        assert answer.json()["items"][0]["id"] == client.id


@pytest.mark.parametrize("kind", [OAuth2Client, OAuth2Session])
def test_authlibs_client_gets_asks_about_and_revokes_a_token_with_a_secret(live: Live, kind: type) -> None:
    client, secret = live.hub.a_basic_client(live.hub.exchange, Role.AUDITOR)
    with kind(client.id, secret, scope="log:read clients:read") as session:
        token = session.fetch_token(f"{live.url}/oauth/token", grant_type="client_credentials")
        assert token["scope"] == "clients:read log:read"
        where = f"{live.url}/oauth/introspect"
        assert session.introspect_token(where, token=token["access_token"]).json()["active"] is True
        assert (
            session.revoke_token(f"{live.url}/oauth/revoke", token=token["access_token"]).status_code == 200
        )
        assert session.introspect_token(where, token=token["access_token"]).json() == {"active": False}
        assert session.get(f"{live.url}/v1/clients").status_code == 401


def test_a_stranger_verifies_a_token_by_the_published_metadata_and_keys(live: Live) -> None:
    client, secret = live.hub.a_basic_client(live.hub.exchange, Role.AUDITOR)
    with OAuth2Client(client.id, secret) as session:
        found = HTTP.get(f"{live.url}/.well-known/oauth-authorization-server").json()
        metadata = AuthorizationServerMetadata(found)
        metadata.validate_token_endpoint_auth_signing_alg_values_supported()
        token = session.fetch_token(found["token_endpoint"], grant_type="client_credentials")
        jwks = session.get(found["jwks_uri"]).json()
    opened = jwt.decode(token["access_token"], KeySet.import_key_set(jwks), algorithms=["ES256"])
    assert opened.header["typ"] == "at+jwt"
    assert opened.claims["iss"] == found["issuer"] == live.url


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_a_token_with_a_secret(live: Live) -> None:
    client, secret = live.hub.a_basic_client(live.hub.exchange)
    command = ["curl", "-sS", "--noproxy", "*", "-u", f"{client.id}:{secret}"]
    command += ["-d", "grant_type=client_credentials", f"{live.url}/oauth/token"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout)["token_type"] == "Bearer"


@pytest.mark.parametrize("alg", ["ES256", "PS256"])
def test_requests_oauth2client_gets_a_bound_token_and_uses_it(live: Live, alg: str) -> None:
    from requests import get
    from requests_oauth2client import OAuth2Client as Caller
    from requests_oauth2client import PrivateKeyJwt

    key = KEYS[alg]
    client = live.hub.a_client(live.hub.exchange, Role.AUDITOR, key=key, profile=Profile.FAPI2)
    private = {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": alg}
    auth = PrivateKeyJwt(client.id, private, alg=alg, aud=live.url)
    caller = Caller(
        token_endpoint=f"{live.url}/oauth/token",
        issuer=live.url,
        auth=auth,
        dpop_bound_access_tokens=True,
        testing=True,
    )
    token = caller.client_credentials(scope="clients:read")
    assert token.token_type.lower() == "dpop"
    assert get(f"{live.url}/v1/clients", auth=token, timeout=30).status_code == 200


def test_requests_oauthlib_gets_and_uses_a_token_with_a_secret(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oauthlib.oauth2 import BackendApplicationClient  # type: ignore[import-untyped]
    from requests_oauthlib import OAuth2Session as Session  # type: ignore[import-untyped]

    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client, secret = live.hub.a_basic_client(live.hub.exchange, Role.AUDITOR)
    with Session(client=BackendApplicationClient(client.id)) as session:
        session.fetch_token(f"{live.url}/oauth/token", auth=(client.id, secret))
        assert session.get(f"{live.url}/v1/clients").status_code == 200
