"""A real exchange in a process of its own, set up by its command line, for drills and foreign clients."""

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
from pathlib import Path
from typing import Any

import httpx2

HTTP = httpx2.Client(
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    timeout=120,
    limits=httpx2.Limits(max_keepalive_connections=0),
)
"""A connection for each call, without reading the authorities of the web each time, which takes 80 ms of CPU."""

START_DEADLINE_S = 240  # generous: a busy machine is no fault of the server


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """The process, how to reach it, and its first administrator."""

    home: Path
    database_url: str
    workers: int = 1
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    admin: tuple[str, str] = ("", "")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings, as the process reads them."""
        return {
            **os.environ,
            "DATAHUB_HOME": str(self.home),
            "DATAHUB_DATABASE_URL": self.database_url,
            "DATAHUB_BASE_URL": self.url,
            **self.settings,
        }

    def init(self) -> None:
        """Set the exchange up and keep the administrator's secret."""
        out = self.command("init", "--name", "Test exchange").stdout
        found = dict(line.split("=", 1) for line in out.split() if "=" in line)
        self.admin = (found["client_id"], found["client_secret"])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        command = [sys.executable, "-m", "datahub", *words]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)

    def start(self) -> None:
        """Serve, and return once it is ready."""
        command = [
            sys.executable,
            "-m",
            "datahub",
            "serve",
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
        ]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                if HTTP.get(f"{self.url}/health/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.home / "server.log").read_text()[-3000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would: SIGKILL to the server and all its workers."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, how)
            self.process.wait(timeout=START_DEADLINE_S)

    def token(self, client: tuple[str, str] | None = None, **form: str) -> str:
        """Get a token by client_secret_basic; the administrator's unless told."""
        answer = HTTP.post(
            f"{self.url}/oauth/token",
            data={"grant_type": "client_credentials", **form},
            auth=client or self.admin,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, status: int, token: str | None = None, **more: Any) -> Any:
        """Call an address, expect a status, return the JSON; the administrator's token unless told."""
        headers = {"Authorization": f"Bearer {token or self.token()}", **more.pop("headers", {})}
        answer = HTTP.request(method, self.url + path, headers=headers, timeout=120, **more)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def organisation(self, slug: str, kvk: str, *roles: str) -> tuple[str, tuple[str, str]]:
        """Make an admitted organisation with one client; return its id and the client's credential."""
        asked = {
            "name": slug.title(),
            "slug": slug,
            "contactEmail": f"info@{slug}.example",
            "legalIdentifiers": {"kvk": kvk},
        }
        made = HTTP.post(f"{self.url}/v1/participants", json=asked).json()
        self.call("POST", f"/v1/participants/{made['id']}/transitions", 201, json={"move": "admit"})
        wanted = {
            "name": "client",
            "securityProfile": "basic",
            "roles": list(roles),
            "participantId": made["id"],
        }
        client = self.call("POST", "/v1/clients", 201, json=wanted)
        secret = self.call("POST", f"/v1/clients/{client['id']}/secrets", 201, json={})
        return made["id"], (client["id"], secret["secret"])


@contextmanager
def a_server(home: Path, database_url: str, *, workers: int = 1, **settings: str) -> Iterator[Server]:
    """A running exchange for the length of the block."""
    server = Server(home, database_url, workers, settings)
    server.init()
    try:
        server.start()
        yield server
    finally:
        server.stop()
