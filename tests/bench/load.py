"""A load on one address of a server, measured in requests per CPU-second of the server's processes.

The client's own speed and the machine's other work drop out of that figure; wall-clock rates are shown beside it.
"""

import socket
import time
from dataclasses import dataclass
from threading import Thread
from typing import BinaryIO

import psutil

from tests.server import Server


@dataclass(frozen=True)
class Load:
    """What one load came to."""

    name: str
    requests: int
    wall_s: float
    server_cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Requests per CPU-second of the server."""
        return self.requests / self.server_cpu_s if self.server_cpu_s else float("nan")


def cpu_s(server: Server) -> float:
    """CPU-seconds the server and its children have used so far."""
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    times = [p.cpu_times() for p in (parent, *parent.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def run(name: str, server: Server, request: bytes, *, requests: int, connections: int = 8) -> Load:
    """Send a request many times over keep-alive connections, each waiting for its answer.

    Raises AssertionError on an answer that is not 2xx.
    """
    per_connection = requests // connections
    _drive(server.port, request, 4)  # warm
    threads = [Thread(target=_drive, args=(server.port, request, per_connection)) for _ in range(connections)]
    before, start = cpu_s(server), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(name, per_connection * connections, time.perf_counter() - start, cpu_s(server) - before)


def http(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Write one HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _drive(port: int, request: bytes, times: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        for _ in range(times):
            connection.sendall(request)
            status = stream.readline()
            assert status.split()[1].startswith(b"2"), status
            _skip(stream)


def _skip(stream: BinaryIO) -> None:
    length = 0
    is_chunked = False
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.lower().partition(b":")
        if name == b"content-length":
            length = int(value)
        is_chunked |= name == b"transfer-encoding" and b"chunked" in value
    if is_chunked:
        while (size := int(stream.readline().split(b";")[0], 16)) > 0:
            stream.read(size + 2)
        stream.readline()
    else:
        stream.read(length)
