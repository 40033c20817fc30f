"""Keys of people, made unreadable: a keyed digest, the same for one person in one key space of one organisation. Pure.

BLAKE2b with a key (RFC 7693 §2.5), 128 bits. Without the master key nobody can tell whose digest it is, and digests of
two organisations, or of two key spaces, have nothing in common.
"""

import hashlib
from collections.abc import Callable, Iterable

DIGEST_BYTES = 16
MAX_KEY = 200


def digester(secret: bytes, provider_id: str, key_space: str) -> Callable[[str], bytes]:
    """Return the function that turns a person's key into its digest, for one key space of one organisation."""
    space = hashlib.blake2b(f"{provider_id}\n{key_space}".encode(), key=secret, digest_size=32).digest()
    base = hashlib.blake2b(key=space, digest_size=DIGEST_BYTES)

    def digest(key: str) -> bytes:
        state = base.copy()
        state.update(key.encode())
        return state.digest()

    return digest


def digests(digest: Callable[[str], bytes], keys: Iterable[object]) -> bytes:
    """Return the digests of many keys, one after the other; a whole number counts as its decimal digits."""
    return b"".join([digest(key_text(key)) for key in keys])


def key_text(key: object) -> str:
    """Write a key as a text: surrounding blanks have no meaning, leading zeros do."""
    return key.strip() if isinstance(key, str) else str(key)


def key_fault(key: object) -> str | None:
    """Return why a key cannot name anybody, or None."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        return "a person's key is a text or a whole number"
    text = key_text(key)
    if not text or len(text) > MAX_KEY:
        return f"a person's key has 1 to {MAX_KEY} characters"
    return None if text.isprintable() else "a person's key has no control characters"
