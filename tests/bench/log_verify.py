"""How fast a log is verified: a full audit from files, and proofs from the tiles of a large tree."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datahub.audit.tlog import tiles, tree
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, Tile
from datahub.audit.tlog.verification import Findings, audit_tree

ENTRY = (
    b'{"v":1,"k":"access","t":1800000000,"n":"%022d","c":"' + b"c" * 43 + b'","st":["' + b"s" * 22 + b'"]}'
)
ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    """One line of the bench."""

    name: str
    value: float
    unit: str


def written(folder: Path, size: int) -> Checkpoint:
    """Write a log of entries like ours and return its head."""
    kept: dict[Tile, bytes] = {}
    root = tree.EMPTY_ROOT
    step = WIDTH * 64
    for at in range(0, size, step):
        entries = [ENTRY % number for number in range(at, min(at + step, size))]
        growth = tiles.grow(at, [tree.leaf_hash(entry) for entry in entries], kept.__getitem__)
        kept |= growth.tiles
        root = growth.root
        for start in range(0, len(entries), WIDTH):
            part = entries[start : start + WIDTH]
            _write(folder, Tile(BUNDLES, (at + start) // WIDTH, len(part)), tiles.bundle(part))
    for tile in tiles.tiles_of(size):
        _write(folder, tile, kept[tile])
    return Checkpoint("bench.example/log", size, root)


def _write(folder: Path, tile: Tile, data: bytes) -> None:
    path = folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def audit(size: int) -> Iterator[Figure]:
    """Verify a log of `size` entries from files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        head = written(folder, size)

        def fetch(path: str) -> bytes | None:
            file = folder / path
            return file.read_bytes() if file.exists() else None

        best = 0.0
        for _ in range(ROUNDS):
            findings, started = Findings(), time.process_time()
            audit_tree(head, fetch, findings)
            best = max(best, size / (time.process_time() - started))
            assert findings.found == []
        yield Figure(f"full audit of {size:,} entries", best, "entries per CPU-second")


def proofs(size: int) -> Iterator[Figure]:
    """Make and verify proofs in a tree of `size` leaves."""
    kept: dict[Tile, bytes] = {}
    leaves = [tree.leaf_hash(number.to_bytes(8, "big")) for number in range(size)]
    growth = tiles.grow(0, leaves, kept.__getitem__)
    kept |= growth.tiles
    yield from (
        Figure(name, _median(run, size), "ms, median")
        for name, run in _proof_kinds(size, growth.root, leaves, kept)
    )


def _proof_kinds(
    size: int, root: bytes, leaves: list[bytes], kept: dict[Tile, bytes]
) -> Sequence[tuple[str, Callable[[int], None]]]:
    paths: dict[int, list[bytes]] = {}

    def inclusion(index: int) -> None:
        paths[index] = tree.inclusion_proof(index, size, tiles.nodes(size, kept.__getitem__))

    def check(index: int) -> None:
        tree.verify_inclusion(leaves[index], index, size, paths[index], root)

    def consistency(index: int) -> None:
        tree.consistency_proof(index + 1, size, tiles.nodes(size, kept.__getitem__))

    return (
        (f"inclusion proof from {size:,} leaves", inclusion),
        ("its verification", check),
        (f"consistency proof to {size:,} leaves", consistency),
    )


def _median(run: Callable[[int], None], size: int) -> float:
    spent = []
    for number in range(400):
        index = number * 7919 * 31 % size
        started = time.perf_counter()
        run(index)
        spent.append(time.perf_counter() - started)
    return sorted(spent)[len(spent) // 2] * 1000
