"""Tables of queries: what was asked by whom, how it ended, and per consumer and dataset what has been given so far."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class QueryKind(StrEnum):
    """How it was asked: in the fixed form, or as SQL."""

    QUESTION = "question"
    SQL = "sql"


class QueryState(StrEnum):
    """How a query stands: everything but `running` is an end."""

    RUNNING = "running"
    ANSWERED = "answered"
    WITHHELD = "withheld"  # computed, and nothing of it may leave
    STOPPED = "stopped"  # it needed more than it may use
    FAILED = "failed"  # it could not be asked or carried out


COUNTED = (QueryState.RUNNING, QueryState.ANSWERED, QueryState.WITHHELD, QueryState.STOPPED)
"""Those that the budget counts: what was refused for its form tells nothing."""

_KINDS = ",".join(f"'{kind}'" for kind in QueryKind)
_STATES = ",".join(f"'{state}'" for state in QueryState)


class Query(SQLModel, table=True):
    """One query, as it was asked, and how it ended. `epsilon_micro` is what it may spend on noise, in millionths."""

    __tablename__ = "query"
    __table_args__ = (
        CheckConstraint(f"kind in ({_KINDS})", name="kind"),
        CheckConstraint(f"state in ({_STATES})", name="state"),
        Index(None, "consumer_id", "id"),
        Index(None, "provider_id", "id"),
        Index(None, "agreement_id", "at"),
        Index(None, "state", "at"),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    kind: str = Field(sa_column=Column(String(10), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    code: str | None = Field(default=None, sa_column=Column(String(80)))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    dataset_version: int = Field(sa_column=Column(Integer, nullable=False))
    agreement_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("agreement.id")))
    provider_id: str = Field(sa_column=Column(db.Id, nullable=False))
    consumer_id: str | None = Field(default=None, sa_column=Column(db.Id))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    purpose: str | None = Field(default=None, sa_column=Column(String(300)))
    asked: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    epsilon_micro: int | None = Field(default=None, sa_column=Column(BigInteger))
    joined_dataset_id: str | None = Field(default=None, sa_column=Column(db.Id))
    joined_agreement_id: str | None = Field(default=None, sa_column=Column(db.Id))
    joined_provider_id: str | None = Field(default=None, sa_column=Column(db.Id))
    decision_id: str = Field(sa_column=Column(db.Id, nullable=False))
    entry_id: str = Field(sa_column=Column(db.Id, nullable=False))
    rows: int | None = Field(default=None, sa_column=Column(BigInteger))
    bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    ended_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))


class QueryRoom(SQLModel, table=True):
    """What one consumer has been given of one dataset by results, over all its agreements: a file of row tokens.

    `given_key` names the file (row, identity and atom per view); `columns` are the dataset's when it was first asked.
    """

    __tablename__ = "query_room"
    __table_args__ = (UniqueConstraint("consumer_id", "dataset_id"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    consumer_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    columns: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    given_key: str | None = Field(default=None, sa_column=Column(String(300)))
    opened_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 0
