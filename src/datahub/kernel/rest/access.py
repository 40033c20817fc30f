"""Who may come in: every route names its scope with `allow("…")`, or says `allow_anyone` aloud.

The dependency opens the verb's transaction and commits it when the route function returns, **before** the response is
sent (`scope="function"`); a failing commit is therefore a failing call.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Request, Security, params
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2, SecurityScopes
from sqlalchemy import Engine
from starlette.requests import HTTPConnection

from datahub.kernel import db
from datahub.kernel.clock import Clock
from datahub.kernel.context import ANONYMOUS, ENTRY_HEADER, LOG_ENTRY, Actor, Context, Credential
from datahub.kernel.errors import Fault, Refusal, Unauthenticated
from datahub.kernel.rest.problems import InsufficientScope, InvalidBody, NoSuchRoute
from datahub.kernel.settings import Settings

ANYONE = "anyone"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

SCOPES: Mapping[str, str] = {
    "participants:read": "Read organisations, people and roles",
    "participants:write": "Change organisations, people and roles",
    "clients:read": "Read OAuth clients",
    "clients:write": "Register and change OAuth clients",
    "catalog:write": "Publish datasets and offers",
    "requests:read": "Read access requests",
    "requests:write": "Make and decide access requests",
    "agreements:read": "Read agreements",
    "agreements:write": "Suspend, resume, end and revoke agreements",
    "data:read": "Fetch data under an agreement",
    "decisions:write": "Ask for decisions about others on one's own data",
    "log:read": "Read the access log",
    "log:review": "Review the access log: findings, samples, questions and answers; report to persons",
    "witness:write": "Say which logs the exchange witnesses, and which witnesses it asks",
    "log:erase": "Erase from the access log's records, place and release legal holds",
    "consents:read": "Read consents on one's own datasets",
    "consents:write": "Report consents on one's own datasets",
    "consents:own": "See and decide one's own consents, by a one-time link",
}


Challenge = Callable[[Settings, str, Refusal, bool, datetime], Mapping[str, str]]
"""(settings, path, refusal, whether a credential came, now) → the headers that tell how to come in."""


def plain_challenge(
    settings: Settings, path: str, refusal: Refusal, has_credential: bool, now: datetime
) -> Mapping[str, str]:
    """Say no more than that a token is needed (RFC 6750 §3)."""
    del settings, path, refusal, now
    return {"WWW-Authenticate": 'Bearer error="invalid_token"' if has_credential else "Bearer"}


def token_alone(engine: Engine, settings: Settings, credential: Credential, now: datetime) -> Any:
    """Leave all verifying to `Door.authenticate`."""
    del engine, settings, now
    return credential.token


@dataclass(frozen=True)
class Door:
    """What the composition root hands to the REST door; found at `app.state.door`.

    A caller is identified in two steps: `prove` verifies what was shown and uses a proof up, before and outside the
    verb's transaction, so that a refused call uses it up too; `authenticate` finds who that is now, inside it.
    `check` is `prove` for a door that uses the proof up itself, with the entry of the call.
    """

    settings: Settings
    engine: Engine
    clock: Clock
    authenticate: Callable[[Context, Any], Actor]
    on_refusal: Callable[[Request, Refusal], Mapping[str, str]]
    methods_of: Callable[[str], tuple[str, ...]]
    prove: Callable[[Engine, Settings, Credential, datetime], Any] = field(default=token_alone)
    check: Callable[[Engine, Settings, Credential, datetime], Any] = field(default=token_alone)
    challenge: Challenge = field(default=plain_challenge)


def read_credential(method: str, path: str, headers: Iterable[tuple[str, str]]) -> Credential | None:
    """Return what the caller shows, from the Authorization header and nowhere else (FAPI 2.0 §5.3.4); None for nothing.

    Pure, and open to every door: `headers` with their names in lower case. Raises Unauthenticated.
    """
    held = list(headers)
    sent = [value for name, value in held if name == "authorization"]
    if not sent:
        return None
    if len(sent) > 1:
        raise Unauthenticated("There must be one Authorization header, not several.", error="invalid_request")
    scheme, _, token = sent[0].partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token.strip():
        detail = "The Authorization header must be `DPoP <access token>` or `Bearer <access token>`."
        raise Unauthenticated(detail)
    proofs = tuple(value for name, value in held if name == "dpop")
    return Credential(scheme.lower(), token.strip(), proofs, method, path)


class _AccessToken(OAuth2):
    """Read the credential of a request, for routes and for the OpenAPI document."""

    async def __call__(self, request: HTTPConnection) -> Credential | None:  # type: ignore[override]
        return read_credential(request.scope["method"], raw_path(request), request.headers.items())


def raw_path(request: HTTPConnection) -> str:
    """Return the path as it was sent, percent-encoded."""
    sent: bytes | None = request.scope.get("raw_path")
    return sent.decode("latin-1").partition("?")[0] if sent else quote(request.scope["path"])


bearer_token = _AccessToken(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=dict(SCOPES))
    ),
    scheme_name="oauth2",
    description="Access token (RFC 9068) from /oauth/token, by the client_credentials grant; shown with a DPoP proof "
    "(RFC 9449), or as Bearer where the client's security profile allows that.",
    auto_error=False,
)


def prove(request: Request, credential: Credential | None) -> Any | None:
    """Verify what the caller shows; call it before any transaction is open. Raises Unauthenticated.

    What the caller has to know for its next call goes out with the answer to this one.
    """
    if credential is None:
        return None
    door: Door = request.app.state.door
    proven = door.prove(door.engine, door.settings, credential, door.clock())
    later: list[tuple[str, str]] = request.scope.get("answer_headers", [])
    later.extend(getattr(proven, "headers", {}).items())
    return proven


def open_context(
    request: Request, scopes: SecurityScopes, shown: Annotated[Credential | None, Security(bearer_token)]
) -> Generator[Context, None, None]:
    """Open the transaction, find the actor, check the scope, hand out the context; then commit.

    Raises:
        Unauthenticated: the route needs a token and none came, or the one that came is not good.
        InsufficientScope: the token is good but lacks the route's scope.

    """
    yield from _open(request, scopes, shown, is_read=request.method in _SAFE)


def open_logging_context(
    request: Request, scopes: SecurityScopes, shown: Annotated[Credential | None, Security(bearer_token)]
) -> Generator[Context, None, None]:
    """Do as `open_context`, for a safe method that also writes to the access log."""
    yield from _open(request, scopes, shown, is_read=False)


def _open(
    request: Request, scopes: SecurityScopes, shown: Credential | None, *, is_read: bool
) -> Generator[Context, None, None]:
    door: Door = request.app.state.door
    proven = request.state.proven = prove(request, shown)
    with db.transaction(door.engine, is_read=is_read) as session:
        now = door.clock()
        ctx = Context(session, ANONYMOUS, now, request.scope["trace_id"], door.settings)
        if proven is not None:
            actor = door.authenticate(ctx, proven)
            request.state.actor = actor
            ctx = Context(session, actor, now, ctx.trace_id, door.settings)
        _check_scope(ctx.actor, [s for s in scopes.scopes if s != ANYONE], is_open=ANYONE in scopes.scopes)
        _check_address(request)
        yield ctx
    if entry_id := session.info.get(LOG_ENTRY):
        name_entry(request, entry_id)


def name_entry(request: Request, entry_id: str) -> None:
    """Name the entry of the access log that a call left, in whatever answer it gets; the first name stays."""
    later: list[tuple[str, str]] = request.scope.get("answer_headers", [])
    if ENTRY_HEADER not in dict(later):
        later.append((ENTRY_HEADER, entry_id))


def _check_scope(actor: Actor, needed: list[str], *, is_open: bool) -> None:
    if is_open:
        return
    if actor.is_anonymous:
        detail = "This address needs an access token."
        raise Unauthenticated(
            detail, remedy="Get a token at /oauth/token; the WWW-Authenticate header says which."
        )
    missing = [s for s in needed if s not in actor.scopes]
    if missing:
        raise InsufficientScope(
            f"The token lacks the scope {missing[0]}.",
            remedy=f"Ask for scope={missing[0]}; the client must hold a role that carries it.",
            scope=missing[0],
        )


def _check_address(request: Request) -> None:
    """Keep NUL out, wherever an address could carry it: nothing here is named by it, and PostgreSQL takes none."""
    if "\0" in request.url.path:
        raise NoSuchRoute("Nothing lives at this address.")
    held = [name for name, value in request.query_params.multi_items() if "\0" in name + value]
    if held:
        faults = [Fault(f"/query/{name}", "holds a NUL character", "control-character") for name in held]
        raise InvalidBody("A query parameter holds a NUL character.", faults=faults)


def allow(scope: str, *, is_logged: bool = False) -> Any:
    """Let in actors whose token carries the scope; gives the route its `Context`.

    `is_logged`: a GET that leaves an entry in the access log, and so needs a writing transaction.
    """
    if scope not in SCOPES:
        msg = f"unknown scope {scope!r}: add it to SCOPES"
        raise ValueError(msg)
    opener = open_logging_context if is_logged else open_context
    return params.Security(dependency=opener, scopes=[scope], scope="function")


def allow_anyone(*, is_logged: bool = False) -> Any:
    """Let in everybody; a token that is sent is still checked and gives its actor."""
    opener = open_logging_context if is_logged else open_context
    return params.Security(dependency=opener, scopes=[ANYONE], scope="function")
