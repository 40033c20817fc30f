"""Whole answers: what a bare door knows by heart leaves in one write, where the server lets it.

ASGI has an answer's head and body sent apart, and the server looks through every header of every answer. So our
protocol (`one_write`) offers an extension (ASGI 3.0, "Extensions"), by which a head that was looked through once goes out
with its body. Under any other server `give` sends the two messages that ASGI knows.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from starlette.types import Scope, Send

# Its value in the scope: (lines of the head, body) → whether they were written.
WHOLE = "datahub.whole"
# RFC 9110 §5.1 and §5.5: a token; visible characters, spaces and tabs, and what is beyond ASCII
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
Pair = tuple[bytes, bytes]


class Head(NamedTuple):
    """Headers of an answer with status 200, names in lower case, Content-Length among them; and as lines of HTTP/1.1."""

    headers: tuple[Pair, ...]
    lines: bytes


def head_of(headers: Iterable[Pair]) -> Head:
    """Return a head to be given again and again. Raises ValueError for what no header can hold."""
    held = tuple(headers)
    for name, value in held:
        if _NAME(name) is None or _VALUE(value) is None:
            msg = f"no header: {name!r}"
            raise ValueError(msg)
    return Head(held, lines_of(held))


async def give(scope: Scope, send: Send, head: Head, own: Sequence[Pair], body: bytes) -> None:
    """Answer 200 with this head, what is this answer's `own`, which must hold no text of others, and the body."""
    write = (scope.get("extensions") or {}).get(WHOLE)
    if write is not None and write(head.lines + lines_of(own), body):
        return
    await send({"type": "http.response.start", "status": 200, "headers": [*head.headers, *own]})
    await send({"type": "http.response.body", "body": body})


def lines_of(headers: Sequence[Pair]) -> bytes:
    """Return headers as lines of HTTP/1.1."""
    return b"".join([b"%b: %b\r\n" % each for each in headers])
