"""What the tests of the authorization server make: an exchange on a database, clients, assertions, tokens."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
from fastapi import FastAPI
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from sqlalchemy import Engine
from sqlmodel import SQLModel
from starlette.testclient import TestClient

import datahub.oauth.routes
from datahub.app import build
from datahub.kernel import db, rest
from datahub.kernel.clock import Clock
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.oauth import Client, ClientState, Profile, jose, rotate_keys
from datahub.oauth.client_authentication import digest_of
from datahub.oauth.models import ClientSecret
from datahub.oauth.nonces import nonce_now
from datahub.participants import Participant, ParticipantState, Role
from tests.build import NOON, a_context, a_participant, an_actor, some_settings

ISSUER = "http://127.0.0.1:8000"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

KEYS: Mapping[str, Key] = {
    "ES256": ECKey.generate_key("P-256"),
    "PS256": RSAKey.generate_key(2048),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}


def jose_keys(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JWK set as it is kept."""
    return {"keys": [jose.bare_key(member) for member in jwks["keys"]]}


def public_jwk(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


@dataclass
class SetClock:
    """A clock that stands still until a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass
class Site:
    """A site of somebody else, which counts who comes."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    location: str | None = None
    visits: list[str] = field(default_factory=list)

    def publish(self, *keys: Any) -> None:
        self.body = json.dumps({"keys": [{**public_jwk(k), "kid": k.thumbprint()} for k in keys]}).encode()


@dataclass
class Hub:
    """An exchange with its database, clock and an HTTP client to call it."""

    app: FastAPI
    engine: Engine
    settings: Settings
    clock: Clock
    exchange: Participant = field(init=False)
    http: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = a_participant(self.engine, "the-exchange", is_exchange=True)
        with a_context(self.engine, self.settings, an_actor(self.exchange, Role.ADMIN), self.clock()) as ctx:
            rotate_keys(ctx)
        self.http = self.another_http()

    def another_http(self) -> TestClient:
        wrapped = rest.Envelope(self.app, "1.0.0")
        return TestClient(wrapped, base_url=ISSUER, raise_server_exceptions=False)

    def a_client(
        self,
        owner: Participant,
        *roles: Role,
        key: Key | None = None,
        jwks: Mapping[str, Any] | None = None,
        person_id: str | None = None,
        profile: Profile = Profile.NLGOV,
        **more: Any,
    ) -> Client:
        """Put a client with a key in the database; without roles a requester, without a key with ES256's.

        Of `nlgov` unless told: its tokens need no proof, so that tests about something else stay short.
        """
        client = Client(
            id=new_id(),
            participant_id=owner.id,
            person_id=person_id,
            name="a client",
            profile=profile,
            roles=sorted(roles or [Role.REQUESTER]),
            jwks=jose_keys(jwks or {"keys": [public_jwk(key or KEYS["ES256"])]}),
            state=ClientState.ACTIVE,
            created_at=NOON,
            **more,
        )
        with db.transaction(self.engine) as session:
            session.add(client)
        return client

    def a_basic_client(self, owner: Participant, *roles: Role) -> tuple[Client, str]:
        """Put a basic client with one secret in the database."""
        client = Client(
            id=new_id(),
            participant_id=owner.id,
            name="a basic client",
            profile=Profile.BASIC,
            roles=sorted(roles or [Role.REQUESTER]),
            state=ClientState.ACTIVE,
            created_at=NOON,
        )
        secret = f"dhs_{new_id()}"
        with db.transaction(self.engine) as session:
            session.add(client)
            session.flush()
            session.add(
                ClientSecret(id=new_id(), client_id=client.id, digest=digest_of(secret), created_at=NOON)
            )
        return client, secret

    def assertion(
        self,
        client: Client,
        key: Key | None = None,
        alg: str = "ES256",
        typ: str | None = "JWT",
        **changes: Any,
    ) -> str:
        """Sign a client assertion; a change to None leaves the claim out, `kid` goes in the header."""
        now = int(self.clock().timestamp())
        claims: dict[str, Any] = {
            "iss": client.id,
            "sub": client.id,
            "aud": ISSUER,
            "iat": now,
            "exp": now + 60,
            "jti": new_id(),
        }
        more = changes.pop("header", {})
        header = {"alg": alg, "typ": typ, "kid": changes.pop("kid", None), **more}
        claims |= changes
        return sign(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            key or KEYS["ES256"],
        )

    def form(self, client: Client, *, assertion: str | None = None, **more: str) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(client),
            **more,
        }

    def ask(
        self, client: Client, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        """Ask for a token by private_key_jwt."""
        return self.http.post("/oauth/token", data=self.form(client, **more), headers=headers)

    @property
    def nonce(self) -> str:
        """The nonce that proofs must carry now."""
        return nonce_now(self.settings, self.clock())

    def proof(
        self,
        method: str = "POST",
        path: str = "/oauth/token",
        *,
        token: str | None = None,
        key: Key | None = None,
        alg: str = "ES256",
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Make a DPoP proof; a change to None leaves the claim, or the member of the header, out."""
        key = key or KEYS["ES256"]
        claims: dict[str, Any] = {
            "jti": new_id(),
            "htm": method,
            "htu": ISSUER + path,
            "iat": int(self.clock().timestamp()),
            "nonce": self.nonce,
        }
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        head = {"typ": "dpop+jwt", "alg": alg, "jwk": public_jwk(key), **(header or {})}
        claims |= changes
        return sign(
            {name: value for name, value in head.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            key,
        )

    def bound_token(self, client: Client, key: Key | None = None, **more: Any) -> str:
        """Get a token bound to a key."""
        alg = {id(KEYS["PS256"]): "PS256", id(KEYS["EdDSA"]): "EdDSA"}.get(id(key), "ES256")
        answer = self.ask(client, headers={"DPoP": self.proof(key=key, alg=alg)}, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "DPoP"
        return str(answer.json()["access_token"])

    def call(
        self, token: str, method: str = "GET", path: str = "/v1/clients", **more: Any
    ) -> httpx2.Response:
        """Call an address with a bound token and a proof; `more` changes the proof."""
        headers = {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, path, token=token, **more)}
        return self.http.request(method, path, headers=headers)

    def token(self, client: Client, **more: Any) -> str:
        answer = self.ask(client, **more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def change(self, row: SQLModel, **changes: Any) -> None:
        """Change a row behind the back of every verb."""
        with db.transaction(self.engine) as session:
            for name, value in changes.items():
                setattr(row, name, value)
            session.merge(row)

    def suspend(self, participant: Participant) -> None:
        self.change(participant, state=ParticipantState.SUSPENDED)


def a_hub(folder: Path, database_url: str, clock: Clock | None = None, **more: object) -> Hub:
    """Return an exchange on an empty database."""
    settings = some_settings(folder, database_url, **more)
    clock = clock or SetClock()
    app = build(settings, clock)
    if not any(getattr(route, "path", "") == "/oauth/token" for route in app.routes):
        app.include_router(datahub.oauth.routes.router)
    engine = app.state.door.engine
    SQLModel.metadata.create_all(engine)
    return Hub(app, engine, settings, clock)


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """Sign whatever is asked, by any algorithm that joserfc has, without any check of a header or a claim."""
    signed = f"{_part(header)}.{_part(claims)}"
    algorithm: Any = jws.JWSRegistry.algorithms[str(header["alg"])]
    signature = base64.urlsafe_b64encode(algorithm.sign(signed.encode(), key)).rstrip(b"=").decode()
    return f"{signed}.{signature}"


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(dict(content))).rstrip(b"=").decode()


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
