"""Tables of consents: what a person decided for one purpose, as events that are never changed, and where it stands.

ISO/IEC TS 27560:2023. A person's key is never stored: `subject` is a keyed digest of it. Emptying that field of a
record cuts its events loose from the person; the events hold nothing else that is personal.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
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


class ConsentState(StrEnum):
    """Where one consent stands (DPV consent status)."""

    REQUESTED = "requested"
    GIVEN = "given"
    RENEWED = "renewed"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"


class Move(StrEnum):
    """What can be done with a consent."""

    REQUEST = "request"
    GIVE = "give"
    RENEW = "renew"
    WITHDRAW = "withdraw"
    REFUSE = "refuse"
    EXPIRE = "expire"
    INVALIDATE = "invalidate"


class Collector(StrEnum):
    """Who brought a decision to the exchange; follows from the credential, never from what was sent."""

    PERSON = "person"
    GUARDIAN = "guardian"
    PUBLISHER = "publisher"
    EXCHANGE = "exchange"


class Channel(StrEnum):
    """How a decision came. The first three are the exchange's own, and no publisher can name them."""

    EXCHANGE_LINK = "exchange-link"
    EXCHANGE_LOGIN = "exchange-login"
    EXCHANGE = "exchange"
    WEB_FORM = "web-form"
    PAPER = "paper"
    PHONE = "phone"
    IN_PERSON = "in-person"
    EMAIL = "email"
    OTHER = "other"


class ConsentTopic(SQLModel, table=True):
    """One purpose of one dataset, on which people decide.

    `epoch` moves with every change of a decision on it, and its row is the lock that puts changes in one order.
    `generation` moves when a record is cut loose from its person, so that readers start afresh.
    """

    __tablename__ = "consent_topic"
    __table_args__ = (UniqueConstraint("dataset_id", "purpose"),)

    no: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    purpose: str = Field(sa_column=Column(String(300), nullable=False))
    epoch: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    generation: int = Field(default=0, sa_column=Column(Integer, nullable=False))


class ConsentRecord(SQLModel, table=True):
    """Where one person's decision on one topic stands: what the events add up to.

    `until_s`: end of a yes, seconds since 1970; empty when there is no yes, or no end to it. `rule_number`: the version
    of the rule whose notice was decided on. `is_persons_own`: the standing decision is the person's own, not reported.
    """

    __tablename__ = "consent_record"
    __table_args__ = (
        UniqueConstraint("topic_no", "subject"),
        Index(None, "topic_no", "epoch"),
        Index(None, "until_s"),
        CheckConstraint(
            "state in ('requested','given','renewed','withdrawn','refused','expired','invalidated')",
            name="state",
        ),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    topic_no: int = Field(sa_column=Column(Integer, ForeignKey("consent_topic.no"), nullable=False))
    subject: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    state: str = Field(sa_column=Column(String(12), nullable=False))
    until_s: int | None = Field(default=None, sa_column=Column(BigInteger))
    is_explicit: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    rule_number: int = Field(sa_column=Column(Integer, nullable=False))
    is_persons_own: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    last_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    last_event: int = Field(sa_column=Column(Integer, nullable=False))
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))


class ConsentEvent(SQLModel, table=True):
    """One event in the life of a consent; both databases refuse to change or remove it.

    `at` is when it was expressed, `recorded_at` when the exchange learned of it. `digest` commits to all other fields.
    `is_conditional`: a service was made to depend on it (GDPR art. 7(4)).
    """

    __tablename__ = "consent_event"
    __table_args__ = ({"sqlite_with_rowid": False},)

    record_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    move: str = Field(sa_column=Column(String(12), nullable=False))
    state: str = Field(sa_column=Column(String(12), nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    until: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    is_explicit: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    rule_number: int = Field(sa_column=Column(Integer, nullable=False))
    language: str = Field(sa_column=Column(String(2), nullable=False))
    collector: str = Field(sa_column=Column(String(10), nullable=False))
    channel: str = Field(sa_column=Column(String(20), nullable=False))
    is_conditional: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    source_id: str | None = Field(default=None, sa_column=Column(db.Id))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class ConsentDetail(SQLModel, table=True):
    """What of an event may be personal: the evidence, and who acted for the person. Goes when the person asks."""

    __tablename__ = "consent_detail"

    record_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    evidence: str | None = Field(default=None, sa_column=Column(Text))
    relation: str | None = Field(default=None, sa_column=Column(String(100)))
    guardian: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
