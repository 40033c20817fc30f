"""Tables of use: how much of each counter is used up, and what each delivery was charged."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class UseCounter(SQLModel, table=True):
    """How much was used under one agreement in one window; `starts_at` is in Unix seconds, 0 where there is no window."""

    __tablename__ = "use_counter"

    agreement_id: str = Field(sa_column=Column(db.Id, ForeignKey("agreement.id"), primary_key=True))
    name: str = Field(sa_column=Column(String(40), primary_key=True))
    starts_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    used: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class Charge(SQLModel, table=True):
    """What one permit was charged: at first all it could take, then what it took. `is_finished` is null while it runs."""

    __tablename__ = "use_charge"
    __table_args__ = (Index(None, "agreement_id", "retry_key"), Index(None, "at"))

    entry_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    agreement_id: str = Field(sa_column=Column(db.Id, ForeignKey("agreement.id"), nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    amounts: list[list[str | int]] = Field(sa_column=Column(db.Json, nullable=False))
    retry_key: str | None = Field(default=None, sa_column=Column(String(64)))
    is_finished: bool | None = Field(default=None, sa_column=Column(Boolean))
