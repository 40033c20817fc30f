"""uvicorn's protocol with one thing more: an answer known by heart leaves in one write (`whole`)."""

from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from datahub.kernel.rest.whole import WHOLE, lines_of


class OneWrite(HttpToolsProtocol):
    """uvicorn's protocol, with the extension `WHOLE`: a function that writes an answer, or tells that it did not."""

    def on_headers_complete(self) -> None:
        """Offer the extension with each request; its app starts later, in a task."""
        before: Any = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not before:
            offered: dict[str, Any] = {WHOLE: partial(_write, cycle)}
            cycle.scope["extensions"] = offered


def _write(cycle: RequestResponseCycle, lines: bytes, body: bytes) -> bool:
    """Write an answer of status 200; False when it must go the usual way: without a body, the last one, or not at once."""
    if (
        cycle.response_started
        or not cycle.keep_alive
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    if not cycle.disconnected:
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        head = lines_of(cycle.default_headers)
        cycle.transport.write(b"".join((b"HTTP/1.1 200 OK\r\n", head, lines, b"\r\n", body)))
        cycle.on_response()
    return True
