"""The Merkle tree: hashes, proofs made from stored nodes, and their verification.

RFC 6962 §2.1 for the hashes; RFC 9162 §2.1.3–2.1.4 for proofs and verification, in the form that
draft-ietf-plants-merkle-tree-certs gives them for subtrees: an inclusion proof is the proof for the subtree [i, i+1),
a consistency proof the one for [0, old size), so one walk makes and one walk verifies all four.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from datahub.audit.tlog.faults import TlogFault

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = 2**63 - 1  # fits the signed 64-bit column of every database
MAX_PROOF = 63  # no path in a tree of MAX_SIZE leaves is longer (tlog-witness has the same limit)

# The hash of the perfect subtree over leaves [index << level, (index + 1) << level).
ReadNode = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry (RFC 6962 §2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root(size: int, read_node: ReadNode) -> bytes:
    """Return the root of a tree of `size` leaves; of the empty tree, the hash of nothing."""
    return range_hash(0, size, read_node) if size else EMPTY_ROOT


def range_hash(start: int, end: int, read_node: ReadNode) -> bytes:
    """Return the root of the subtree over leaves [start, end), which must be a valid subtree and not be empty."""
    nodes = [read_node(level, index) for level, index in _perfect_parts(start, end)]
    found = nodes.pop()
    while nodes:
        found = node_hash(nodes.pop(), found)
    return found


def _perfect_parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def inclusion_proof(index: int, size: int, read_node: ReadNode) -> list[bytes]:
    """Return the path from leaf `index` to the root of the tree of `size` leaves (RFC 9162 §2.1.3.1)."""
    return subtree_proof(index, index + 1, size, read_node)


def consistency_proof(old: int, new: int, read_node: ReadNode) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with that of `old` (RFC 9162 §2.1.4.1).

    From size 0 there is nothing to prove: the list is empty.
    """
    return subtree_proof(0, old, new, read_node) if old else []


def subtree_proof(start: int, end: int, size: int, read_node: ReadNode) -> list[bytes]:
    """Return the proof that leaves [start, end) with their root are part of the tree of `size` leaves.

    Raises TlogFault when that is no subtree of it.
    """
    _check_subtree(start, end, size)
    low, high, is_known, hashes = 0, size, True, []
    while (start, end) != (low, high):
        middle = low + (1 << ((high - low - 1).bit_length() - 1))  # the largest power of two below the width
        if end <= middle:
            hashes.append(range_hash(middle, high, read_node))
            high = middle
        else:
            hashes.append(range_hash(low, middle, read_node))
            is_known = is_known and middle <= start
            low, start = middle, max(start, middle)
    if not is_known:
        hashes.append(range_hash(low, high, read_node))
    return hashes[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Pass when the leaf with hash `leaf` is at `index` of the tree (RFC 9162 §2.1.3.2). Raises TlogFault."""
    verify_subtree(index, index + 1, size, leaf, proof, expected)


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Pass when the newer tree begins with the older (RFC 9162 §2.1.4.2). Raises TlogFault.

    Size 0 is refused: every tree begins with the empty one, so there is nothing that a proof could show.
    """
    verify_subtree(0, old, new, old_root, proof, new_root)


def verify_subtree_inclusion(  # noqa: PLR0917 — the order of the definitions in RFC 9162
    leaf: bytes, index: int, start: int, end: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """Pass when the leaf is at `index` of the subtree [start, end) whose root is `expected`. Raises TlogFault."""
    _check_subtree(start, end, end)
    if not start <= index < end:
        raise TlogFault(f"leaf {index} is outside of the subtree [{start}, {end})")
    verify_inclusion(leaf, index - start, end - start, proof, expected)


def verify_subtree(  # noqa: PLR0917 — the order of the definitions in RFC 9162
    start: int, end: int, size: int, part: bytes, proof: Sequence[bytes], expected: bytes
) -> None:
    """Pass when leaves [start, end) with root `part` are in the tree of `size` with root `expected`.

    Raises TlogFault. With [i, i+1) this is RFC 9162 §2.1.3.2, with [0, old) it is §2.1.4.2.
    """
    _check_subtree(start, end, size)
    _check_hashes([part, expected, *proof], len(proof))
    first, second, last = _where_paths_part(start, end, size)
    path = list(proof) if first != second else [part, *proof]
    of_part = of_tree = path[0] if path else b""
    for each in path[1:]:
        if last == 0:
            raise TlogFault("the proof is too long")
        if second & 1 or second == last:
            if first < second:
                of_part = node_hash(each, of_part)
            of_tree = node_hash(each, of_tree)
            while not second & 1:
                first, second, last = first >> 1, second >> 1, last >> 1
        else:
            of_tree = node_hash(of_tree, each)
        first, second, last = first >> 1, second >> 1, last >> 1
    if last:
        raise TlogFault("the proof is too short")
    if of_part != part:
        raise TlogFault("the proof leads to another root for the older or smaller tree")
    if of_tree != expected:
        raise TlogFault("the proof leads to another root")


def _where_paths_part(start: int, end: int, size: int) -> tuple[int, int, int]:
    """Return the first, second and last node of the lowest level that the proof has hashes for."""
    first, second, last = start, end - 1, size - 1
    is_suffix = second == last
    while first != second and (is_suffix or second & 1):
        first, second, last = first >> 1, second >> 1, last >> 1
    return first, second, last


def _check_subtree(start: int, end: int, size: int) -> None:
    """Hold 0 ≤ start < end ≤ size ≤ MAX_SIZE, and that the subtree starts at a multiple of its rounded-up width."""
    if not 0 <= start < end <= size <= MAX_SIZE:
        raise TlogFault(f"[{start}, {end}) is not a part of a tree of {size} leaves")
    if start & ((1 << (end - start - 1).bit_length()) - 1):
        raise TlogFault(f"[{start}, {end}) is not a subtree")


def _check_hashes(hashes: Sequence[bytes], length: int) -> None:
    if length > MAX_PROOF:
        raise TlogFault(f"a proof has at most {MAX_PROOF} hashes; this one has {length}")
    if any(len(each) != HASH_BYTES for each in hashes):
        raise TlogFault(f"a hash is {HASH_BYTES} bytes")
