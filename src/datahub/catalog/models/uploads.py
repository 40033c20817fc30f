"""Tables of resumable uploads: how far each has come, and the pieces that hold its bytes."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, String, Text
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class Upload(SQLModel, table=True):
    """One upload under way, of one organisation.

    `position` is the number of bytes that are durable; it only ever moves from a value that a writer knew to a larger
    one, so of two writers at once one goes on and the other is told.
    """

    __tablename__ = "upload"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    provider_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False, index=True)
    )
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    length: int = Field(sa_column=Column(BigInteger, nullable=False))
    position: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    said: str | None = Field(default=None, sa_column=Column(Text))
    """Upload-Metadata, as it was sent."""
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, index=True))


class UploadPiece(SQLModel, table=True):
    """A stretch of an upload: `bytes` bytes from `start`, at the head of a piece of the object store."""

    __tablename__ = "upload_piece"

    upload_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("upload.id", ondelete="CASCADE"), primary_key=True)
    )
    start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    name: str = Field(sa_column=Column(String(200), nullable=False))
