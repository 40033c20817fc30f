"""A server that is killed, or a client that hangs up, on real sockets: no byte without its line in the log."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from datahub.audit.unrolling import unroll
from datahub.kernel import db
from tests.build import MASTER_KEY
from tests.dataplane.conftest import World
from tests.server import HTTP

MANY = b"name,country,value\n" + b"".join(f"row {i},NL,{i}\n".encode() for i in range(1_200_000))
DEADLINE_S = 60

SERVE = """
import os, signal, sys
import uvicorn
from datahub.app import create_app
from datahub.kernel.settings import Settings

app = create_app(Settings())

async def deadly(scope, receive, send):
    async def stop(message):
        os.kill(os.getpid(), signal.SIGKILL)
    await app(scope, receive, stop if scope["type"] == "http" else send)

uvicorn.run(deadly if "deadly" in sys.argv else app, port=int(sys.argv[1]), log_level="warning")
"""


@contextmanager
def a_server(world: World, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The same exchange in a process of its own; `deadly` makes it kill itself before its first byte."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = world.hub.settings
    env = {
        **os.environ,
        "DATAHUB_HOME": str(settings.home),
        "DATAHUB_DATABASE_URL": settings.database_url,
        "DATAHUB_MASTER_KEY": MASTER_KEY,
        "DATAHUB_BASE_URL": f"http://127.0.0.1:{port}",
    }
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port), *arguments], env=env)
    try:
        _wait_for(port)
        yield process, port
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
        else:
            return


def ask(port: int, dataset: str) -> socket.socket:
    """Send a request over a connection that holds little, so that the server has to wait for its reader."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(DEADLINE_S)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET /v1/datasets/{dataset}/data HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def drain(connection: socket.socket) -> bytes:
    taken = b""
    try:
        while block := connection.recv(1 << 16):
            taken += block
    except ConnectionResetError:
        pass
    return taken


@pytest.fixture
def rows(world: World) -> str:
    dataset = world.dataset("rows", MANY)
    world.offer(dataset, "open")
    return dataset


def test_a_server_killed_while_it_streams_leaves_a_line_and_no_seeming_end(world: World, rows: str) -> None:
    with a_server(world) as (process, port), ask(port, rows) as connection:
        head = connection.recv(1 << 16)
        process.send_signal(signal.SIGKILL)
        taken = head + drain(connection)
    [attempt] = world.entries("data.read")
    assert attempt.outcome == "permit"
    assert f"datahub-log-entry: {attempt.id}".encode() in taken.lower()
    assert not taken.endswith(b"0\r\n\r\n")  # chunked: without its last chunk it cannot be taken for whole
    assert world.entries("data.deliver") == []
    assert world.fetch(rows, params={"fields": "value", "filter": "value:lt:3"}).status_code == 200


def test_a_server_killed_between_decision_and_first_byte_has_its_line(world: World, rows: str) -> None:
    with a_server(world, "deadly") as (process, port), ask(port, rows) as connection:
        assert drain(connection) == b""
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
    assert [entry.outcome for entry in world.entries("data.read")] == ["permit"]


def delivered(world: World) -> list[str]:
    """Return which permits have an outcome, the spooled ones too."""
    with db.transaction(world.hub.engine) as session:
        unroll(session)
    return [str(entry.of_entry_id) for entry in world.entries("data.deliver")]


def test_with_no_room_on_the_disk_nothing_leaves_and_with_room_again_all_goes_on(sqlite_world: World) -> None:
    world = sqlite_world
    small = world.dataset("note", b"%PDF small", kind="files")  # by heart, its line by the journal
    table = world.dataset("rivers")  # by the plain path
    for dataset in (small, table):
        world.offer(dataset, "open")
    told = []
    with a_server(world) as (process, port):
        for room, status in ((None, 200), (1024, 503), (None, 200)):
            # The system refuses each write beyond the limit, as a full disk does.
            limit = resource.RLIM_INFINITY if room is None else room
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            for dataset in (small, table) * 3:
                answer = HTTP.get(f"http://127.0.0.1:{port}/v1/datasets/{dataset}/data")
                assert answer.status_code == status, answer.text
                if status == 200:
                    told.append(answer.headers["datahub-log-entry"])
                else:
                    assert answer.json()["code"] == "log-unavailable"
                    assert answer.headers["retry-after"]
            # An outcome is written after the last byte: the next phase begins when it is there.
            deadline = time.monotonic() + DEADLINE_S
            while sorted(delivered(world)) != sorted(told):
                assert time.monotonic() < deadline, "an outcome is missing"
                time.sleep(0.1)
        assert process.poll() is None
    assert [entry.id for entry in world.entries("data.read") if entry.outcome == "permit"] == told


def test_a_client_that_hangs_up_is_logged_with_the_bytes_it_was_sent(world: World, rows: str) -> None:
    with a_server(world) as (_, port):
        with ask(port, rows) as connection:
            connection.recv(1 << 16)
        deadline = time.monotonic() + DEADLINE_S
        while not world.entries("data.deliver"):
            assert time.monotonic() < deadline, "no outcome was recorded"
            time.sleep(0.1)
    [outcome] = world.entries("data.deliver")
    assert (outcome.outcome, outcome.code) == ("aborted", "client-gone")
    assert outcome.bytes is not None
    assert outcome.bytes < len(MANY)
