"""What OAuth's own endpoints share: reading the call, one transaction, errors in OAuth's form, the log of refusals.

RFC 6749 §5.2 (errors), §5.1 (no-store), RFC 9110 §11.6.1 (challenge). A refused call is rolled back and then recorded
in a transaction of its own, with the check that failed; the answer says no more than the RFC allows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Request
from sqlmodel import Session
from starlette.responses import Response

from datahub.audit import About, Outcome, record
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, LOG_ENTRY, Context
from datahub.kernel.rest import Door
from datahub.kernel.rest.access import name_entry, raw_path
from datahub.oauth import store
from datahub.oauth.errors import InvalidClient, InvalidDpopProof, OAuthRefusal, SlowDown, UseDpopNonce
from datahub.oauth.fetching import MAX_ERRANDS, Wanted
from datahub.oauth.forms import MAX_FORM_BYTES, Call, Form, claimed_client, read_form
from datahub.oauth.nonces import nonce_now
from datahub.oauth.schemas import OAuthErrorOut
from datahub.oauth.throttle import Throttle

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# RFC 6749 §5.2: what a description may hold
_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")

# Which facts of a refusal the client is told besides: those of details that no agreement covers
_TOLD = ("code", "wouldPermit")

Verb = Callable[[Context, Form], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Endpoint:
    """One call to an OAuth endpoint, its body read but not yet understood."""

    request: Request
    call: Call

    def answer(self, action: str, verb: Verb, status: int = 200) -> Response:
        """Run the verb in one transaction, committed before the answer goes; write its result, or its refusal."""
        door: Door = self.request.app.state.door
        throttle, claimed = throttle_of(self.request.app, door), claimed_client(self.call)
        used_up = throttle.is_used_up(claimed, door.clock()) if claimed else None
        if used_up is not None:
            return self._refuse(door, SlowDown("Too many calls of one client."), used_up.headers())
        try:
            form = read_form(self.call)
            result = self._run(door, verb, form)
        except OAuthRefusal as refusal:
            return self._refuse(door, *self._charge(door, action, refusal, claimed))
        limits = throttle.charge_client(claimed, door.clock()).headers() if claimed else {}
        body = orjson.dumps(result) if result is not None else b""
        nonce = self._nonce(door) if self.call.proofs else {}
        headers = {**NO_STORE, **nonce, **limits}
        return Response(body, status, headers, "application/json" if body else None)

    def _run(
        self, door: Door, verb: Verb, form: Form, errands: int = MAX_ERRANDS
    ) -> Mapping[str, Any] | None:
        try:
            with db.transaction(door.engine) as session:
                result = verb(self._context(door, session), form)
                left = session.info.get(LOG_ENTRY)
        except Wanted as wanted:
            if not errands:
                raise
            wanted.fetch(door.engine, door.settings, door.clock())
            return self._run(door, verb, form, errands - 1)
        if left is not None:
            name_entry(self.request, left)
        return result

    def _nonce(self, door: Door) -> dict[str, str]:
        return {"DPoP-Nonce": nonce_now(door.settings, door.clock())}

    def _context(self, door: Door, session: Session) -> Context:
        return Context(session, ANONYMOUS, door.clock(), self.request.scope["trace_id"], door.settings)

    def _charge(
        self, door: Door, action: str, refusal: OAuthRefusal, claimed: str | None
    ) -> tuple[OAuthRefusal, Mapping[str, str]]:
        """Charge a refusal to who caused it, and record it unless that was too often already."""
        if not isinstance(refusal, InvalidClient) or refusal.check == "assertion-replayed":
            self._record(door, action, refusal, claimed)
            return refusal, {}
        caller = self.request.client
        address = caller.host if caller is not None else ""
        left = throttle_of(self.request.app, door).charge_failure(address, claimed, door.clock())
        if left.wait_s:
            return SlowDown("Too many attempts failed. Wait as Retry-After says."), left.headers()
        self._record(door, action, refusal, claimed)
        if left.left == 0:
            self._record(door, action, SlowDown("Too many attempts failed.", check="throttled"), claimed)
        return refusal, left.headers()

    def _record(self, door: Door, action: str, refusal: OAuthRefusal, claimed: str | None) -> None:
        facts = dict(refusal.facts)
        known = facts.pop("clientId", None)
        claimed = known if isinstance(known, str) else claimed
        with db.transaction(door.engine) as session:
            row = store.client_with_owner(session, claimed) if claimed else None
            client = row[0] if row is not None else None
            details = {**facts, "error": refusal.error(), "claimedClientId": _printable(claimed)}
            about = About(
                thing_id=client.id if client else None,
                consumer_id=client.participant_id if client else None,
                details=details,
            )
            ctx = self._context(door, session)
            left = record(ctx, action, about, outcome=Outcome.REFUSED, code=refusal.check).id
        name_entry(self.request, left)

    def _refuse(self, door: Door, refusal: OAuthRefusal, more: Mapping[str, str]) -> Response:
        base_url = door.settings.base_url
        body = OAuthErrorOut(
            error=refusal.error(),
            error_description=_NOT_ALLOWED.sub(" ", refusal.detail),
            error_uri=f"{base_url}/problems/{refusal.code()}",
            **{name: refusal.facts[name] for name in _TOLD if name in refusal.facts},
        )
        headers = {**NO_STORE, **more}
        if self.call.proofs or isinstance(refusal, InvalidDpopProof | UseDpopNonce):
            headers |= self._nonce(door)
        status = 400
        if isinstance(refusal, InvalidClient):
            status = 401
            headers["WWW-Authenticate"] = f'Basic realm="{base_url}", charset="UTF-8"'
        elif isinstance(refusal, SlowDown):
            status = 429
        elif self.call.body is None:
            status = 413
        return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")


def throttle_of(app: Any, door: Door) -> Throttle:
    """Return the buckets of this process."""
    found = getattr(app.state, "oauth_throttle", None)
    if found is None:
        found = app.state.oauth_throttle = Throttle(door.settings.tokens_per_minute)
    return cast("Throttle", found)


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
        proofs=tuple(headers.getlist("dpop")),
        path=raw_path(request),
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


_PROOF = {
    "name": "DPoP",
    "in": "header",
    "required": False,
    "description": "Proof of the key that the token is to be bound to (RFC 9449); needed where the client's profile says so.",
    "schema": {"type": "string"},
}


def form_body(
    properties: Mapping[str, Any], required: list[str], *, takes_proof: bool = False
) -> dict[str, Any]:
    """Describe a form for OpenAPI, with what every OAuth endpoint takes besides."""
    schema = {"type": "object", "required": required, "properties": {**properties, **_CREDENTIAL}}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    described: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return described | ({"parameters": [_PROOF]} if takes_proof else {})


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthErrorOut, "description": "Refused, in OAuth's form (RFC 6749 §5.2)."},
    401: {"model": OAuthErrorOut, "description": "Client authentication failed (RFC 6749 §5.2)."},
    413: {"model": OAuthErrorOut, "description": "The body is longer than 64 KiB."},
    429: {"model": OAuthErrorOut, "description": "Too many calls, or too many that failed; see Retry-After."},
}
