"""The server's memory while a large table is uploaded and fetched: it must not grow with the table."""

import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx2
import psutil

from tests.bench.story import a_world
from tests.server import Server, a_server

LINE = b"%d,2026-01-01T00:00:00Z,some words that make the row a hundred bytes long or near to it,%d.25\n"
MIB = 1 << 20


def run(size: int) -> Iterator[str]:
    """Upload a CSV of about `size` bytes and fetch it in each format; give a line of figures for each."""
    with (
        tempfile.TemporaryDirectory() as folder,
        a_server(Path(folder), f"sqlite:///{folder}/x.db") as server,
    ):
        idle = _rss(server)
        with _Peak(server) as peak:
            start = time.perf_counter()
            world = a_world(server, _csv(size), "text/csv")
            wall = time.perf_counter() - start
        yield f"idle {idle >> 20} MiB"
        yield f"upload   {size / MIB:7.0f} MiB CSV   peak {peak.peak >> 20:5} MiB   {size / MIB / wall:6.0f} MiB/s"
        where = f"{server.url}/v1/datasets/{world.dataset_id}/data"
        for form in ("csv", "jsonl", "parquet", "arrow"):
            headers = {"Authorization": f"Bearer {world.read_token()}"}
            received = 0
            with _Peak(server) as peak:
                start = time.perf_counter()
                with httpx2.stream(
                    "GET", where, params={"format": form}, headers=headers, timeout=600
                ) as answer:
                    assert answer.status_code == 200
                    for chunk in answer.iter_raw():
                        received += len(chunk)
                wall = time.perf_counter() - start
            yield f"{form:8} {received / MIB:7.0f} MiB       peak {peak.peak >> 20:5} MiB   {received / MIB / wall:6.0f} MiB/s"


def _csv(size: int) -> Iterator[bytes]:
    yield b"id,at,words,amount\n"
    sent, number = 0, 0
    while sent < size:
        block = b"".join(LINE % (n, n % 1000) for n in range(number, number + 5000))
        number += 5000
        sent += len(block)
        yield block


def _rss(server: Server) -> int:
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    total = 0
    for process in (parent, *parent.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


class _Peak:
    """The highest memory of the server and its children seen during a block, sampled every 50 ms."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.peak = 0
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, _rss(self.server))
