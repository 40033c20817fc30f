"""Tables of the immutable versions of datasets, and of the files in them."""

from datetime import datetime
from typing import Any, NewType

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db

DatasetVersionId = NewType("DatasetVersionId", str)


class DatasetVersion(SQLModel, table=True):
    """One version of a dataset: never changed, only removed together with a draft.

    A table has `columns` (the schema as stored: name, type, nullable, title, description), `row_count` and one
    object, zstd Parquet, under `object_key`. Files have none of these. A live API has neither object nor files.
    `bytes` and `sha256` are of what is stored; `source_*` of what was received.
    """

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset_id", "number"), db.IS_AUTHORITY)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    dataset_id: str = Field(sa_column=Column(db.Id, ForeignKey("dataset.id"), nullable=False))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    by_participant_id: str | None = Field(default=None, sa_column=Column(db.Id))
    by_client_id: str | None = Field(default=None, sa_column=Column(String(200)))
    note: str | None = Field(default=None, sa_column=Column(Text))
    media_type: str = Field(sa_column=Column(String(200), nullable=False))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str = Field(sa_column=Column(String(64), nullable=False))
    source_media_type: str = Field(sa_column=Column(String(200), nullable=False))
    source_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    source_sha256: str | None = Field(default=None, sa_column=Column(String(64)))
    columns: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(db.Json))
    row_count: int | None = Field(default=None, sa_column=Column(BigInteger))
    object_key: str | None = Field(default=None, sa_column=Column(String(300)))
    files: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(db.Json, nullable=False))

    @property
    def is_live(self) -> bool:
        """Tell whether the data is asked of the provider's own service, call by call, and not stored."""
        return self.object_key is None and not self.files
