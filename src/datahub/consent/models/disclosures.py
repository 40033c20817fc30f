"""Tables of disclosures: to whom rows about which people have left, exactly, in a bit for each person (GDPR art. 15(1)(c)).

A person is known by a number in the version's index of people (`service.people_index`); bits stand in blocks of 65 536
people. Rows of a live API have no such index: there people stand by the digest of their key.
"""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from datahub.kernel import db


class Disclosure(SQLModel, table=True):
    """What left under one agreement of one version of a dataset for one purpose: when first, and when last.

    `numbering`: by which index the people are numbered: of these `subjects` columns, whose keys are of `key_space`.
    """

    __tablename__ = "consent_disclosure"
    __table_args__ = (
        UniqueConstraint("agreement_id", "version_id", "purpose", "numbering"),
        Index(None, "dataset_id"),
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    agreement_id: str = Field(sa_column=Column(db.Id, nullable=False))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    version_id: str = Field(sa_column=Column(db.Id, nullable=False))
    purpose: str = Field(sa_column=Column(String(300), nullable=False))
    numbering: str = Field(sa_column=Column(String(32), nullable=False))
    key_space: str = Field(sa_column=Column(String(80), nullable=False))
    subjects: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    first_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))


class DisclosedBlock(SQLModel, table=True):
    """A bit for each of 65 536 people, packed little-endian and deflated: whose rows have left."""

    __tablename__ = "consent_disclosed_block"

    disclosure_id: str = Field(sa_column=Column(db.Id, ForeignKey("consent_disclosure.id"), primary_key=True))
    block: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    bits: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DisclosedPerson(SQLModel, table=True):
    """One person whose rows have left, by digest: where there is no index to have a number in."""

    __tablename__ = "consent_disclosed_person"

    disclosure_id: str = Field(sa_column=Column(db.Id, ForeignKey("consent_disclosure.id"), primary_key=True))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))


class DisclosureReserved(SQLModel, table=True):
    """A delivery that has begun and not told yet whose rows left: until it does, everybody whom it could give."""

    __tablename__ = "consent_disclosure_reserved"
    __table_args__ = (Index(None, "dataset_id"), Index(None, "at"))

    entry_id: str = Field(sa_column=Column(db.Id, primary_key=True))
    agreement_id: str = Field(sa_column=Column(db.Id, nullable=False))
    dataset_id: str = Field(sa_column=Column(db.Id, nullable=False))
    version_id: str = Field(sa_column=Column(db.Id, nullable=False))
    purpose: str = Field(sa_column=Column(String(300), nullable=False))
    numbering: str = Field(sa_column=Column(String(32), nullable=False))
    key_space: str = Field(sa_column=Column(String(80), nullable=False))
    subjects: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    people: str = Field(sa_column=Column(String(32), nullable=False))


class ReservedPeople(SQLModel, table=True):
    """A set of people that deliveries could give, once for all that could give the same; `digest` is of its bits."""

    __tablename__ = "consent_reserved_people"
    __table_args__ = (Index(None, "at"),)

    digest: str = Field(sa_column=Column(String(32), primary_key=True))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    bits: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
