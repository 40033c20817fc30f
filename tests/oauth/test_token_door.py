"""The token endpoint's hot path answers and records exactly what the plain path does, whatever happened in between."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select, text
from starlette.testclient import TestClient

from datahub.audit import Entry, unroll
from datahub.kernel import db
from datahub.kernel.ids import new_id
from datahub.kernel.rest import Envelope
from datahub.oauth import Client, Profile
from datahub.oauth.nonces import nonce_now
from datahub.oauth.routes import TokenDoor
from datahub.participants import Role
from tests.build import NOON
from tests.conftest import copy_database
from tests.dataplane.conftest import RESEARCH, World, a_world
from tests.hub import a_hub
from tests.oauth.making import ASSERTION_TYPE, KEYS, basic, jose_keys, public_jwk, sign
from tests.oauth.test_token_endpoint import claims_of

KEY, OTHER = KEYS["ES256"], KEYS["PS256"]
NOBODY = new_id()
ITS_HEADERS = {"x-request-id", "datahub-log-entry"}
ITS_OWN = {"id", "at", "trace_id", "decision_id", "of_entry_id"}
Request = tuple[Mapping[str, str], Mapping[str, Any]]
"""(headers, form)"""


@dataclass
class Pair:
    """One exchange behind both paths."""

    world: World
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hub = self.world.hub
        envelope = Envelope(hub.app, "1.0.0")
        self.door = TokenDoor(hub.app, hub.app.state.journal, envelope, envelope)
        self.plain = TestClient(envelope, base_url=hub.settings.base_url)
        self.hot = TestClient(self.door, base_url=hub.settings.base_url)
        for profile in (Profile.FAPI2, Profile.NLGOV):
            self.clients[profile] = Client(
                id=new_id(),
                participant_id=self.world.consumer.id,
                name=profile,
                profile=profile,
                roles=[Role.AUDITOR, Role.REQUESTER],
                jwks=jose_keys({"keys": [public_jwk(KEY)]}),
                is_dpop_bound=profile is Profile.FAPI2,
                created_at=NOON,
            )
        with db.transaction(hub.engine) as session:
            session.add_all(self.clients.values())
        self.dataset_id = self.world.dataset("kaart")
        until = {"purposes": ["dpv:ResearchAndDevelopment"], "until": "2026-08-01T00:00:00Z"}
        offer = self.world.offer(self.dataset_id, "purpose-until-date", parameters=until)
        self.agreement_id = self.world.agreement(self.dataset_id, offer)

    # --- making a call ------------------------------------------------------------------------------------------------

    def request(self, who: str, how: str) -> Request:
        """Make a call of somebody, well made but for `how`; assertion and proof are new with each."""
        form: dict[str, Any] = {"grant_type": "client_credentials", **self.wishes().get(how, {})}
        if who in ("consumer", "nobody"):
            consumer = self.world.consumer
            secret = "wrong" if how == "credential" else consumer.secret
            return basic(consumer.client_id if who == "consumer" else NOBODY, secret), form
        client = self.clients[who]
        now = int(self.world.hub.clock().timestamp())
        claims = {"iss": client.id, "sub": client.id, "aud": self.issuer, "iat": now, "exp": now + 60}
        bad: dict[str, dict[str, Any]] = {"credential": {"aud": [self.issuer]}, "old": {"exp": now - 60}}
        signed = sign({"alg": "ES256"}, {**claims, "jti": new_id(), **bad.get(how, {})}, KEY)
        form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        is_bound = who == Profile.FAPI2 and how != "proofless"
        return ({"DPoP": self.proof(how)} if is_bound else {}), form

    def wishes(self) -> Mapping[str, Mapping[str, Any]]:
        detail = {"type": "dataset", "identifier": self.dataset_id}

        def asked(**more: Any) -> dict[str, str]:
            return {"authorization_details": orjson.dumps([detail | more]).decode()}

        return {
            "scope": {"scope": "log:read data:read"},
            "foreign-scope": {"scope": "catalog:write"},
            "details": asked(),
            "agreement": asked(agreement=self.agreement_id, purpose=RESEARCH),
            "purpose": asked(purpose="dpv:Marketing"),
            "no-dataset": asked(identifier=new_id()),
            "query": asked(actions=["read", "query"]),
            "resource": {"resource": [f"{self.issuer}/v1/datasets/{self.dataset_id}/data"]},
            "foreign-resource": {"resource": ["https://elsewhere.example/"]},
            "unknown-member": {"colour": "red"},
            "grant": {"grant_type": "password"},
            "pushed": {"request_uri": "urn:ietf:params:oauth:request_uri:none"},
        }

    def proof(self, how: str = "") -> str:
        hub = self.world.hub
        claims = {
            "jti": new_id(),
            "htm": "POST",
            "htu": f"{self.issuer}/oauth/{'par' if how == 'htu' else 'token'}",
            "iat": int(hub.clock().timestamp()) + (3600 if how == "iat" else 0),
            "nonce": "stale" if how == "nonce" else nonce_now(hub.settings, hub.clock()),
        }
        key = OTHER if how == "signature" else KEY
        return sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY)}, claims, KEY) + (
            "AA" if key is OTHER else ""
        )

    @property
    def issuer(self) -> str:
        return self.world.hub.settings.base_url

    # --- comparing ----------------------------------------------------------------------------------------------------

    def same(self, make: Callable[[], Request]) -> None:
        """Call by the plain path, and twice by the hot one: to learn, and by heart. All must be alike."""
        told = []
        for client in (self.plain, self.hot, self.hot):
            headers, form = make()
            known = {row.id for row in self.entries()}
            answer = client.post("/oauth/token", headers=headers, data=form)
            left = [row for row in self.entries() if row.id not in known]
            assert answer.headers.get("datahub-log-entry") == (left[0].id if left else None)
            told.append((_shown(answer), [_kept(row) for row in left]))
        assert told[0] == told[1]
        assert told[0] == told[2]

    def by_heart(self, make: Callable[[], Request]) -> None:
        """Call by the hot path, to learn and again; hold that it is the hot path that answers."""
        for _ in range(2):
            headers, form = make()
            before = self.spooled()
            answer = self.hot.post("/oauth/token", headers=headers, data=form)
            assert answer.status_code == 200, answer.text
        assert self.spooled() == before + 1

    def spooled(self) -> int:
        with db.transaction(self.world.hub.engine, is_read=True) as session:
            return int(session.connection().execute(text("select count(*) from log_spool")).scalar_one())

    def entries(self) -> list[Entry]:
        with db.transaction(self.world.hub.engine) as session:
            unroll(session)
            found = select(Entry).where(Entry.action == "oauth.token").order_by(col(Entry.id))
            return list(session.exec(found))

    def step(self, what: str, who: str, how: str) -> None:
        """Do one thing that may change what is given, or compare the paths."""
        world, hub = self.world, self.world.hub
        match what:
            case "ask":
                self.same(lambda: self.request(who, how))
            case "clock":
                hub.clock.forward(seconds=3_000_000 if how == "details" else 61)
            case "client":
                with db.transaction(hub.engine) as session:
                    row = session.get_one(Client, self.clients[Profile.FAPI2].id)
                    row.state = "disabled" if row.state == "active" else "active"
            case "roles":
                with db.transaction(hub.engine) as session:
                    row = session.get_one(Client, self.clients[Profile.NLGOV].id)
                    row.roles = ["requester"] if len(row.roles) > 1 else ["auditor", "requester"]
            case "agreement":
                move = "suspend" if how in ("scope", "details") else "resume"
                where = f"/v1/agreements/{self.agreement_id}/transitions"
                world.provider.call("POST", where, json={"move": move, "reason": "a test"})
            case "consumer":
                move = "suspend" if how in ("scope", "details") else "reinstate"
                where = f"/v1/participants/{world.consumer.id}/transitions"
                hub.admin.call("POST", where, json={"move": move, "reason": "a test"})


def _shown(answer: httpx2.Response) -> tuple[Any, ...]:
    """Return what a client sees, but for what is each answer's own."""
    headers = {k: re.sub(r"r=\d+", "r=", v) for k, v in answer.headers.items() if k not in ITS_HEADERS}
    body = answer.json()
    if "access_token" in body:
        body["access_token"] = {k: v for k, v in claims_of(body["access_token"]).items() if k != "jti"}
    return answer.status_code, headers, body


def _kept(row: Entry) -> dict[str, Any]:
    kept = {name: value for name, value in row.model_dump().items() if name not in ITS_OWN}
    return kept | {"details": {k: v for k, v in row.details.items() if k != "tokenId"}}


@contextmanager
def a_pair(database_url: str, template: Path | None = None) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        if template is not None:
            database_url = f"sqlite:///{folder}/datahub.sqlite3"
            copy_database(template, Path(folder) / "datahub.sqlite3")
        with a_hub(Path(folder), database_url) as hub:
            yield Pair(a_world(hub))


WHO = ("consumer", "nobody", Profile.FAPI2, Profile.NLGOV)
HOW = (
    *(
        "",
        "",
        "scope",
        "foreign-scope",
        "details",
        "details",
        "agreement",
        "purpose",
        "no-dataset",
        "query",
        "resource",
    ),
    *(
        "foreign-resource",
        "unknown-member",
        "grant",
        "pushed",
        "credential",
        "old",
        "proofless",
        "htu",
        "iat",
        "nonce",
    ),
    "signature",
)
WHAT = (*("ask",) * 8, "clock", "client", "roles", "agreement", "consumer")
STEPS = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from(WHO), st.sampled_from(HOW)), min_size=8, max_size=25
)


@settings(max_examples=3)
@given(steps=STEPS)
def test_the_two_paths_are_alike(sqlite_template: Path, steps: list[tuple[str, str, str]]) -> None:
    with a_pair("", sqlite_template) as pair:
        for what, who, how in steps:
            pair.step(what, who, how)


@pytest.mark.soak
@settings(max_examples=100)
@given(steps=STEPS)
def test_the_two_paths_are_alike_at_length(sqlite_template: Path, steps: list[tuple[str, str, str]]) -> None:
    with a_pair("", sqlite_template) as pair:
        for what, who, how in steps:
            pair.step(what, who, how)


def test_every_kind_of_call_is_answered_alike_and_the_good_ones_by_heart(migrated_url: str) -> None:
    with a_pair(migrated_url) as pair:
        for who in (Profile.FAPI2, Profile.NLGOV, "consumer"):
            for how in ("", "scope", "agreement", "details", "resource", "unknown-member"):
                pair.by_heart(lambda who=who, how=how: pair.request(who, how))  # type: ignore[misc]
        for who in WHO:
            for how in dict.fromkeys(HOW):
                pair.step("ask", who, how)
        _nothing_known_outlives_authority(pair)
        _of_assertion_and_proof_both_are_used_up_or_neither(pair)
        _when_the_log_cannot_be_written_no_token_goes_out(pair)


def _nothing_known_outlives_authority(pair: Pair) -> None:
    for what in ("client", "consumer", "agreement"):
        pair.by_heart(lambda: pair.request(Profile.FAPI2, "agreement"))
        pair.step(what, "", "scope")
        headers, form = pair.request(Profile.FAPI2, "agreement")
        assert pair.hot.post("/oauth/token", headers=headers, data=form).status_code in {400, 401}, what
        pair.step(what, "", "")


def _of_assertion_and_proof_both_are_used_up_or_neither(pair: Pair) -> None:
    def ask(headers: Mapping[str, str], form: Mapping[str, Any]) -> tuple[int, str | None]:
        answer = pair.hot.post("/oauth/token", headers=headers, data=form)
        return answer.status_code, answer.json().get("error")

    pair.by_heart(lambda: pair.request(Profile.FAPI2, ""))
    (proof, form), (another_proof, another_form) = (pair.request(Profile.FAPI2, "") for _ in range(2))
    assert ask(proof, form) == (200, None)
    assert ask(proof, form) == (400, "invalid_dpop_proof")
    # The proof of a call whose assertion came too late is not used up, nor the other way about
    assert ask(another_proof, form) == (401, "invalid_client")
    assert ask(proof, another_form) == (400, "invalid_dpop_proof")
    assert ask(another_proof, another_form) == (200, None)


def _when_the_log_cannot_be_written_no_token_goes_out(pair: Pair) -> None:
    pair.by_heart(lambda: pair.request("consumer", ""))
    pair.world.hub.app.state.journal.close()
    headers, form = pair.request("consumer", "")
    answer = pair.hot.post("/oauth/token", headers=headers, data=form)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "access_token" not in answer.text
