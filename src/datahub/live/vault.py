"""The credential for an upstream, sealed under the exchange's master key and bound to its dataset: in, never out.

AES-256-GCM (NIST SP 800-38D). It is opened only to make the headers of one call.
"""

import base64
import secrets
from collections.abc import Mapping

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datahub.kernel.settings import Settings
from datahub.live.errors import CredentialUnreadable

_PURPOSE = "live-credentials"
_NONCE_BYTES = 12


def seal(settings: Settings, dataset_id: str, credential: Mapping[str, str]) -> bytes:
    """Return a credential that only this exchange can open, and only for this dataset."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(settings.derive_key(_PURPOSE))
    return nonce + cipher.encrypt(nonce, orjson.dumps(dict(credential)), dataset_id.encode())


def headers_of(settings: Settings, dataset_id: str, sealed: bytes | None) -> dict[str, str]:
    """Return the headers that a sealed credential stands for. Raises CredentialUnreadable."""
    if sealed is None:
        return {}
    try:
        cipher = AESGCM(settings.derive_key(_PURPOSE))
        plain = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], dataset_id.encode())
    except InvalidTag as fault:
        raise CredentialUnreadable("The provider's credential for its service cannot be opened.") from fault
    held: dict[str, str] = orjson.loads(plain)
    match held["type"]:
        case "bearer":
            return {"Authorization": f"Bearer {held['token']}"}
        case "basic":
            pair = f"{held['user']}:{held['password']}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case _:
            return {held["name"]: held["value"]}
