"""Rounds of the sequencer: entries that wait, read and hashed, then saved with their leaves, tiles and the head at once.

All is read and hashed before the transaction that writes, so that writers wait for the writing alone; and the next round
can be made upon one that is still being saved. The head moves by compare-and-swap, so that only one can be saved upon it.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, text, update
from sqlmodel import Session, col, select

from datahub.audit import keys, leaves, records, spool, tree_store, unrolling
from datahub.audit.models import Log, Pending
from datahub.audit.tlog.tiles import Growth, ReadTile, Tile, grow
from datahub.audit.tlog.tree import leaf_hash
from datahub.kernel import db
from datahub.kernel.settings import Settings

# Batches and entries of one round: large enough to pay for the commit, small enough to hold no lock for long: on SQLite
# whatever else writes to the database waits for it, though not the doors. A tree that lags behind takes more at once, at
# their cost: most pages that a round touches are the same however many entries it has.
MOST_BATCHES = 400
MOST_ENTRIES = {"sqlite": 1000, "postgresql": 2000}
LAGGING_S = 0.5
WHEN_LAGGING = {"sqlite": 2, "postgresql": 4}
_ADVISORY_LOCK = 0x6461_7461_6875_62  # of the whole database: "datahub"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Round:
    """What a round puts in: what it takes from those that wait, and the tree with it."""

    log: int
    size: int
    pending: Sequence[str]
    spooled: unrolling.Spooled
    growth: Growth
    bundles: Mapping[Tile, bytes]
    names: Sequence[str]
    entry_keys: bytes
    subjects: Sequence[tuple[str, str]]

    @property
    def taken(self) -> set[str]:
        """The ids of the batches that are no longer to be waited for once this is saved."""
        return {*self.pending, *(batch_id for batch_id, _ in self.spooled.batches)}

    def tiles(self) -> dict[Tile, bytes]:
        """Return every tile and bundle that is new or wider with this round."""
        return {**self.growth.tiles, **self.bundles}


class _Overtaken(Exception):  # noqa: N818 — no fault: another sequencer did this round's work
    pass


def make(
    engine: Engine, settings: Settings, *, only: str | None = None, upon: Round | None = None
) -> Round | None:
    """Read and hash the next round, `only` one batch of it, or `upon` one that is being saved; None: nothing waits."""
    with db.transaction(engine, is_read=True) as session:
        if upon is not None:
            read = _reading_through(upon, tree_store.tile_reader(session, upon.log))
            return _make(session, settings, upon.log, upon.growth.size, read, but=upon.taken)
        log = tree_store.newest_log(session)
        if log is None:
            return None
        read = tree_store.tile_reader(session, log.number)
        return _make(session, settings, log.number, log.size, read, only=only)


def _reading_through(upon: Round, read: ReadTile) -> ReadTile:
    """Return what reads tiles as they will be once a round is saved."""
    made = {(tile.level, tile.number): (tile.width, data) for tile, data in upon.tiles().items()}

    def through(tile: Tile) -> bytes:
        width, data = made.get((tile.level, tile.number), (0, b""))
        if not width:
            return read(tile)
        return data if width == tile.width else tree_store.cut(tile, data)

    return through


def _waiting(session: Session, only: str | None, but: AbstractSet[str]) -> Sequence[Pending]:
    found = select(Pending).where(Pending.id == only) if only else select(Pending)
    most = MOST_BATCHES + len(but)
    return [each for each in session.exec(found.order_by(col(Pending.id)).limit(most)) if each.id not in but]


def _make(
    session: Session,
    settings: Settings,
    log: int,
    size: int,
    read: ReadTile,
    *,
    only: str | None = None,
    but: AbstractSet[str] = frozenset(),
) -> Round | None:
    is_lagging = spool.waited_s(tree_store.oldest_pending(session)) > LAGGING_S
    dialect = session.get_bind().dialect.name
    most = MOST_ENTRIES[dialect] * (WHEN_LAGGING[dialect] if is_lagging else 1)
    pending, ids = [], dict[str, None]()
    for batch in _waiting(session, only, but):
        pending.append(batch.id)
        ids |= dict.fromkeys(batch.entry_ids.split(" "))
        if len(ids) >= most:
            break
    is_full = only is not None or len(ids) >= most
    spooled = unrolling.Spooled() if is_full else unrolling.read(session, most - len(ids), but=but)
    if not pending and not spooled.batches:
        return None
    found = records.of_entries(session, list(ids))
    if len(found) < len(ids):
        _log.error("%d entries vanished before they were in the tree", len(ids) - len(found))
    names = [each for each in ids if each in found]
    told = [found[each] for each in names]
    # What is spooled goes into the tree at once: read back, it would be the same at three times the price.
    names += [own[0] for _, own in spooled.lines]
    told += spooled.records()
    subjects = [
        (person, name)
        for name, each in zip(names, told, strict=True)
        for person in dict.fromkeys(each.subjects)
    ]
    persons = {person for person, _ in subjects}
    noise = secrets.token_bytes(leaves.KEY_BYTES * len(names))
    encoded = records.encoded(
        told,
        [noise[at : at + leaves.KEY_BYTES] for at in range(0, len(noise), leaves.KEY_BYTES)],
        keys.subject_keys(session, settings, persons) if persons else {},
        keys.organisation_key(settings),
    )
    return Round(
        log,
        size,
        pending,
        spooled,
        grow(size, [leaf_hash(each) for each in encoded], read),
        tree_store.bundles_with(size, encoded, read),
        names,
        noise,
        subjects,
    )


def save(engine: Engine, made: Round, now: datetime) -> int:
    """Write a round, all of it or nothing; return how many entries went in.

    Zero when another sequencer was quicker. On SQLite the doors go on meanwhile: the spool is not locked.
    """
    try:
        with db.transaction(engine, is_late=True) as session:
            _save(session, made, now)
    except _Overtaken:
        return 0
    spool.sweep(engine, made.spooled.ids)
    return made.growth.size - made.size


def _save(session: Session, made: Round, now: datetime) -> None:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        lock = text("select pg_try_advisory_xact_lock(:lock)")
        if not session.execute(lock, {"lock": _ADVISORY_LOCK}).scalar():
            raise _Overtaken
    moved = session.execute(
        update(Log)
        .where(col(Log.number) == made.log, col(Log.size) == made.size, col(Log.closed_at).is_(None))
        .values(size=made.growth.size, root=made.growth.root, moved_at=now)
        .returning(col(Log.size))
    ).all()
    if not moved:
        raise _Overtaken
    if made.pending:
        gone = delete(Pending).where(col(Pending.id).in_(made.pending)).returning(col(Pending.id))
        if len(session.execute(gone).all()) != len(made.pending):
            raise _Overtaken
    if made.spooled.batches:
        if not unrolling.is_still_there(session, made.spooled):
            raise _Overtaken
        unrolling.unpacked(session, made.spooled, is_left=not is_postgresql)
    tree_store.put_tiles(session, made.log, made.tiles())
    unrolling.put_places(session, made.log, made.size, made.names, made.entry_keys)
    if made.subjects:
        unrolling.put_rows(session, "log_subject_entry", ("subject_id", "entry_id"), made.subjects)
