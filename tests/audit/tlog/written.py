"""A log written by our own functions, as the files that anybody can copy: for drills, other programs and the page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datahub.audit.tlog import notes, tiles, tree
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.keys import KeyType, Signer
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, Tile
from datahub.audit.tlog.trust_policy import Group, Log, TrustPolicy, Witness

ORIGIN = "exchange.example/log"
AT = 1_800_000_000
ED25519 = Signer(ORIGIN, KeyType.ED25519, b"1" * 32)
ML_DSA = Signer(ORIGIN, KeyType.ML_DSA_44, b"2" * 32)
WITNESSES = [Signer(f"w{n}.example", KeyType.ED25519_COSIGNATURE, bytes([n]) * 32) for n in (1, 2, 3)]
POLICY = TrustPolicy(
    logs=(Log(ED25519.key), Log(ML_DSA.key)),
    witnesses=tuple(Witness(f"w{n}", signer.key) for n, signer in enumerate(WITNESSES, 1)),
    groups=(Group("most", 2, ("w1", "w2", "w3")),),
    quorum="most",
)


@dataclass
class WrittenLog:
    """The files of a log by their paths, growing."""

    files: dict[str, bytes] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    head: Checkpoint = field(default_factory=lambda: Checkpoint(ORIGIN, 0, tree.EMPTY_ROOT))

    def read_tile(self, tile: Tile) -> bytes:
        return self.files[tile.path]

    def grow(self, entries: Sequence[bytes]) -> "WrittenLog":
        """Add entries, and publish a checkpoint over them with two witnesses of three."""
        growth = tiles.grow(self.head.size, [tree.leaf_hash(entry) for entry in entries], self.read_tile)
        self.files |= {tile.path: data for tile, data in growth.tiles.items()}
        old = self.head.size
        self.entries += entries
        for at in range(old // WIDTH, -(-growth.size // WIDTH)):
            held = self.entries[at * WIDTH : (at + 1) * WIDTH]
            self.files[Tile(BUNDLES, at, len(held)).path] = tiles.bundle(held)
        self.head = Checkpoint(ORIGIN, growth.size, growth.root)
        self.files["checkpoint"] = signed(self.head).encode()
        self.files["trust-policy"] = POLICY.encode()
        return self

    def receipt(self, index: int) -> LogProof:
        """The proof of an entry, which holds the entry itself."""
        read = tiles.nodes(self.head.size, self.read_tile)
        hashes = tree.inclusion_proof(index, self.head.size, read)
        return LogProof(index, tuple(hashes), Note.parse(self.files["checkpoint"]), self.entries[index])

    def write(self, folder: Path) -> Path:
        """Put the files in a folder."""
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


def signed(head: Checkpoint, witnesses: Sequence[Signer] = WITNESSES[:2]) -> Note:
    """A checkpoint with the log's two signatures and cosignatures."""
    return notes.sign(head.text, [ED25519, ML_DSA, *witnesses], AT)


def a_log(size: int) -> WrittenLog:
    """A log of so many entries, published once half-way and once at the end."""
    entries = [b'{"v":1,"k":"access","n":"%d"}' % number for number in range(size)]
    return WrittenLog().grow(entries[: size // 2]).grow(entries[size // 2 :])
