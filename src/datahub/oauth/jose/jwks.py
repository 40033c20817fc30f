"""Keys as JWK (RFC 7517): which ones a client may have, and how they are loaded, once per content.

RFC 7638 (thumbprint), RFC 8037 and 9864 (Ed25519), FAPI 2.0 §5.4.1 (sizes) and §5.4.2 (key ids).
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from datahub.oauth.errors import JwtNotGood
from datahub.oauth.profiles import FAPI_ALGORITHMS

_ALGORITHMS_OF: Final[Mapping[str, frozenset[str]]] = {
    "EC": frozenset({"ES256"}),
    "RSA": frozenset({"PS256", "RS256", "RS384", "RS512"}),
    "OKP": frozenset({"Ed25519", "EdDSA"}),
}
_CLASSES: Final[Mapping[str, type[Key]]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_MEMBERS: Final = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096  # larger ones only make every verification slow
MAX_KEYS: Final = 10
MAX_KID_LENGTH: Final = 200
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PrivateKey = EllipticCurvePrivateKey


@dataclass(frozen=True)
class PublicKey:
    """A loaded public key; `algorithm` when it was registered for that one alone (RFC 8725 §3.1)."""

    loaded: Key
    kid: str
    algorithm: str | None = None

    def fits(self, algorithm: str) -> bool:
        """Tell whether signatures by this algorithm may be this key's."""
        return algorithm in _ALGORITHMS_OF[self.loaded.key_type] and self.algorithm in (None, algorithm)


PublicKeys = tuple[PublicKey, ...]


def make_private_key(algorithm: str) -> tuple[str, dict[str, Any], bytes]:
    """Make an ES256 key: its id (RFC 7638 thumbprint), its public JWK, and its private JWK as JSON to be sealed."""
    key = ECKey.generate_key("P-256")
    kid = key.thumbprint()
    public = {**key.as_dict(private=False), "kid": kid, "alg": algorithm, "use": "sig"}
    return kid, dict(public), orjson.dumps(key.as_dict(private=True))


def load_private_key(private_jwk: bytes) -> PrivateKey:
    """Load what `make_private_key` made."""
    found = ECKey.import_key(orjson.loads(private_jwk)).private_key
    assert found is not None  # noqa: S101 — what was sealed is a private key
    return found


def public_keys(jwks: Mapping[str, Any]) -> PublicKeys:
    """Return the loaded keys of a JWK set that was checked before; loading is done once per content."""
    return _loaded(orjson.dumps(jwks, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=4096)
def _loaded(jwks: bytes) -> PublicKeys:
    return tuple(public_key(member) for member in orjson.loads(jwks)["keys"])


def public_key(member: Mapping[str, Any]) -> PublicKey:
    """Load one public JWK that passed `key_fault`."""
    # RFC 9864: a key registered as EdDSA must also verify Ed25519, so what says no more than kty does is not kept
    pinned = member.get("alg") if member["kty"] == "RSA" else None
    loaded = _import(member)
    return PublicKey(loaded, str(member.get("kid") or loaded.thumbprint()), pinned)


def key_of_certificate(key: Any) -> PublicKey:
    """Load the public key of a certificate. Raises JwtNotGood for one that is no RSA key of a fair size."""
    if not isinstance(key, RSAPublicKey) or not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise JwtNotGood("certificate-key")
    loaded = RSAKey.import_key(key)
    return PublicKey(loaded, loaded.thumbprint())


@cache
def nobodys_keys() -> PublicKeys:
    """Return keys that nobody holds: verifying against them takes an unknown client as long as a known one."""
    key = ECKey.generate_key("P-256", private=False)
    return (PublicKey(key, key.thumbprint()),)


def choose_key(keys: PublicKeys, header: Mapping[str, Any], *, needs_kid: bool = False) -> PublicKey:
    """Return the one key a header can mean: by kid, and by type and algorithm (FAPI 2.0 §5.4.2-3). Raises JwtNotGood."""
    fitting = [key for key in keys if key.fits(header["alg"])]
    if "kid" in header:
        named = [key for key in fitting if key.kid == header["kid"]]
        if len(named) == 1:
            return named[0]
        raise JwtNotGood("unknown-key")
    if needs_kid or len(fitting) != 1:
        raise JwtNotGood("kid-needed" if fitting else "unknown-key")
    return fitting[0]


def key_fault(
    member: Mapping[str, Any], algorithms: Collection[str] = FAPI_ALGORITHMS
) -> tuple[str, str] | None:
    """Return (code, sentence) of what is wrong with one public JWK, or None. Says nothing of its content."""
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
    allowed = sorted(_ALGORITHMS_OF[kind].intersection(algorithms))
    if member.get("alg") not in [None, *allowed]:
        return "algorithm", f"alg must be absent or {' or '.join(allowed)} for kty {kind}"
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


def bare_key(member: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a public JWK what verifies, its id (its thumbprint where it names none), and the algorithm it is pinned to."""
    key = public_key(member)
    pinned = {"alg": key.algorithm} if key.algorithm else {}
    parts = {name: member[name] for name in _MEMBERS[member["kty"]]}
    return {"kty": member["kty"], "kid": key.kid, **parts, **pinned}


def _import(member: Mapping[str, Any]) -> Key:
    # `alg`, `use` and `key_ops` were judged by `key_fault`; the kind of JWT and `PublicKey.fits` pin the algorithm
    kept = {name: member[name] for name in ("kty", *_MEMBERS[member["kty"]])}
    key = _CLASSES[member["kty"]].import_key(kept)
    _ = key.public_key  # loads it now, and refuses a point that is not on the curve
    return key
