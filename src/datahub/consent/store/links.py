"""Queries on links and the sessions they turn into."""

from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from datahub.consent.models import Channel, ConsentLink


def link_by_session(session: Session, session_hash: str) -> ConsentLink | None:
    """Return the link that a session came from."""
    return session.exec(select(ConsentLink).where(ConsentLink.session_hash == session_hash)).first()


def link_by_id(session: Session, link_id: str) -> ConsentLink | None:
    """Return a link."""
    return session.get(ConsentLink, link_id)


def links_since(session: Session, provider_id: str, subject: bytes, since: datetime) -> int:
    """Return how many links a person was made since an instant."""
    found = select(func.count()).where(
        col(ConsentLink.provider_id) == provider_id,
        col(ConsentLink.subject) == subject,
        col(ConsentLink.created_at) > since,
        col(ConsentLink.delivery) != Channel.EXCHANGE_LOGIN,
    )
    return int(session.execute(found).scalar_one())


def use_link(
    session: Session, token_hash: str, now: datetime, session_hash: str, until: datetime
) -> ConsentLink | None:
    """Turn a link that is good into a session, in one statement: of two at once one gets it."""
    statement = (
        update(ConsentLink)
        .where(
            col(ConsentLink.token_hash) == token_hash,
            col(ConsentLink.used_at).is_(None),
            col(ConsentLink.expires_at) > now,
        )
        .values(used_at=now, session_hash=session_hash, session_until=until)
        .returning(col(ConsentLink.id))
        .execution_options(synchronize_session=False)
    )
    found = session.execute(statement).scalar()
    return None if found is None else session.get(ConsentLink, found, populate_existing=True)


def forget_links(session: Session, before: datetime) -> int:
    """Remove links that expired before an instant; return how many."""
    done = session.execute(delete(ConsentLink).where(col(ConsentLink.expires_at) < before))
    return int(getattr(done, "rowcount", 0))


def forget_links_of(session: Session, provider_id: str, subject: bytes) -> None:
    """Remove every link of a person's, and with it every session."""
    session.execute(
        delete(ConsentLink).where(
            col(ConsentLink.provider_id) == provider_id, col(ConsentLink.subject) == subject
        )
    )
