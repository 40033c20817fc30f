"""One exchange behind two server processes on one database, with one clock that the test moves and a door to choose.

Both are forked from a process that has read the program and done nothing yet, so a start takes a moment and forgets all.
Calls go over a real socket to one of the two, or inside: to the exchange as it stands in the test's own process, which also
runs the worker. Upload inside: what reads a file takes seconds to start, and dies with its server.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import httpx2

from tests.build import MASTER_KEY, NOON, some_settings
from tests.hub import Hub, Time
from tests.server import START_DEADLINE_S, free_port

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

FORKER = """
import ctypes, json, os, signal, socket, sys
from datetime import datetime
from pathlib import Path
import uvicorn
from datahub.app import create_app
from datahub.kernel.settings import Settings

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
create_app(Settings(home=sys.argv[1]))  # reads the signatures of all routes, which takes a second
while line := sys.stdin.readline():
    port, clock, environment = json.loads(line)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends when the forker does
        os.environ.update(environment)
        os.dup2(os.open(environment["DATAHUB_HOME"] + "/doors.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        app = create_app(Settings(), lambda: datetime.fromisoformat(Path(clock).read_text()))
        listening = socket.socket()
        # Little room between the program and a reader who is slow, so that the program has to wait.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        listening.bind(("127.0.0.1", port))
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
        os._exit(0)
    print(child, flush=True)
"""


@dataclass
class SharedTime(Time):
    """A clock that stands in a file, so that all processes have the same."""

    path: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        self._write()

    def forward(self, **amount: float) -> None:
        super().forward(**amount)
        self._write()

    def _write(self) -> None:
        made = self.path.with_suffix(".new")
        made.write_text(self.now.isoformat())
        made.replace(self.path)


@dataclass
class TwoDoors(Hub):
    """The exchange; `at` chooses through which process the calls that follow go."""

    def open(self) -> None:
        """Start both processes."""
        self._inside = self.http
        self._doors = [self._start(), self._start()]
        for _, client in self._doors:
            self._wait_for(client)
        self.at(0)

    def inside(self) -> None:
        """Go through no process but the test's own from now on."""
        self.http = self._inside

    def at(self, which: int) -> None:
        """Go through this door from now on."""
        self.http = self._doors[which][1]

    def restart(self, which: int) -> None:
        """Kill a process as a power cut would, and start it anew: it remembers nothing."""
        process, client = self._doors[which]
        is_here = self.http is client
        client.close()
        os.kill(process, signal.SIGKILL)
        self._doors[which] = self._start()
        self._wait_for(self._doors[which][1])
        if is_here:
            self.at(which)

    def close(self) -> None:
        """Stop both."""
        for process, client in self._doors:
            client.close()
            os.kill(process, signal.SIGKILL)
        super().close()

    def _start(self) -> tuple[int, httpx2.Client]:
        assert isinstance(self.clock, SharedTime)
        environment = {
            "DATAHUB_HOME": str(self.settings.home),
            "DATAHUB_DATABASE_URL": self.settings.database_url,
            "DATAHUB_MASTER_KEY": MASTER_KEY,
            "DATAHUB_BASE_URL": self.settings.base_url,
            "DATAHUB_IS_EGRESS_PRIVATE": "true",
        }
        port = free_port()
        process = _forked(json.dumps([port, str(self.clock.path), environment]))
        slow = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)]
        transport = httpx2.HTTPTransport(verify=_NO_TLS, socket_options=slow)
        url = f"http://127.0.0.1:{port}"
        return process, httpx2.Client(base_url=url, timeout=START_DEADLINE_S, transport=transport)

    def _wait_for(self, client: httpx2.Client) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError((self.settings.home / "doors.log").read_text()[-3000:])
            time.sleep(0.02)


@cache
def _forker() -> "subprocess.Popen[bytes]":
    """Return the process that servers are forked from; it ends with the test's own."""
    home = tempfile.mkdtemp(prefix="datahub-forker-")
    command = [sys.executable, "-c", FORKER, home]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def _forked(order: str) -> int:
    forker = _forker()
    assert forker.stdin is not None
    assert forker.stdout is not None
    forker.stdin.write(order.encode() + b"\n")
    forker.stdin.flush()
    return int(forker.stdout.readline())


@contextmanager
def two_doors(home: Path, database_url: str, now: datetime = NOON) -> Iterator[TwoDoors]:
    """Give an exchange on an empty database, behind two processes."""
    hub = TwoDoors(some_settings(home, database_url), SharedTime(now, home / "clock"))
    hub.open()
    try:
        yield hub
    finally:
        hub.close()
