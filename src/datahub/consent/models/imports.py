"""Tables of imports: a file of consents, how far it has been worked off, and what is wrong with which line."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class ImportForm(StrEnum):
    """How the file is written."""

    NDJSON = "ndjson"
    CSV = "csv"


class ImportState(StrEnum):
    """Where an import is."""

    RECEIVED = "received"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ConsentImport(SQLModel, table=True):
    """One file of consents. `position` is the byte up to which it is in the database: there it goes on after a crash."""

    __tablename__ = "consent_import"
    __table_args__ = (
        CheckConstraint("state in ('received','running','done','failed')", name="state"),
        Index(None, "dataset_id", "id"),
        Index(None, "state"),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    form: str = Field(sa_column=Column(String(10), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    is_dry: bool = Field(sa_column=Column(Boolean, nullable=False))
    channel: str = Field(sa_column=Column(String(20), nullable=False))
    evidence: str | None = Field(default=None, sa_column=Column(Text))
    sha256: str = Field(sa_column=Column(String(64), nullable=False))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    position: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    columns: list[str] | None = Field(default=None, sa_column=Column(db.Json))
    lines: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    applied: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    unchanged: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    faulty: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    why: str | None = Field(default=None, sa_column=Column(String(500)))
    actor: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    finished_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    revision: int = 1


class ConsentImportFault(SQLModel, table=True):
    """What is wrong with one line of an import. What the line said is not repeated: it names a person."""

    __tablename__ = "consent_import_fault"

    import_id: str = Field(
        sa_column=Column(
            db.Id, ForeignKey("consent_import.id", ondelete="CASCADE"), primary_key=True, nullable=False
        )
    )
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    pointer: str = Field(sa_column=Column(String(100), nullable=False))
    code: str = Field(sa_column=Column(String(80), nullable=False))
    detail: str = Field(sa_column=Column(String(500), nullable=False))
