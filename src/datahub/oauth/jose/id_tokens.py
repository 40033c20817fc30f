"""ID tokens that somebody else's OpenID provider signed about a person. OpenID Connect Core 1.0 §3.1.3.7."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from datahub.oauth.errors import JwtNotGood
from datahub.oauth.jose.jwks import MAX_KEYS, bare_key, choose_key, key_fault, public_keys
from datahub.oauth.jose.kinds import Kind, VerifiedClaims, open_jwt, read_claims, validate

ALGORITHMS: Final = ("ES256", "PS256", "RS256", "EdDSA", "Ed25519")
# Providers send `JWT`, or no type at all; nothing of ours takes a token of theirs for anything else.
ID_TOKEN: Final = Kind(frozenset({None, "jwt"}), ALGORITHMS, max_header=4096, max_payload=16_384)
SKEW_S: Final = 60
_ESSENTIAL: Final[Any] = {"essential": True}


def verify_id_token(
    unverified_token: str,
    jwks: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: datetime,
) -> VerifiedClaims:
    """Return the claims of an ID token that this issuer made for us, for this very login. Raises JwtNotGood."""
    members = jwks.get("keys")
    usable = [
        bare_key(each)
        for each in (members if isinstance(members, list) else [])[: 2 * MAX_KEYS]
        if isinstance(each, dict) and key_fault(each, ALGORITHMS) is None
    ]
    keys = public_keys({"keys": usable})
    claims = read_claims(open_jwt(unverified_token, ID_TOKEN, lambda _, header: choose_key(keys, header)))
    _is_for(claims, client_id)
    validate(
        claims,
        now,
        SKEW_S,
        iss={"essential": True, "value": issuer},
        nonce={"essential": True, "value": nonce},
        **dict.fromkeys(("sub", "exp", "iat"), _ESSENTIAL),
    )
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise JwtNotGood("claim-sub")
    return VerifiedClaims(claims)


def _is_for(claims: Mapping[str, Any], client_id: str) -> None:
    """Hold the audience to be us; where others are in it too, we must be the one it was made for (`azp`)."""
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if client_id not in audiences:
        raise JwtNotGood("aud")
    made_for = claims.get("azp")
    if (len(audiences) > 1 and made_for is None) or made_for not in (None, client_id):
        raise JwtNotGood("azp")
