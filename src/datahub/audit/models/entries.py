"""Tables of the access log: one row per attempt or change; only an erasure that is itself logged takes from it.

Both databases hold that by trigger (see `guards`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Text, text
from sqlmodel import Field, SQLModel

from datahub.kernel import db

# Roles of the exchange itself that see the whole log; `participants.Role` lives a tier above.
OVERSEERS = ("admin", "auditor")


class Outcome(StrEnum):
    """How an attempt, a change or a delivery ended."""

    DONE = "done"  # a change was made, or the log was read
    PERMIT = "permit"  # a decision let data go
    DENY = "deny"  # a decision kept data
    FINISHED = "finished"  # a delivery ended with its last byte
    ABORTED = "aborted"  # a delivery broke off
    REFUSED = "refused"  # a call was refused before or without a decision


_OTHER_THAN = "is distinct from"  # SQLite writes it `is not`


def _partial(where: str, *columns: str) -> Index:
    """Return an index of the rows for which a condition holds."""
    of_sqlite = where.replace(_OTHER_THAN, "is not")
    return Index(None, *columns, sqlite_where=text(of_sqlite), postgresql_where=text(where))


class Entry(SQLModel, table=True):
    """One line of the access log: who did or tried what, when, on whose data, under which agreement, and why."""

    __tablename__ = "log_entry"
    __table_args__ = (
        CheckConstraint("outcome in ('done','permit','deny','finished','aborted','refused')", name="outcome"),
        Index(None, "provider_id", "id"),
        Index(None, "consumer_id", "id"),
        # Each index is paid for by every read of data, so none holds what another one finds, or nothing.
        _partial(f"actor_participant_id {_OTHER_THAN} consumer_id", "actor_participant_id", "id"),
        Index(None, "dataset_id", "id"),
        Index(None, "agreement_id", "id"),
        _partial("thing_id is not null", "thing_id", "id"),
        _partial("of_entry_id is not null", "of_entry_id"),
        Index(None, "at"),
        # What reviewers look for first is rare, so an index of it alone costs the hot path nothing.
        Index(
            "ix_log_entry_not_well",
            "id",
            sqlite_where=text("outcome in ('deny','refused','aborted')"),
            postgresql_where=text("outcome in ('deny','refused','aborted')"),
        ),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    action: str = Field(sa_column=Column(String(80), nullable=False))
    outcome: str = Field(sa_column=Column(String(10), nullable=False))
    code: str = Field(sa_column=Column(String(80), nullable=False))
    trace_id: str = Field(sa_column=Column(String(64), nullable=False))
    actor_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    actor_participant_id: str | None = Field(default=None, sa_column=Column(db.Id))
    actor_person_id: str | None = Field(default=None, sa_column=Column(db.Id))
    thing_id: str | None = Field(default=None, sa_column=Column(db.Id))
    provider_id: str | None = Field(default=None, sa_column=Column(db.Id))
    consumer_id: str | None = Field(default=None, sa_column=Column(db.Id))
    dataset_id: str | None = Field(default=None, sa_column=Column(db.Id))
    dataset_version: int | None = Field(default=None, sa_column=Column(Integer))
    columns: list[str] | None = Field(default=None, sa_column=Column(db.Json))
    agreement_id: str | None = Field(default=None, sa_column=Column(db.Id))
    offer_id: str | None = Field(default=None, sa_column=Column(db.Id))
    offer_version: int | None = Field(default=None, sa_column=Column(Integer))
    policy_hash: str | None = Field(default=None, sa_column=Column(String(80)))
    purpose: str | None = Field(default=None, sa_column=Column(String(300)))
    decision_id: str | None = Field(default=None, sa_column=Column(db.Id))
    of_entry_id: str | None = Field(default=None, sa_column=Column(db.Id))
    rows: int | None = Field(default=None, sa_column=Column(BigInteger))
    bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    details: dict[str, Any] = Field(default_factory=dict, sa_column=Column(db.Json, nullable=False))
    # Ids of the keys of the persons the data is about; their names stand nowhere here.
    subjects: list[str] | None = Field(default=None, sa_column=Column(db.Json))


@dataclass(frozen=True)
class About:
    """What an entry is about; whatever does not apply stays None. `thing_id` is what a change changed."""

    thing_id: str | None = None
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str | None = None
    dataset_version: int | None = None
    columns: Sequence[str] | None = None
    agreement_id: str | None = None
    offer_id: str | None = None
    offer_version: int | None = None
    policy_hash: str | None = None
    purpose: str | None = None
    decision_id: str | None = None
    of_entry_id: str | None = None
    rows: int | None = None
    bytes: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    subjects: Sequence[str] = ()


NOTHING_MORE = About()


class Decision(SQLModel, table=True):
    """One decision on one attempt: the facts it saw, the policy it applied, what came out, and why."""

    __tablename__ = "decision"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    is_permit: bool
    code: str = Field(sa_column=Column(String(80), nullable=False))
    provider_id: str | None = Field(default=None, sa_column=Column(db.Id))
    consumer_id: str | None = Field(default=None, sa_column=Column(db.Id))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    agreement_id: str | None = Field(default=None, sa_column=Column(db.Id))
    policy_hash: str | None = Field(default=None, sa_column=Column(String(80)))
    facts: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    for_requester: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    for_provider: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))


class Pending(SQLModel, table=True):
    """Entries of one transaction that are durable but not yet in the tree; the sequencer takes the row away."""

    __tablename__ = "log_pending"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    entry_ids: str = Field(sa_column=Column(Text, nullable=False))


class Spool(SQLModel, table=True):
    """Lines that the journal made durable in one commit, packed, until their entries and decisions are made of them."""

    __tablename__ = "log_spool"
    __table_args__ = db.IS_SPOOLED

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    last_id: str = Field(sa_column=Column(db.Id, nullable=False))
    lines: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
