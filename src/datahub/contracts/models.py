"""Tables of access requests (negotiations), each step of them, their comments, and the agreements they end in."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db

AccessRequestId = NewType("AccessRequestId", str)
AgreementId = NewType("AgreementId", str)


class NegotiationState(StrEnum):
    """States of a contract negotiation (DSP 2025-1, contract negotiation protocol)."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class NegotiationMove(StrEnum):
    """What somebody, a rule or the clock does to an access request."""

    REQUEST = "request"
    APPROVE = "approve"
    RETURN = "return"
    REJECT = "reject"
    COUNTER = "counter"
    ACCEPT = "accept"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


class Party(StrEnum):
    """On whose behalf a move is made."""

    CONSUMER = "consumer"
    PROVIDER = "provider"
    CLOCK = "clock"


class Status(StrEnum):
    """What people call the present state of an access request."""

    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class AgreementState(StrEnum):
    """Where an agreement is in its life; only `active` can be in force."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    REVOKED = "revoked"
    EXPIRED = "expired"


_STATES = ",".join(f"'{state}'" for state in NegotiationState)
_AGREEMENT_STATES = ",".join(f"'{state}'" for state in AgreementState)


class AccessRequest(SQLModel, table=True):
    """One organisation's application to use a dataset, and the negotiation about it.

    `policy` is what lies on the table now; `agrees_to` the hash of the policy that the consumer has said yes to.
    `wished_until` is the latest end the consumer asks for; `offered_until` the end the provider put on the table.
    """

    __tablename__ = "access_request"
    __table_args__ = (
        CheckConstraint(f"state in ({_STATES})", name="state"),
        CheckConstraint("provider_id <> consumer_id", name="two_parties"),
        Index(None, "consumer_id", "id"),
        Index(None, "provider_id", "id"),
        Index(None, "dataset_id", "id"),
        Index(None, "state", "due_at"),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    offer_id: str = Field(sa_column=Column(db.Id, ForeignKey("offer.id"), nullable=False))
    offer_version: int = Field(sa_column=Column(Integer, nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    consumer_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    last_move: str = Field(sa_column=Column(String(10), nullable=False))
    is_by_rule: bool = False
    purpose: str | None = Field(default=None, sa_column=Column(String(300)))
    answers: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    wished_until: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    offered_until: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    policy: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    policy_hash: str = Field(sa_column=Column(String(80), nullable=False))
    agrees_to: str = Field(sa_column=Column(String(80), nullable=False))
    supersedes_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("agreement.id")))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    changed_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    revision: int = 1


class NegotiationEvent(SQLModel, table=True):
    """One step of a negotiation, as it was made: who, when, why, on which terms. Never changed."""

    __tablename__ = "negotiation_event"
    __table_args__ = (UniqueConstraint("request_id", "number"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    request_id: str = Field(sa_column=Column(db.Id, ForeignKey("access_request.id"), nullable=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    move: str = Field(sa_column=Column(String(20), nullable=False))
    from_state: str | None = Field(default=None, sa_column=Column(String(10)))
    to_state: str = Field(sa_column=Column(String(10), nullable=False))
    party: str = Field(sa_column=Column(String(10), nullable=False))
    is_by_rule: bool = False
    by_participant_id: str | None = Field(default=None, sa_column=Column(db.Id))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    by_person_id: str | None = Field(default=None, sa_column=Column(db.Id))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    terms: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))


class RequestComment(SQLModel, table=True):
    """What one side said to the other about an access request."""

    __tablename__ = "request_comment"
    __table_args__ = (Index(None, "request_id", "id"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    request_id: str = Field(sa_column=Column(db.Id, ForeignKey("access_request.id"), nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    by_participant_id: str | None = Field(default=None, sa_column=Column(db.Id))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    by_person_id: str | None = Field(default=None, sa_column=Column(db.Id))
    text: str = Field(sa_column=Column(Text, nullable=False))


class Agreement(SQLModel, table=True):
    """The policy as two organisations agreed it, frozen by hash and signed by the exchange.

    Only `state`, `suspended_by_id` and `revision` ever change; all else is what the signature covers.
    """

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint(f"state in ({_AGREEMENT_STATES})", name="state"),
        CheckConstraint("provider_id <> consumer_id", name="two_parties"),
        Index(None, "consumer_id", "dataset_id", "state"),
        Index(None, "provider_id", "id"),
        Index(None, "dataset_id", "id"),
        Index(None, "state", "valid_until"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    # Not a foreign key: the request points here (supersedes_id), and one direction is enough.
    request_id: str = Field(sa_column=Column(db.Id, nullable=False, unique=True))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    offer_id: str = Field(sa_column=Column(db.Id, ForeignKey("offer.id"), nullable=False))
    offer_version: int = Field(sa_column=Column(Integer, nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    consumer_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    purpose: str | None = Field(default=None, sa_column=Column(String(300)))
    policy: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    policy_hash: str = Field(sa_column=Column(String(80), nullable=False))
    text_nl: str = Field(sa_column=Column(Text, nullable=False))
    text_en: str = Field(sa_column=Column(Text, nullable=False))
    text_nl_hash: str = Field(sa_column=Column(String(80), nullable=False))
    text_en_hash: str = Field(sa_column=Column(String(80), nullable=False))
    valid_from: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    valid_until: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    suspended_by_id: str | None = Field(default=None, sa_column=Column(db.Id))
    signature: str = Field(sa_column=Column(Text, nullable=False))
    supersedes_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("agreement.id")))
    changes: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(db.Json))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1
