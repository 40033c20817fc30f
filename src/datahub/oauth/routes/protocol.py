"""OAuth's own endpoints: token, revocation, introspection, keys and metadata.

RFC 6749 §3.2, RFC 7009, RFC 7662, RFC 7517 §5, RFC 8414 §3, RFC 9728 §3.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.rest import allow_anyone
from datahub.oauth import grants, introspection, keys, metadata, revocation
from datahub.oauth.forms import Form
from datahub.oauth.routes.endpoint import ERRORS, OAuthEndpoint, form_body
from datahub.oauth.schemas import (
    AuthorizationServerOut,
    IntrospectionOut,
    JwksOut,
    ProtectedResourceOut,
    TokenOut,
)

router = APIRouter(tags=["oauth"])

Anyone = Annotated[Context, allow_anyone()]

_TOKEN_FORM = form_body(
    {
        "grant_type": {"type": "string", "enum": [grants.GRANT_TYPE]},
        "scope": {
            "type": "string",
            "description": "Wanted scopes, with spaces between; all you hold when absent.",
        },
        "authorization_details": {
            "type": "string",
            "description": "JSON array of {type: dataset, identifier, actions: [read], purpose, agreement} (RFC 9396).",
        },
    },
    ["grant_type"],
)
_ONE_TOKEN_FORM = form_body(
    {"token": {"type": "string"}, "token_type_hint": {"type": "string", "description": "Not needed."}},
    ["token"],
)


@router.post("/oauth/token", response_model=TokenOut, responses=ERRORS, openapi_extra=_TOKEN_FORM)
def get_token(endpoint: OAuthEndpoint) -> Response:
    """Get an access token by the client_credentials grant. Prove yourself by private_key_jwt, or Basic."""
    check_grant = getattr(endpoint.request.app.state, "grant_check", None)

    def grant(ctx: Context, form: Form) -> Mapping[str, Any]:
        issued = grants.grant_token(ctx, form, check_grant)
        details = [dict(detail) for detail in issued.details]
        return {
            "access_token": issued.token,
            "token_type": "Bearer",
            "expires_in": issued.lifetime_s,
            "scope": " ".join(sorted(issued.scopes)),
            **({"authorization_details": details} if details else {}),
        }

    return endpoint.answer("oauth.token", grant)


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
def get_authorization_server_metadata(request: Request) -> Response:
    """Read what the authorization server can do (RFC 8414)."""
    return _public(metadata.authorization_server(request.app.state.door.settings), keys.JWKS_MAX_AGE_S)


@router.get("/.well-known/oauth-protected-resource", response_model=ProtectedResourceOut)
def get_protected_resource_metadata(request: Request) -> Response:
    """Read which authorization server gives tokens for this API (RFC 9728)."""
    return _public(metadata.protected_resource(request.app.state.door.settings), keys.JWKS_MAX_AGE_S)


def _public(found: Mapping[str, Any], max_age_s: int) -> Response:
    return Response(
        orjson.dumps(found), 200, {"Cache-Control": f"public, max-age={max_age_s}"}, "application/json"
    )
