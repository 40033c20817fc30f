"""Tables of reviewing: how far the rules and forwardings have read, what was found, and what people made of it.

Beside them the case that the rules judge: plain values, made from the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from datahub.kernel import db

# Roles that review, of the organisation whose data it is, and of the exchange over all.
REVIEWERS = ("admin", "auditor")
# How far back an organisation's own history is looked at.
HISTORY = timedelta(days=30)


class Cursor(SQLModel, table=True):
    """How far something has read the log, in the order of its tree."""

    __tablename__ = "review_cursor"

    name: str = Field(sa_column=Column(String(80), primary_key=True))
    log: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    leaf_index: int = Field(default=-1, sa_column=Column(BigInteger, nullable=False))


class Finding(SQLModel, table=True):
    """Something unusual: which rule, about whom, the figures seen and those expected, the entries it rests on."""

    __tablename__ = "review_finding"
    __table_args__ = (UniqueConstraint("rule", "key"), Index(None, "provider_id", "id"))

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    rule: str = Field(sa_column=Column(String(40), nullable=False))
    key: str = Field(sa_column=Column(String(500), nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, nullable=False))
    consumer_id: str = Field(sa_column=Column(db.Id, nullable=False))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    seen: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    expected: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    entries: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    text_nl: str = Field(sa_column=Column(Text, nullable=False))
    text_en: str = Field(sa_column=Column(Text, nullable=False))


class Review(SQLModel, table=True):
    """A finding or a sampled entry that somebody judges; `owner_id` reviews, `asked_id` may be asked for a reason."""

    __tablename__ = "review"
    __table_args__ = (
        CheckConstraint("state in ('open','assigned','asked','answered','closed')", name="state"),
        UniqueConstraint("owner_id", "finding_id"),
        UniqueConstraint("owner_id", "entry_id"),
        Index(None, "owner_id", "state", "id"),
        Index(None, "asked_id", "id"),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    owner_id: str = Field(sa_column=Column(db.Id, nullable=False))
    finding_id: str | None = Field(default=None, sa_column=Column(db.Id))
    entry_id: str | None = Field(default=None, sa_column=Column(db.Id))
    state: str = Field(default="open", sa_column=Column(String(10), nullable=False))
    assignee: str | None = Field(default=None, sa_column=Column(String(300)))
    asked_id: str | None = Field(default=None, sa_column=Column(db.Id))
    is_asked: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    question: str | None = Field(default=None, sa_column=Column(Text))
    answer: str | None = Field(default=None, sa_column=Column(Text))
    verdict: str | None = Field(default=None, sa_column=Column(String(20)))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class Forward(SQLModel, table=True):
    """Where the log is forwarded to, and how far that went; one batch is under way at a time."""

    __tablename__ = "log_forward"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    url: str = Field(sa_column=Column(String(2000), nullable=False))
    is_active: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    queued_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    sent_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    failure: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


@dataclass(frozen=True)
class Use:
    """One attempt, or the end of one delivery."""

    entry_id: str
    at: datetime
    outcome: str
    code: str = "ok"
    agreement_id: str | None = None
    purpose: str | None = None
    rows: int | None = None
    of_entry_id: str | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One organisation, one dataset, one day (UTC); and its own history before that day."""

    consumer_id: str
    dataset_id: str
    day: str
    attempts: Sequence[Use] = ()
    deliveries: Sequence[Use] = ()
    reads_before: int = 0  # of this dataset, ever
    purposes_before: frozenset[str] = frozenset()  # of any dataset, ever
    hours_before: Mapping[int, int] = field(
        default_factory=dict
    )  # hour → permits, of any dataset, in HISTORY
    rows_before: Sequence[int] = ()  # rows of this dataset on each day with deliveries, in HISTORY
    ended: Mapping[str, datetime] = field(default_factory=dict)  # agreement → when it ended
