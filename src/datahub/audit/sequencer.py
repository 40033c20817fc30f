"""The sequencer: puts durable entries into the tree, signs its head; one at a time for the whole exchange.

C2SP tlog-tiles v0.1. A round moves waiting entries, their leaves, the tiles and the head in one transaction; the head
is moved by compare-and-swap, so that a second sequencer can do no harm, only fail. Heads are signed after the commit,
and only when they continue the last one that was signed, of which a copy is kept outside the database.
"""

import fcntl
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import Event
from urllib.parse import urlsplit

from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from datahub.audit import garbage, kept_head, keys, rounds, spool, tree_store
from datahub.audit.models import Log, SignedHead
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.notes import Note, sign
from datahub.audit.tlog.tiles import nodes
from datahub.audit.tlog.tree import EMPTY_ROOT, root
from datahub.kernel import db
from datahub.kernel.clock import Clock
from datahub.kernel.settings import Settings

SIGN_EVERY = timedelta(seconds=1)
# A head that did not grow is signed anew this often, so that a log that stands still and one that is dead differ.
SIGN_ANEW_EVERY = timedelta(minutes=1)
ROUND_EVERY_S = 0.1
PAUSE_AFTER_FAULT_S = 1.0
# The thread that saves must not wait long for the one that hashes: it may hold a lock that others wait for.
SWITCH_EVERY_S = 0.0002
KEEP_CHECKPOINTS = timedelta(days=2)

_log = logging.getLogger(__name__)


class LogForked(RuntimeError):  # noqa: N818 — it says what happened
    """The database holds another tree than the one that was signed: it was changed, or restored from a backup."""


def integrate(engine: Engine, settings: Settings, now: datetime, *, only: str | None = None) -> int:
    """Put entries that wait into the tree, at most one round's worth (or `only` one batch); return how many.

    Zero also when another sequencer was quicker: then nothing was changed here.
    """
    made = _next_round(engine, settings, now, only=only)
    return 0 if made is None else rounds.save(engine, made, now)


def _next_round(
    engine: Engine, settings: Settings, now: datetime, *, only: str | None = None
) -> rounds.Round | None:
    """Read and hash the next round; the first opens the log."""
    made = rounds.make(engine, settings, only=only)
    if made is None and _is_first_asked_for(engine) and open_first(engine, settings, now) is not None:
        made = rounds.make(engine, settings, only=only)
    return made


def _is_first_asked_for(engine: Engine) -> bool:
    with db.transaction(engine, is_read=True) as session:
        return tree_store.newest_log(session) is None and tree_store.oldest_pending(session) is not None


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
    check_kept_head(engine, settings, log.number)


def check_kept_head(engine: Engine, settings: Settings, number: int) -> None:
    """Hold a log in the database against the copy of its last signed head outside it. Raises LogForked.

    The copy is read first and the tree after, in a transaction of its own: another process may sign meanwhile, and what
    it signed is committed, but not in a transaction that began before.
    """
    kept = kept_head.read(settings, number)
    with db.transaction(engine, is_read=True) as session:
        log = tree_store.log_by_number(session, number)
        if log is not None:
            check_against(session, log, kept)


def work(engine: Engine, settings: Settings, clock: Clock) -> int:
    """Put all that waits into the tree and sign what is due; return how many entries went in.

    While the database saves a round, the next one, which goes upon it, is read and hashed. Heads are signed in between:
    under load there is always something that waits.
    """
    spool.sweep(engine)  # what one that was killed left there
    done, made = 0, _next_round(engine, settings, clock())
    signed_at = clock()
    with ThreadPoolExecutor(1) as saver:
        while made is not None:
            saving = saver.submit(rounds.save, engine, made, clock())
            following = rounds.make(engine, settings, upon=made)
            moved = saving.result()
            done += moved
            made = following if moved else None  # another was quicker: what goes upon it would fail too
            if clock() - signed_at >= SIGN_EVERY:
                signed_at = clock()
                spool.carry_over(engine)
                publish(engine, settings, signed_at)
    publish(engine, settings, clock())
    return done


def prepare_process() -> None:
    """Set up a process that is there for the sequencer alone; where it is one thread of many, this is not for it to say."""
    sys.setswitchinterval(SWITCH_EVERY_S)
    garbage.settle_garbage()


def run_sequencer(settings: Settings, stop: Event, clock: Clock) -> None:
    """Work until `stop` is set: a round every 100 ms. Faults are told and tried again; a fork stops the signing."""
    engine = db.make_engine(settings.database_url)
    with _one_on_this_machine(settings, stop) as is_leader:
        while is_leader and not stop.is_set():
            start, pause_s = time.monotonic(), ROUND_EVERY_S
            try:
                work(engine, settings, clock)
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
