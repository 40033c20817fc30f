"""OAuth's own endpoints: token, revocation, introspection, keys and metadata.

RFC 6749 §3.2, RFC 7009, RFC 7662, RFC 7517 §5, RFC 8414 §3, RFC 9126 §2, RFC 9728 §3.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.errors import NotFound
from datahub.kernel.rest import allow_anyone
from datahub.kernel.rest.access import raw_path
from datahub.oauth import exchange, grants, introspection, keys, metadata, revocation
from datahub.oauth.challenges import RESOURCE_METADATA, split_origin
from datahub.oauth.routes.endpoint import ERRORS, OAuthEndpoint, form_body
from datahub.oauth.schemas import (
    AuthorizationServerOut,
    IntrospectionOut,
    JwksOut,
    ProtectedResourceOut,
    PushedOut,
    TokenOut,
)

router = APIRouter(tags=["oauth"])

Anyone = Annotated[Context, allow_anyone()]

_WISH = {
    "scope": {
        "type": "string",
        "description": "Wanted scopes, with spaces between; all you hold when absent.",
    },
    "authorization_details": {
        "type": "string",
        "description": "JSON array of {type: dataset, identifier, actions: [read, query], purpose, agreement} (RFC 9396).",
    },
    "resource": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Addresses of this exchange that the token is for, each a parameter (RFC 8707); all when absent.",
    },
}
_TOKEN_FORM = form_body(
    {
        "grant_type": {"type": "string", "enum": list(grants.GRANT_TYPES)},
        **_WISH,
        "request_uri": {
            "type": "string",
            "description": "A pushed request, in place of what it holds (RFC 9126).",
        },
        "subject_token": {
            "type": "string",
            "description": "For a token exchange (RFC 8693): the access token to be narrowed.",
        },
        "subject_token_type": {"type": "string", "enum": [exchange.ACCESS_TOKEN]},
    },
    ["grant_type"],
    takes_proof=True,
)
_PUSH_FORM = form_body(_WISH, [], takes_proof=True)
_ONE_TOKEN_FORM = form_body(
    {"token": {"type": "string"}, "token_type_hint": {"type": "string", "description": "Not needed."}},
    ["token"],
)


@router.post("/oauth/token", response_model=TokenOut, responses=ERRORS, openapi_extra=_TOKEN_FORM)
def get_token(endpoint: OAuthEndpoint) -> Response:
    """Get an access token, by client credentials, or a narrower one for one you have (RFC 8693). Prove yourself first."""
    world = _world(endpoint.request)
    return endpoint.answer(
        grants.ACTION, lambda ctx, form: grants.answer_of(grants.grant_token(ctx, form, world))
    )


@router.post(
    "/oauth/par", status_code=201, response_model=PushedOut, responses=ERRORS, openapi_extra=_PUSH_FORM
)
def push_request(endpoint: OAuthEndpoint) -> Response:
    """Push the parameters of a token request ahead of it. They are checked at once; the name is good once."""
    world = _world(endpoint.request)
    return endpoint.answer("oauth.push", lambda ctx, form: grants.push_request(ctx, form, world), status=201)


@router.post("/oauth/revoke", response_class=Response, responses=ERRORS, openapi_extra=_ONE_TOKEN_FORM)
def revoke_token(endpoint: OAuthEndpoint) -> Response:
    """End a token of your client. A token that is not good anyway is answered the same."""
    return endpoint.answer("oauth.revoke", revocation.revoke_token)


@router.post(
    "/oauth/introspect", response_model=IntrospectionOut, responses=ERRORS, openapi_extra=_ONE_TOKEN_FORM
)
def introspect_token(endpoint: OAuthEndpoint) -> Response:
    """Ask what a token of your organisation is worth now; the exchange's clients may ask about any."""
    return endpoint.answer("oauth.introspect", introspection.introspect)


@router.get("/oauth/jwks", response_model=JwksOut)
def get_jwks(ctx: Anyone) -> Response:
    """Read the public keys that verify access tokens; the next key stands here an hour before its first use."""
    return _public(keys.published_jwks(ctx), keys.JWKS_MAX_AGE_S)


@router.get("/.well-known/oauth-authorization-server", response_model=AuthorizationServerOut)
@router.get("/.well-known/oauth-authorization-server/{path:path}", include_in_schema=False)
def get_authorization_server_metadata(request: Request, path: str = "") -> Response:
    """Read what the authorization server can do (RFC 8414). An issuer with a path has it after the well-known part."""
    settings = request.app.state.door.settings
    if request.url.path.endswith("/") or (path and f"/{path}" != split_origin(settings.base_url)[1]):
        raise NotFound("No authorization server has this address.")
    return _public(metadata.authorization_server(settings), keys.JWKS_MAX_AGE_S)


@router.get("/.well-known/oauth-protected-resource", response_model=ProtectedResourceOut)
@router.get("/.well-known/oauth-protected-resource/{path:path}", include_in_schema=False)
def get_protected_resource_metadata(request: Request, path: str = "") -> Response:
    """Read which authorization server gives tokens for this API, or for the one address that follows (RFC 9728)."""
    sent = raw_path(request).removeprefix(RESOURCE_METADATA) if path else ""
    door = request.app.state.door
    own_path = split_origin(door.settings.base_url)[1]
    called = sent.removeprefix(own_path) if sent.startswith(own_path) else sent
    if request.url.path.endswith("/") or (called and not door.methods_of(unquote(called))):
        raise NotFound("Nothing lives at this address.")
    return _public(metadata.protected_resource(door.settings, called), keys.JWKS_MAX_AGE_S)


def _world(request: Request) -> grants.World:
    door = request.app.state.door
    check_grant = getattr(request.app.state, "grant_check", None)
    return grants.World(check_grant, lambda path: bool(door.methods_of(path)))


def _public(found: Mapping[str, Any], max_age_s: int) -> Response:
    return Response(
        orjson.dumps(found), 200, {"Cache-Control": f"public, max-age={max_age_s}"}, "application/json"
    )
