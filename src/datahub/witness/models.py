"""Tables of witnessing: logs of others that the exchange witnesses, evidence against them, and witnesses that it asks."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.audit.tlog.text import encode_base64
from datahub.audit.tlog.tree import EMPTY_ROOT
from datahub.kernel import db


class WitnessedLog(SQLModel, table=True):
    """A log that the exchange cosigns, with the newest head that it did: it never cosigns another one of that size."""

    __tablename__ = "witnessed_log"
    __table_args__ = (CheckConstraint("size >= 0", name="size"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    origin: str = Field(sa_column=Column(String(255), nullable=False, unique=True))
    vkeys: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    root: str = Field(default=encode_base64(EMPTY_ROOT), sa_column=Column(String(44), nullable=False))
    checkpoint: str | None = Field(default=None, sa_column=Column(Text))
    cosigned_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class ForkEvidence(SQLModel, table=True):
    """A head that a log signed and that does not go with the one cosigned before; both are kept as they came."""

    __tablename__ = "fork_evidence"
    __table_args__ = (UniqueConstraint("log_id", "digest"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    log_id: str = Field(sa_column=Column(db.Id, ForeignKey("witnessed_log.id"), nullable=False))
    digest: str = Field(sa_column=Column(String(64), nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    verdict: str = Field(sa_column=Column(String(20), nullable=False))
    held: str | None = Field(default=None, sa_column=Column(Text))
    sent: str = Field(sa_column=Column(Text, nullable=False))


class AskedWitness(SQLModel, table=True):
    """A witness that the exchange asks to cosign its own log, and how far that went."""

    __tablename__ = "asked_witness"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    name: str = Field(sa_column=Column(String(80), nullable=False, unique=True))
    vkeys: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    url: str = Field(sa_column=Column(String(2000), nullable=False))
    size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    cosigned_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    asked_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    failure: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1
