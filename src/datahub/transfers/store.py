"""Queries on counters and charges. A counter is locked by whoever reads it to decide, until that decision is durable."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Session, col, select

from datahub.transfers.models import Charge, UseCounter


def locked_use(session: Session, agreement_id: str, name: str, starts_at: int) -> int:
    """Return how much is used, and keep everybody else from counting until this transaction ends.

    A reading transaction only looks: what it learns decides nothing.
    """
    bind = session.get_bind()
    if bind.get_execution_options().get("is_read", False):
        return session.exec(select(UseCounter.used).where(*_key(agreement_id, name, starts_at))).first() or 0
    insert = sqlite_insert if bind.dialect.name == "sqlite" else postgresql_insert
    row = {"agreement_id": agreement_id, "name": name, "starts_at": starts_at, "used": 0}
    session.exec(insert(UseCounter).values(row).on_conflict_do_nothing())
    found = select(UseCounter.used).where(*_key(agreement_id, name, starts_at)).with_for_update()
    return session.exec(found).one()


def add_use(session: Session, agreement_id: str, name: str, starts_at: int, amount: int) -> None:
    """Count more, or with a negative amount less."""
    changed = update(UseCounter).where(*_key(agreement_id, name, starts_at))
    session.exec(changed.values(used=col(UseCounter.used) + amount))


def charge_of(session: Session, entry_id: str) -> Charge | None:
    """Return what a permit was charged."""
    return session.get(Charge, entry_id)


def broken_off(session: Session, agreement_id: str, retry_key: str, since: datetime) -> bool:
    """Tell whether the newest delivery with this key began since then and broke off: doing it again is free."""
    found = select(Charge).where(Charge.agreement_id == agreement_id, Charge.retry_key == retry_key)
    newest = session.exec(found.order_by(col(Charge.entry_id).desc()).limit(1)).first()
    return newest is not None and newest.at >= since and newest.is_finished is False


def forget_charges(session: Session, before: datetime) -> int:
    """Drop charges of long ago: what was not settled by then stays counted in full."""
    return session.exec(delete(Charge).where(col(Charge.at) < before)).rowcount


def _key(agreement_id: str, name: str, starts_at: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(UseCounter.agreement_id) == agreement_id,
        col(UseCounter.name) == name,
        col(UseCounter.starts_at) == starts_at,
    )
