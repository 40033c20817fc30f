"""What a token is worth now, for those who may know (RFC 7662)."""

from dataclasses import replace
from typing import Any

from datahub.kernel.context import Context
from datahub.oauth import access_tokens
from datahub.oauth.client_authentication import authenticate_client, use_up
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.forms import Form

_SHOWN = (
    "iss",
    "sub",
    "client_id",
    "aud",
    "iat",
    "exp",
    "jti",
    "participant_id",
    "authorization_details",
    "cnf",
    "act",
)


def introspect(ctx: Context, form: Form) -> dict[str, Any]:
    """Return the state of a token: all of it for a token of one's own organisation, or for the exchange's clients.

    For any other, and for one that is not good, only `active: false` (RFC 7662 §2.2, §4). Raises OAuthRefusal.
    """
    proven = authenticate_client(ctx, form.credential)
    unverified_token = form.require("token")
    ctx = replace(ctx, actor=proven.actor)
    use_up(ctx, proven, None)
    try:
        claims = access_tokens.verify(ctx, unverified_token)
        actor = access_tokens.actor_behind(ctx, claims)
    except JwtNotGood:
        return {"active": False}
    if actor.participant_id != proven.actor.participant_id and not proven.actor.is_exchange:
        return {"active": False}
    shown = {name: claims[name] for name in _SHOWN if name in claims}
    kind = "DPoP" if "cnf" in claims else "Bearer"
    return {"active": True, "token_type": kind, "scope": " ".join(sorted(actor.scopes)), **shown}
