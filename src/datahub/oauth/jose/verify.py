"""One verifier for each kind of JWT, and the two that the exchange signs itself.

RFC 7523 §3 and FAPI 2.0 §5.3.2.1 (client assertions), RFC 9068 §4 (access tokens), RFC 9449 §4.3 (DPoP proofs).
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from datahub.oauth.errors import JwtNotGood
from datahub.oauth.jose import es256, jwks
from datahub.oauth.jose.jwks import PrivateKey, PublicKey, PublicKeys, choose_key
from datahub.oauth.jose.kinds import (
    ACCESS_TOKEN,
    DPOP_PROOF,
    MAX_TEXT,
    SIGNING_ALGORITHM,
    Header,
    Kind,
    VerifiedClaims,
    audience_is,
    client_assertion,
    open_jwt,
    read_claims,
    read_header,
    text,
    validate,
)
from datahub.oauth.profiles import AssertionRules

CLOCK_SKEW_S: Final = 10  # FAPI 2.0 §5.3.2.1-13: accept up to 10 s ahead, refuse beyond 60 s
MAX_JTI_LENGTH: Final = 200
PROOF_LIFE_S: Final = 300  # a proof made longer ago is refused, whatever its nonce
_ESSENTIAL: Final[Any] = {"essential": True}
_MAX_INSTANT: Final = 1 << 40


class VerifiedProof(NamedTuple):
    """A DPoP proof with a good signature, whose claims fit the call; `key_id` is the key's thumbprint (RFC 7638)."""

    key_id: str
    jti: str
    iat: int
    nonce: str | None
    ath: str | None


# --- signing ------------------------------------------------------------------------------------------------------


def make_private_key() -> tuple[str, dict[str, Any], bytes]:
    """Make a signing key: its id, its public JWK, and its private JWK as JSON to be sealed."""
    return jwks.make_private_key(SIGNING_ALGORITHM)


def sign_access_token(key: PrivateKey, kid: str, claims: Mapping[str, Any]) -> str:
    """Sign an access token (RFC 9068 §2)."""
    return _sign(key, kid, "at+jwt", orjson.dumps(dict(claims)))


def sign_text(key: PrivateKey, kid: str, typ: str, payload: bytes) -> str:
    """Sign a text as a compact JWS. Raises ValueError for a `typ` that belongs to another kind, or a text above 1 MiB."""
    if len(payload) > MAX_TEXT:
        msg = f"a text of {len(payload)} bytes is too long to sign"
        raise ValueError(msg)
    text(typ)
    return _sign(key, kid, typ, payload)


def _sign(key: PrivateKey, kid: str, typ: str, payload: bytes) -> str:
    signed = _head(kid, typ) + b"." + _encoded(payload)
    return (signed + b"." + _encoded(es256.sign(signed, key))).decode("ascii")


@lru_cache(maxsize=64)
def _head(kid: str, typ: str) -> bytes:
    return _encoded(orjson.dumps({"alg": SIGNING_ALGORITHM, "typ": typ, "kid": kid}))


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


# --- verifying ----------------------------------------------------------------------------------------------------


def verify_client_assertion(
    unverified_token: str,
    find_key: Callable[[Header], PublicKey],
    rules: AssertionRules,
    *,
    client_id: str,
    audience: str,
    now: datetime,
) -> VerifiedClaims:
    """Return the claims of a client's own JWT (RFC 7523 §3), all checks of its profile done but its single use.

    `aud` must be the audience, as a string and nothing else (FAPI 2.0 §5.3.2.1-8). Raises JwtNotGood.
    """
    payload = open_jwt(unverified_token, client_assertion(rules), lambda _, header: find_key(header))
    claims = read_claims(payload)
    audience_is(claims, audience)
    identity: Any = {"essential": True, "value": client_id}
    issued: Any = {"essential": rules.is_iat_needed}
    validate(
        claims, now, CLOCK_SKEW_S, iss=identity, sub=identity, exp=_ESSENTIAL, iat=issued, jti=_ESSENTIAL
    )
    instant = int(now.timestamp())
    ahead = int(claims["exp"]) - instant
    life = int(claims["exp"]) - int(claims.get("iat", instant))
    if ahead > rules.max_life_s + CLOCK_SKEW_S or (rules.is_iat_needed and life > rules.max_life_s):
        raise JwtNotGood("exp-too-far", seconds_ahead=ahead)
    if not 0 < len(claims["jti"]) <= MAX_JTI_LENGTH:
        raise JwtNotGood("jti")
    return VerifiedClaims(claims)


def verify_access_token(
    unverified_token: str, keys: PublicKeys, *, issuer: str, now: datetime
) -> VerifiedClaims:
    """Return the claims of one of our access tokens (RFC 9068 §4), revocation not yet asked. Raises JwtNotGood.

    `aud` names this exchange, or addresses of it, one or several (RFC 8707); which one is called is not judged here.
    """
    kids: list[str] = []

    def choose(_: str, header: Header) -> PublicKey:
        key = choose_key(keys, header, needs_kid=True)
        kids.append(key.kid)
        return key

    claims = read_claims(open_jwt(unverified_token, ACCESS_TOKEN, choose))
    _audiences_within(claims, issuer)
    names = ("sub", "client_id", "exp", "iat", "jti", "scope", "participant_id", "client_epoch")
    validate(claims, now, 0, iss={"essential": True, "value": issuer}, **dict.fromkeys(names, _ESSENTIAL))
    claims["kid"] = kids[0]
    return VerifiedClaims(claims)


def _audiences_within(claims: Mapping[str, Any], issuer: str) -> None:
    named = claims.get("aud")
    audiences = named if isinstance(named, list) and len(named) > 1 else [named]
    if not all(
        isinstance(each, str) and (each == issuer or each.startswith(f"{issuer}/v1/")) for each in audiences
    ):
        raise JwtNotGood("aud")


def verify_dpop_proof(
    unverified_token: str, *, method: str, is_address: Callable[[str], bool], now: datetime
) -> VerifiedProof:
    """Return a DPoP proof that is good for this method and address (RFC 9449 §4.3, checks 2 to 9 and 11).

    Its nonce, `ath` and key are for the caller to hold against what is expected, and `jti` to use up. Raises JwtNotGood.
    """
    keys: list[_ProofKey] = []

    def shown_key(head: str, _: Header) -> PublicKey:
        found = _proof_key(head)
        keys.append(found)
        return found.key

    claims = read_claims(open_jwt(unverified_token, DPOP_PROOF, shown_key))
    told = claims.get
    jti, nonce, ath, htu = told("jti"), told("nonce"), told("ath"), told("htu")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_LENGTH:
        raise JwtNotGood("jti")
    if claims.get("htm") != method:
        raise JwtNotGood("htm")
    if not isinstance(htu, str) or not is_address(htu):
        raise JwtNotGood("htu")
    instant = int(now.timestamp())
    iat = _instant(claims, "iat")
    if not instant - PROOF_LIFE_S <= iat <= instant + CLOCK_SKEW_S:
        raise JwtNotGood("iat", seconds_ahead=iat - instant)
    # Not members of a proof, but whoever adds them means them
    if "nbf" in claims and _instant(claims, "nbf") > instant + CLOCK_SKEW_S:
        raise JwtNotGood("nbf", seconds_ahead=_instant(claims, "nbf") - instant)
    if "exp" in claims and _instant(claims, "exp") < instant - CLOCK_SKEW_S:
        raise JwtNotGood("expired", seconds_ago=instant - _instant(claims, "exp"))
    if not (nonce is None or isinstance(nonce, str)) or not (ath is None or isinstance(ath, str)):
        raise JwtNotGood("claims")
    return VerifiedProof(keys[0].thumbprint, jti, iat, nonce, ath)


@dataclass(frozen=True)
class _ProofKey:
    key: PublicKey
    thumbprint: str


@lru_cache(maxsize=4096)
def _proof_key(head: str) -> _ProofKey:
    """Return the key that the header of a proof shows; a client shows the same header each time."""
    header = read_header(head, DPOP_PROOF)
    member = header.get("jwk")
    if not isinstance(member, dict):
        raise JwtNotGood("jwk")
    fault = jwks.key_fault(member)
    if fault is not None:
        raise JwtNotGood(f"jwk-{fault[0]}")
    key = jwks.public_key(member)
    if not key.fits(header["alg"]):
        raise JwtNotGood("algorithm")
    return _ProofKey(key, key.loaded.thumbprint())


def _instant(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not -_MAX_INSTANT < value < _MAX_INSTANT
    ):
        raise JwtNotGood(name)
    return int(value)


def verify_text(unverified_text: str, keys: PublicKeys, typ: str) -> bytes:
    """Return the payload of a text signed by `sign_text` with this `typ`. Raises JwtNotGood."""
    kind: Kind = text(typ)
    return open_jwt(unverified_text, kind, lambda _, header: choose_key(keys, header, needs_kid=True))
