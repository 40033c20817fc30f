"""After a restore from a backup: the log that was signed further than the database goes is closed, and a new one opens.

The new log's first entry commits to the last checkpoint of the old one, so that nobody can pass the gap over in silence.
"""

from datetime import datetime

from sqlalchemy import Engine

from datahub.audit import kept_head, sequencer, tree_store
from datahub.audit.models import About, Entry, Log
from datahub.audit.service import record
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.kernel import db
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings

ACTION = "log.restart"


def restart_log(engine: Engine, settings: Settings, now: datetime, reason: str) -> tuple[Log, Entry]:
    """Close the present log and open the next, whose first entry is returned; what still waits goes into the new one.

    Raises RuntimeError when there is no log yet.
    """
    with db.transaction(engine) as session:
        old = tree_store.newest_log(session)
        number = old.number if old is not None else 1
        kept = kept_head.read(settings, number)
        signed = tree_store.last_signed(session, number)
        note = kept or (signed.note if signed is not None else None)
        if old is None and note is None:
            msg = "there is no log yet, so none to close"
            raise RuntimeError(msg)
        if old is not None:
            old.closed_at = now
            session.add(old)
            session.flush()
        fresh = sequencer.open_log(session, settings, number + 1, now)
        ctx = Context(
            session, Actor(client_id="datahub log restart", is_exchange=True), now, new_id(), settings
        )
        entry = record(ctx, ACTION, About(details={"reason": reason, "previous": _previous(old, note)}))
    sequencer.integrate(engine, settings, now, only=entry.id)
    return fresh, entry


def _previous(old: Log | None, note: str | None) -> dict[str, str | int]:
    """Return what the new log says about the old: its last checkpoint, and how far the database still had it."""
    head = Checkpoint.parse(note.partition("\n\n")[0] + "\n") if note else None
    return {
        "origin": head.origin if head else "",
        "size": head.size if head else 0,
        "checkpoint": note or "",
        "sizeInDatabase": old.size if old else 0,
    }
