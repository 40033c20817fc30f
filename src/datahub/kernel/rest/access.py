"""Who may come in: every route names its scope with `allow("…")`, or says `allow_anyone` aloud.

The dependency opens the verb's transaction and commits it when the route function returns, **before** the response is
sent (`scope="function"`); a failing commit is therefore a failing call.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request, Security, params
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2, SecurityScopes
from sqlalchemy import Engine
from starlette.requests import HTTPConnection

from datahub.kernel import db
from datahub.kernel.clock import Clock
from datahub.kernel.context import ANONYMOUS, Actor, Context
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
    "log:read": "Read the access log",
}


@dataclass(frozen=True)
class Door:
    """What the composition root hands to the REST door; found at `app.state.door`."""

    settings: Settings
    engine: Engine
    clock: Clock
    authenticate: Callable[[Context, str], Actor]
    on_refusal: Callable[[Request, Refusal], Mapping[str, str]]
    methods_of: Callable[[str], tuple[str, ...]]


class _BearerToken(OAuth2):
    """Read the token from the Authorization header, the only place where one is taken (FAPI 2.0 §5.3.4)."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        sent = request.headers.getlist("authorization")
        if not sent:
            return None
        if len(sent) > 1:
            detail = "There must be one Authorization header, not several."
            raise Unauthenticated(detail)
        scheme, _, token = sent[0].partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            detail = "The Authorization header must be `Bearer <access token>`."
            raise Unauthenticated(detail)
        return token.strip()


bearer_token = _BearerToken(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=dict(SCOPES))
    ),
    scheme_name="oauth2",
    description="Access token (RFC 9068) from /oauth/token, by the client_credentials grant.",
    auto_error=False,
)


def open_context(
    request: Request, scopes: SecurityScopes, token: Annotated[str | None, Security(bearer_token)]
) -> Generator[Context, None, None]:
    """Open the transaction, find the actor, check the scope, hand out the context; then commit.

    Raises:
        Unauthenticated: the route needs a token and none came, or the one that came is not good.
        InsufficientScope: the token is good but lacks the route's scope.

    """
    yield from _open(request, scopes, token, is_read=request.method in _SAFE)


def open_logging_context(
    request: Request, scopes: SecurityScopes, token: Annotated[str | None, Security(bearer_token)]
) -> Generator[Context, None, None]:
    """Do as `open_context`, for a safe method that also writes to the access log."""
    yield from _open(request, scopes, token, is_read=False)


def _open(
    request: Request, scopes: SecurityScopes, token: str | None, *, is_read: bool
) -> Generator[Context, None, None]:
    door: Door = request.app.state.door
    with db.transaction(door.engine, is_read=is_read) as session:
        now = door.clock()
        ctx = Context(session, ANONYMOUS, now, request.scope["trace_id"], door.settings)
        if token is not None:
            actor = door.authenticate(ctx, token)
            request.state.actor = actor
            ctx = Context(session, actor, now, ctx.trace_id, door.settings)
        _check_scope(ctx.actor, [s for s in scopes.scopes if s != ANYONE], is_open=ANYONE in scopes.scopes)
        _check_address(request)
        yield ctx


def _check_scope(actor: Actor, needed: list[str], *, is_open: bool) -> None:
    if is_open:
        return
    if actor.is_anonymous:
        detail = "This address needs an access token."
        raise Unauthenticated(
            detail, remedy="Get a token at /oauth/token and send `Authorization: Bearer …`."
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
