"""Tables of datasets and of what they are found by."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, NewType

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from datahub.kernel import db

DatasetId = NewType("DatasetId", str)


def _by_code_point(length: int) -> String:
    """Return a text type that sorts by code point on both databases, so that they give the same order."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class DatasetState(StrEnum):
    """Where a dataset is in its life."""

    DRAFT = "draft"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    WITHDRAWN = "withdrawn"


class DatasetKind(StrEnum):
    """What a version of a dataset is: one typed table, or files of any kind."""

    TABLE = "table"
    FILES = "files"


class TagField(StrEnum):
    """The many-valued fields that the catalogue can be filtered by."""

    KEYWORD = "keyword"
    THEME = "theme"
    LANGUAGE = "language"


class Dataset(SQLModel, table=True):
    """A dataset's DCAT metadata and state; its data is in its versions.

    `spatial` is `{label, iri, bbox}`, `contact` is `{name, email, url}`, `columns` is the declared schema of a table.
    What is shared on names the agreement it was obtained under, and so its dataset (no foreign key: agreements are a
    tier above). `listed_at` orders the catalogue: when it was published, or made while it is a draft.
    """

    __tablename__ = "dataset"
    __table_args__ = (
        UniqueConstraint("provider_id", "slug"),
        CheckConstraint("state in ('draft','published','deprecated','withdrawn')", name="state"),
        CheckConstraint("kind in ('table','files')", name="kind"),
        CheckConstraint("title_nl is not null or title_en is not null", name="title"),
        CheckConstraint("description_nl is not null or description_en is not null", name="description"),
        Index(None, "listed_at", "id"),
        Index(None, "title_sort", "id"),
        Index(None, "provider_id", "listed_at", "id"),
        Index(None, "modified_at"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    provider_id: str = Field(sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False))
    slug: str = Field(sa_column=Column(String(80), nullable=False))
    kind: str = Field(sa_column=Column(String(10), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    title_nl: str | None = Field(default=None, sa_column=Column(String(300)))
    title_en: str | None = Field(default=None, sa_column=Column(String(300)))
    description_nl: str | None = Field(default=None, sa_column=Column(Text))
    description_en: str | None = Field(default=None, sa_column=Column(Text))
    provenance_nl: str | None = Field(default=None, sa_column=Column(Text))
    provenance_en: str | None = Field(default=None, sa_column=Column(Text))
    keywords: list[str] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))
    themes: list[str] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))
    languages: list[str] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))
    conforms_to: list[str] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))
    spatial: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    temporal_start: date | None = Field(default=None, sa_column=Column(Date))
    temporal_end: date | None = Field(default=None, sa_column=Column(Date))
    frequency: str | None = Field(default=None, sa_column=Column(String(20)))
    licence: str | None = Field(default=None, sa_column=Column(String(2000)))
    access_rights: str = Field(sa_column=Column(String(20), nullable=False))
    contact: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    columns: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(db.Json))
    upstream_agreement_id: str | None = Field(default=None, sa_column=Column(db.Id, index=True))
    upstream_dataset_id: str | None = Field(default=None, sa_column=Column(db.Id))
    last_version: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    modified_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    published_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    listed_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    title_sort: str = Field(sa_column=Column(_by_code_point(300), nullable=False))
    search_text: str = Field(sa_column=Column(Text, nullable=False))
    revision: int = 1


class DatasetTag(SQLModel, table=True):
    """One value of a many-valued field of a dataset, folded, for filters; the dataset's row has it as written."""

    __tablename__ = "dataset_tag"
    __table_args__ = (Index(None, "dataset_id"),)

    field: str = Field(sa_column=Column(String(10), primary_key=True))
    value: str = Field(sa_column=Column(String(2000), primary_key=True))
    dataset_id: str = Field(
        sa_column=Column(
            db.Id, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True, nullable=False
        )
    )
