"""The hot path: durable decisions per CPU-second of the server, and how long the first byte takes under load.

How fast a machine is changes from minute to minute, so a bare ASGI callable on the same server software, which decides
nothing and writes nothing, is measured beside it: figures are told as shares of it too.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from starlette.types import Receive, Scope, Send

from datahub.cli.auth.probe import Probe
from tests.bench.load import http
from tests.bench.requests import _database
from tests.bench.story import RESEARCH
from tests.server import Server, a_server, free_port

NOTE = b"a small note\n"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Figure:
    """What one load on one kind of server came to."""

    name: str
    requests: int
    wall_s: float
    server_cpu_s: float
    sequencer_cpu_s: float
    first_byte_s: tuple[float, ...]

    @property
    def per_cpu_s(self) -> float:
        """Requests per CPU-second of the processes that answer, the journal's commits included."""
        return self.requests / self.server_cpu_s if self.server_cpu_s else float("nan")

    def percentile(self, share: float) -> float:
        """Milliseconds until the first byte, of this share of the requests."""
        return (
            1000
            * sorted(self.first_byte_s)[min(int(len(self.first_byte_s) * share), len(self.first_byte_s) - 1)]
        )


def measure(database: str, workers: int, requests: int, connections: int) -> Iterator[Figure]:
    """Run every load on a fresh server on this database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _database(database, Path(folder)) as url,
        a_server(Path(folder), url, workers=workers) as server,
    ):
        for name, make in _requests(server).items():
            asyncio.run(_drive(server.port, make(64), min(8, connections)))  # warm, every worker
            yield asyncio.run(_load(name, server, make(requests), connections))


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 13 bytes, and nothing else."""
    if scope["type"] == "http":
        await receive()
        headers = [(b"content-length", b"13"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": NOTE})


def measure_bare(requests: int, connections: int) -> Figure:
    """Run the load on the bare callable, one worker."""
    port = free_port()
    app = [
        f"{__spec__.name}:bare",
        "--port",
        str(port),
        "--lifespan=off",
        "--log-level=warning",
        "--no-access-log",
    ]
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", *app])
    try:
        one = http("GET", "/", {"Authorization": f"Bearer {'x' * 600}"})
        warm = asyncio.run(_patiently(port, [one] * 64))
        assert warm
        before, start = _cpu_s(process), time.perf_counter()
        took = asyncio.run(_drive(port, [one] * requests, connections))
        wall_s, after = time.perf_counter() - start, _cpu_s(process)
        return Figure("bare ASGI callable", len(took), wall_s, after[0] - before[0], 0.0, tuple(took))
    finally:
        process.terminate()
        process.wait()


async def _patiently(port: int, requests: Sequence[bytes]) -> list[float]:
    """Drive as soon as somebody listens."""
    while True:
        try:
            return await _drive(port, requests, 8)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


async def _load(name: str, server: Server, requests: Sequence[bytes], connections: int) -> Figure:
    assert server.process is not None
    before, start = _cpu_s(server.process), time.perf_counter()
    took = await _drive(server.port, requests, connections)
    wall_s, after = time.perf_counter() - start, _cpu_s(server.process)
    return Figure(name, len(took), wall_s, after[0] - before[0], after[1] - before[1], tuple(took))


def _cpu_s(server: subprocess.Popen[bytes]) -> tuple[float, float]:
    """CPU-seconds so far of the processes that answer, and of the one that puts entries into the tree afterwards."""
    parent = psutil.Process(server.pid)
    spent = {False: 0.0, True: 0.0}
    for process in (parent, *parent.children(recursive=True)):
        times = process.cpu_times()
        spent["sequencer" in process.cmdline()] += times.user + times.system
    return spent[False], spent[True]


async def _drive(port: int, requests: Sequence[bytes], connections: int) -> list[float]:
    took = await asyncio.gather(*(_one(port, requests[at::connections]) for at in range(connections)))
    return [each for part in took for each in part]


async def _one(port: int, requests: Sequence[bytes]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for request in requests:
        sent = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        took.append(time.perf_counter() - sent)
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()
    return took


Make = Callable[[int], Sequence[bytes]]
"""How many → so many requests: the same one, or each with a proof of its own."""


def _requests(server: Server) -> dict[str, Make]:
    """Publish a tiny file, agree on it, and return how to read it and how to ask about it."""
    provider_id, provider = server.organisation("provider", "34366966", "publisher", "approver")
    del provider_id
    consumer_id, consumer = server.organisation("consumer", "34366967", "requester")
    publisher = server.token(provider)
    described = {
        "slug": "note",
        "kind": "files",
        "title": {"en": "A note"},
        "description": {"en": "Made for measuring."},
        "accessRights": "RESTRICTED",
    }
    dataset = server.call("POST", "/v1/datasets", 201, publisher, json=described)["id"]
    where = f"/v1/datasets/{dataset}"
    server.call(
        "POST",
        f"{where}/versions?filename=note.txt",
        201,
        publisher,
        content=NOTE,
        headers={"Content-Type": "text/plain"},
    )
    terms = {"template": "purpose", "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]}}
    offer = server.call(
        "POST", f"{where}/offers", 201, publisher, json={"title": {"en": "Research"}, **terms}
    )
    server.call("POST", f"{where}/transitions", 201, publisher, json={"move": "publish"})
    server.call("POST", f"{where}/offers/{offer['id']}/transitions", 201, publisher, json={"move": "open"})
    asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    request = server.call("POST", "/v1/access-requests", 201, server.token(consumer), json=asked)
    moved = f"/v1/access-requests/{request['id']}/transitions"
    server.call("POST", moved, 201, publisher, json={"move": "approve"})
    details = json.dumps([{"type": "dataset", "identifier": dataset, "actions": ["read"]}])
    wanted = {"scope": "data:read", "authorization_details": details}
    token = server.token(consumer, **wanted)
    gateway = {"Authorization": f"Bearer {publisher}", **JSON}

    def question(kind: str, name: str) -> Make:
        body = {
            "subject": {"type": kind, "id": name},
            "action": {"name": "read"},
            "resource": {"id": dataset},
        }
        request = http("POST", "/v1/decisions", gateway, json.dumps(body).encode())
        return lambda count: [request] * count

    read = http("GET", f"{where}/data", {"Authorization": f"Bearer {token}"})
    return {
        "decision, token": question("access-token", token),
        "decision, organisation": question("participant", consumer_id),
        "fetch, 13 bytes": lambda count: [read] * count,
        "fetch, DPoP": _bound(server, consumer, f"{where}/data", wanted),
    }


def _bound(server: Server, client: tuple[str, str], path: str, wanted: dict[str, str]) -> Make:
    """Get a bound token; return how to read with it, each time with a new proof."""
    probe = Probe(httpx2.Client(), server.url, {})
    address, form = f"{server.url}/oauth/token", {"grant_type": "client_credentials", **wanted}

    def asked() -> httpx2.Response:
        headers = {"DPoP": probe.proof("POST", address)}
        answer = httpx2.post(address, data=form, auth=client, headers=headers)
        probe.nonces[server.url] = answer.headers.get("dpop-nonce", probe.nonces.get(server.url, ""))
        return answer

    token = next(answer for answer in (asked(), asked()) if answer.status_code == 200).json()["access_token"]

    def one() -> bytes:
        proof = probe.proof("GET", server.url + path, token=token)
        return http("GET", path, {"Authorization": f"DPoP {token}", "DPoP": proof})

    return lambda count: [one() for _ in range(count)]
