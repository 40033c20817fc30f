"""ES256 without detours (RFC 7518 §3.4): nearly all that is signed and verified here is, a few times for every token.

The key is one of P-256, as `jwks` lets no other EC key in. r and s are 32 bytes each, as JOSE writes them.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_HALF: Final = 32
_ECDSA: Final = ECDSA(SHA256())


def sign(text: bytes, key: EllipticCurvePrivateKey) -> bytes:
    """Return the signature of a text."""
    r, s = decode_dss_signature(key.sign(text, _ECDSA))
    return r.to_bytes(_HALF) + s.to_bytes(_HALF)


def is_signed(text: bytes, signature: bytes, key: EllipticCurvePublicKey) -> bool:
    """Tell whether a signature is that key's."""
    if len(signature) != 2 * _HALF:
        return False
    r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
    try:
        key.verify(encode_dss_signature(r, s), text, _ECDSA)
    except InvalidSignature:
        return False
    return True
