"""How soon a withdrawal through one worker process binds the other: two processes of one real server.

Each round withdraws one person's consent over a connection that one worker holds, and then reads the table over a
connection that the other holds; a read that still gave the person's row would end the bench.
"""

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from datahub.consent.service.imports import work_imports
from datahub.kernel import db
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import ANONYMOUS, Context
from tests.bench.budgets import Budgets
from tests.bench.requests import _database
from tests.bench.story import RESEARCH, World, a_world
from tests.build import MASTER_KEY, some_settings
from tests.server import Server, a_server

PEOPLE = 2_000
AIM_MS = 100
COLD = 2
"""Rounds that are told apart: the first read makes its process's gate, and tags everybody in the log for the first time."""
Pair = tuple[http.client.HTTPConnection, http.client.HTTPConnection]


@dataclass(frozen=True)
class Round:
    """Seconds: until the withdrawal was answered, and from then until the other worker's whole answer was there."""

    withdrawn_s: float
    read_s: float


def measure(database: str, rounds: int, budgets: Budgets) -> Iterator[str]:
    """Yield the figures on one database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _database(database, Path(folder)) as url,
        a_server(Path(folder), url, workers=2, DATAHUB_MASTER_KEY=MASTER_KEY) as server,
    ):
        table = "subject_id,visits\n" + "".join(f"p{n},{n}\n" for n in range(PEOPLE))
        world = a_world(server, table.encode(), "text/csv")
        _let_everybody(world)
        tokens = server.token(world.provider), world.read_token()
        with _one_each(server) as pair:
            cold = [_round(world, pair, tokens, person) for person in range(COLD)]
            found = [_round(world, pair, tokens, person) for person in range(COLD, COLD + rounds)]
    for name, took in (
        ("withdrawal, until answered", [each.withdrawn_s for each in found]),
        ("the other worker's next read", [each.read_s for each in found]),
    ):
        yield f"{name:34}p50 {_at(took, 0.5):5.0f} ms   p99 {_at(took, 0.99):5.0f} ms"
    firsts = ", ".join(f"{1000 * each.withdrawn_s:.0f} and {1000 * each.read_s:.0f}" for each in cold)
    yield f"before that, withdrawal and read, the first of both processes: {firsts} ms"
    both = [each.withdrawn_s + each.read_s for each in found]
    yield budgets.at_most(
        f"{database}: from sent to gone from a read of the other worker, p99", _at(both, 0.99), AIM_MS, "ms"
    )


def _at(took: list[float], share: float) -> float:
    return 1000 * sorted(took)[min(int(len(took) * share), len(took) - 1)]


def _let_everybody(world: World) -> None:
    """Write the rule, and report a yes of everybody in the table."""
    server, where = world.server, f"/v1/datasets/{world.dataset_id}"
    purpose = {
        "purpose": RESEARCH,
        "basis": "consent",
        "explicit": True,
        "recipients": ["class:participants"],
    }
    rule = {
        "subjects": ["subject_id"],
        "keySpace": "citizen",
        "purposes": [purpose],
        "notice": {"en": "We ask your consent.", "nl": "Wij vragen uw toestemming."},
        "handling": {"address": "Plein 1, 1000 AA Amsterdam", "retention": "P5Y"},
    }
    publisher = server.token(world.provider)
    server.call("POST", f"{where}/consent-rules", 201, publisher, json=rule)
    now = datetime.now(UTC)
    said = {"purpose": RESEARCH, "move": "give", "at": rfc3339(now - timedelta(hours=1)), "explicit": True}
    said["validUntil"] = rfc3339(now + timedelta(days=100))
    lines = b"".join(json.dumps({"subject": f"p{n}", **said}).encode() + b"\n" for n in range(PEOPLE))
    headers = {"Content-Type": "application/x-ndjson"}
    at = f"{where}/consent-imports"
    sent = server.call("POST", f"{at}?channel=paper", 202, publisher, content=lines, headers=headers)
    engine = db.make_engine(server.database_url)
    settings = some_settings(server.home, server.database_url)
    with db.transaction(engine) as session:
        # What the worker program would do within a second; the keys of people are made with the server's own secret.
        work_imports(Context(session, ANONYMOUS, now, "bench", settings))
    engine.dispose()
    done = server.call("GET", f"{at}/{sent['id']}", 200, publisher)
    assert (done["state"], done["applied"]) == ("done", PEOPLE), done


def _round(world: World, pair: Pair, tokens: tuple[str, str], person: int) -> Round:
    where, (one, other) = f"/v1/datasets/{world.dataset_id}", pair
    said = {"subject": f"p{person}", "purpose": RESEARCH, "move": "withdraw", "channel": "paper"}
    publisher, reader = ({"Authorization": f"Bearer {token}"} for token in tokens)
    start = time.perf_counter()
    headers, body = {**publisher, "Content-Type": "application/json"}, json.dumps(said).encode()
    status, told = _answer(one, "POST", f"{where}/consents", headers, body)
    withdrawn = time.perf_counter()
    assert status == 201, told
    status, rows = _answer(other, "GET", f"{where}/data?format=csv", reader)
    read = time.perf_counter()
    assert status == 200, rows
    assert len(rows.splitlines()) == PEOPLE - person, f"p{person} has withdrawn"
    return Round(withdrawn - start, read - withdrawn)


def _answer(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def _one_each(server: Server) -> Iterator[Pair]:
    """Give two connections that two worker processes hold."""
    opened: list[http.client.HTTPConnection] = []
    by_worker: dict[int, http.client.HTTPConnection] = {}
    try:
        while len(by_worker) < 2:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
            opened.append(connection)
            assert _answer(connection, "GET", "/health/live", {})[0] == 200
            by_worker.setdefault(_holder(server, connection), connection)
        one, other = by_worker.values()
        yield one, other
    finally:
        for each in opened:
            each.close()


def _holder(server: Server, connection: http.client.HTTPConnection) -> int:
    """Return the process that holds the other end of a connection."""
    assert server.process is not None
    own = connection.sock.getsockname()[1]
    for process in psutil.Process(server.process.pid).children(recursive=True):
        for each in process.net_connections("tcp"):
            if each.status == psutil.CONN_ESTABLISHED and each.raddr.port == own:
                return int(process.pid)
    raise AssertionError("no worker holds the connection")
