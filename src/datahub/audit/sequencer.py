"""The sequencer: puts durable entries into the tree, signs its head; one at a time for the whole exchange.

C2SP tlog-tiles v0.1. A round moves waiting entries, their leaves, the tiles and the head in one transaction; the head
is moved by compare-and-swap, so that a second sequencer can do no harm, only fail. Heads are signed after the commit,
and only when they continue the last one that was signed, of which a copy is kept outside the database.
"""

import fcntl
import logging
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from urllib.parse import urlsplit

from sqlalchemy import Engine, delete, text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from datahub.audit import kept_head, keys, leaves, records, tree_store, unrolling
from datahub.audit.models import Log, Pending, SignedHead
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.notes import Note, sign
from datahub.audit.tlog.tiles import Growth, Tile, grow, nodes
from datahub.audit.tlog.tree import EMPTY_ROOT, leaf_hash, root
from datahub.kernel import db
from datahub.kernel.clock import Clock
from datahub.kernel.settings import Settings

# Batches and entries of one round: large enough to pay for the commit, small enough to hold no lock for long: on SQLite
# it is the one lock that the doors wait for too.
ROUND_BATCHES = 400
ROUND_ENTRIES = {"sqlite": 160, "postgresql": 2000}
SIGN_EVERY = timedelta(seconds=1)
# A head that did not grow is signed anew this often, so that a log that stands still and one that is dead differ.
SIGN_ANEW_EVERY = timedelta(minutes=1)
ROUND_EVERY_S = 0.1
PAUSE_AFTER_FAULT_S = 1.0
KEEP_CHECKPOINTS = timedelta(days=2)
_ADVISORY_LOCK = 0x6461_7461_6875_62  # of the whole database: "datahub"

_log = logging.getLogger(__name__)


class LogForked(RuntimeError):  # noqa: N818 — it says what happened
    """The database holds another tree than the one that was signed: it was changed, or restored from a backup."""


@dataclass(frozen=True)
class _Round:
    """What a round puts in: what it takes from those that wait, and the tree with it."""

    log: Log
    batches: Sequence[str]
    spooled: unrolling.Spooled
    growth: Growth
    bundles: Mapping[Tile, bytes]
    places: Sequence[tuple[str, int, int, bytes]]
    subjects: Sequence[tuple[str, str]]


def integrate(engine: Engine, settings: Settings, now: datetime, *, only: str | None = None) -> int:
    """Put entries that wait into the tree, at most one round's worth (or `only` one batch); return how many.

    Zero also when another sequencer was quicker: then nothing was changed here. All is read and hashed before the
    transaction that writes, so that writers wait for the writing alone.
    """
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.newest_log(session)
        made = None if log is None else _make(session, settings, log, only)
        is_asked_for = log is None and (_waiting(session, None) or unrolling.holds(session))
    if is_asked_for and open_first(engine, settings, now) is not None:
        return integrate(engine, settings, now, only=only)
    if made is None:
        return 0
    try:
        with db.transaction(engine) as session:
            _save(session, made, now)
    except _Overtaken:
        return 0
    return made.growth.size - made.log.size


class _Overtaken(Exception):  # noqa: N818 — no fault: another sequencer did this round's work
    pass


def _waiting(session: Session, only: str | None) -> Sequence[Pending]:
    found = select(Pending).where(Pending.id == only) if only else select(Pending)
    return session.exec(found.order_by(col(Pending.id)).limit(ROUND_BATCHES)).all()


def _make(session: Session, settings: Settings, log: Log, only: str | None) -> _Round | None:
    """Return the next round; None when nothing waits."""
    most = ROUND_ENTRIES[session.get_bind().dialect.name]
    batches, ids = [], dict[str, None]()
    for batch in _waiting(session, only):
        batches.append(batch.id)
        ids |= dict.fromkeys(batch.entry_ids.split(" "))
        if len(ids) >= most:
            break
    is_full = only is not None or len(ids) >= most
    spooled = unrolling.Spooled() if is_full else unrolling.read(session, most - len(ids))
    if not batches and not spooled.batches:
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
    entry_keys = [noise[at : at + leaves.KEY_BYTES] for at in range(0, len(noise), leaves.KEY_BYTES)]
    encoded = records.encoded(
        told,
        entry_keys,
        keys.subject_keys(session, settings, persons) if persons else {},
        keys.organisation_key(settings),
    )
    read = tree_store.tile_reader(session, log.number)
    return _Round(
        log,
        batches,
        spooled,
        grow(log.size, [leaf_hash(each) for each in encoded], read),
        tree_store.bundles_with(log.size, encoded, read),
        [
            (name, log.number, log.size + at, key)
            for at, (name, key) in enumerate(zip(names, entry_keys, strict=True))
        ],
        subjects,
    )


def _save(session: Session, made: _Round, now: datetime) -> None:
    log = made.log
    if session.get_bind().dialect.name == "postgresql":
        lock = text("select pg_try_advisory_xact_lock(:lock)")
        if not session.execute(lock, {"lock": _ADVISORY_LOCK}).scalar():
            raise _Overtaken
    moved = session.execute(
        update(Log)
        .where(col(Log.number) == log.number, col(Log.size) == log.size, col(Log.closed_at).is_(None))
        .values(size=made.growth.size, root=made.growth.root, moved_at=now)
        .returning(col(Log.size))
    ).all()
    if not moved:
        raise _Overtaken
    if made.batches:
        gone = delete(Pending).where(col(Pending.id).in_(made.batches)).returning(col(Pending.id))
        if len(session.execute(gone).all()) != len(made.batches):
            raise _Overtaken
    if made.spooled.batches:
        if not unrolling.is_still_there(session, made.spooled):
            raise _Overtaken
        unrolling.unpacked(session, made.spooled)
    tree_store.put_tiles(session, log.number, {**made.growth.tiles, **made.bundles})
    unrolling.put_rows(session, "log_leaf", ("entry_id", "log", "leaf_index", "key"), made.places)
    if made.subjects:
        unrolling.put_rows(session, "log_subject_entry", ("subject_id", "entry_id"), made.subjects)


def open_first(engine: Engine, settings: Settings, now: datetime) -> Log | None:
    """Open the exchange's first log, with its keys; None when another process just did."""
    with suppress(IntegrityError), db.transaction(engine) as session:
        return open_log(session, settings, 1, now)
    return None


def open_log(session: Session, settings: Settings, number: int, now: datetime) -> Log:
    """Open a log: an empty tree, keys of its own, and the name that its heads bear."""
    at = urlsplit(settings.base_url)
    origin = f"{at.netloc}{at.path}/log" + (f"/{number}" if number > 1 else "")
    log = Log(number=number, origin=origin, size=0, root=EMPTY_ROOT, opened_at=now, moved_at=now)
    session.add(log)
    session.flush()
    keys.make_signing_keys(session, settings, log)
    return log


def publish(engine: Engine, settings: Settings, now: datetime) -> SignedHead | None:
    """Sign the head when that is due, keep a copy outside the database, publish it; None when it is not due.

    Raises LogForked rather than sign a tree that is smaller than, or other than, the last one signed.
    """
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.newest_log(session)
        if log is None or log.size == 0:
            return None
        last = tree_store.last_signed(session, log.number)
        if last is not None and now - last.at < (SIGN_EVERY if log.size > last.size else SIGN_ANEW_EVERY):
            return None
        check_against(session, log, last.note if last else None)
        check_against(session, log, kept_head.read(settings, log.number))
        signers = keys.signers(session, settings, log)
    head = Checkpoint(log.origin, log.size, log.root)
    made = sign(head.text, signers, int(now.timestamp()))
    if (
        last is not None and last.size == log.size
    ):  # the same text again: what witnesses said of it still holds
        made = Note.parse(last.note.encode()).with_signatures(made.signatures)
    note = made.encode().decode()
    kept_head.write(settings, log.number, note)
    witnesses = len({each.name for each in made.signatures}) - 1
    signed = SignedHead(log=log.number, size=log.size, root=log.root, at=now, note=note, witnesses=witnesses)
    with db.transaction(engine) as session:
        session.merge(signed)
        old = col(SignedHead.at) < now - KEEP_CHECKPOINTS
        session.execute(delete(SignedHead).where(old, col(SignedHead.log) == log.number))
    return signed


def check_against(session: Session, log: Log, note: str | None) -> None:
    """Pass when the tree in the database begins with the one that a checkpoint signed. Raises LogForked."""
    if not note:
        return
    signed = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
    if signed.origin != log.origin:
        msg = f"the last signed checkpoint is of {signed.origin}, the database's log is {log.origin}"
        raise LogForked(f"{msg}; {ADVICE}")
    if signed.size > log.size:
        msg = f"a checkpoint was signed over {signed.size} entries, but the database's log ends at {log.size}"
        raise LogForked(f"{msg}; {ADVICE}")
    read = tree_store.tile_reader(session, log.number)
    if signed.size and root(signed.size, nodes(log.size, read)) != signed.root:
        msg = f"the first {signed.size} entries are not those that were signed"
        raise LogForked(f"{msg}; {ADVICE}")


ADVICE = (
    "was it restored from a backup, or changed? Nothing is signed until this is settled. After a restore, "
    "`datahub log restart` opens a new log that commits to the old one"
)


def check_at_boot(engine: Engine, settings: Settings) -> None:
    """Hold the database's tree against the last signed checkpoints, in it and outside it. Raises LogForked."""
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.newest_log(session)
        if log is None:
            kept = kept_head.read(settings, 1)
            if kept:
                size = Checkpoint.parse(kept.partition("\n\n")[0] + "\n").size
                raise LogForked(
                    f"a checkpoint was signed over {size} entries, but the database has no log; {ADVICE}"
                )
            return
        last = tree_store.last_signed(session, log.number)
        check_against(session, log, last.note if last else None)
        check_against(session, log, kept_head.read(settings, log.number))


def work(engine: Engine, settings: Settings, now: datetime) -> int:
    """Put all that waits into the tree and sign what is due; return how many entries went in."""
    done = 0
    while moved := integrate(engine, settings, now):
        done += moved
    publish(engine, settings, now)
    return done


def run_sequencer(settings: Settings, stop: Event, clock: Clock) -> None:
    """Work until `stop` is set: a round every 100 ms. Faults are told and tried again; a fork stops the signing."""
    engine = db.make_engine(settings.database_url)
    with _one_on_this_machine(settings, stop) as is_leader:
        while is_leader and not stop.is_set():
            start, pause_s = time.monotonic(), ROUND_EVERY_S
            try:
                work(engine, settings, clock())
            except LogForked as fault:
                _log.error("the log is not signed: %s", fault)
                pause_s = PAUSE_AFTER_FAULT_S
            except Exception:  # noqa: BLE001 — whatever it is, the next round may go well
                _log.exception("the sequencer failed; it tries again")
                pause_s = PAUSE_AFTER_FAULT_S
            stop.wait(max(0.0, start + pause_s - time.monotonic()))
    engine.dispose()


@contextmanager
def _one_on_this_machine(settings: Settings, stop: Event) -> Iterator[bool]:
    """Wait until no other process of this home is the sequencer; False when asked to stop before."""
    path = kept_head.path(settings, 0).with_name("sequencer.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not stop.is_set():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stop.wait(1.0)
            else:
                yield True
                return
    yield False
