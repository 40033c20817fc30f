"""Clients whose client_id is the address of a document about them, which they publish themselves. Pure.

draft-ietf-oauth-client-id-metadata-document §3 and §4, members of RFC 7591 §2. An organisation's administrator names the
address and the roles; keys come from the document, so that they are rotated where they are, with nobody to tell here.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

# §4.1: what would be a secret that the exchange and the client share
_SHARED = ("client_secret", "client_secret_expires_at")


def address_fault(url: str) -> str | None:
    """Return why an address cannot be a client_id, None when it can; whether it may be called is asked elsewhere."""
    path = urlsplit(url).path
    if not url.isascii() or not url.isprintable():
        return "must be of printable ASCII characters"
    if path in ("", "/") or any(segment in (".", "..") for segment in path.split("/")) or "?" in url:
        return "must have a path, without . and .. in it, and no query"
    return None


def keys_of(document: bytes, address: str, method: str) -> tuple[Mapping[str, Any] | None, str | None]:
    """Return the JWK set in a document, or the address of one. Raises ValueError: it is not that client's."""
    found = orjson.loads(document)
    if not isinstance(found, dict) or found.get("client_id") != address:
        msg = "the document does not bear its own address as client_id"
        raise ValueError(msg)
    if any(name in found for name in _SHARED) or found.get("token_endpoint_auth_method") != method:
        msg = f"a client of this kind has no secret, and token_endpoint_auth_method {method}"
        raise ValueError(msg)
    jwks, jwks_uri = found.get("jwks"), found.get("jwks_uri")
    if (jwks is None) == (jwks_uri is None) or not isinstance(jwks_uri, str | None):
        msg = "the document must hold either jwks or jwks_uri (RFC 7591 §2)"
        raise ValueError(msg)
    return jwks, jwks_uri
