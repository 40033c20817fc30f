"""Bound tokens at the hot path: each proof is checked, and works once over all workers, whichever path answers."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlmodel import col, select
from starlette.testclient import TestClient

from datahub.audit import Journal
from datahub.dataplane import HotDoor
from datahub.kernel import db
from datahub.kernel.rest import Envelope
from datahub.oauth import store, use_up, use_up_groups
from datahub.oauth.models import UsedAssertion
from datahub.oauth.nonces import PERIOD_S, nonce_now
from datahub.oauth.replay import use_of
from tests.build import NOON
from tests.dataplane.conftest import World
from tests.dataplane.test_door import Pair, _shown, a_pair

OTHER_KEY = ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def pair(sqlite_template: Path) -> Iterator[Pair]:
    """Both paths, and a permit known by heart; one for all these tests."""
    with a_pair(sqlite_template) as made:
        made.step("fetch", "bound")
        assert all(made.door._snapshot.known.values())
        yield made


def data_of(pair: Pair) -> str:
    return f"/v1/datasets/{pair.dataset_id}/data"


def test_a_call_with_a_proof_is_answered_by_heart(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair.door, "_envelope", None)  # the plain path would fail
    path = data_of(pair)
    for _ in range(3):
        assert pair.hot.get(path, headers=pair.shown("GET", path, "bound")).content == b"%PDF small"


@pytest.mark.parametrize(
    "changes",
    [
        {"htm": "POST"},
        {"htu": "https://elsewhere.example/"},
        {"ath": "x"},
        {"ath": None},
        {"nonce": "old"},
        {"nonce": None},
        {"jti": ""},
        {"iat": 0},
        pytest.param({"key": OTHER_KEY}, id="another key"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_proof_is_said_alike(pair: Pair, changes: dict[str, Any]) -> None:
    path, lines = data_of(pair), len(pair.lines())
    told = [
        _shown(client.get(path, headers=pair.shown("GET", path, "bound", **changes)))
        for client in (pair.plain, pair.hot)
    ]
    assert told[0] == told[1]
    assert told[0][0] == 401
    assert len(pair.lines()) == lines


@pytest.mark.parametrize("headers", [{"DPoP": "x"}, {"Authorization": "Bearer {token}"}])
def test_a_bound_token_is_worth_nothing_otherwise(pair: Pair, headers: dict[str, str]) -> None:
    path = data_of(pair)
    shown = pair.shown("GET", path, "bound") | headers
    shown["Authorization"] = shown["Authorization"].format(token=pair.tokens["bound"])
    for sent in (shown, {k: v for k, v in shown.items() if k != "DPoP"}):
        told = [_shown(client.get(path, headers=sent)) for client in (pair.plain, pair.hot)]
        assert told[0] == told[1]
        assert told[0][0] == 401


def test_a_proof_is_used_up_whichever_path_had_it(pair: Pair) -> None:
    path = data_of(pair)
    for first, second in ((pair.hot, pair.hot), (pair.hot, pair.plain), (pair.plain, pair.hot)):
        sent = pair.shown("GET", path, "bound")
        assert first.get(path, headers=sent).status_code == 200
        answer = second.get(path, headers=sent)
        assert (answer.status_code, answer.json()["check"]) == (401, "jti")


def test_the_next_nonce_comes_with_the_answer_alike(pair: Pair) -> None:
    hub, path = pair.world.hub, data_of(pair)
    pair.take_tokens()
    old = nonce_now(hub.settings, hub.clock())
    hub.clock.forward(seconds=PERIOD_S)
    for client in (pair.plain, pair.hot):
        answer = client.get(path, headers=pair.shown("GET", path, "bound", nonce=old))
        assert answer.status_code == 200
        assert answer.headers.get_list("dpop-nonce") == [nonce_now(hub.settings, hub.clock())]


def test_what_the_journal_uses_up_is_what_the_plain_path_and_the_worker_know(world: World) -> None:
    first, second = (use_of("dpop", "owner", name, int(NOON.timestamp())) for name in ("a", "b"))
    with world.hub.engine.begin() as connection:
        assert use_up(connection, [first])
    driver = world.hub.engine.raw_connection()
    on = driver.driver_connection
    assert on is not None
    assert use_up_groups(on, [[first], [second], [second]]) == [False, True, False]
    on.commit()
    driver.close()
    with db.transaction(world.hub.engine) as session:
        rows = session.exec(
            select(UsedAssertion).where(col(UsedAssertion.digest).in_([first.digest, second.digest]))
        )
        assert [row.expires_at for row in rows] == [first.expires_at] * 2
        assert store.purge(session, first.expires_at + timedelta(microseconds=1)) >= 2


def test_one_proof_shown_to_many_workers_at_once_works_once(world: World) -> None:
    pair = Pair(world)
    path = data_of(pair)
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        doors = [stack.enter_context(a_worker(world)) for _ in range(2)]
        for door in doors:
            assert door.get(path, headers=pair.shown("GET", path, "bound")).status_code == 200
        for _ in range(4):
            proofs = [pair.shown("GET", path, "bound") for _ in range(3)]
            calls = [(doors[at % 2], proofs[at // 4]) for at in range(12)]
            answers = list(pool.map(lambda call: call[0].get(path, headers=call[1]).status_code, calls))
            assert Counter(answers) == {200: 3, 401: 9}


@contextmanager
def a_worker(world: World) -> Iterator[TestClient]:
    """A door with a journal of its own, as another process has."""
    hub = world.hub
    journal = Journal(hub.engine, use_up_groups)
    try:
        yield TestClient(
            HotDoor(hub.app, journal, Envelope(hub.app, "1.0.0")), base_url=hub.settings.base_url
        )
    finally:
        journal.close()
