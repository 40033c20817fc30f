"""All signing and verifying of the exchange, and the only module that touches joserfc.

One verifier for each kind of JWT, with its types, algorithms, sizes, lifetime and audience fixed here, so that no kind
passes for another (RFC 8725 §3.11). Read: RFC 7515, 7517, 7519, 7523 §3, 7638, 8037, 9068 §4, 9864.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NewType

import orjson
from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jwt import JWTClaimsRegistry

from datahub.oauth.errors import JwtNotGood

VerifiedClaims = NewType("VerifiedClaims", dict[str, Any])
PrivateKey = ECKey
PublicKeys = KeySet

SIGNING_ALGORITHM: Final = "ES256"
# FAPI 2.0 §5.4.1; both names of Ed25519, because RFC 9864 replaces the first by the second.
CLIENT_ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA")
_ALGORITHMS_OF: Final[Mapping[str, frozenset[str]]] = {
    "EC": frozenset({"ES256"}),
    "RSA": frozenset({"PS256"}),
    "OKP": frozenset({"Ed25519", "EdDSA"}),
}
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096  # larger ones only make every verification slow
MAX_KEYS: Final = 10
MAX_KID_LENGTH: Final = 200
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

ASSERTION_LIFE_S: Final = 300
CLOCK_SKEW_S: Final = 10  # FAPI 2.0 §5.3.2.1-13: accept up to 10 s ahead, refuse beyond 60 s
MAX_JTI_LENGTH: Final = 200


class _Registry(jws.JWSRegistry):
    """Only what its kind of JWT allows; without joserfc's warning at each EdDSA signature."""

    def __init__(self, algorithms: tuple[str, ...], max_header: int, max_payload: int) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)
        # joserfc holds what is still in base64 against these, which is a third longer
        self.max_header_length = max_header * 4 // 3 + 4
        self.max_payload_length = max_payload * 4 // 3 + 4

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise JwtNotGood("algorithm")
        return self.algorithms[name]


@dataclass(frozen=True)
class _Kind:
    """One kind of JWT: what its header may say and how large it may be. `None` in types: no `typ` at all."""

    types: frozenset[str | None]
    algorithms: tuple[str, ...]
    max_header: int
    max_payload: int
    registry: _Registry = field(init=False)

    def __post_init__(self) -> None:
        registry = _Registry(self.algorithms, self.max_header, self.max_payload)
        object.__setattr__(self, "registry", registry)

    @property
    def max_length(self) -> int:
        # base64 takes 4 characters for 3 bytes; a 4096-bit signature has 512 bytes
        return (self.max_header + self.max_payload + 512) * 4 // 3 + 8


_CLIENT_ASSERTION = _Kind(
    frozenset({None, "jwt", "client-authentication+jwt"}),
    CLIENT_ALGORITHMS,
    max_header=2048,
    max_payload=4096,
)
_ACCESS_TOKEN = _Kind(frozenset({"at+jwt"}), (SIGNING_ALGORITHM,), max_header=512, max_payload=16_384)
_RESERVED_TYPES = frozenset(t for kind in (_CLIENT_ASSERTION, _ACCESS_TOKEN) for t in kind.types) | {
    "dpop+jwt"
}
_MAX_TEXT = 1 << 20


@cache
def _text_kind(typ: str) -> _Kind:
    if typ.lower() in _RESERVED_TYPES:
        msg = f"typ {typ!r} belongs to another kind of JWT"
        raise ValueError(msg)
    return _Kind(frozenset({typ.lower()}), (SIGNING_ALGORITHM,), max_header=512, max_payload=_MAX_TEXT)


# --- keys ---------------------------------------------------------------------------------------------------------


def make_private_key() -> tuple[str, dict[str, Any], bytes]:
    """Make an ES256 key: its id (RFC 7638 thumbprint), its public JWK, and its private JWK as JSON to be sealed."""
    key = ECKey.generate_key("P-256")
    kid = key.thumbprint()
    public = {**key.as_dict(private=False), "kid": kid, "alg": SIGNING_ALGORITHM, "use": "sig"}
    return kid, dict(public), orjson.dumps(key.as_dict(private=True))


def load_private_key(private_jwk: bytes) -> PrivateKey:
    """Load what `make_private_key` made."""
    return ECKey.import_key(orjson.loads(private_jwk))


def public_keys(jwks: Mapping[str, Any]) -> PublicKeys:
    """Return the loaded keys of a JWK set that was checked before; loading is done once per content."""
    return _loaded(orjson.dumps(jwks, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=4096)
def _loaded(jwks: bytes) -> PublicKeys:
    return KeySet([_import(member) for member in orjson.loads(jwks)["keys"]])


@cache
def nobodys_keys() -> PublicKeys:
    """Return keys that nobody holds: verifying against them takes an unknown client as long as a known one."""
    return KeySet([ECKey.generate_key("P-256", private=False)])


def key_fault(member: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return (code, sentence) of what is wrong with one public JWK of a client, or None. Says nothing of its content."""
    if not _PRIVATE_MEMBERS.isdisjoint(member):
        return (
            "private-key",
            "this is a private or secret key; it is compromised now: throw it away and make another",
        )
    kind = member.get("kty")
    if not isinstance(kind, str) or kind not in _ALGORITHMS_OF:
        return "key-type", "kty must be EC (P-256), RSA or OKP (Ed25519)"
    curve = {"EC": "P-256", "OKP": "Ed25519"}.get(kind)
    if curve is not None and member.get("crv") != curve:
        return "curve", f"crv must be {curve} for kty {kind}"
    algorithms = sorted(_ALGORITHMS_OF[kind])
    if member.get("alg") not in [None, *algorithms]:
        return "algorithm", f"alg must be absent or {' or '.join(algorithms)} for kty {kind}"
    operations = member.get("key_ops", ["verify"])
    if member.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return "use", "the key must be for signatures (use: sig, key_ops: verify)"
    kid = member.get("kid", "-")
    if (
        not isinstance(kid, str)
        or not 0 < len(kid) <= MAX_KID_LENGTH
        or not kid.isascii()
        or not kid.isprintable()
    ):
        return "kid", f"kid must be a text of 1 to {MAX_KID_LENGTH} printable ASCII characters"
    return _import_fault(member)


def _import_fault(member: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        if member["kty"] == "RSA":
            modulus = member["n"]
            raw = base64.b64decode(modulus + "=" * (-len(modulus) % 4), altchars=b"-_", validate=True)
            if not MIN_RSA_BITS <= int.from_bytes(raw).bit_length() <= MAX_RSA_BITS:
                return "key-size", f"an RSA key must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
        _import(member)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return "malformed", "this is not a well-formed public JWK (RFC 7517)"
    return None


def kid_of(member: Mapping[str, Any]) -> str:
    """Return the key id of a public JWK that passed `key_fault`; its thumbprint where it names none (RFC 7638)."""
    return str(member.get("kid") or _import(member).thumbprint())


def bare_key(member: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a public JWK what verifies, and its id."""
    wanted = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}[member["kty"]]
    return {"kty": member["kty"], "kid": kid_of(member), **{name: member[name] for name in wanted}}


def _import(member: Mapping[str, Any]) -> Key:
    # `alg` stays out: a key registered as EdDSA must also verify Ed25519 (RFC 9864), and the kind of JWT pins it anyway
    kept = {
        name: value for name, value in member.items() if name in {"kty", "kid", "crv", "x", "y", "n", "e"}
    }
    classes: dict[str, type[Key]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
    key = classes[member["kty"]].import_key(kept)
    _ = key.public_key  # loads it now, and refuses a point that is not on the curve
    return key


# --- signing ------------------------------------------------------------------------------------------------------


def sign_access_token(key: PrivateKey, kid: str, claims: Mapping[str, Any]) -> str:
    """Sign an access token (RFC 9068 §2)."""
    return _sign(key, kid, "at+jwt", orjson.dumps(dict(claims)), _ACCESS_TOKEN)


def sign_text(key: PrivateKey, kid: str, typ: str, payload: bytes) -> str:
    """Sign a text as a compact JWS. Raises ValueError for a `typ` that belongs to another kind, or a text above 1 MiB."""
    if len(payload) > _MAX_TEXT:
        msg = f"a text of {len(payload)} bytes is too long to sign"
        raise ValueError(msg)
    return _sign(key, kid, typ, payload, _text_kind(typ))


def _sign(key: PrivateKey, kid: str, typ: str, payload: bytes, kind: _Kind) -> str:
    header = {"alg": SIGNING_ALGORITHM, "typ": typ, "kid": kid}
    return jws.serialize_compact(header, payload, key, registry=kind.registry)


# --- verifying ----------------------------------------------------------------------------------------------------


def verify_client_assertion(
    unverified_token: str, keys: PublicKeys, *, client_id: str, issuer: str, now: datetime
) -> VerifiedClaims:
    """Return the claims of a client's own JWT (RFC 7523 §3), all checks done but its single use.

    `aud` must be the issuer, as a string and nothing else (FAPI 2.0 §5.3.2.1-8); it may live 300 s at most.
    Raises JwtNotGood.
    """
    payload = _open(unverified_token, _CLIENT_ASSERTION, lambda header: _choose(keys, header))
    claims = _claims(payload)
    _audience_is(claims, issuer)
    identity: Any = {"essential": True, "value": client_id}
    _validate(claims, now, CLOCK_SKEW_S, iss=identity, sub=identity, exp=_ESSENTIAL, jti=_ESSENTIAL)
    ahead = int(claims["exp"]) - int(now.timestamp())
    if ahead > ASSERTION_LIFE_S + CLOCK_SKEW_S:
        raise JwtNotGood("exp-too-far", seconds_ahead=ahead)
    if len(claims["jti"]) > MAX_JTI_LENGTH:
        raise JwtNotGood("jti")
    return VerifiedClaims(claims)


def verify_access_token(
    unverified_token: str, keys: PublicKeys, *, issuer: str, now: datetime
) -> VerifiedClaims:
    """Return the claims of one of our access tokens (RFC 9068 §4), revocation not yet asked. Raises JwtNotGood."""
    kids: list[str] = []

    def choose(header: Mapping[str, Any]) -> Key:
        key = _choose(keys, header, needs_kid=True)
        kids.append(str(key.kid))
        return key

    claims = _claims(_open(unverified_token, _ACCESS_TOKEN, choose))
    _audience_is(claims, issuer)
    names = ("sub", "client_id", "exp", "iat", "jti", "scope", "participant_id", "client_epoch")
    _validate(claims, now, 0, iss={"essential": True, "value": issuer}, **dict.fromkeys(names, _ESSENTIAL))
    claims["kid"] = kids[0]
    return VerifiedClaims(claims)


def verify_text(unverified_text: str, keys: PublicKeys, typ: str) -> bytes:
    """Return the payload of a text signed by `sign_text` with this `typ`. Raises JwtNotGood."""
    return _open(unverified_text, _text_kind(typ), lambda header: _choose(keys, header, needs_kid=True))


def unverified_claims(unverified_token: str) -> Mapping[str, Any]:
    """Return what an assertion says of itself, to find the keys it must be verified with; {} when unreadable."""
    try:
        return _json(unverified_token.split(".")[1], _CLIENT_ASSERTION.max_payload)
    except (IndexError, JwtNotGood):
        return {}


_ESSENTIAL: Any = {"essential": True}


def _open(token: str, kind: _Kind, find_key: Callable[[Mapping[str, Any]], Key]) -> bytes:
    if len(token) > kind.max_length:
        raise JwtNotGood("too-long", length=len(token))
    if token.count(".") != 2 or not token.isascii():  # noqa: PLR2004 — header.payload.signature
        raise JwtNotGood("not-a-jwt")
    header = _json(token.partition(".")[0], kind.max_header)
    typ = header.get("typ")
    if typ is not None and not isinstance(typ, str):
        raise JwtNotGood("typ")
    if (typ.lower().removeprefix("application/") if typ is not None else None) not in kind.types:
        raise JwtNotGood("typ")
    if header.get("alg") not in kind.algorithms:
        raise JwtNotGood("algorithm")
    if "crit" in header or "b64" in header:
        raise JwtNotGood("crit")
    try:
        opened = jws.deserialize_compact(token, find_key(header), registry=kind.registry)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as fault:
        raise JwtNotGood("signature") from fault
    return bytes(opened.payload)


def _choose(keys: PublicKeys, header: Mapping[str, Any], *, needs_kid: bool = False) -> Key:
    fitting = [key for key in keys if header["alg"] in _ALGORITHMS_OF[key.key_type]]
    if "kid" in header:
        named = [key for key in fitting if key.kid == header["kid"]]
        if len(named) == 1:
            return named[0]
        raise JwtNotGood("unknown-key")
    if needs_kid or len(fitting) != 1:
        raise JwtNotGood("kid-needed" if fitting else "unknown-key")
    return fitting[0]


def _json(part: str, max_bytes: int) -> Mapping[str, Any]:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = orjson.loads(raw) if len(raw) <= max_bytes else None
    except (binascii.Error, ValueError) as fault:
        raise JwtNotGood("not-a-jwt") from fault
    if not isinstance(found, dict):
        raise JwtNotGood("not-a-jwt")
    return found


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = orjson.loads(payload)
    except ValueError as fault:
        raise JwtNotGood("not-a-jwt") from fault
    if not isinstance(claims, dict):
        raise JwtNotGood("not-a-jwt")
    return claims


def _audience_is(claims: Mapping[str, Any], audience: str) -> None:
    # Before the registry, which would be content with an array that holds the audience among others
    if claims.get("aud") != audience or not isinstance(claims["aud"], str):
        raise JwtNotGood("aud")


def _validate(claims: dict[str, Any], now: datetime, leeway_s: int, **options: Any) -> None:
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
