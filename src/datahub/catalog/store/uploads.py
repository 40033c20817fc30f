"""Queries on resumable uploads."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import CursorResult, delete, func, update
from sqlmodel import Session, col, select

from datahub.catalog.models.uploads import Upload, UploadPiece


def upload_of(session: Session, upload_id: str, provider_id: str | None) -> Upload | None:
    """Return an upload of an organisation's own, as it stands in the database."""
    found = select(Upload).where(Upload.id == upload_id, Upload.provider_id == provider_id)
    return session.exec(found.execution_options(populate_existing=True)).first()


def open_uploads(session: Session, provider_id: str) -> int:
    """Count the uploads that an organisation has under way."""
    found = select(func.count()).select_from(Upload).where(Upload.provider_id == provider_id)
    return int(session.exec(found).one())


def advance(session: Session, upload_id: str, at: int, to: int, expires_at: datetime) -> bool:
    """Move an upload from where the writer thinks that it is; tell whether it was there."""
    moved: CursorResult[tuple[object]] = session.exec(
        update(Upload)
        .where(col(Upload.id) == upload_id, col(Upload.position) == at)
        .values(position=to, expires_at=expires_at)
        .execution_options(synchronize_session=False)
    )
    return moved.rowcount == 1


def put_piece(session: Session, piece: UploadPiece) -> None:
    """Keep a piece, or that a piece has grown."""
    session.merge(piece)
    session.flush()


def pieces_of(session: Session, upload_id: str) -> Sequence[UploadPiece]:
    """Return the pieces of an upload, in order."""
    found = select(UploadPiece).where(UploadPiece.upload_id == upload_id)
    return session.exec(found.order_by(col(UploadPiece.start))).all()


def remove_upload(session: Session, upload_id: str) -> bool:
    """Remove an upload and what is known of its pieces; tell whether it was there."""
    session.exec(delete(UploadPiece).where(col(UploadPiece.upload_id) == upload_id))
    gone: CursorResult[tuple[object]] = session.exec(delete(Upload).where(col(Upload.id) == upload_id))
    return gone.rowcount == 1


def expired_uploads(session: Session, now: datetime, limit: int) -> Sequence[Upload]:
    """Return uploads whose time is over."""
    return session.exec(select(Upload).where(col(Upload.expires_at) <= now).limit(limit)).all()


def known_uploads(session: Session, upload_ids: Collection[str]) -> set[str]:
    """Return those of the ids that are uploads under way."""
    return set(session.exec(select(Upload.id).where(col(Upload.id).in_(upload_ids))))
