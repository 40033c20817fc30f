"""Around the finished app: trace id, security headers, the version header, and a last resort for bugs.

It wraps from outside, so that an answer made by the framework's own last handler carries the headers too
(NL API Design Rules /core/version-header, /core/transport/security-headers).
"""

import logging
import re
from collections.abc import Mapping

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datahub.kernel.ids import new_id

_log = logging.getLogger(__name__)

SECURITY_HEADERS: Mapping[str, str] = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")


class Envelope:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp, api_version: str) -> None:
        """Wrap an app; `api_version` is the full version of the API, e.g. 1.0.0."""
        self.app = app
        self._fixed = [(k.lower().encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
        self._fixed.append((b"api-version", api_version.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; add the headers to whatever comes back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["trace_id"] = _trace_id(scope)
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                present = {k.lower() for k, _ in message.get("headers", ())}
                extra = [h for h in self._fixed if h[0] not in present]
                extra.append((b"x-request-id", scope["trace_id"].encode()))
                if b"cache-control" not in present:
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            # The framework logs and re-raises after it answered 500; here is only what it could not answer.
            if is_started:
                raise
            _log.exception("unhandled error in request %s", scope["trace_id"])
            await _last_resort(scope, send_with_headers)


async def _last_resort(scope: Scope, send: Send) -> None:
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": "Internal error",
            "status": 500,
            "detail": "Something is wrong on our side; nothing was changed. Quote the request id when you report it.",
            "code": "internal-error",
            "requestId": scope["trace_id"],
        }
    )
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _trace_id(scope: Scope) -> str:
    """Take the caller's W3C trace id where there is a good one, else make one."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            match = _TRACEPARENT.match(value.decode("latin-1"))
            if match:
                return match[1]
    return new_id().replace("-", "")
