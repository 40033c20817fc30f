"""Around the finished app: trace id, security headers, the version header.

It wraps from outside, so that an answer made by the framework's own last handler carries the headers too
(NL API Design Rules /core/version-header, /core/transport/security-headers).
"""

import re
from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datahub.kernel.ids import new_id
from datahub.kernel.rest.problems import TooLarge, problem

SECURITY_HEADERS: Mapping[str, str] = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_STORE = (b"cache-control", b"no-store")
_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")


class Envelope:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, api_version: str) -> None:
        """Wrap an app; `api_version` is the full version of the API, e.g. 1.0.0."""
        self.app = app
        self._api_version = api_version
        self._fixed = [(k.lower().encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
        self._fixed.append((b"api-version", api_version.encode()))

    def around(self, app: ASGIApp) -> "Envelope":
        """Return the same around another app."""
        return Envelope(app, self._api_version)

    def complete(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
        """Return an answer's headers with all that are alike for every answer, for who answers without this layer."""
        held = tuple(headers)
        present = {name for name, _ in held}
        return (*held, *(each for each in (*self._fixed, NO_STORE) if each[0] not in present))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; add the headers to whatever comes back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["trace_id"] = trace_id_of(scope)
        scope["answer_headers"] = []  # what is found out on the way and goes with whatever answer there is

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {k.lower() for k, _ in message.get("headers", ())}
                extra = [h for h in self._fixed if h[0] not in present]
                extra.append((b"x-request-id", scope["trace_id"].encode()))
                found = [(k.lower().encode(), v.encode()) for k, v in scope["answer_headers"]]
                extra += [each for each in found if each[0] not in present]
                if b"cache-control" not in present:
                    extra.append(NO_STORE)
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        is_replaced = False

        async def send_problems(message: Message) -> None:
            nonlocal is_replaced
            if _is_framework_413(message):
                is_replaced = True
                answer = problem(
                    Request(scope), TooLarge("The request body is larger than this address takes.")
                )
                await answer(scope, receive, send_with_headers)
            elif not is_replaced:
                await send_with_headers(message)

        await self.app(scope, receive, send_problems)


def _is_framework_413(message: Message) -> bool:
    """Tell the answer that the framework itself gives, in plain text, to a Content-Length over the limit."""
    return (
        message["type"] == "http.response.start"
        and message["status"] == 413  # noqa: PLR2004 — Content Too Large
        and any(k == b"content-type" and v.startswith(b"text/plain") for k, v in message["headers"])
    )


def trace_id_of(scope: Scope) -> str:
    """Take the caller's W3C trace id where there is a good one, else make one."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            match = _TRACEPARENT.match(value.decode("latin-1"))
            if match:
                return match[1]
    return new_id().replace("-", "")
