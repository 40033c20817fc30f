"""Answers that leave in one write are, byte for byte, those that uvicorn's own protocol writes in two."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from datahub.kernel.rest import give, head_of
from datahub.kernel.rest.one_write import OneWrite

NOTE = b"a small note\n"
HEAD = head_of([(b"content-length", b"13"), (b"content-type", b"text/plain")])
CALLS = {
    "one": b"GET /a HTTP/1.1\r\nHost: here\r\n\r\n",
    "two at once": b"GET /a HTTP/1.1\r\nHost: here\r\n\r\n" * 2,
    "the last one": b"GET /a HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"GET /a HTTP/1.0\r\nHost: here\r\n\r\n",
    "no body wanted": b"HEAD /a HTTP/1.1\r\nHost: here\r\n\r\n",
    "a body that waits": b"POST /a HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    "a body not read": b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}",
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Give a note, whatever is asked; what is its own is the path."""
    if scope["path"] != "/unread":
        await receive()
    await give(scope, send, HEAD, [(b"x-own", scope["path"].encode())], NOTE)


@contextmanager
def _served(protocol: type[HttpToolsProtocol]) -> Iterator[int]:
    config = uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",
        log_level="error",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def _answer(port: int, call: bytes) -> bytes:
    """Return all that is sent until the server closes, or has answered as often as was asked."""
    wanted = call.count(b"HTTP/1.")
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(call)
        got = b""
        # A body's end is the note's end; without one it is the end of the head.
        end = NOTE if not call.startswith(b"HEAD") else b"\r\n\r\n"
        while got.count(end) < wanted and (more := line.recv(65536)):
            got += more
    return re.sub(rb"date: [^\r]*", b"date: -", got)


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_in_one_write_is_the_one_in_two(name: str) -> None:
    with _served(HttpToolsProtocol) as plain, _served(OneWrite) as ours:
        expected = _answer(plain, CALLS[name])
        assert b"x-own: /" in expected
        assert _answer(ours, CALLS[name]) == expected


def test_an_answer_is_written_once() -> None:
    writes = list[bytes]()

    class Watched(OneWrite):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            watching: Any = _Watching(transport, writes)
            self.transport = watching

    with _served(Watched) as port:
        _answer(port, CALLS["one"])
    assert len(writes) == 1
    assert writes[0].endswith(b"\r\n\r\n" + NOTE)


class _Watching:
    def __init__(self, transport: Any, writes: list[bytes]) -> None:
        self._transport, self._writes = transport, writes

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.mark.parametrize(
    "header", [(b"a b", b"c"), (b"A", b"c"), (b"a", b"c\r\nd: e"), (b"a", b"\0"), (b"", b"c")]
)
def test_a_head_holds_what_a_header_can_hold_only(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="no header"):
        head_of([header])
