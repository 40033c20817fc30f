"""By what name the debtor of a duty knows a person, sealed at rest: AES-256-GCM, bound to the duty and the person."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datahub.duties.models import DutySubject
from datahub.kernel.settings import Settings

_PURPOSE = "duty-subjects"
_NONCE_BYTES = 12


def sealed(settings: Settings, duty_id: str, subject: bytes, name: str) -> bytes:
    """Return a name that only this exchange can open, and only for this duty and person."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(settings.derive_key(_PURPOSE))
    return nonce + cipher.encrypt(nonce, name.encode(), duty_id.encode() + subject)


def opened(settings: Settings, duty_id: str, row: DutySubject) -> str | None:
    """Return the name, or None when there is none (any more).

    Raises RuntimeError when it does not open: this is not the master key it was sealed under.
    """
    if row.sealed is None:
        return None
    try:
        cipher = AESGCM(settings.derive_key(_PURPOSE))
        plain = cipher.decrypt(
            row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:], duty_id.encode() + row.subject
        )
    except InvalidTag as fault:
        msg = "a name in a duty does not open: is this the master key it was sealed under?"
        raise RuntimeError(msg) from fault
    return plain.decode()
