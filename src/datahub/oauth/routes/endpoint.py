"""What OAuth's own endpoints share: reading the call, one transaction, errors in OAuth's form, the log of refusals.

RFC 6749 §5.2 (errors), §5.1 (no-store), RFC 9110 §11.6.1 (challenge). A refused call is rolled back and then recorded
in a transaction of its own, with the check that failed; the answer says no more than the RFC allows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from sqlmodel import Session
from starlette.responses import Response

from datahub.audit import About, Outcome, record
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.rest import Door
from datahub.oauth import store
from datahub.oauth.errors import InvalidClient, OAuthRefusal
from datahub.oauth.forms import MAX_FORM_BYTES, Call, Form, claimed_client, read_form
from datahub.oauth.schemas import OAuthErrorOut

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# RFC 6749 §5.2: what a description may hold
_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")

Verb = Callable[[Context, Form], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Endpoint:
    """One call to an OAuth endpoint, its body read but not yet understood."""

    request: Request
    call: Call

    def answer(self, action: str, verb: Verb) -> Response:
        """Run the verb in one transaction, committed before the answer goes; write its result, or its refusal."""
        door: Door = self.request.app.state.door
        try:
            form = read_form(self.call)
            with db.transaction(door.engine) as session:
                result = verb(self._context(door, session), form)
        except OAuthRefusal as refusal:
            self._record(door, action, refusal)
            return self._refuse(door, refusal)
        body = orjson.dumps(result) if result is not None else b""
        return Response(body, 200, NO_STORE, "application/json" if body else None)

    def _context(self, door: Door, session: Session) -> Context:
        return Context(session, ANONYMOUS, door.clock(), self.request.scope["trace_id"], door.settings)

    def _record(self, door: Door, action: str, refusal: OAuthRefusal) -> None:
        facts = dict(refusal.facts)
        known = facts.pop("clientId", None)
        claimed = known if isinstance(known, str) else claimed_client(self.call)
        with db.transaction(door.engine) as session:
            client = store.client_by_id(session, claimed) if claimed else None
            details = {**facts, "error": refusal.error(), "claimedClientId": _printable(claimed)}
            about = About(
                thing_id=client.id if client else None,
                consumer_id=client.participant_id if client else None,
                details=details,
            )
            ctx = self._context(door, session)
            record(ctx, action, about, outcome=Outcome.REFUSED, code=refusal.check)

    def _refuse(self, door: Door, refusal: OAuthRefusal) -> Response:
        base_url = door.settings.base_url
        body = OAuthErrorOut(
            error=refusal.error(),
            error_description=_NOT_ALLOWED.sub(" ", refusal.detail),
            error_uri=f"{base_url}/problems/{refusal.code()}",
        )
        headers = dict(NO_STORE)
        status = 400
        if isinstance(refusal, InvalidClient):
            status = 401
            headers["WWW-Authenticate"] = f'Basic realm="{base_url}", charset="UTF-8"'
        elif self.call.body is None:
            status = 413
        return Response(body.model_dump_json(), status, headers, "application/json")


async def read_call(request: Request) -> Endpoint:
    """Read a call's body, as far as an OAuth form may be long."""
    headers = request.headers
    body: bytearray | None = bytearray()
    async for chunk in request.stream():
        if body is not None and len(body) + len(chunk) <= MAX_FORM_BYTES:
            body += chunk
        else:
            body = None
            break
    call = Call(
        content_type=headers.get("content-type", ""),
        authorization=tuple(headers.getlist("authorization")),
        query=request.url.query,
        body=bytes(body) if body is not None else None,
    )
    return Endpoint(request, call)


OAuthEndpoint = Annotated[Endpoint, Depends(read_call)]


def _printable(text: str | None) -> str | None:
    return re.sub(r"[^\x20-\x7E]", "?", text) if text else None


_CREDENTIAL = {
    "client_id": {"type": "string", "description": "Optional; must be the authenticated client's."},
    "client_assertion_type": {
        "type": "string",
        "enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
        "description": "With client_assertion, for private_key_jwt.",
    },
    "client_assertion": {
        "type": "string",
        "description": "JWT signed by the client: iss = sub = client_id, aud = the issuer, exp ≤ 300 s ahead, jti once.",
    },
}


def form_body(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    """Describe a form for OpenAPI, with what every OAuth endpoint takes besides."""
    schema = {"type": "object", "required": required, "properties": {**properties, **_CREDENTIAL}}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthErrorOut, "description": "Refused, in OAuth's form (RFC 6749 §5.2)."},
    401: {"model": OAuthErrorOut, "description": "Client authentication failed (RFC 6749 §5.2)."},
    413: {"model": OAuthErrorOut, "description": "The body is longer than 64 KiB."},
}
