"""The hot path answers and records exactly what the plain path does, whatever happened in between."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import col, select
from starlette.testclient import TestClient

from datahub.app import serve
from datahub.audit import Decision, Entry, Journal, LogUnavailable
from datahub.audit.unrolling import unroll
from datahub.dataplane import HotDoor
from datahub.kernel import db
from datahub.kernel.rest import Envelope
from tests.conftest import copy_database
from tests.dataplane.conftest import RESEARCH, World, a_world
from tests.hub import a_hub

WHO = ("consumer", "bound", "stranger", "provider", "nobody", "junk")
STEP = st.one_of(
    st.tuples(st.just("fetch"), st.sampled_from(WHO)),
    st.tuples(st.just("fetch"), st.sampled_from(("consumer", "bound"))),
    st.tuples(st.just("ask"), st.sampled_from(("consumer", "stranger", "junk"))),
    st.tuples(st.just("name"), st.sampled_from(("", RESEARCH, "dpv:Marketing"))),
    st.tuples(st.just("agreement"), st.sampled_from(("suspend", "resume", "resume", "end"))),
    st.tuples(st.just("consumer"), st.sampled_from(("suspend", "reinstate", "reinstate"))),
    st.tuples(st.just("clock"), st.sampled_from((1, 200, 700, 2_000_000))),
    st.tuples(st.just("revoke"), st.just("")),
    st.tuples(st.just("token"), st.just("")),
    st.tuples(st.just("version"), st.just("")),
)
ITS_OWN = {"id", "at", "trace_id", "decision_id", "of_entry_id"}


@dataclass
class Pair:
    """One exchange behind both paths."""

    world: World
    dataset_id: str = ""
    agreement_id: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hub = self.world.hub
        self.plain = TestClient(Envelope(hub.app, "1.0.0"), base_url=hub.settings.base_url)
        self.door = HotDoor(hub.app, hub.app.state.journal, Envelope(hub.app, "1.0.0"))
        self.hot = TestClient(self.door, base_url=hub.settings.base_url)
        self.dataset_id = self.world.dataset("kaart", b"%PDF small", kind="files")
        offer = self.world.offer(
            self.dataset_id,
            "purpose-until-date",
            parameters={"purposes": ["dpv:ResearchAndDevelopment"], "until": "2026-08-01T00:00:00Z"},
        )
        self.agreement_id = self.world.agreement(self.dataset_id, offer)
        self.take_tokens()
        self.tokens |= {"junk": "junk"}

    def take_tokens(self) -> None:
        world = self.world
        answer = world.ask_token(self.dataset_id, agreement=self.agreement_id)
        if answer.status_code == 200:
            self.tokens["consumer"] = answer.json()["access_token"]
            detail = {"type": "dataset", "identifier": self.dataset_id, "agreement": self.agreement_id}
            self.tokens["bound"] = world.hub.bound_token(
                world.consumer, authorization_details=orjson.dumps([detail]).decode()
            )
        self.tokens |= {"stranger": world.stranger.token(), "provider": world.provider.token()}

    def same(self, method: str, path: str, who: str, **more: Any) -> httpx2.Response:
        """Call by the plain path, and twice by the hot one: to learn, and by heart. All must be alike."""
        told = []
        for client in (self.plain, self.hot, self.hot):
            before = self.lines()
            answer = client.request(method, path, headers=self.shown(method, path, who), **more)
            told.append((_shown(answer), _written(before, self.lines())))
        assert told[0] == told[1]
        assert told[0] == told[2]
        return answer

    def shown(self, method: str, path: str, who: str, **changes: Any) -> dict[str, str]:
        """Return what somebody shows with a call, with a new proof where the token is bound; `changes` are the proof's."""
        if who != "bound":
            return {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}
        token = self.tokens["bound"]
        proof = self.world.hub.proof(method, path, token=token, **changes)
        return {"Authorization": f"DPoP {token}", "DPoP": proof}

    def lines(self) -> list[Any]:
        with db.transaction(self.world.hub.engine) as session:
            unroll(session)
            return [*session.exec(select(Entry).order_by(col(Entry.id)))]

    def decisions(self) -> list[Any]:
        with db.transaction(self.world.hub.engine) as session:
            unroll(session)
            return [*session.exec(select(Decision).order_by(col(Decision.id)))]

    def step(self, what: str, how: Any) -> None:
        """Do one thing that may change what is permitted, or compare the paths."""
        world = self.world
        match what:
            case "fetch":
                self.same("GET", f"/v1/datasets/{self.dataset_id}/data", how)
            case "ask":
                self.ask({"type": "access-token", "id": self.tokens.get(how, "junk")})
            case "name":
                more = {"context": {"purpose": how}} if how else {}
                self.ask({"type": "participant", "id": world.consumer.id}, **more)
            case "agreement":
                where = f"/v1/agreements/{self.agreement_id}/transitions"
                world.provider.call("POST", where, json={"move": how, "reason": "a test"})
            case "consumer":
                where = f"/v1/participants/{world.consumer.id}/transitions"
                world.hub.admin.call("POST", where, json={"move": how, "reason": "a test"})
            case "clock":
                world.hub.clock.forward(seconds=how)
                self.take_tokens()
            case "revoke":
                client = world.consumer
                form = {"token": self.tokens["consumer"]}
                world.hub.http.post("/oauth/revoke", data=form, auth=(client.client_id, client.secret))
            case "token":
                self.take_tokens()
            case "version":
                world.provider.done(
                    "POST",
                    f"/v1/datasets/{self.dataset_id}/versions",
                    201,
                    content=b"%PDF more",
                    params={"filename": "réport.bin"},
                    headers={"Content-Type": "application/pdf"},
                )

    def ask(self, subject: dict[str, str], **more: Any) -> None:
        question = {
            "subject": subject,
            "action": {"name": "read"},
            "resource": {"type": "dataset", "id": self.dataset_id},
        }
        headers = {"Content-Type": "application/json"}
        self.tokens["gateway"] = self.tokens["provider"]
        content = orjson.dumps(question | more)
        self.same_question(content, headers)

    def same_question(self, content: bytes, headers: dict[str, str]) -> None:
        told = []
        for client in (self.plain, self.hot, self.hot):
            before = self.lines()
            credential = {"Authorization": f"Bearer {self.tokens['gateway']}"}
            answer = client.post("/v1/decisions", content=content, headers=headers | credential)
            told.append((_shown(answer), _written(before, self.lines())))
        assert told[0] == told[1]
        assert told[0] == told[2]


def _shown(answer: httpx2.Response) -> tuple[Any, ...]:
    """Return what a caller sees, but for ids and instants that are each answer's own."""
    own = {"datahub-log-entry", "datahub-decision", "x-request-id", "date"}
    headers = sorted((k, v) for k, v in answer.headers.items() if k not in own)
    if "json" not in answer.headers.get("content-type", ""):
        return answer.status_code, headers, answer.content
    body = answer.json()
    body.pop("requestId", None)
    for where in (body, body.get("context", {})):
        for name in ("entryId", "decisionId"):
            where.pop(name, None)
    if "remedy" in body and "/v1/decisions/" in str(body["remedy"]):
        body.pop("remedy")
    return answer.status_code, headers, body


def _written(before: list[Any], after: list[Any]) -> list[dict[str, Any]]:
    known = {row.id for row in before}
    return [_kept(row) for row in after if row.id not in known]


def _kept(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.model_dump().items() if name not in ITS_OWN}


@contextmanager
def a_pair(template: Path) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        copy_database(template, Path(folder) / "datahub.sqlite3")
        with a_hub(Path(folder), f"sqlite:///{folder}/datahub.sqlite3") as hub:
            yield Pair(a_world(hub))


@settings(max_examples=4)
@given(steps=st.lists(STEP, min_size=6, max_size=12))
def test_the_two_paths_are_alike(sqlite_template: Path, steps: list[tuple[str, Any]]) -> None:
    with a_pair(sqlite_template) as pair:
        for what, how in [("fetch", "consumer"), *steps, ("fetch", "consumer"), ("name", "")]:
            pair.step(what, how)


@pytest.mark.soak
@settings(max_examples=150)
@given(steps=st.lists(STEP, min_size=6, max_size=40))
def test_the_two_paths_are_alike_at_length(sqlite_template: Path, steps: list[tuple[str, Any]]) -> None:
    with a_pair(sqlite_template) as pair:
        for what, how in [*steps, ("fetch", "consumer"), ("name", "")]:
            pair.step(what, how)


def test_what_is_known_by_heart_is_used_and_kept_like_the_plain_decision(world: World) -> None:
    pair = Pair(world)
    pair.step("fetch", "consumer")
    pair.step("ask", "consumer")
    pair.step("name", "")
    known = pair.door._snapshot.known
    assert len(known) == 3
    assert all(known.values())
    rows = [_kept(row) for row in pair.decisions()]
    assert rows[0] == rows[1] == rows[2]
    assert [row["agreement_id"] for row in rows] == [pair.agreement_id] * 9


@pytest.mark.parametrize("change", [("agreement", "suspend"), ("consumer", "suspend"), ("revoke", "")])
def test_a_change_of_authority_bites_at_the_very_next_call(
    sqlite_world: World, change: tuple[str, str]
) -> None:
    pair = Pair(sqlite_world)
    pair.step("fetch", "consumer")
    before = pair.door._snapshot
    pair.step(*change)
    told = {row.id for row in pair.lines()}
    headers = {"Authorization": f"Bearer {pair.tokens['consumer']}"}
    answer = pair.hot.get(f"/v1/datasets/{pair.dataset_id}/data", headers=headers)
    assert answer.status_code in {401, 403}
    assert pair.door._snapshot.epoch > before.epoch
    new = [row for row in pair.lines() if row.id not in told]
    assert not [row for row in new if row.outcome == "permit" and row.action == "data.read"]


def test_a_full_journal_is_503_and_nothing_leaves(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(sqlite_world)
    pair.step("fetch", "consumer")
    pair.door._journal = Journal(sqlite_world.hub.engine, capacity=0)
    monkeypatch.setattr(pair.door._journal, "written", _unavailable)
    headers = {"Authorization": f"Bearer {pair.tokens['consumer']}"}
    answer = pair.hot.get(f"/v1/datasets/{pair.dataset_id}/data", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "log-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert b"%PDF" not in answer.content


async def _unavailable(*rows: Any) -> int:
    raise LogUnavailable("full")


def test_many_at_once_are_each_recorded_once(world: World) -> None:
    pair = Pair(world)
    pair.step("fetch", "consumer")
    before = len(pair.lines())
    client = TestClient(serve(world.hub.app), base_url=world.hub.settings.base_url)
    headers = {"Authorization": f"Bearer {pair.tokens['consumer']}"}
    with client, ThreadPoolExecutor(8) as pool:
        where = f"/v1/datasets/{pair.dataset_id}/data"
        answers = list(pool.map(lambda _: client.get(where, headers=headers), range(40)))
    ids = {answer.headers["datahub-log-entry"] for answer in answers}
    rows = pair.lines()[before:]
    assert len(ids) == 40
    assert {row.id for row in rows if row.action == "data.read"} == ids
    assert {row.of_entry_id for row in rows if row.action == "data.deliver"} == ids
