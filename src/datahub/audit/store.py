"""Queries on the access log."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from datahub.audit.models import Entry


def about_thing(session: Session, thing_id: str, actions: Sequence[str]) -> Sequence[Entry]:
    """Return the entries about one thing, oldest first."""
    found = select(Entry).where(Entry.thing_id == thing_id, col(Entry.action).in_(actions)).order_by(col(Entry.id))
    return session.exec(found).all()
