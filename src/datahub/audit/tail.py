"""The log as it grows: entries in the order of the tree, so that who follows misses none and sees none twice.

Entries get their place when they are integrated, about a second after they were written; ids alone would not do,
because transactions commit in another order than they begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from datahub.audit import service, store, tree_store
from datahub.audit.models import About, Entry, Leaf
from datahub.audit.store import EntryFilter
from datahub.kernel.context import Actor, Context

AT_ONCE = 200


@dataclass(frozen=True, order=True)
class Place:
    """Where an entry stands: in which of the exchange's logs, at which leaf."""

    log: int
    leaf_index: int

    def __str__(self) -> str:
        return f"{self.log}-{self.leaf_index}"

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the place of a text such as `1-42`; None for anything else."""
        log, _, index = (text or "").partition("-")
        is_place = log.isascii() and log.isdigit() and index.isascii() and index.isdigit()
        return cls(int(log), int(index)) if is_place and len(text or "") <= 30 else None  # noqa: PLR2004 — two numbers that a database holds


START = Place(0, -1)


def newest_place(session: Session) -> Place:
    """Return the place of the last entry in the tree."""
    log = tree_store.newest_log(session)
    return START if log is None else Place(log.number, log.size - 1)


def follow_log(ctx: Context, wanted: EntryFilter, after: Place | None, *, reason: str | None) -> Place:
    """Return where a stream begins: after the last entry it gave, or at the end of the log. Following is logged."""
    service.record(ctx, "log.stream", About(details={"filters": wanted.in_words(), "reason": reason}))
    return newest_place(ctx.session) if after is None else after


def entries_after(
    session: Session, actor: Actor, wanted: EntryFilter, after: Place, limit: int = AT_ONCE
) -> Sequence[tuple[Place, Entry]]:
    """Return the next entries in the tree that concern the actor, in its order."""
    beyond = or_(
        col(Leaf.log) > after.log, and_(col(Leaf.log) == after.log, col(Leaf.leaf_index) > after.leaf_index)
    )
    found = (
        select(Entry, Leaf.log, Leaf.leaf_index)
        .join(Leaf, col(Leaf.entry_id) == col(Entry.id))
        .where(beyond, *store.conditions(actor, wanted))
        .order_by(col(Leaf.log), col(Leaf.leaf_index))
        .limit(limit)
    )
    return [(Place(log, index), entry) for entry, log, index in session.exec(found).all()]
