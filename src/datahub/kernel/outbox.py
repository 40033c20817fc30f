"""The outbox: facts written in the verb's own transaction, acted on later by the worker, at least once.

News that goes upward (an agreement ended → tell the other side) and everything that leaves the process goes through
here, never inside the transaction. Failed work is tried again with growing pauses; what keeps failing is kept, visible.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, Index, String, Text, delete, func, update
from sqlmodel import Field, Session, SQLModel, col, select

from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings

# Acts inside the transaction that marks the fact done.
Handler = Callable[[Context, Mapping[str, Any]], None]
# Reaches outside, so it runs with no transaction open: a slow stranger must not hold a lock.
Errand = Callable[[Engine, Settings, Mapping[str, Any], datetime], None]

# Pauses before the second, third … attempt (Standard Webhooks 1.0 schedule), seconds.
PAUSES_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# A claim older than this belongs to a worker that died.
CLAIM_LIFE = timedelta(minutes=5)

# How long a fact that has had its handler is kept, for whoever looks what happened; dead ones stay.
KEPT = timedelta(days=7)

_log = logging.getLogger(__name__)


class OutboxRow(SQLModel, table=True):
    """One fact that waits for its handler, or has had it."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "done_at", "due_at"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    fact: str = Field(sa_column=Column(String(100), nullable=False))
    payload: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    due_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    attempts: int = 0
    claimed_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    done_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    is_dead: bool = False
    last_fault: str | None = Field(default=None, sa_column=Column(Text))


def announce(ctx: Context, fact: str, payload: Mapping[str, Any]) -> None:
    """Write a fact (past tense, e.g. `AgreementEnded`) in the verb's own transaction."""
    ctx.session.add(OutboxRow(id=new_id(), fact=fact, payload=dict(payload), at=ctx.now, due_at=ctx.now))


def waiting_since(session: Session, now: datetime) -> datetime | None:
    """Return since when the oldest fact that is due waits for a worker; None when none does."""
    waits = (
        select(func.min(OutboxRow.due_at))
        .where(col(OutboxRow.done_at).is_(None))
        .where(col(OutboxRow.is_dead).is_(False))
        .where(col(OutboxRow.due_at) <= now)
    )
    return session.exec(waits).one()


def work_off(
    engine: Engine,
    settings: Settings,
    handlers: Mapping[str, Handler],
    now: datetime,
    *,
    errands: Mapping[str, Errand] | None = None,
    limit: int = 100,
) -> int:
    """Run the handler or errand of every fact that is due; return how many were done.

    A handler's effect and the fact's mark stand or fall together. An errand can run again after a crash, so whoever
    receives it must be able to tell (webhooks carry a message id).
    """
    done = 0
    for row_id in _claim(engine, now, limit):
        try:
            _do(engine, settings, row_id, now, handlers=handlers, errands=errands or {})
            done += 1
        except Exception as fault:  # noqa: BLE001 — whatever a handler does must not stop the others
            _log.warning("outbox %s failed: %s", row_id, type(fault).__name__)
            _postpone(engine, row_id, f"{type(fault).__name__}: {fault}"[:500], now)
    return done


def forget_done(ctx: Context, limit: int = 5000) -> int:
    """Remove facts that had their handler over a week ago, the oldest first, at most `limit`; return how many."""
    old = (
        select(OutboxRow.id)
        .where(col(OutboxRow.done_at) < ctx.now - KEPT)
        .order_by(col(OutboxRow.done_at))
        .limit(limit)
    )
    ids = list(ctx.session.exec(old).all())
    ctx.session.exec(delete(OutboxRow).where(col(OutboxRow.id).in_(ids)))
    return len(ids)


def _do(
    engine: Engine,
    settings: Settings,
    row_id: str,
    now: datetime,
    *,
    handlers: Mapping[str, Handler],
    errands: Mapping[str, Errand],
) -> None:
    with db.transaction(engine, is_read=True) as session:
        row = session.get_one(OutboxRow, row_id)
        fact, payload = row.fact, row.payload
    if fact in errands:
        errands[fact](engine, settings, payload, now)
    with db.transaction(engine) as session:
        if fact not in errands:
            handlers[fact](Context(session, ANONYMOUS, now, f"outbox-{row_id}", settings), payload)
        row = session.get_one(OutboxRow, row_id)
        row.done_at = now
        row.attempts += 1


def _claim(engine: Engine, now: datetime, limit: int) -> list[str]:
    with db.transaction(engine) as session:
        due = (
            select(OutboxRow.id)
            .where(
                col(OutboxRow.done_at).is_(None),
                col(OutboxRow.is_dead).is_(False),
                col(OutboxRow.due_at) <= now,
                (col(OutboxRow.claimed_at).is_(None)) | (col(OutboxRow.claimed_at) < now - CLAIM_LIFE),
            )
            .order_by(col(OutboxRow.id))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = list(session.exec(due).all())
        session.exec(update(OutboxRow).where(col(OutboxRow.id).in_(ids)).values(claimed_at=now))
        return ids


def _postpone(engine: Engine, row_id: str, fault: str, now: datetime) -> None:
    with db.transaction(engine) as session:
        row = session.get_one(OutboxRow, row_id)
        row.attempts += 1
        row.claimed_at = None
        row.last_fault = fault
        if row.attempts > len(PAUSES_S):
            row.is_dead = True
        else:
            row.due_at = now + timedelta(seconds=PAUSES_S[row.attempts - 1])
