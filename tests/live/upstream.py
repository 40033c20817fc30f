"""A provider's service on loopback that answers as told: well, or in every wrong way there is."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

ROWS = [
    {"id": 1, "station": "Dam", "owner": {"name": "Anna"}, "at": "2026-05-01T10:00:00Z", "value": 1.5},
    {"id": 2, "station": "IJ", "owner": {"name": "Bram"}, "at": "2026-05-01T11:00:00Z", "value": None},
    {"id": 3, "station": "Spree", "owner": {"name": "Clara"}, "at": "2026-05-02T10:00:00+02:00", "value": 3},
]


def an_answer(
    body: bytes,
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    more: str = "",
    length: int | None = None,
) -> bytes:
    """Return an HTTP answer as it goes over the wire."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{more}\r\n"
    return head.encode() + body


GOOD = an_answer(
    orjson.dumps({"result": {"items": ROWS}}),
    more="Set-Cookie: session=stolen\r\nX-Internal: 10.0.0.7\r\nServer: old\r\nKeep-Alive: timeout=5\r\n",
)


@dataclass
class Service:
    """What it heard, and what it answers."""

    url: str
    heard: list[str] = field(default_factory=list)
    answer: bytes | Callable[[socket.socket], None] = GOOD
    leaving: threading.Event = field(default_factory=threading.Event)


@contextmanager
def a_service() -> Iterator[Service]:
    """Run the service; every connection is one request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        service = Service(f"http://127.0.0.1:{listening.getsockname()[1]}/root")
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(20)
                try:
                    service.heard.append(_request(connection))
                    answer = service.answer
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                thread = threading.Thread(target=serve, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield service
        finally:
            service.leaving.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for thread in threads:
                thread.join(10)


def _request(connection: socket.socket) -> str:
    sent = b""
    while b"\r\n\r\n" not in sent:
        chunk = connection.recv(65536)
        if not chunk:
            return sent.decode()
        sent += chunk
    head, _, body = sent.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\r\n\r\n" + body).decode()


def hang(service: Service) -> Callable[[socket.socket], None]:
    """Say nothing until the test is over."""
    return lambda _: (service.leaving.wait(15), None)[1]


def drip(service: Service, first: bytes) -> Callable[[socket.socket], None]:
    """Send something, and then a byte now and then, always just in time for a timeout per read."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        while not service.leaving.wait(0.05):
            connection.sendall(b"a")

    return answer


def flood(service: Service) -> Callable[[socket.socket], None]:
    """Send without an end."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        until = time.monotonic() + 15
        while time.monotonic() < until and not service.leaving.is_set():
            connection.sendall(b"[" * 65536)

    return answer
