"""Refusals on the wire: RFC 9457 problem details with a stable type, all faults at once, never a stack trace.

The kinds of refusal map to status codes here and nowhere else.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from datahub.kernel.context import ENTRY_HEADER
from datahub.kernel.errors import (
    Conflict,
    Exhausted,
    Fault,
    Forbidden,
    Gone,
    Invalid,
    JsonValue,
    NotFound,
    OtherSideFailed,
    OtherSideSlow,
    Refusal,
    Unauthenticated,
    Unavailable,
)

PROBLEM_JSON = "application/problem+json"
_log = logging.getLogger(__name__)


class InsufficientScope(Refusal):
    """The token is good but does not carry the scope this route asks for (RFC 6750 §3.1)."""

    title = "Token lacks the scope"


class PreconditionFailed(Refusal):
    """The thing has changed since it was read (RFC 9110 §13.1.1)."""

    title = "Changed since you read it"


class PreconditionRequired(Refusal):
    """A change must say which state it was made against (RFC 6585 §3)."""

    title = "If-Match is required"


class NotAcceptable(Refusal):
    """None of the media types asked for can be given."""

    title = "Media type not available"


class UnsupportedMediaType(Refusal):
    """What was sent is in a media type that this route does not read."""

    title = "Media type not supported"


class TooLarge(Refusal):
    """What was sent is larger than this route takes."""

    title = "Too large"


class IdempotencyKeyReused(Refusal):
    """The same Idempotency-Key came with another request."""

    title = "Idempotency-Key used for something else"


class InvalidBody(Invalid):
    """The request has the wrong shape; every fault is named."""

    title = "Request does not have the right shape"


class NoSuchRoute(NotFound):
    """Nothing lives at this address."""

    title = "No such address"


class MethodNotAllowed(Refusal):
    """The address exists, the method does not."""

    title = "Method not allowed"


class RangeNotSatisfiable(Refusal):
    """The range asked for lies outside the file (RFC 9110 §15.5.17)."""

    title = "Range not satisfiable"


class ChecksumMismatch(Refusal):
    """The bytes are not those the checksum was made of; none of them was kept (tus 1.0, checksum)."""

    title = "Checksum differs"


class StoreUnavailable(Unavailable):
    """The database cannot be read or written at this moment, so nothing was done."""

    title = "Store not available"


# Nearest class in the method resolution order wins, so a subclass may differ from its kind.
STATUS: Mapping[type[Refusal], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    InsufficientScope: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    Conflict: 409,
    Gone: 410,
    PreconditionFailed: 412,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    RangeNotSatisfiable: 416,
    IdempotencyKeyReused: 422,
    PreconditionRequired: 428,
    Exhausted: 429,
    ChecksumMismatch: 460,
    OtherSideFailed: 502,
    Unavailable: 503,
    OtherSideSlow: 504,
}
RETRY_AFTER_S = 5


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal, by its kind."""
    return next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)


def problem(request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """Write a refusal as problem details."""
    status = status_of(refusal)
    body: dict[str, Any] = {
        **refusal.facts,
        "type": f"{_base_url(request)}/problems/{refusal.code()}",
        "title": refusal.title,
        "status": status,
        "detail": refusal.detail,
        "code": refusal.code(),
        "requestId": request.scope.get("trace_id", ""),
    }
    if refusal.remedy:
        body["remedy"] = refusal.remedy
    if refusal.faults:
        body["errors"] = [
            {**f.more, "pointer": f.pointer, "detail": f.detail, "code": f.code} for f in refusal.faults
        ]
    out = {"Cache-Control": "no-store", **(headers or {})}
    if "entryId" in refusal.facts:
        out.setdefault(ENTRY_HEADER, str(refusal.facts["entryId"]))
    if status == STATUS[Unavailable] or "retryAfter" in refusal.facts:
        out.setdefault("Retry-After", str(refusal.facts.get("retryAfter", RETRY_AFTER_S)))
    if status == STATUS[Unauthenticated] or isinstance(refusal, InsufficientScope):
        out.update(_challenge(request, refusal))
    return Response(orjson.dumps(body, default=str), status, out, PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Let the app answer every refusal, and every fault of the framework, as problem details."""
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(OperationalError, _on_database_fault)
    app.add_exception_handler(Exception, _on_bug)


def _base_url(request: Request) -> str:
    return str(request.app.state.door.settings.base_url)


def _challenge(request: Request, refusal: Refusal) -> Mapping[str, str]:
    """Ask for a credential in a way that lets a client find all it needs (RFC 9728 §5.1)."""
    door = request.app.state.door
    sent = request.scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
    headers: Mapping[str, str] = door.challenge(
        door.settings, sent or "/", refusal, "authorization" in request.headers, door.clock()
    )
    return headers


def _on_refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101 — Starlette's handler type is wider than what it calls with
    try:
        headers = request.app.state.door.on_refusal(request, refusal)
    except Unavailable as fault:  # the refusal could not be recorded, and an unrecorded answer is none
        return problem(request, fault)
    return problem(request, refusal, headers)


def _on_database_fault(request: Request, fault: Exception) -> Response:
    # The transaction has rolled back, its log entry with it: nothing was done, and trying again is safe.
    _log.error("database fault %s in request %s", type(fault).__name__, request.scope.get("trace_id"))
    return problem(
        request, StoreUnavailable("The exchange's store cannot be written now; nothing was changed.")
    )


def _on_validation(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)  # noqa: S101 — as above
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = sent == "application/json" or (sent.startswith("application/") and sent.endswith("+json"))
    if not is_json and any(e["loc"] == ("body",) and e["type"] != "missing" for e in fault.errors()):
        what = f"This address reads application/json, not {sent or 'a body without Content-Type'}."
        return _on_refusal(request, UnsupportedMediaType(what, remedy="Send Content-Type: application/json."))
    faults = [fault_of(e) for e in fault.errors()]
    count = "One thing is" if len(faults) == 1 else f"{len(faults)} things are"
    return _on_refusal(request, InvalidBody(f"{count} wrong with this request; see errors.", faults=faults))


def _on_http(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)  # noqa: S101 — as above
    path = request.url.path
    refusal: Refusal
    headers: dict[str, str] = {}
    match fault.status_code:
        case 404:
            refusal = NoSuchRoute(
                "Nothing lives at this address.", remedy="See /v1/openapi.json for all addresses."
            )
        case 405:
            allow = request.app.state.door.methods_of(path)
            headers["Allow"] = ", ".join(allow)
            refusal = MethodNotAllowed(f"{request.method} is not allowed here.", allow=list(allow))
        case 413:
            refusal = TooLarge("The request body is larger than this address takes.")
        case 400:
            refusal = InvalidBody(
                "The request body could not be read.", faults=[Fault("", str(fault.detail))]
            )
        case _:  # pragma: no cover — the framework raises no other
            raise fault
    return problem(request, refusal, headers)


def _on_bug(request: Request, fault: Exception) -> Response:
    # The framework raises the fault again after this answer, so the server's log has the whole of it.
    _log.error("bug %s in request %s", type(fault).__name__, request.scope.get("trace_id"))
    body = {
        "type": "about:blank",
        "title": "Internal error",
        "status": 500,
        "detail": "Something is wrong on our side. Quote the request id when you report it.",
        "code": "internal-error",
        "requestId": request.scope.get("trace_id", ""),
    }
    return Response(orjson.dumps(body), 500, {"Cache-Control": "no-store"}, PROBLEM_JSON)


def fault_of(error: Mapping[str, Any]) -> Fault:
    """Turn one Pydantic error into a fault with a JSON pointer (RFC 6901)."""
    where, *rest = error.get("loc", ("body",))
    if error["type"] == "json_invalid":
        position = rest[0] if rest else 0
        return Fault("", f"not JSON: {error['ctx'].get('error', '')} at character {position}", "invalid-json")
    # Tagged unions add the tag to the location; a pointer names what was sent, so those stay harmless extras.
    pointer = "".join(
        "/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest if part != "[key]"
    )
    prefix = "" if where == "body" else f"/{where}"
    more: dict[str, JsonValue] = {}
    return Fault(prefix + pointer, _sentence(error), error["type"].replace("_", "-"), more)


def _sentence(error: Mapping[str, Any]) -> str:
    text = re.sub(r"^(Value error|Assertion failed), ", "", str(error["msg"]))
    return text[:500]
