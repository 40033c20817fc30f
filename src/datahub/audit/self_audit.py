"""The full self-audit: every leaf, tile, head and record of the log read again and held against each other.

It proves that nothing the exchange stores was changed since it was signed; witnesses prove the same to others.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import cache, partial
from hashlib import sha256
from multiprocessing import get_context
from typing import NamedTuple

import orjson
from sqlalchemy import Engine, update
from sqlmodel import Session, col

from datahub.audit import garbage, keys, receipts, records, tree_store
from datahub.audit.models import Entry, Leaf, Log
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import open_checkpoint
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, Tile, fold, leaf_hashes, nodes, parse_bundle, tile_over
from datahub.audit.tlog.tree import HASH_BYTES, root
from datahub.kernel import db
from datahub.kernel.settings import Settings

BUNDLES_AT_ONCE = 16
# Below this, starting processes takes longer than the audit.
PARTS_WORTH_JOBS = 8


def audit_log(engine: Engine, settings: Settings, now: datetime) -> str | None:
    """Read the whole log anew; keep and return what is wrong, or None. Each part is read in a short transaction."""
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.newest_log(session)
    if log is None or log.size == 0:
        return None
    fault: str | None = None
    try:
        _check(engine, log, settings.log_audit_jobs)
    except TlogFault as found:
        fault = str(found)
    with db.transaction(engine) as session:
        values = {"audited_at": now, "audited_size": log.size, "audit_fault": fault}
        session.execute(update(Log).where(col(Log.number) == log.number).values(values))
    return fault


def _check(engine: Engine, log: Log, jobs: int) -> None:
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
    last = -(-log.size // WIDTH)
    starts = range(log.pruned_below // WIDTH, last, BUNDLES_AT_ONCE)
    parts = [_Part(log.number, log.size, start, min(last, start + BUNDLES_AT_ONCE)) for start in starts]
    if jobs == 1 or len(parts) < PARTS_WORTH_JOBS:
        with garbage.seldom_looked_for():
            for part in parts:
                _check_part(engine, part)
    else:
        _check_by_jobs(engine, parts, jobs)


class _Part(NamedTuple):
    """Some bundles of a log of so many leaves: `first`, up to `end`."""

    log: int
    size: int
    first: int
    end: int


def _check_part(engine: Engine, part: _Part) -> None:
    with db.transaction(engine, is_read=True) as session:
        entries = list[bytes]()
        for number in range(part.first, part.end):
            entries += _check_bundle(session, part, number)
        _check_records(session, part.log, part.first * WIDTH, entries)


def _check_by_jobs(engine: Engine, parts: Sequence[_Part], jobs: int) -> None:
    """Check parts in so many processes, for the hashing keeps a core busy. Raises TlogFault for the first fault."""
    url = engine.url.render_as_string(hide_password=False)
    # A process that was forked would share this one's connections.
    with ProcessPoolExecutor(jobs, get_context("spawn"), garbage.settle_garbage) as pool:
        try:
            for fault in pool.map(partial(_fault_of, url), parts):
                if fault is not None:
                    raise TlogFault(fault)
        finally:
            pool.shutdown(cancel_futures=True)


def _fault_of(url: str, part: _Part) -> str | None:
    try:
        _check_part(_engine_of_job(url), part)
    except TlogFault as fault:
        return str(fault)
    return None


@cache
def _engine_of_job(url: str) -> Engine:
    return db.make_engine(url)


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


def _check_bundle(session: Session, part: _Part, number: int) -> list[bytes]:
    read = tree_store.tile_reader(session, part.log)
    tile = tile_over(0, number, part.size)
    entries = parse_bundle(read(Tile(BUNDLES, number, tile.width)), tile.width)
    if leaf_hashes(entries) != read(tile):
        wrong = next(
            number * WIDTH + at
            for at, entry in enumerate(entries)
            if sha256(b"\0" + entry).digest() != read(tile)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
        )
        raise TlogFault(f"leaf {wrong} is not the one whose hash is in the tree")
    return entries


def _check_records(session: Session, log: int, start: int, entries: Sequence[bytes]) -> None:
    """Hold every record that is still there against the commitment of its leaf."""
    whole = list[records.Placed]()
    for place in records.of_leaves(session, log, start, start + len(entries)):
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
