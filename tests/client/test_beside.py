"""Work beside the network: all of it, in order, and its faults come out."""

import hashlib

import pytest

from datahub.client.beside import GATHER_BYTES, Beside


def test_the_work_sees_all_bytes_in_order() -> None:
    seen, wanted = hashlib.sha256(), hashlib.sha256()
    sizes: list[int] = []

    def work(block: bytes) -> None:
        seen.update(block)
        sizes.append(len(block))

    with Beside(work) as beside:
        for number in range(300):
            chunk = bytes([number % 256]) * (number * 97)
            wanted.update(chunk)
            beside.give(chunk)
        beside.drain()
        assert seen.digest() == wanted.digest()
        beside.give(b"and on")
        wanted.update(b"and on")
    assert seen.digest() == wanted.digest()
    assert max(sizes) < GATHER_BYTES + 300 * 97


def test_a_fault_of_the_work_comes_out_where_bytes_are_given() -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), Beside(full) as beside:
        for _ in range(5):
            beside.give(b"x" * GATHER_BYTES)
    with pytest.raises(OSError, match="No space left"), Beside(full) as beside:
        beside.give(b"few")  # comes out at the end at the latest
