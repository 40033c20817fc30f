"""Tables of live APIs: where the provider's service is and what of it is offered; how often it is called."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class LiveApi(SQLModel, table=True):
    """The live API of a dataset. `definition` is what the provider said, without the credential.

    `version` is the version of the dataset that says its columns. `sealed` is the credential, under the master key.
    """

    __tablename__ = "live_api"
    __table_args__ = (db.IS_AUTHORITY,)

    dataset_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    )
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    sealed_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    modified_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class LiveCalls(SQLModel, table=True):
    """How many calls one organisation made in one minute; older minutes are overwritten."""

    __tablename__ = "live_calls"

    dataset_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    )
    caller: str = Field(sa_column=Column(String(36), primary_key=True))
    minute: int = Field(sa_column=Column(BigInteger, nullable=False))
    calls: int = Field(sa_column=Column(Integer, nullable=False))
