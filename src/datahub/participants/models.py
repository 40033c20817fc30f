"""Tables of organisations, their legal identifiers, and their people with roles."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from datahub.kernel import db

ParticipantId = NewType("ParticipantId", str)
PersonId = NewType("PersonId", str)


class ParticipantState(StrEnum):
    """Where an organisation is in its life with the exchange."""

    APPLIED = "applied"
    ADMITTED = "admitted"
    SUSPENDED = "suspended"
    LEFT = "left"


class Role(StrEnum):
    """What a person, or a client, may do for its organisation."""

    PUBLISHER = "publisher"
    REQUESTER = "requester"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Scheme(StrEnum):
    """Registers that give organisations their identifiers."""

    KVK = "kvk"
    OIN = "oin"
    EORI = "eori"
    LEI = "lei"
    DID = "did"


class Participant(SQLModel, table=True):
    """An organisation in the exchange; exactly one row is the exchange itself."""

    __tablename__ = "participant"
    __table_args__ = (
        CheckConstraint("state in ('applied','admitted','suspended','left')", name="state"),
        Index(
            "uq_participant_one_exchange",
            "is_exchange",
            unique=True,
            sqlite_where=text("is_exchange"),
            postgresql_where=text("is_exchange"),
        ),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    slug: str = Field(sa_column=Column(String(80), nullable=False, unique=True))
    name: str = Field(sa_column=Column(String(300), nullable=False))
    contact_email: str = Field(sa_column=Column(String(320), nullable=False))
    website: str | None = Field(default=None, sa_column=Column(String(2000)))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    is_exchange: bool = False
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class LegalIdentifier(SQLModel, table=True):
    """A number or name under which a public register knows an organisation."""

    __tablename__ = "legal_identifier"
    __table_args__ = (UniqueConstraint("scheme", "value"), db.IS_AUTHORITY)

    participant_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("participant.id"), primary_key=True, nullable=False)
    )
    scheme: str = Field(sa_column=Column(String(10), primary_key=True))
    value: str = Field(sa_column=Column(String(300), nullable=False))


class Person(SQLModel, table=True):
    """Somebody who acts for an organisation, with the roles they hold there."""

    __tablename__ = "person"
    __table_args__ = (UniqueConstraint("participant_id", "email"), db.IS_AUTHORITY)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    participant_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False, index=True)
    )
    name: str = Field(sa_column=Column(String(300), nullable=False))
    email: str = Field(sa_column=Column(String(320), nullable=False))
    roles: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    is_active: bool = True
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class Webhook(SQLModel, table=True):
    """An address of an organisation's that is told when something of its own has happened."""

    __tablename__ = "webhook"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    participant_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False, index=True)
    )
    url: str = Field(sa_column=Column(String(2000), nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    last_taken_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    is_active: bool = True
    revision: int = 1
