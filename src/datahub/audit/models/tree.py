"""Tables of the transparency log: heads, tiles, where an entry's leaf is and what opens it, and the keys of subjects."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, SmallInteger, String, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class Log(SQLModel, table=True):
    """One log of the exchange: the head of its tree. A new one is opened only after a restore from a backup."""

    __tablename__ = "log_head"

    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    origin: str = Field(sa_column=Column(String(250), nullable=False, unique=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    pruned_below: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    opened_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    moved_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    # The last full self-audit: when, up to which size, and what it found wrong.
    audited_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    audited_size: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    audit_fault: str | None = Field(default=None, sa_column=Column(Text))


class LogKey(SQLModel, table=True):
    """A key that signs a log's heads: its public form, and the seed, sealed under the master key."""

    __tablename__ = "log_key"

    log: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    type: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    vkey: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class StoredTile(SQLModel, table=True):
    """A tile, or an entry bundle (level -1), in its widest form; every narrower one is a prefix of it."""

    __tablename__ = "log_tile"

    log: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    level: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    width: int = Field(sa_column=Column(SmallInteger, nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SignedHead(SQLModel, table=True):
    """A checkpoint as it was signed and published."""

    __tablename__ = "log_checkpoint"

    log: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    witnesses: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))


class Leaf(SQLModel, table=True):
    """Where an entry's leaf is, and what opens its commitment.

    `key` gives the salts of all fields. Once a field is erased the key is gone and `opening` keeps the salts that
    remain and the digests of what was erased. Both None: the record is erased, and nothing opens the leaf again.
    """

    __tablename__ = "log_leaf"
    __table_args__ = (UniqueConstraint("log", "leaf_index"),)

    entry_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    log: int = Field(sa_column=Column(Integer, nullable=False))
    leaf_index: int = Field(sa_column=Column(BigInteger, nullable=False))
    key: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    opening: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))


class SubjectKey(SQLModel, table=True):
    """The key of one person that data is about, whose tags in the leaves it makes; shredded, they are noise.

    `lookup` is a keyed hash of how the exchange refers to the person: the reference itself is not stored.
    """

    __tablename__ = "log_subject_key"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    lookup: str | None = Field(default=None, sa_column=Column(String(64), unique=True))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    shredded_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))


class SubjectEntry(SQLModel, table=True):
    """An entry about a person, for their report; gone with their key."""

    __tablename__ = "log_subject_entry"

    subject_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    entry_id: str = Field(sa_column=Column(db.Id, primary_key=True))


class Erasure(SQLModel, table=True):
    """Leave to erase: the database lets go of an entry or decision, or of all before an instant, only when a row here says so.

    `by_entry_id` is the entry of the log that tells who erased what, and on which legal basis.
    """

    __tablename__ = "log_erasure"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    by_entry_id: str = Field(sa_column=Column(db.Id, nullable=False))
    row_id: str | None = Field(default=None, sa_column=Column(db.Id, index=True))
    before: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))


class Hold(SQLModel, table=True):
    """A legal hold: what it names cannot be erased until it is released. What is None is not asked; all None is all."""

    __tablename__ = "log_hold"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    placed_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    released_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    entry_id: str | None = Field(default=None, sa_column=Column(db.Id))
    dataset_id: str | None = Field(default=None, sa_column=Column(db.Id))
    participant_id: str | None = Field(default=None, sa_column=Column(db.Id))
