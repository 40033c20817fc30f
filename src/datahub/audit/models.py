"""Tables of the access log: one row per attempt or change, never updated, never deleted.

Both databases refuse UPDATE and DELETE on these tables by trigger (see the first migration).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, String
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


class Entry(SQLModel, table=True):
    """One line of the access log: who did or tried what, when, on whose data, under which agreement, and why."""

    __tablename__ = "log_entry"
    __table_args__ = (
        CheckConstraint("outcome in ('done','permit','deny','finished','aborted','refused')", name="outcome"),
        Index(None, "provider_id", "id"),
        Index(None, "consumer_id", "id"),
        Index(None, "actor_participant_id", "id"),
        Index(None, "dataset_id", "id"),
        Index(None, "agreement_id", "id"),
        Index(None, "thing_id", "id"),
        Index(None, "of_entry_id"),
        Index(None, "at"),
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


APPEND_ONLY = (Entry.__tablename__, Decision.__tablename__)


def append_only_ddl(dialect: str) -> list[str]:
    """Return the statements that make the database itself refuse to change or remove a line of the log.

    `dialect` is SQLAlchemy's name: `sqlite` or `postgresql`. Run once, after the tables are made.
    """
    if dialect == "sqlite":
        return [statement for table in APPEND_ONLY for statement in _for_sqlite(str(table))]
    if dialect == "postgresql":
        return [_POSTGRESQL_REFUSAL, *(s for table in APPEND_ONLY for s in _for_postgresql(str(table)))]
    msg = f"no append-only triggers for {dialect}"
    raise ValueError(msg)


def _for_sqlite(table: str) -> list[str]:
    refuse = f"select raise(abort, '{table} is append-only')"
    is_there = f"exists (select 1 from {table} where id = new.id)"  # noqa: S608 — our own names
    return [
        f"create trigger {table}_no_update before update on {table} begin {refuse}; end",
        f"create trigger {table}_no_delete before delete on {table} begin {refuse}; end",
        # INSERT OR REPLACE removes the old row without firing the delete trigger.
        f"create trigger {table}_no_replace before insert on {table} when {is_there} begin {refuse}; end",
    ]


_POSTGRESQL_REFUSAL = """
create or replace function refuse_change_of_log() returns trigger language plpgsql as $$
begin
  raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege';
end $$
"""


def _for_postgresql(table: str) -> list[str]:
    refuse = "execute function refuse_change_of_log()"
    return [
        f"create trigger {table}_no_change before update or delete on {table} for each row {refuse}",
        f"create trigger {table}_no_truncate before truncate on {table} for each statement {refuse}",
    ]
