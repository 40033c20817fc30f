"""Sets of people as bits, exactly: packed, deflated, and in blocks, so that one person is found without all others. Pure."""

import hashlib
import zlib
from collections.abc import Iterator

import numpy as np

from datahub.consent.rules.gate import Bools

BLOCK = 1 << 16
_FAST = 1


def pack(people: Bools) -> bytes:
    """Return a set as bytes."""
    return zlib.compress(np.packbits(people, bitorder="little").tobytes(), _FAST)


def unpack(bits: bytes, count: int) -> Bools:
    """Return the set that bytes hold, of so many people."""
    found = np.frombuffer(zlib.decompress(bits), np.uint8)
    return np.unpackbits(found, count=count, bitorder="little").view(np.bool_)


def has(bits: bytes, number: int) -> bool:
    """Tell whether a person is in a set; a number beyond it is not."""
    found = zlib.decompress(bits)
    at, bit = divmod(number, 8)
    return at < len(found) and bool(found[at] >> bit & 1)


def parts(people: Bools) -> Iterator[tuple[int, Bools]]:
    """Give the blocks of a set that hold anybody."""
    for at in range(0, len(people), BLOCK):
        part = people[at : at + BLOCK]
        if part.any():
            yield at // BLOCK, part


def digest_of_set(people: Bools) -> str:
    """Return what tells one set from another of the same people."""
    return hashlib.blake2b(np.packbits(people).tobytes(), digest_size=16).hexdigest()
