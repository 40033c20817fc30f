"""Tables of duties: what an organisation owes, whom it is about, and which agreements stand still until it is done.

ODRL 2.2 §2.6. A person's key is never stored in clear: `subject` is the keyed digest that consents go by.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from datahub.kernel import db

DutyId = NewType("DutyId", str)


class Ground(StrEnum):
    """Where a duty comes from."""

    POLICY = "policy"
    RECALL = "recall"
    RIGHT = "right"


class DutyState(StrEnum):
    """Where a duty is in its life."""

    OPEN = "open"
    DUE = "due"
    FULFILLED = "fulfilled"
    OVERDUE = "overdue"
    WAIVED = "waived"
    DECLINED = "declined"
    LAPSED = "lapsed"


LIVING = frozenset({DutyState.OPEN, DutyState.DUE, DutyState.OVERDUE})


class DutyMove(StrEnum):
    """What somebody or the clock does to a duty."""

    START = "start"
    FULFIL = "fulfil"
    RETRACT = "retract"
    RETURN = "return"
    WAIVE = "waive"
    RESTORE = "restore"
    EXTEND = "extend"
    DECLINE = "decline"
    EXPIRE = "expire"
    LAPSE = "lapse"


class Side(StrEnum):
    """On whose behalf a move is made; the person whose right it is, is the creditor of a duty of that ground."""

    DEBTOR = "debtor"
    CREDITOR = "creditor"
    PERSON = "person"
    CLOCK = "clock"


class Known(StrEnum):
    """How whoever owes the duty knows a person: by the key, by a code of it, or not by anything that is shown here."""

    KEY = "key"
    PSEUDONYM = "pseudonym"
    HASH = "hash"
    HIDDEN = "hidden"


class Cause(StrEnum):
    """Why a duty is about a person: a no that may be taken back, being forgotten, or a right they called upon."""

    NO = "no"
    FORGOTTEN = "forgotten"
    RIGHT = "right"


class Consequence(StrEnum):
    """What happens when a duty is overdue."""

    NONE = "none"
    SUSPEND = "suspend"


_STATES = ",".join(f"'{state}'" for state in DutyState)
_GROUNDS = ",".join(f"'{ground}'" for ground in Ground)


class Duty(SQLModel, table=True):
    """One thing that an organisation owes to another, or to a person (`creditor_id` empty).

    `rule`: what it follows from: the key of the duty in the agreement's policy, or an article. `origin` is the same for
    the same cause, so that no cause gives two duties. `starts_at` empty: it waits for the end of the agreement;
    `term_s`: seconds there are for it once it has started. `evidence`: {text, url, sha256, at, byClientId}, as stated.
    """

    __tablename__ = "duty"
    __table_args__ = (
        CheckConstraint(f"state in ({_STATES})", name="state"),
        CheckConstraint(f"ground in ({_GROUNDS})", name="ground"),
        CheckConstraint("consequence in ('none','suspend')", name="consequence"),
        UniqueConstraint("origin"),
        Index(None, "debtor_id", "id"),
        Index(None, "creditor_id", "id"),
        Index(None, "agreement_id", "id"),
        Index(None, "state", "starts_at"),
        Index(None, "state", "due_at"),
        Index(None, "remind_at"),
        Index(None, "settled_at"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    ground: str = Field(sa_column=Column(String(10), nullable=False))
    action: str = Field(sa_column=Column(String(80), nullable=False))
    timing: str = Field(sa_column=Column(String(6), nullable=False))
    rule: str = Field(sa_column=Column(String(300), nullable=False))
    origin: str = Field(sa_column=Column(String(400), nullable=False))
    debtor_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    creditor_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("participant.id")))
    # Without a foreign key: what was owed stays on record when a draft is deleted.
    dataset_id: str | None = Field(default=None, sa_column=Column(db.Id))
    agreement_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("agreement.id")))
    key_space: str | None = Field(default=None, sa_column=Column(String(80)))
    purpose: str | None = Field(default=None, sa_column=Column(String(300)))
    wish: str | None = Field(default=None, sa_column=Column(Text))
    needs: str = Field(sa_column=Column(String(200), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    consequence: str = Field(sa_column=Column(String(10), nullable=False))
    term_s: int | None = Field(default=None, sa_column=Column(Integer))
    starts_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    due_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    first_due_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    remind_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    evidence: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    answer: str | None = Field(default=None, sa_column=Column(Text))
    subjects: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    settled_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    revision: int = 1


class DutySubject(SQLModel, table=True):
    """A person whom a duty is about. `sealed`: the name by which the debtor knows the person; gone a while after the duty is settled.

    `link_id`: the one-time link by which the person came, which the debtor made.
    """

    __tablename__ = "duty_subject"
    __table_args__ = (UniqueConstraint("duty_id", "subject"), Index(None, "subject"))

    duty_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("duty.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    cause: str = Field(sa_column=Column(String(10), nullable=False))
    known: str = Field(sa_column=Column(String(10), nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    link_id: str | None = Field(default=None, sa_column=Column(db.Id))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))


class DutyHold(SQLModel, table=True):
    """An agreement that stands still because of a duty; `revision` is the agreement's, as it was left then."""

    __tablename__ = "duty_hold"
    __table_args__ = (Index(None, "agreement_id"),)

    duty_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("duty.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    agreement_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("agreement.id"), primary_key=True, nullable=False)
    )
    revision: int = Field(sa_column=Column(Integer, nullable=False))
