"""Searches of the log that an organisation keeps for its reviewers."""

from datetime import datetime

from sqlalchemy import Column, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class Search(SQLModel, table=True):
    """A saved search: a name and the filters of the list of entries, by their names on the wire."""

    __tablename__ = "log_search"
    __table_args__ = (UniqueConstraint("participant_id", "name"),)

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    participant_id: str = Field(sa_column=Column(db.Id, nullable=False))
    name: str = Field(sa_column=Column(String(300), nullable=False))
    filters: dict[str, str] = Field(sa_column=Column(db.Json, nullable=False))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1
