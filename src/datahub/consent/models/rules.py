"""Table of consent rules: on which basis rows about people may leave a dataset, in immutable versions."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class Basis(StrEnum):
    """On what ground personal data is processed (GDPR art. 6(1))."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal-obligation"
    PUBLIC_TASK = "public-task"
    LEGITIMATE_INTEREST = "legitimate-interest"
    VITAL_INTEREST = "vital-interest"


class Choice(StrEnum):
    """What the person is asked: nothing leaves without a yes, everything leaves without a no, or no choice."""

    OPT_IN = "opt-in"
    OPT_OUT = "opt-out"
    NONE = "none"


class Several(StrEnum):
    """Of a row about several people: all must allow it, or any one of them."""

    ALL = "all"
    ANY = "any"


class Nobody(StrEnum):
    """A row about nobody, its subject columns all empty: in, or out."""

    IN = "in"
    OUT = "out"


class ConsentRule(SQLModel, table=True):
    """One version of a dataset's consent rule with its notice; never changed once written.

    `subjects` are the columns that name people by keys of `key_space`. Each of `purposes` is {purpose, basis, choice,
    isExplicit, recipients, data, validityDays}. `classes` are recipients by class: {name: {title, members}}.
    `handling` is what a receipt must also tell: {address, retention, storageLocations, jurisdiction}.
    `offers` are the versions of the dataset's offers that stood when it was written: {offer id: version}. The dataset
    is named without a foreign key: what people were asked stays on record when a draft is deleted.
    """

    __tablename__ = "consent_rule"
    __table_args__ = (
        UniqueConstraint("dataset_id", "number"),
        CheckConstraint("several in ('all','any')", name="several"),
        CheckConstraint("nobody in ('in','out')", name="nobody"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    key_space: str = Field(sa_column=Column(String(80), nullable=False))
    subjects: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    several: str = Field(sa_column=Column(String(3), nullable=False))
    nobody: str = Field(sa_column=Column(String(3), nullable=False))
    purposes: list[dict[str, Any]] = Field(sa_column=Column(db.Json, nullable=False))
    classes: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    notice: dict[str, str] = Field(sa_column=Column(db.Json, nullable=False))
    notice_hash: str = Field(sa_column=Column(String(64), nullable=False))
    handling: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    offers: dict[str, int] = Field(sa_column=Column(db.Json, nullable=False))
    rule_hash: str = Field(sa_column=Column(String(64), nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
