"""Kinds of JWT, each with its types, algorithms and sizes fixed here; and the one way to open any of them.

So that no kind passes for another (RFC 8725 §3.11). RFC 7515 §5.2, RFC 7519 §7.2.
"""

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property, lru_cache
from typing import Any, Final, NewType

import orjson
from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry

from datahub.oauth.errors import JwtNotGood
from datahub.oauth.jose import es256
from datahub.oauth.jose.jwks import PublicKey
from datahub.oauth.profiles import FAPI_ALGORITHMS, AssertionRules, KeySource

VerifiedClaims = NewType("VerifiedClaims", dict[str, Any])
Header = Mapping[str, Any]

SIGNING_ALGORITHM: Final = "ES256"
DPOP_ALGORITHMS: Final = FAPI_ALGORITHMS
MAX_TEXT: Final = 1 << 20
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of JWT: what its header may say and how large it may be. `None` in types: no `typ` at all.

    Each is made once and known by what it is, not by what it holds: what was read of a kind is found fast.
    """

    types: frozenset[str | None]
    algorithms: tuple[str, ...]
    max_header: int
    max_payload: int
    only_header: frozenset[str] | None = None

    @cached_property
    def max_length(self) -> int:
        """Return the length in characters that none can exceed."""
        # base64 takes 4 characters for 3 bytes; a 4096-bit signature has 512 bytes
        return (self.max_header + self.max_payload + 512) * 4 // 3 + 8


ACCESS_TOKEN: Final = Kind(frozenset({"at+jwt"}), (SIGNING_ALGORITHM,), max_header=512, max_payload=16_384)
# An RSA key of 4096 bits makes a header of about 800 bytes
DPOP_PROOF: Final = Kind(frozenset({"dpop+jwt"}), DPOP_ALGORITHMS, max_header=2048, max_payload=4096)
_ASSERTION_TYPES: Final[frozenset[str | None]] = frozenset({None, "jwt", "client-authentication+jwt"})
RESERVED_TYPES: Final = _ASSERTION_TYPES | ACCESS_TOKEN.types | DPOP_PROOF.types
MAX_ASSERTION_PAYLOAD: Final = 4096


@cache
def client_assertion(rules: AssertionRules) -> Kind:
    """Return the kind that the assertions of one profile are; a header with a chain of certificates may be 16 kB."""
    max_header = 16_384 if KeySource.X5C in rules.keys else 2048
    return Kind(_ASSERTION_TYPES, rules.algorithms, max_header, MAX_ASSERTION_PAYLOAD, rules.only_header)


@cache
def text(typ: str) -> Kind:
    """Return the kind of a text that the exchange signs. Raises ValueError for the type of another kind."""
    if typ.lower() in RESERVED_TYPES:
        msg = f"typ {typ!r} belongs to another kind of JWT"
        raise ValueError(msg)
    return Kind(frozenset({typ.lower()}), (SIGNING_ALGORITHM,), max_header=512, max_payload=MAX_TEXT)


def open_jwt(token: str, kind: Kind, find_key: Callable[[str, Header], PublicKey]) -> bytes:
    """Return the payload of a JWT of this kind with a good signature. Raises JwtNotGood.

    `find_key` gets the header, as sent and as read, once the header is known to be of this kind.
    """
    if len(token) > kind.max_length:
        raise JwtNotGood("too-long", length=len(token))
    if _JWT.fullmatch(token) is None:
        raise JwtNotGood("not-a-jwt")
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    header = read_header(head, kind)
    key = find_key(head, header)
    opened = _bytes(payload, kind.max_payload)
    if not is_signed(header["alg"], signed.encode(), _bytes(signature, 512), key):
        raise JwtNotGood("signature")
    return opened


def is_signed(algorithm: str, signed: bytes, signature: bytes, key: PublicKey) -> bool:
    """Tell whether the signature is that key's, by that algorithm."""
    if algorithm == "ES256":
        public_key: Any = key.loaded.public_key
        return es256.is_signed(signed, signature, public_key)
    model: Any = jws.JWSRegistry.algorithms[algorithm]
    try:
        return bool(model.verify(signed, signature, key.loaded))
    except (JoseError, ValueError, TypeError):
        return False


@lru_cache(maxsize=1024)
def read_header(head: str, kind: Kind) -> Header:
    """Return a header that is of this kind; whoever sends one sends it again each time. Raises JwtNotGood."""
    header = _read_json(head, kind.max_header)
    typ = header.get("typ")
    if typ is not None and not isinstance(typ, str):
        raise JwtNotGood("typ")
    if (typ.lower().removeprefix("application/") if typ is not None else None) not in kind.types:
        raise JwtNotGood("typ")
    if header.get("alg") not in kind.algorithms:
        raise JwtNotGood("algorithm")
    if "crit" in header or "b64" in header:
        raise JwtNotGood("crit")
    if kind.only_header is not None and not header.keys() <= kind.only_header:
        raise JwtNotGood("header-member")
    return header


def read_claims(payload: bytes) -> dict[str, Any]:
    """Return the claims of a payload that was verified. Raises JwtNotGood."""
    try:
        claims = orjson.loads(payload)
    except ValueError as fault:
        raise JwtNotGood("not-a-jwt") from fault
    if not isinstance(claims, dict):
        raise JwtNotGood("not-a-jwt")
    return claims


def unverified_subject(unverified_token: str) -> str | None:
    """Return whom an assertion claims to be of, to find the keys it must be verified with; None when unreadable."""
    _, _, rest = unverified_token.partition(".")
    payload, _, signature = rest.partition(".")
    try:
        found = _read_json(payload, MAX_ASSERTION_PAYLOAD).get("sub")
    except JwtNotGood:
        return None
    return found if isinstance(found, str) and signature else None


def audience_is(claims: Mapping[str, Any], audience: str) -> None:
    """Hold `aud` to be this one string. Raises JwtNotGood."""
    # Before the registry, which would be content with an array that holds the audience among others
    if not isinstance(claims.get("aud"), str) or claims["aud"] != audience:
        raise JwtNotGood("aud")


def validate(claims: dict[str, Any], now: datetime, leeway_s: int, **options: Any) -> None:
    """Hold the registered claims against the clock and what is asked of each. Raises JwtNotGood."""
    instant = int(now.timestamp())
    try:
        JWTClaimsRegistry(now=instant, leeway=leeway_s, **options).validate(claims)
    except ExpiredTokenError as fault:
        raise JwtNotGood("expired", seconds_ago=instant - int(claims["exp"])) from fault
    except MissingClaimError as fault:
        raise JwtNotGood("claim-missing") from fault
    except InvalidClaimError as fault:
        raise JwtNotGood(f"claim-{fault.claim}", **_skew(claims, fault.claim, instant)) from fault
    except (ValueError, OverflowError) as fault:
        raise JwtNotGood("claims") from fault


def _skew(claims: Mapping[str, Any], claim: str, instant: int) -> dict[str, Any]:
    value = claims.get(claim)
    is_time = claim in {"iat", "nbf"} and isinstance(value, int) and not isinstance(value, bool)
    return {"seconds_ahead": int(value or 0) - instant} if is_time else {}


def _read_json(part: str, max_bytes: int) -> Mapping[str, Any]:
    try:
        found = orjson.loads(_bytes(part, max_bytes))
    except ValueError as fault:
        raise JwtNotGood("not-a-jwt") from fault
    if not isinstance(found, dict):
        raise JwtNotGood("not-a-jwt")
    return found


def _bytes(part: str, max_bytes: int) -> bytes:
    """Return what a part of a JWT holds (RFC 7515 §2). Raises JwtNotGood."""
    try:
        standard = part.encode("ascii").translate(_STANDARD) + _PADDING[len(part) % 4]
        raw = binascii.a2b_base64(standard, strict_mode=True)
    except ValueError as fault:  # also a binascii.Error, or text that is not ASCII
        raise JwtNotGood("not-a-jwt") from fault
    if len(raw) > max_bytes:
        raise JwtNotGood("too-long", length=len(part))
    return raw


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_PADDING: Final = (b"", b"===", b"==", b"=")
