"""Tiles and entry bundles: their paths, their bytes, and how a log grows by them.

C2SP tlog-tiles v0.1: a full tile is 256 hashes of 32 bytes; a bundle holds the 256 entries below a level-0 tile,
each after its length in two bytes. A partial tile is the prefix of the full one, so what is stored is the widest
form of each and every narrower one is a slice of it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.tree import HASH_BYTES, MAX_SIZE, ReadNode, root

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES
MAX_ENTRY_BYTES = 0xFFFF
BUNDLES = -1  # the level of entry bundles, below the tiles

_PATH = re.compile(r"tile/(entries|[0-5])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class Tile(NamedTuple):
    """Where a tile is: its level (`BUNDLES` for entries), its number there, and how many items it holds."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Return the path below the log's address, such as `tile/0/x001/x234/067.p/8`."""
        level = "entries" if self.level == BUNDLES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_encode_index(self.number)}{partial}"

    @property
    def is_full(self) -> bool:
        """Tell whether nothing can be added."""
        return self.width == WIDTH

    @property
    def end(self) -> int:
        """Return the index of the first leaf after those that this tile is about (for pruning)."""
        return (self.number * WIDTH + self.width) * (1 << 8 * max(self.level, 0))


# Gives the bytes of a tile; one that stores wider tiles cuts them to `width` items.
ReadTile = Callable[[Tile], bytes]


def parse_path(path: str) -> Tile:
    """Return the tile or bundle of a path. Raises TlogFault when it is not the one way to write it."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TlogFault("this is not the path of a tile or bundle")
    level, digits, width = match.groups()
    tile = Tile(
        BUNDLES if level == "entries" else int(level),
        int(digits.replace("x", "").replace("/", "")),
        int(width or WIDTH),
    )
    if tile.path != path or tile.number * WIDTH >= MAX_SIZE:
        raise TlogFault("this is not the path of a tile or bundle")
    return tile


def _encode_index(index: int) -> str:
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def tile_over(level: int, index: int, size: int) -> Tile:
    """Return the tile at that place in a tree of `size` leaves, as wide as the tree makes it."""
    items = size >> (8 * max(level, 0))
    return Tile(level, index, min(WIDTH, items - index * WIDTH))


def tiles_of(size: int, old_size: int = 0) -> Iterator[Tile]:
    """Give every tile of a tree of `size` leaves that the tree of `old_size` did not have, levels ascending."""
    level = 0
    while items := size >> (8 * level):
        first = (old_size >> (8 * level)) // WIDTH
        for index in range(first, -(-items // WIDTH)):
            tile = tile_over(level, index, size)
            if tile != tile_over(level, index, old_size):
                yield tile
        level += 1


def bundles_of(size: int, old_size: int = 0) -> Iterator[Tile]:
    """Give every entry bundle of a log of `size` entries that the log of `old_size` did not have."""
    for tile in tiles_of(size, old_size):
        if tile.level:
            return
        yield Tile(BUNDLES, tile.number, tile.width)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries as a bundle. Raises TlogFault when one is too long for the format."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TlogFault(f"an entry has at most {MAX_ENTRY_BYTES} bytes; this one has {len(entry)}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle. Raises TlogFault when it holds more, fewer, or half of one."""
    entries, at, end = [], 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != end or len(entries) != width:
        raise TlogFault(f"the bundle does not hold exactly {width} whole entries")
    return entries


def leaf_hashes(entries: Iterable[bytes]) -> bytes:
    """Return the hashes of entries one after the other, as a level-0 tile holds them."""
    return b"".join([sha256(b"\x00" + entry).digest() for entry in entries])


def fold(hashes: bytes) -> bytes:
    """Return the root over 1, 2, 4 … hashes that stand one after the other."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest()
                for at in range(0, len(hashes), 2 * HASH_BYTES)
            ]
        )
    return hashes


def check_tile(tile: Tile, data: bytes) -> bytes:
    """Return the bytes of a tile when they have the right length. Raises TlogFault."""
    if len(data) != tile.width * HASH_BYTES:
        raise TlogFault(f"{tile.path} has {len(data)} bytes instead of {tile.width * HASH_BYTES}")
    return data


def nodes(size: int, read_tile: ReadTile) -> ReadNode:
    """Return what `root` and the proofs of a tree of `size` read nodes with; each tile is read once.

    Raises TlogFault (when reading) for a tile of the wrong length.
    """
    read: dict[Tile, bytes] = {}

    def read_node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, 8)
        number, place = divmod(index << height, WIDTH)
        tile = tile_over(tile_level, number, size)
        if tile not in read:
            read[tile] = check_tile(tile, read_tile(tile))
        return fold(read[tile][place * HASH_BYTES : (place + (1 << height)) * HASH_BYTES])

    return read_node


@dataclass(frozen=True)
class Growth:
    """A tree after it grew: its size and root, and every tile that is new or wider than before."""

    size: int
    root: bytes
    tiles: dict[Tile, bytes]


def grow(size: int, new_leaves: Sequence[bytes], read_tile: ReadTile) -> Growth:
    """Add the hashes of new leaves to a tree of `size`; only tiles on its right edge are read.

    Raises TlogFault when a tile that is read has the wrong length, or the tree would pass MAX_SIZE.
    """
    new_size = size + len(new_leaves)
    if new_size > MAX_SIZE:
        raise TlogFault("the tree is full")
    grown: dict[Tile, bytes] = {}
    level, at, added = 0, size, b"".join(new_leaves)
    while added:
        index, width = divmod(at, WIDTH)
        edge = Tile(level, index, width)
        hashes = (check_tile(edge, read_tile(edge)) if width else b"") + added
        above = []
        for start in range(0, len(hashes), TILE_BYTES):
            part = hashes[start : start + TILE_BYTES]
            grown[Tile(level, index, len(part) // HASH_BYTES)] = part
            if len(part) == TILE_BYTES:
                above.append(fold(part))
            index += 1
        level, at, added = level + 1, at // WIDTH, b"".join(above)

    def read(tile: Tile) -> bytes:
        return grown.get(tile) or read_tile(tile)

    return Growth(new_size, root(new_size, nodes(new_size, read)), grown)
