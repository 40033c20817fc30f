"""Codes for values: each distinct value is coded once, and rows take the codes by index; never once per row.

A pseudonym is HMAC-SHA-256 (RFC 2104) under the consumer's key, its first 128 bits in hex (NIST SP 800-107 §5.1): the
same value gives one consumer the same code in every read, and two consumers codes that cannot be matched.
"""

import hashlib
import hmac
from collections import OrderedDict
from threading import Lock

import pyarrow as pa

PSEUDONYM_HEX = 32
KEPT_CODES = 400_000
"""How many codes a process remembers, over all keys; some 100 MB."""


def codes_of(texts: pa.Array, key: bytes | None) -> pa.StringArray:
    """Return each text's code, null for null: a pseudonym under `key`, or plain SHA-256 in hex without one."""
    encoded = texts.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):  # pragma: no cover — batches have arrays
        encoded = encoded.combine_chunks()
    distinct = encoded.dictionary.to_pylist()
    return pa.array(_remembered.code(distinct, key), pa.string()).take(encoded.indices)


def code_of(text: str, key: bytes | None) -> str:
    """Return the code of one text."""
    if key is None:
        return hashlib.sha256(text.encode()).hexdigest()
    return hmac.digest(key, text.encode(), "sha256").hex()[:PSEUDONYM_HEX]


class _Remembered:
    """The codes made lately, by key; the key used longest ago is forgotten first."""

    def __init__(self) -> None:
        self._maps: OrderedDict[bytes | None, dict[str, str]] = OrderedDict()
        self._lock = Lock()

    def code(self, distinct: list[str], key: bytes | None) -> list[str]:
        known = self._of(key)
        found = [known.get(text) for text in distinct]
        made = {text: code_of(text, key) for text, code in zip(distinct, found, strict=True) if code is None}
        if made:
            self._keep(key, made)
        return [made[text] if code is None else code for text, code in zip(distinct, found, strict=True)]

    def _of(self, key: bytes | None) -> dict[str, str]:
        with self._lock:
            known = self._maps.setdefault(key, {})
            self._maps.move_to_end(key)
            return known

    def _keep(self, key: bytes | None, made: dict[str, str]) -> None:
        with self._lock:
            # A map in use by another read is replaced, never emptied under it.
            room = KEPT_CODES - sum(len(each) for each in self._maps.values())
            while len(made) > room and self._maps:
                _, forgotten = self._maps.popitem(last=False)
                room += len(forgotten)
            if len(made) <= room:
                self._maps.setdefault(key, {}).update(made)


_remembered = _Remembered()
