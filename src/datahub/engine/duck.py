"""DuckDB, shut: an instance that reads one file and nothing else, or none at all; no network, no other extension.

Making an instance costs some 25 ms of CPU, a query on one that stands 1 ms. So tables in memory go through one closed
instance per process, and only a large file gets an instance of its own.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import duckdb
from sqlglot import exp

MEMORY_MB = 512
THREADS = 2
# Nothing is fetched from elsewhere, and no Python variable becomes a table. What a file's statistics say of rows that
# may not leave must not decide how long a reader's filter takes: the scan still looks at them for the policy's own.
_CLOSED: dict[str, str | bool | int] = {
    "disabled_optimizers": "statistics_propagation",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}


@contextmanager
def instance_for(
    path: Path, *, threads: int = THREADS, memory_mb: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an instance that can read this one file and nothing else; it may spill to a folder that is removed after."""
    spill = tempfile.mkdtemp(prefix="datahub-scan-")
    config: dict[str, str | bool | int] = {
        "threads": threads,
        "memory_limit": f"{memory_mb or MEMORY_MB}MB",
        "temp_directory": spill,
    }
    connection = _connect(config)
    try:
        allowed = exp.Literal.string(str(path)).sql("duckdb")
        connection.execute(f"SET allowed_paths = [{allowed}]")
        _shut(connection)
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


@contextmanager
def closed() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to the instance of this process that reads no file at all, for tables that are in memory."""
    connection = _shared.cursor()
    try:
        yield connection
    finally:
        with suppress(duckdb.Error):
            connection.close()


def warm_up() -> None:
    """Make what the first plan of a process would wait for, 0.1 s of CPU: the dialect that sqlglot loads late, the instance."""
    with closed() as connection:
        connection.execute(exp.select("1").sql("duckdb")).fetchall()


class _Shared:
    """One instance per process, made when it is first needed; a forked child makes its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._of = 0

    def cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._instance is None or self._of != os.getpid():
                # Without a folder to spill to: what goes through here is one batch at a time.
                config: dict[str, str | bool | int] = {
                    "threads": THREADS,
                    "memory_limit": f"{MEMORY_MB}MB",
                    "temp_directory": "",
                }
                self._instance, self._of = _connect(config), os.getpid()
                _shut(self._instance)
            return self._instance.cursor()


_shared = _Shared()


def _connect(config: dict[str, str | bool | int]) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={**config, **_CLOSED})


def _shut(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
