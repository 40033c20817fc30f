"""Tokens per CPU-second of the server, beside the certified oidc-provider in the same run; a proven call, in process.

Two figures for each load of ours: of the process that serves, database and durable commits included, and with the log's
sequencer beside it, which puts each token's entry into the signed log; oidc-provider keeps no log, and all in memory.
"""

import base64
import json
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import httpx2
import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from datahub.cli.auth.probe import Party, Probe, new_key, public_jwk
from datahub.kernel.clock import system_clock
from datahub.kernel.context import Credential
from datahub.oauth import Profile, check
from tests.bench.load import _skip, http
from tests.build import a_participant
from tests.oauth.making import a_hub
from tests.server import Server, a_server, free_port

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MODULES = Path(__file__).parents[2] / ".cache" / "oidc-provider" / "node_modules"
PROVIDER = Path(__file__).parents[1] / "oauth" / "node" / "provider.mjs"
CONNECTIONS = 32  # calls share a commit, as they do at a busy exchange


@dataclass(frozen=True)
class Figure:
    """One figure of the bench."""

    name: str
    value: float
    unit: str


def measure(*, is_full: bool) -> Iterator[Figure]:
    """Run all of it."""
    count = 8000 if is_full else 2000
    with (
        tempfile.TemporaryDirectory() as folder,
        a_server(Path(folder), f"sqlite:///{folder}/d.db") as server,
    ):
        assert server.process is not None
        at, settle = (server.port, server.process.pid), lambda: _settle(Path(folder) / "d.db")
        yield from _rates("datahub: client_secret_basic", *at, [_basic(server)] * count, settle)
        ours = _bound(_probe(server), count, server)
        mine, all_of_mine = _rates("datahub: private_key_jwt + DPoP + RAR", *at, ours, settle)
        yield from (mine, all_of_mine)
    if (MODULES / "oidc-provider").is_dir():
        with tempfile.TemporaryDirectory() as folder, _provider(Path(folder)) as (port, pid, probe):
            (theirs,) = _rates("oidc-provider: private_key_jwt + DPoP", port, pid, _bound(probe, count))
            yield theirs
        yield Figure("ratio, private_key_jwt + DPoP", mine.value / theirs.value, "× oidc-provider")
        yield Figure("  with the log's sequencer", all_of_mine.value / theirs.value, "× oidc-provider")
    yield from _proven_call(count)


def _rates(
    name: str, port: int, pid: int, requests: Sequence[bytes], settle: Callable[[], None] | None = None
) -> Sequence[Figure]:
    """Send each request once, over keep-alive connections; all must be answered well.

    Return the figure of the process, and with `settle`, which waits until its children are done, that with them.
    """
    shares = [requests[at::CONNECTIONS] for at in range(CONNECTIONS)]
    _drive(port, shares[0][:20])
    shares[0] = shares[0][20:]
    if settle is not None:
        settle()
    threads = [Thread(target=_drive, args=(port, share)) for share in shares]
    before = _cpu_s(pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_s = _cpu_s(pid)[0] - before[0]
    if settle is None:
        return (Figure(name, sum(map(len, shares)) / own_s, "/cpu-s"),)
    settle()
    all_s = own_s + _cpu_s(pid)[1] - before[1]
    return tuple(
        Figure(named, sum(map(len, shares)) / spent_s, "/cpu-s")
        for named, spent_s in ((name, own_s), ("  with the log's sequencer", all_s))
    )


def _settle(database: Path) -> None:
    """Wait until every entry is in the log's tree."""
    with closing(sqlite3.connect(database)) as connection:
        waiting = "select (select count(*) from log_spool) + (select count(*) from log_pending)"
        while connection.execute(waiting).fetchone()[0]:
            time.sleep(0.05)


def _drive(port: int, requests: Sequence[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stream = connection.makefile("rb")
        for request in requests:
            connection.sendall(request)
            status = stream.readline()
            assert status.split()[1] == b"200", status
            _skip(stream)


def _cpu_s(pid: int) -> tuple[float, float]:
    """Return the CPU-seconds of a process and those of its children."""
    parent = psutil.Process(pid)
    own, *others = [sum(p.cpu_times()[:2]) for p in (parent, *parent.children(recursive=True))]
    return own, sum(others)


def _basic(server: Server) -> bytes:
    pair = base64.b64encode(":".join(server.admin).encode()).decode()
    body = urlencode({"grant_type": "client_credentials"}).encode()
    return http("POST", "/oauth/token", {"Authorization": f"Basic {pair}", **FORM}, body)


def _probe(server: Server) -> Probe:
    key = new_key("ES256")
    wanted = {
        "name": "bench",
        "roles": ["requester", "publisher"],
        "jwks": {"keys": [{**public_jwk(key), "kid": key.kid}]},
    }
    party = Party(server.call("POST", "/v1/clients", 201, json=wanted)["id"], {"ES256": key})
    metadata = {"token_endpoint": f"{server.url}/oauth/token"}
    return Probe(httpx2.Client(), server.url, metadata, party)


def _bound(probe: Probe, count: int, server: Server | None = None) -> list[bytes]:
    """Return that many requests for a bound token, each with an assertion and a proof of its own."""
    more: dict[str, Any] = {"scope": "api"}
    if server is not None:
        described = {
            "slug": "own",
            "kind": "table",
            "title": {"en": "Own"},
            "description": {"en": "Own"},
            "accessRights": "RESTRICTED",
        }
        dataset = server.call("POST", "/v1/datasets", 201, json=described)["id"]
        details = [{"type": "dataset", "identifier": dataset, "actions": ["read"]}]
        more = {"authorization_details": json.dumps(details)}
    assert probe.ask(**more).status_code == 200
    url = probe.endpoint("token")
    made = []
    for _ in range(count):
        form = {"grant_type": "client_credentials", **probe.credential(assertion=probe.assertion()), **more}
        headers = {**FORM, "DPoP": probe.proof("POST", url)}
        request = http("POST", "/" + url.split("/", 3)[3], headers, urlencode(form).encode())
        made.append(request.replace(b"Host: 127.0.0.1", f"Host: {url.split('/')[2]}".encode(), 1))
    return made


@contextmanager
def _provider(folder: Path) -> Iterator[tuple[int, int, Probe]]:
    key = new_key("ES256")
    client = {
        "client_id": "bench",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        "dpop_bound_access_tokens": True,
        "jwks": {"keys": [{**public_jwk(key), "kid": key.kid}]},
    }
    (folder / "node_modules").symlink_to(MODULES)
    shutil.copy(PROVIDER, folder)
    port = free_port()
    command = ["node", "provider.mjs", str(port), json.dumps([client])]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.strip() == "ready" for line in process.stdout)
            issuer = f"http://127.0.0.1:{port}"
            probe = Probe(
                httpx2.Client(), issuer, {"token_endpoint": f"{issuer}/token"}, Party("bench", {"ES256": key})
            )
            yield port, process.pid, probe
        finally:
            process.terminate()


def _proven_call(count: int) -> Iterator[Figure]:
    """Time the check of a bound token with its proof: everything but its single use, which goes with the entries.

    And beside it what OpenSSL takes to verify the proof's signature, which is what this machine cannot do without.
    """
    with tempfile.TemporaryDirectory() as folder:
        hub = a_hub(Path(folder), f"sqlite:///{folder}/d.db", system_clock)
        client = hub.a_client(a_participant(hub.engine, "bench"), profile=Profile.FAPI2)
        token = hub.bound_token(client)
        proofs = [hub.proof("GET", "/v1/clients", token=token) for _ in range(count)]
        shown = [Credential("dpop", token, (proof,), "GET", "/v1/clients") for proof in proofs]
        check(hub.engine, hub.settings, shown[0], hub.clock())
        now = hub.clock()
        best = _best(lambda each: check(hub.engine, hub.settings, each, now), shown)
        hub.engine.dispose()
    yield Figure("bound token and proof checked, in process", best * 1e6, "µs")
    key = ec.generate_private_key(ec.SECP256R1())
    hashed = ec.ECDSA(SHA256())
    signed, public = key.sign(b"x" * 300, hashed), key.public_key()
    best = _best(lambda each: public.verify(each, b"x" * 300, hashed), [signed] * count)
    yield Figure("  of it, one P-256 signature verified", best * 1e6, "µs")


def _best(do: Callable[[Any], object], things: Sequence[Any]) -> float:
    """Return the CPU-seconds that one of these takes, in the best of five rounds over them."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for each in things:
            do(each)
        best = min(best, (time.process_time() - began) / len(things))
    return best
