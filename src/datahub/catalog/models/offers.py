"""Tables of offers: an ODRL policy put on a dataset, in immutable versions."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from datahub.kernel import db

OfferId = NewType("OfferId", str)


class OfferState(StrEnum):
    """Where an offer is in its life."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class QuestionKind(StrEnum):
    """What kind of answer a question of the request form takes."""

    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"
    DATE = "date"
    URL = "url"


class Offer(SQLModel, table=True):
    """What stays the same while an offer's terms change: whose it is, on which dataset, whether it is open.

    `upstream`: of data shared on, whether the terms are proved to stay `within` the agreement it was obtained under.
    """

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("state in ('draft','open','closed')", name="state"),
        CheckConstraint("upstream in ('within','unknown')", name="upstream"),
        Index(None, "dataset_id", "state"),
        Index(None, "provider_id"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    changed_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    upstream: str | None = Field(default=None, sa_column=Column(String(10)))
    revision: int = 1


class OfferVersion(SQLModel, table=True):
    """One version of an offer's terms; never changed once written.

    `policy` is the ODRL document as it was read; `policy_hash` its identity; the texts are generated from it.
    `automatic` is an ODRL policy too: a request it permits needs no person. `examples` are attempts with the answer
    that these terms must give; only the provider sees them.
    """

    __tablename__ = "offer_version"
    __table_args__ = db.IS_AUTHORITY

    offer_id: str = Field(sa_column=Column(db.Id, ForeignKey("offer.id"), primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    title: dict[str, str] = Field(sa_column=Column(db.Json, nullable=False))
    template: str | None = Field(default=None, sa_column=Column(String(80)))
    parameters: dict[str, Any] = Field(default_factory=dict, sa_column=Column(db.Json, nullable=False))
    policy: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    policy_hash: str = Field(sa_column=Column(String(80), nullable=False))
    text_nl: str = Field(sa_column=Column(Text, nullable=False))
    text_en: str = Field(sa_column=Column(Text, nullable=False))
    labels: dict[str, str] = Field(sa_column=Column(db.Json, nullable=False))
    questions: list[dict[str, Any]] = Field(sa_column=Column(db.Json, nullable=False))
    automatic: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    examples: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))
    deadline_days: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
