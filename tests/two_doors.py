"""One exchange behind two server processes on one database, with one clock that the test moves and a door to choose.

Both are forked from a process that has read the program and done nothing yet, so a start takes a moment and forgets all.
The hub of the test's own process sets up and runs the worker; every call goes over a real socket to one of the two.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx2

from tests.build import MASTER_KEY, NOON, some_settings
from tests.hub import Hub, Time
from tests.server import START_DEADLINE_S, free_port

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

FORKER = """
import json, os, signal, socket, sys
from datetime import datetime
from pathlib import Path
import uvicorn
from datahub.app import create_app
from datahub.kernel.settings import Settings

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
create_app(Settings())  # reads the signatures of all routes, which takes a second
while line := sys.stdin.readline():
    port, clock = json.loads(line)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
        environment = {
            **os.environ,
            "DATAHUB_HOME": str(self.settings.home),
            "DATAHUB_DATABASE_URL": self.settings.database_url,
            "DATAHUB_MASTER_KEY": MASTER_KEY,
            "DATAHUB_BASE_URL": self.settings.base_url,
            "DATAHUB_IS_EGRESS_PRIVATE": "true",
        }
        self.http.close()
        self._log = (self.settings.home / "doors.log").open("ab")
        self._forker = subprocess.Popen(
            [sys.executable, "-c", FORKER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._doors = [self._start(), self._start()]
        for _, client in self._doors:
            self._wait_for(client)
        self.at(0)

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
        """Stop all."""
        os.killpg(self._forker.pid, signal.SIGKILL)
        self._forker.communicate()
        self._log.close()
        for _, client in self._doors:
            client.close()
        super().close()

    def _start(self) -> tuple[int, httpx2.Client]:
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        assert isinstance(self.clock, SharedTime)
        port = free_port()
        self._forker.stdin.write(json.dumps([port, str(self.clock.path)]).encode() + b"\n")
        self._forker.stdin.flush()
        told = self._forker.stdout.readline()
        if not told:
            raise RuntimeError((self.settings.home / "doors.log").read_text()[-3000:])
        slow = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)]
        transport = httpx2.HTTPTransport(verify=_NO_TLS, socket_options=slow)
        url = f"http://127.0.0.1:{port}"
        return int(told), httpx2.Client(base_url=url, timeout=START_DEADLINE_S, transport=transport)

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


@contextmanager
def two_doors(home: Path, database_url: str, now: datetime = NOON) -> Iterator[TwoDoors]:
    """Give an exchange on an empty database, behind two processes."""
    hub = TwoDoors(some_settings(home, database_url), SharedTime(now, home / "clock"))
    hub.open()
    try:
        yield hub
    finally:
        hub.close()
