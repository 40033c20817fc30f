"""Ingest in a process of its own: a file that makes a reader crash or eat memory ends that process, not the server."""

import multiprocessing
import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

from datahub.catalog.ingest import (
    Arrangement,
    Beside,
    Column,
    Dialect,
    TableFacts,
    TableFaults,
    TableForm,
    ingest,
)
from datahub.catalog.ingest.faults import stop

HEAP_BYTES = 4 << 30
"""What a reader may allocate; a good file of any size needs less than 1 GiB."""

KEPT_IDLE = 2
SMALL_BYTES = 32 << 20
"""After a larger file the reader ends, and gives its memory back."""

_Order = tuple[
    Path, Path, TableForm, Sequence[Column] | None, Dialect | None, Arrangement | None, Beside | None
]


def ingest_apart(
    source: Path,
    target: Path,
    form: TableForm,
    *,
    declared: Sequence[Column] | None = None,
    dialect: Dialect | None = None,
    arrangement: Arrangement | None = None,
    beside: Beside | None = None,
    timeout_s: float | None = None,
) -> TableFacts:
    """Do what `ingest` does, in another process. Raises TableFaults, also when the file kills its reader.

    A reader takes a second to start; up to two wait for the next file. Safe to call from several threads.
    """
    reader = _take()
    answer = reader.ask((source, target, form, declared, dialect, arrangement, beside), timeout_s)
    if answer is not None and source.stat().st_size <= SMALL_BYTES:
        _give_back(reader)
    else:
        reader.end()
    if isinstance(answer, TableFacts):
        return answer
    target.unlink(missing_ok=True)
    if answer is not None:
        raise answer
    raise stop("unreadable", reader.reason)


class _Reader:
    """One child process that ingests what it is asked to, one file after the other."""

    def __init__(self) -> None:
        # Spawned, not forked: the server has threads, and a fork would copy their locks.
        context = multiprocessing.get_context("spawn")
        orders, self._orders = context.Pipe(duplex=False)
        self._answers, answers = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(orders, answers), name="ingest", daemon=True)
        self._process.start()
        orders.close()
        answers.close()
        self.reason = "the file made its reader fail; it is damaged or asks for too much memory"

    def ask(self, order: _Order, timeout_s: float | None) -> TableFacts | TableFaults | OSError | None:
        """Return what came of it, or None when the process died or took too long."""
        try:
            self._orders.send(order)
            if self._answers.poll(timeout_s):
                answer: TableFacts | TableFaults | OSError = self._answers.recv()
                return answer
            self.reason = f"reading took longer than {timeout_s} seconds"
        except (EOFError, OSError):
            pass
        return None

    def is_alive(self) -> bool:
        """Tell whether it can be asked again."""
        return self._process.is_alive()

    def end(self) -> None:
        """End the process whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._orders.close()
        self._answers.close()


_idle: list[_Reader] = []
_idle_lock = Lock()
_idle_of = os.getpid()


def _take() -> _Reader:
    with _idle_lock:
        while _idle and _idle_of == os.getpid():
            reader = _idle.pop()
            if reader.is_alive():
                return reader
            reader.end()
    return _Reader()


def _give_back(reader: _Reader) -> None:
    with _idle_lock:
        if len(_idle) < KEPT_IDLE and _idle_of == os.getpid():
            _idle.append(reader)
            return
    reader.end()


def _serve(orders: Connection, answers: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (HEAP_BYTES, HEAP_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            source, target, form, declared, dialect, arrangement, beside = orders.recv()
            try:
                found = ingest(
                    source,
                    target,
                    form,
                    declared=declared,
                    dialect=dialect,
                    arrangement=arrangement,
                    beside=beside,
                )
                answers.send(found)
            except (TableFaults, OSError) as failure:
                answers.send(failure)
