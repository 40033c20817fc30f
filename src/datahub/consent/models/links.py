"""Table of one-time links that lead a person to their own consents, and of the session a link turns into."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class ConsentLink(SQLModel, table=True):
    """A link for one person: usable once, for a while; neither its token nor that of its session is stored.

    `majority_at` is set on a guardian's link: the day from which the guardian no longer decides.
    """

    __tablename__ = "consent_link"
    __table_args__ = (Index(None, "provider_id", "subject"), Index(None, "expires_at"))

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    key_space: str = Field(sa_column=Column(String(80), nullable=False))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    token_hash: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    delivery: str = Field(sa_column=Column(String(20), nullable=False))
    guardian: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    relation: str | None = Field(default=None, sa_column=Column(String(100)))
    majority_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    session_hash: str | None = Field(default=None, sa_column=Column(String(64), unique=True))
    session_until: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
