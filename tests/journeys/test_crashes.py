"""kill -9 at the worst moments: no acknowledged write is lost, no byte leaves without an entry, nothing half-done shows.

A real server process on SQLite and on a durable PostgreSQL; every round starts it anew on the same data.
"""

import os
import random
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.bench.story import World, a_world
from tests.postgres import DURABLE, postgres_server
from tests.server import HTTP, Server, a_server

CSV_HEADER = b"id,name\n"
ROW = b"%d,somebody with a name of some length\n"
WAIT_S = 30


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("crash")
    table = CSV_HEADER + b"".join(ROW % n for n in range(200_000))
    if request.param == "sqlite":
        with a_server(home, f"sqlite:///{home}/datahub.db") as server:
            yield a_world(server, table, "text/csv")
    else:
        with (
            postgres_server(DURABLE) as postgres,
            a_server(home, postgres.url(postgres.create_database())) as server,
        ):
            yield a_world(server, table, "text/csv")


def _objects(server: Server) -> set[str]:
    """Return the names under which stored things can be found: all but what is being staged."""
    root = server.home / "objects"
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and ".staging" not in p.parts}


def _crash_when(server: Server, is_time: threading.Event) -> threading.Thread:
    def wait_and_kill() -> None:
        is_time.wait(WAIT_S)
        server.kill()

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def test_a_server_killed_during_an_upload_leaves_nothing_under_a_final_name(world: World) -> None:
    server = world.server
    token = server.token(world.provider)
    where = f"/v1/datasets/{world.dataset_id}/versions"
    before = _objects(server)
    versions = server.call("GET", where, 200, token)["items"]
    is_under_way = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield CSV_HEADER
        for n in range(1_000_000):
            if n == 50_000:
                is_under_way.set()
            yield ROW % n
            if n > 50_000 and n % 100 == 0:
                time.sleep(0.01)

    killer = _crash_when(server, is_under_way)
    with pytest.raises(httpx2.TransportError):
        HTTP.post(
            server.url + where,
            content=slowly(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "text/csv",
                "Idempotency-Key": "crash",
            },
            timeout=60,
        )
    killer.join()
    assert _objects(server) == before
    server.start()
    assert server.call("GET", where, 200, token)["items"] == versions
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "crash-2"}
    again = server.call("POST", where, 201, token, content=CSV_HEADER + ROW % 1, headers=headers)
    assert (again["number"], again["rowCount"]) == (versions[0]["number"] + 1, 1)


def test_a_server_killed_while_it_streams_has_the_read_in_its_log_and_the_client_sees_it_broke(
    world: World,
) -> None:
    server = world.server
    where = f"{server.url}/v1/datasets/{world.dataset_id}/versions/1/data"
    is_under_way = threading.Event()
    killer = _crash_when(server, is_under_way)
    received = 0
    headers = {"Authorization": f"Bearer {world.read_token()}"}
    with HTTP.stream("GET", where, params={"format": "jsonl"}, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        entry = answer.headers["datahub-log-entry"]
        with pytest.raises(httpx2.TransportError):
            for chunk in answer.iter_raw(chunk_size=4096):
                received += len(chunk)
                is_under_way.set()
                time.sleep(0.01)
    killer.join()
    assert received > 0
    server.start()
    found = server.call("GET", f"/v1/log-entries/{entry}", 200, server.token(world.provider))
    assert (found["outcome"], found["datasetId"]) == ("permit", world.dataset_id)


@pytest.mark.parametrize("rounds", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_no_byte_leaves_and_no_write_is_acknowledged_that_a_crash_could_lose(
    world: World, rounds: int
) -> None:
    """Readers and writers at work, killed at a random moment; whatever they were told must still be true."""
    server = world.server
    chance = random.Random(os.getpid())
    for _ in range(rounds):
        token, publisher = world.read_token(), server.token(world.provider)
        entries: list[str] = []
        people: list[str] = []
        stop = threading.Event()
        workers = [
            threading.Thread(target=_read_on, args=(world, token, entries, stop)),
            threading.Thread(target=_write_on, args=(world, publisher, people, stop)),
        ]
        for worker in workers:
            worker.start()
        # A kill before anything was told would prove nothing; on a busy machine that takes a while.
        until = time.monotonic() + WAIT_S
        while not (entries and people) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(chance.random())
        server.kill()
        stop.set()
        for worker in workers:
            worker.join(WAIT_S)
        server.start()
        provider = server.token(world.provider)
        for entry in entries:
            server.call("GET", f"/v1/log-entries/{entry}", 200, provider)
        for location in people:
            server.call("GET", location, 200, provider)
        assert entries
        assert people


def _read_on(world: World, token: str, entries: list[str], stop: threading.Event) -> None:
    where = f"{world.server.url}/v1/datasets/{world.dataset_id}/versions/1/data"
    headers = {"Authorization": f"Bearer {token}"}
    while not stop.is_set():
        try:
            with HTTP.stream(
                "GET", where, params={"filter": "id:lt:10"}, headers=headers, timeout=30
            ) as answer:
                assert answer.status_code == 200
                entries.append(answer.headers["datahub-log-entry"])  # the head alone is a byte that left
                answer.read()
        except httpx2.TransportError:
            return


def _write_on(world: World, token: str, made: list[str], stop: threading.Event) -> None:
    described = {
        "kind": "files",
        "title": {"en": "A dataset"},
        "description": {"en": "Made while the server is killed."},
        "accessRights": "PUBLIC",
    }
    headers = {"Authorization": f"Bearer {token}"}
    count = 0
    while not stop.is_set():
        count += 1
        slug = f"d{time.monotonic_ns()}-{count}"
        try:
            answer = HTTP.post(
                f"{world.server.url}/v1/datasets",
                json={**described, "slug": slug},
                headers=headers,
                timeout=30,
            )
        except httpx2.TransportError:
            return
        assert answer.status_code == 201, answer.text
        made.append(answer.headers["location"])
