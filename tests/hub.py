"""A whole exchange for journeys: migrated database, all routes, organisations that call it with real tokens."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Engine, inspect
from starlette.testclient import TestClient

from datahub import migrations, worker
from datahub.app import build, serve
from datahub.kernel import db
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.oauth import Profile, Registration, add_secret, register_client, rotate_keys
from datahub.oauth.nonces import nonce_now
from datahub.participants import Application, Participant, Role, Scheme, found_exchange
from tests.build import NOON, a_participant, some_settings
from tests.oauth.making import KEYS, public_jwk, sign


@dataclass
class Time:
    """A clock that stands still until a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Party:
    """One client of one organisation, calling with a bearer token of its own."""

    hub: "Hub"
    participant: Participant
    client_id: str
    secret: str
    roles: tuple[Role, ...]

    @property
    def id(self) -> str:
        """The organisation's id."""
        return self.participant.id

    def ask_token(self, **form: Any) -> httpx2.Response:
        """Ask for a token by client_secret_basic."""
        data = {"grant_type": "client_credentials", **form}
        return self.hub.http.post("/oauth/token", data=data, auth=(self.client_id, self.secret))

    def token(self, **form: Any) -> str:
        """Return a token; all scopes unless told."""
        answer = self.ask_token(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx2.Response:
        """Call an address with a fresh token, or with the one given."""
        headers = {"Authorization": f"Bearer {token or self.token()}", **more.pop("headers", {})}
        return self.hub.http.request(method, path, headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        """GET an address."""
        return self.call("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx2.Response:
        """POST to an address."""
        return self.call("POST", path, **more)

    def done(self, method: str, path: str, status: int, **more: Any) -> Any:
        """Call, expect a status, and return the answer's JSON."""
        answer = self.call(method, path, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


@dataclass
class Hub:
    """The exchange under test."""

    settings: Settings
    clock: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.app = build(self.settings, self.clock)
        self.engine: Engine = self.app.state.door.engine
        if not inspect(self.engine).has_table("participant"):
            migrations.upgrade(self.engine)
        self.http: httpx2.Client = TestClient(
            serve(self.app, "1.0.0"), base_url=self.settings.base_url, raise_server_exceptions=False
        )
        with self.context(Actor(client_id="init", roles=frozenset({Role.ADMIN}), is_exchange=True)) as ctx:
            exchange = found_exchange(
                ctx, Application("The exchange", "exchange", "ops@x.example", {Scheme.KVK: "12345678"})
            )
            rotate_keys(ctx)
        self.exchange = exchange
        self.admin = self.client_of(exchange, Role.ADMIN)
        self.auditor = self.client_of(exchange, Role.AUDITOR)

    @contextmanager
    def context(self, actor: Actor) -> Iterator[Context]:
        """Open a transaction as the door would."""
        with db.transaction(self.engine) as session:
            yield Context(session, actor, self.clock(), new_id().replace("-", ""), self.settings)

    def party(self, slug: str, *roles: Role) -> Party:
        """Return a client of a new, admitted organisation."""
        return self.client_of(a_participant(self.engine, slug), *roles)

    def client_of(self, participant: Participant, *roles: Role, person_id: str | None = None) -> Party:
        """Return one more client of an organisation."""
        with self.context(Actor(client_id="test", roles=frozenset({Role.ADMIN}), is_exchange=True)) as ctx:
            wanted = Registration("a client", Profile.BASIC, list(roles), participant.id, person_id)
            client = register_client(ctx, wanted)
            secret = add_secret(ctx, client.id)
        return Party(self, participant, client.id, secret.text, roles)

    def proof(self, method: str, path: str, *, token: str | None = None, **changes: Any) -> str:
        """Make a DPoP proof (RFC 9449 §4.2) with the one key of these tests; `changes` are those of its claims."""
        claims = {
            "jti": new_id(),
            "htm": method,
            "htu": self.settings.base_url + path,
            "iat": int(self.clock().timestamp()),
            "nonce": nonce_now(self.settings, self.clock()),
        }
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        key = changes.pop("key", KEYS["ES256"])
        return sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key)}, claims | changes, key)

    def bound_token(self, party: Party, **form: Any) -> str:
        """Return a token of a client that is bound to the key of these tests."""
        data = {"grant_type": "client_credentials", **form}
        headers = {"DPoP": self.proof("POST", "/oauth/token")}
        credential = (party.client_id, party.secret)
        answer = self.http.post("/oauth/token", data=data, headers=headers, auth=credential)
        assert answer.json()["token_type"] == "DPoP", answer.text
        return str(answer.json()["access_token"])

    def work(self) -> int:
        """Let the worker do all that is due now."""
        return worker.run_once(self.engine, self.settings, self.clock())

    def close(self) -> None:
        """Let go of the database."""
        self.app.state.journal.close()
        self.engine.dispose()


@contextmanager
def a_hub(home: Path, database_url: str, **more: object) -> Iterator[Hub]:
    """Give an exchange on an empty database."""
    hub = Hub(some_settings(home, database_url, **more))
    try:
        yield hub
    finally:
        hub.close()
