"""Identifiers and secrets: UUIDv7 for rows (RFC 9562 §5.7), 256 random bits for secrets.

UUIDv7 sorts by time of making, so that the primary key doubles as the default order of a list.
"""

import secrets

import uuid_utils


def new_id() -> str:
    """Return a new UUIDv7 in its 36-character form."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Tell whether a text has the form of an identifier made here (any UUID, lower case, with hyphens)."""
    try:
        return str(uuid_utils.UUID(text)) == text
    except ValueError:
        return False


def new_secret(prefix: str) -> str:
    """Return a new secret of 256 random bits; the prefix lets secret scanners recognise a leak."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
