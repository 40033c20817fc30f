"""A whole log held against its head: every entry, every tile, every checkpoint, and whatever differs by name.

The caller gives what reads a path of the log; here is only what to read and what it must be.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from datahub.audit.tlog import tiles, tree
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.tiles import BUNDLES, TILE_BYTES, WIDTH, Tile
from datahub.audit.tlog.tree import HASH_BYTES
from datahub.audit.tlog.trust_policy import Trusted, TrustPolicy

MAX_FINDINGS = 100

# Gives what lies at a path of the log, or None when nothing does.
Fetch = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be: a stable code, where, and a sentence."""

    code: str
    where: str
    detail: str


class TooManyFindings(Exception):  # noqa: N818 — it only stops the search
    """Enough is wrong to say so; the rest is not looked at."""


@dataclass
class Findings:
    """What was found so far."""

    found: list[Finding] = field(default_factory=list)

    def add(self, code: str, where: str, detail: str) -> None:
        """Keep one. Raises TooManyFindings."""
        self.found.append(Finding(code, where, detail))
        if len(self.found) >= MAX_FINDINGS:
            raise TooManyFindings


def check_head(raw: bytes | None, policy: TrustPolicy, findings: Findings) -> Trusted | None:
    """Return the head of a signed checkpoint with who signed it, or None; what is missing or false is found."""
    where = "checkpoint"
    if raw is None:
        findings.add(
            "checkpoint-missing", where, "there is no checkpoint, so nothing says what the log holds"
        )
        return None
    try:
        note = Note.parse(raw)
        head = Checkpoint.parse(note.text)
    except TlogFault as fault:
        findings.add("checkpoint-malformed", where, str(fault))
        return None
    try:
        of_log = policy.log_signatures(note)
    except TlogFault as fault:
        findings.add("checkpoint-not-signed", where, str(fault))
        return None
    try:
        witnesses = policy.cosignatures(note)
    except TlogFault as fault:
        findings.add("cosignature-false", where, str(fault))
        return Trusted(head, of_log, {})
    if not policy.is_met(witnesses):
        seen = ", ".join(witnesses) or "no witness"
        findings.add("quorum-not-met", where, f"the policy asks for {policy.quorum}; cosigned by {seen}")
    return Trusted(head, of_log, witnesses)


def audit_tree(
    head: Checkpoint,
    fetch: Fetch,
    findings: Findings,
    *,
    pruned_below: int = 0,
    on_progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Recompute the whole tree from its entries and hold every bundle, tile and the root against it.

    Full bundles and level-0 tiles that end at or before `pruned_below` may be missing. Raises TooManyFindings.
    """
    stored = Stored(fetch)
    try:
        edge_is_right = tree.root(head.size, tiles.nodes(head.size, stored.must_read)) == head.root
    except TlogFault:
        edge_is_right = False
    audit = _Audit(head, stored, findings, pruned_below, edge_is_right=edge_is_right)
    made = [b"".join(audit.level_0(on_progress))]
    while len(made[-1]) >= HASH_BYTES:
        made.append(b"".join(audit.above(len(made), made[-1])))

    def read_made(tile: Tile) -> bytes:
        start = tile.number * TILE_BYTES
        return made[tile.level - 1][start : start + tile.width * HASH_BYTES] if tile.level else audit.edge

    if audit.is_whole and tree.root(head.size, tiles.nodes(head.size, read_made)) != head.root:
        findings.add(
            "root-differs", "checkpoint", f"the entries do not have the signed root of size {head.size}"
        )


def check_growth(old: Checkpoint, new: Checkpoint, fetch: Fetch, findings: Findings) -> None:
    """Find whether the log of `new` does not begin with that of `old`."""
    where = f"checkpoint of size {old.size}"
    if old.origin != new.origin:
        findings.add("other-log", where, f"it is of {old.origin!r}, not of {new.origin!r}")
    elif new.size < old.size:
        findings.add("rolled-back", where, f"the log had {old.size} entries and now has only {new.size}")
    elif old.size and old.size <= new.size:
        try:
            read = tiles.nodes(new.size, Stored(fetch).must_read)
            proof = tree.consistency_proof(old.size, new.size, read)
            tree.verify_consistency(old.size, old.root, new.size, new.root, proof)
        except TlogFault as fault:
            what = (
                "two heads of one size"
                if old.size == new.size
                else f"{new.size} entries do not begin with it"
            )
            findings.add("forked", where, f"the log was forked or rewritten: {what} ({fault})")


@dataclass
class Stored:
    """Reads tiles of a log: a partial one, or the full one that has replaced it, cut to size."""

    fetch: Fetch

    def read(self, tile: Tile) -> bytes | None:
        """Return the bytes of a tile or bundle, of whatever length they are; None when there are none."""
        found = self.fetch(tile.path)
        if found is None and not tile.is_full and tile.level != BUNDLES:
            found = self.fetch(Tile(tile.level, tile.number).path)
            found = found and found[: tile.width * HASH_BYTES]
        elif found is None and not tile.is_full:
            found = self.fetch(Tile(tile.level, tile.number).path)
            found = found and tiles.bundle(tiles.parse_bundle(found, WIDTH)[: tile.width])
        return found

    def must_read(self, tile: Tile) -> bytes:
        """Return the bytes of a tile. Raises TlogFault when it is missing."""
        found = self.read(tile)
        if found is None:
            raise TlogFault(f"{tile.path} is missing")
        return found


@dataclass
class _Audit:
    """One walk over a log, level by level; of two that differ, the level above says which is right."""

    head: Checkpoint
    stored: Stored
    findings: Findings
    pruned_below: int
    edge_is_right: bool
    edge: bytes = b""  # the hashes of the partial level-0 tile
    is_whole: bool = True  # nothing was missing of which the hashes stand nowhere
    _parent: tuple[Tile, bytes] | None = None

    def level_0(self, on_progress: Callable[[int], None]) -> Iterator[bytes]:
        """Give the root of each full level-0 tile, as the entries below make it."""
        for bundle in tiles.bundles_of(self.head.size):
            tile = Tile(0, bundle.number, bundle.width)
            made = self._hashes_of(bundle)
            kept = self._tile(tile)
            believed = made or kept
            if made is not None and kept is not None and made != kept:
                believed = self._settle(tile, made, kept, lambda *both, at=bundle: self._entries(at, *both))
            on_progress(bundle.number * WIDTH + bundle.width)
            self.edge = believed or b""
            above = tiles.fold(self.edge) if self.edge else self._parent_hash(tile)
            self.is_whole = self.is_whole and above is not None
            if tile.is_full:
                yield above or bytes(HASH_BYTES)

    def above(self, level: int, made: bytes) -> Iterator[bytes]:
        """Give the root of each full tile of a level, as the hashes `made` below make it."""
        for start in range(0, len(made), TILE_BYTES):
            part = made[start : start + TILE_BYTES]
            tile = Tile(level, start // TILE_BYTES, len(part) // HASH_BYTES)
            kept = self._tile(tile)
            if kept is not None and kept != part:
                part = self._settle(tile, part, kept, lambda *both, at=tile: self._below(at, *both))
            if tile.is_full:
                yield tiles.fold(part)

    def _hashes_of(self, bundle: Tile) -> bytes | None:
        try:
            data = self.stored.read(bundle)
            if data is not None:
                return tiles.leaf_hashes(tiles.parse_bundle(data, bundle.width))
        except TlogFault as fault:
            self.findings.add("bundle-malformed", bundle.path, str(fault))
            return None
        if not self._is_pruned(bundle):
            self.findings.add("bundle-missing", bundle.path, f"{bundle.width} entries are not there")
        return None

    def _tile(self, tile: Tile) -> bytes | None:
        data = self.stored.read(tile)
        if data is None:
            if not (tile.level == 0 and self._is_pruned(tile)):
                self.findings.add("tile-missing", tile.path, f"{tile.width} hashes are not there")
            return None
        try:
            return tiles.check_tile(tile, data)
        except TlogFault as fault:
            self.findings.add("tile-malformed", tile.path, str(fault))
            return None

    def _is_pruned(self, tile: Tile) -> bool:
        return tile.is_full and tile.end <= self.pruned_below

    def _settle(self, tile: Tile, made: bytes, kept: bytes, blame: Callable[[bytes, bytes], None]) -> bytes:
        """Return the right one of two, and find the other."""
        parent = self._parent_hash(tile) if tile.is_full else None
        kept_is_right = tiles.fold(kept) == parent if parent else self.edge_is_right and not tile.is_full
        if kept_is_right:
            blame(made, kept)
            return kept
        place = next(n for n in range(tile.width) if _item(made, n) != _item(kept, n))
        self.findings.add(
            "tile-changed", tile.path, f"hash {place} of {tile.width} is not that of what is below it"
        )
        return made

    def _entries(self, bundle: Tile, made: bytes, kept: bytes) -> None:
        wrong = [n for n in range(bundle.width) if _item(made, n) != _item(kept, n)]
        first = bundle.number * WIDTH + wrong[0]
        if sorted(_items(made)) == sorted(_items(kept)):
            self.findings.add(
                "entries-reordered",
                bundle.path,
                f"{len(wrong)} entries stand elsewhere, the first at {first}",
            )
            return
        for place in wrong[:3]:
            index = bundle.number * WIDTH + place
            self.findings.add("entry-changed", bundle.path, f"entry {index} is not the one that was logged")

    def _below(self, tile: Tile, made: bytes, kept: bytes) -> None:
        first = next(n for n in range(tile.width) if _item(made, n) != _item(kept, n))
        span = WIDTH**tile.level
        start = (tile.number * WIDTH + first) * span
        self.findings.add(
            "entry-changed",
            tile.path,
            f"entries {start} to {start + span - 1} are not those that were logged",
        )

    def _parent_hash(self, tile: Tile) -> bytes | None:
        number, place = divmod(tile.number, WIDTH)
        parent = tiles.tile_over(tile.level + 1, number, self.head.size)
        if self._parent is None or self._parent[0] != parent:
            self._parent = (parent, self.stored.read(parent) or b"")
        return _item(self._parent[1], place) or None


def _item(hashes: bytes, place: int) -> bytes:
    return hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def _items(hashes: bytes) -> Iterable[bytes]:
    return (_item(hashes, place) for place in range(len(hashes) // HASH_BYTES))
