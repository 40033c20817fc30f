"""The exchange of the demo: made by `datahub init`, served by a real uvicorn on loopback, in a thread of this process.

A thread, so that nothing is left running when the demo is killed; the calls go over the socket all the same.
"""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx2
import uvicorn

import datahub.worker
from datahub.app import create_app
from datahub.audit import run_sequencer
from datahub.kernel.clock import system_clock
from datahub.kernel.settings import Settings

HOST = "127.0.0.1"
FIRST_PORT = 8000
_PATIENCE_S = 30
_END_S = 10


class DidNotStart(Exception):  # noqa: N818 — told to the person, not a bug of theirs
    """The exchange could not be made, or did not answer in time."""


@dataclass(frozen=True)
class Founded:
    """What `datahub init` printed: the one secret there is."""

    client_id: str
    client_secret: str


def listen(port: int | None) -> socket.socket:
    """Take a port on loopback: the one asked for, or 8000, or a free one. Raises DidNotStart."""
    for wanted in (port,) if port else (FIRST_PORT, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    msg = f"port {port} is taken; leave --port away to get a free one"
    raise DidNotStart(msg)


def settings_for(home: Path, listener: socket.socket) -> Settings:
    """Return the settings of the demo: defaults in its own folder, whatever DATAHUB_* says in the environment."""
    fields = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(
        **fields
        | {"home": home, "recall_gather_s": 1, "base_url": f"http://{HOST}:{listener.getsockname()[1]}"}
    )


def found(settings: Settings) -> Founded:
    """Run `datahub init` as anybody would, and read the secret it prints once. Raises DidNotStart."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DATAHUB_")}
    environment |= {"DATAHUB_HOME": str(settings.home), "DATAHUB_BASE_URL": settings.base_url}
    command = [
        sys.executable,
        "-m",
        "datahub",
        "init",
        "--name",
        "Veenmeer data exchange",
        "--slug",
        "exchange",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    printed = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode or printed.keys() < {"client_id", "client_secret"}:
        msg = f"datahub init did not do what it should:\n{done.stderr.strip()}"
        raise DidNotStart(msg)
    return Founded(printed["client_id"], printed["client_secret"])


@contextmanager
def running(settings: Settings, listener: socket.socket) -> Iterator[Event]:
    """Serve, with the worker, until the block ends; yields the event that is set when the server has stopped.

    Raises DidNotStart when it does not answer on /health/ready in time.
    """
    _log_to(settings.home / "server.log")
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), log_config=None, access_log=False, server_header=False)
    )
    stopped, stop_worker = Event(), Event()

    def serve() -> None:
        server.run(sockets=[listener])
        stopped.set()

    threads = [
        Thread(target=serve, name="server", daemon=True),
        Thread(target=datahub.worker.run, args=(settings, stop_worker), name="worker", daemon=True),
        Thread(
            target=run_sequencer, args=(settings, stop_worker, system_clock), name="sequencer", daemon=True
        ),
    ]
    try:
        for thread in threads:
            thread.start()
        _wait_until_ready(settings.base_url, stopped)
        yield stopped
    finally:
        server.should_exit = True
        stop_worker.set()
        until = time.monotonic() + _END_S  # whoever does not end by then ends with the program
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        listener.close()


def _wait_until_ready(base_url: str, stopped: Event) -> None:
    last = "no answer"
    deadline = time.monotonic() + _PATIENCE_S
    with httpx2.Client(base_url=base_url, trust_env=False) as client:
        while time.monotonic() < deadline and not stopped.is_set():
            try:
                answer = client.get("/health/ready")
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            if answer.is_success:
                return
            last = answer.text
            time.sleep(0.2)
    msg = f"the server did not become ready: {last}"
    raise DidNotStart(msg)


def _log_to(path: Path) -> None:
    logging.basicConfig(
        filename=path,
        level=logging.WARNING,
        force=True,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
