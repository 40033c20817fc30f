"""The full self-audit: every leaf, tile, head and record of the log read again and held against each other.

It proves that nothing the exchange stores was changed since it was signed; witnesses prove the same to others.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

import orjson
from sqlalchemy import Engine, update
from sqlmodel import Session, col

from datahub.audit import keys, receipts, records, tree_store
from datahub.audit.models import Entry, Leaf, Log
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import open_checkpoint
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, Tile, fold, leaf_hashes, nodes, parse_bundle, tile_over
from datahub.audit.tlog.tree import HASH_BYTES, root
from datahub.kernel import db
from datahub.kernel.settings import Settings

BUNDLES_AT_ONCE = 16


def audit_log(engine: Engine, settings: Settings, now: datetime) -> str | None:
    """Read the whole log anew; keep and return what is wrong, or None. Each part is read in a short transaction."""
    del settings
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.newest_log(session)
    if log is None or log.size == 0:
        return None
    fault: str | None = None
    try:
        _check(engine, log)
    except TlogFault as found:
        fault = str(found)
    with db.transaction(engine) as session:
        values = {"audited_at": now, "audited_size": log.size, "audit_fault": fault}
        session.execute(update(Log).where(col(Log.number) == log.number).values(values))
    return fault


def _check(engine: Engine, log: Log) -> None:
    with db.transaction(engine, is_read=True) as session:
        read = tree_store.tile_reader(session, log.number)
        if root(log.size, nodes(log.size, read)) != log.root:
            raise TlogFault("the tiles do not give the root of the head")
        signed = tree_store.last_signed(session, log.number)
        if signed is not None:
            head, _ = open_checkpoint(signed.note.encode(), keys.verifier_keys(session, log), log.origin)
            if head.size <= log.size and root(head.size, nodes(log.size, read)) != head.root:
                raise TlogFault("the tiles do not give the root that was signed")
    _check_upper_tiles(engine, log)
    first = log.pruned_below // WIDTH
    last = -(-log.size // WIDTH)
    for start in range(first, last, BUNDLES_AT_ONCE):
        with db.transaction(engine, is_read=True) as session:
            entries = list[bytes]()
            for number in range(start, min(last, start + BUNDLES_AT_ONCE)):
                entries += _check_bundle(session, log, number)
            _check_records(session, log, start * WIDTH, entries)


def _check_upper_tiles(engine: Engine, log: Log) -> None:
    """Hold every tile above level 0 against the tiles below it."""
    with db.transaction(engine, is_read=True) as session:
        read = tree_store.tile_reader(session, log.number)
        for tile in _upper_tiles(log.size):
            data = read(tile)
            for place in range(tile.width):
                below = Tile(tile.level - 1, tile.number * WIDTH + place)
                if below.level == 0 and below.end <= log.pruned_below:
                    continue
                if fold(read(below)) != data[place * HASH_BYTES : (place + 1) * HASH_BYTES]:
                    raise TlogFault(f"{below.path} is not what {tile.path} says")


def _upper_tiles(size: int) -> Iterator[Tile]:
    level = 1
    while items := size >> (8 * level):
        for number in range(-(-items // WIDTH)):
            yield tile_over(level, number, size)
        level += 1


def _check_bundle(session: Session, log: Log, number: int) -> list[bytes]:
    read = tree_store.tile_reader(session, log.number)
    tile = tile_over(0, number, log.size)
    entries = parse_bundle(read(Tile(BUNDLES, number, tile.width)), tile.width)
    if leaf_hashes(entries) != read(tile):
        wrong = next(
            number * WIDTH + at
            for at, entry in enumerate(entries)
            if sha256(b"\0" + entry).digest() != read(tile)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
        )
        raise TlogFault(f"leaf {wrong} is not the one whose hash is in the tree")
    return entries


def _check_records(session: Session, log: Log, start: int, entries: Sequence[bytes]) -> None:
    """Hold every record that is still there against the commitment of its leaf."""
    whole = list[records.Placed]()
    for place in records.of_leaves(session, log.number, start, start + len(entries)):
        if place.key is None and not place.is_opened_in_part:
            continue
        if place.record is None:
            raise TlogFault(f"the record of leaf {place.leaf_index} is gone, and no erasure took it")
        if place.key is not None:
            whole.append(place)
        elif not _is_opened_in_part(session, place):
            raise _other_record(place)
    made = records.commitments(
        [place.key for place in whole if place.key is not None],
        [place.record for place in whole if place.record is not None],
    )
    for place, (_, committed) in zip(whole, made, strict=True):
        entry = entries[place.leaf_index - start]
        if (
            not entry.startswith(b'{"c":"' + committed + b'"')
            and orjson.loads(entry)["c"] != committed.decode()
        ):
            raise _other_record(place)


def _is_opened_in_part(session: Session, place: records.Placed) -> bool:
    """Tell whether what an erasure left of a record opens its leaf."""
    entry, leaf = session.get(Entry, place.entry_id), session.get(Leaf, place.entry_id)
    return entry is not None and leaf is not None and receipts.is_opened_by(session, entry, leaf)


def _other_record(place: records.Placed) -> TlogFault:
    return TlogFault(f"the record of leaf {place.leaf_index} (entry {place.entry_id}) is not what was logged")
