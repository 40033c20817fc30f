"""Access tokens: stateless JWTs signed by the exchange (RFC 9068), and the actor behind one that is good now.

A good signature is kept in memory; whether the token still counts (revocation, client, organisation, person, roles) is
asked of the database at every call, so that a change bites at the very next one.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import JsonValue, Unauthenticated
from datahub.oauth import jose, keys, store
from datahub.oauth.client_authentication import ProvenClient, actor_of
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.models import ClientState

_JTI_BYTES = 16

_verified: dict[bytes, jose.VerifiedClaims] = {}
_MAX_VERIFIED = 10_000


@dataclass(frozen=True)
class IssuedToken:
    """An access token just made, and what it carries."""

    token: str
    token_id: str
    lifetime_s: int
    scopes: frozenset[str]
    details: Sequence[Mapping[str, JsonValue]]


def issue(
    ctx: Context, proven: ProvenClient, scopes: frozenset[str], details: Sequence[Mapping[str, JsonValue]]
) -> IssuedToken:
    """Make an access token (RFC 9068 §2.2). Raises NoSigningKey."""
    issued_at = int(ctx.now.timestamp())
    lifetime_s = ctx.settings.token_lifetime_s
    claims: dict[str, Any] = {
        "iss": ctx.settings.base_url,
        "sub": proven.client.id,
        "client_id": proven.client.id,
        "aud": ctx.settings.base_url,
        "iat": issued_at,
        "exp": issued_at + lifetime_s,
        "jti": secrets.token_urlsafe(_JTI_BYTES),
        "scope": " ".join(sorted(scopes)),
        "participant_id": proven.client.participant_id,
        "client_epoch": proven.client.epoch,
    }
    if details:
        claims["authorization_details"] = list(details)
    return IssuedToken(keys.sign_token(ctx, claims), claims["jti"], lifetime_s, scopes, details)


def authenticate(ctx: Context, unverified_token: str) -> Actor:
    """Return who calls with this access token: scopes are the token's that the client's roles still carry.

    Raises Unauthenticated: not one of our tokens, expired, revoked, or client, organisation or person not active.
    """
    try:
        return actor_behind(ctx, verify(ctx, unverified_token))
    except JwtNotGood as fault:
        raise Unauthenticated(
            "The access token is not good.", remedy="Get a new one at /oauth/token."
        ) from fault


def verify(ctx: Context, unverified_token: str) -> jose.VerifiedClaims:
    """Return the claims of a token that is ours and has not expired. Raises JwtNotGood."""
    name = f"{ctx.settings.database_url}\n{ctx.settings.base_url}\n{unverified_token}"
    key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    claims = _verified.get(key)
    if claims is None:
        claims = jose.verify_access_token(
            unverified_token, keys.verifying_keys(ctx), issuer=ctx.settings.base_url, now=ctx.now
        )
        if len(_verified) >= _MAX_VERIFIED:
            _verified.clear()
        _verified[key] = claims
    elif claims["exp"] <= ctx.now.timestamp():
        _verified.pop(key, None)
        raise JwtNotGood("expired")
    return claims


def actor_behind(ctx: Context, claims: jose.VerifiedClaims) -> Actor:
    """Return the actor of verified claims, as things are now. Raises JwtNotGood when the token no longer counts."""
    if store.is_revoked(ctx.session, _subjects(claims), datetime.fromtimestamp(claims["iat"], UTC)):
        raise JwtNotGood("revoked")
    row = store.client_with_owner(ctx.session, claims["client_id"])
    if row is None or row[0].state != ClientState.ACTIVE or row[0].epoch != claims["client_epoch"]:
        raise JwtNotGood("client")
    actor = actor_of(row[0], row[1], row[2], JwtNotGood)
    return replace(
        actor,
        scopes=actor.scopes & frozenset(claims["scope"].split(" ")),
        token_id=claims["jti"],
        authorization_details=tuple(claims.get("authorization_details", ())),
    )


def _subjects(claims: jose.VerifiedClaims) -> list[str]:
    details = claims.get("authorization_details", ())
    agreements = [f"agreement:{detail['agreement']}" for detail in details if "agreement" in detail]
    return [f"token:{claims['jti']}", f"key:{claims['kid']}", *agreements]
