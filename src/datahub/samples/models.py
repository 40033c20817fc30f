"""Table of samples: what a provider lets be seen of a dataset before there is an agreement."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Integer, String
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class SampleKind(StrEnum):
    """The first rows behind masks, or rows that are made up."""

    MASKED = "masked"
    SYNTHETIC = "synthetic"


class Sample(SQLModel, table=True):
    """The sample of a dataset; no row: there is none. Each of `columns` is {name, mask, replacement, listed}."""

    __tablename__ = "sample"
    __table_args__ = (CheckConstraint("kind in ('masked','synthetic')", name="kind"),)

    dataset_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    )
    kind: str = Field(sa_column=Column(String(10), nullable=False))
    rows: int = Field(sa_column=Column(Integer, nullable=False))
    columns: list[dict[str, Any]] = Field(sa_column=Column(db.Json, nullable=False))
    is_open: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    modified_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1
