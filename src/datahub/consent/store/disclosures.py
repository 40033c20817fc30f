"""Queries on disclosures. Rows that two deliveries could make at once are made by whoever comes first, then locked."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Session, col, select

from datahub.consent.models import (
    DisclosedBlock,
    DisclosedPerson,
    Disclosure,
    DisclosureReserved,
    ReservedPeople,
)

_ASKED = 10_000


def keep_people(session: Session, digest: str, at: datetime, bits: bytes) -> None:
    """Keep a set of people, or say that it is in use again."""
    made = _insert(session)(ReservedPeople).values(digest=digest, at=at, bits=bits)
    session.exec(made.on_conflict_do_update(index_elements=["digest"], set_={"at": made.excluded.at}))


def disclosure_for_change(session: Session, values: Mapping[str, Any]) -> Disclosure:
    """Return the disclosure of these values, made if need be, locked until the transaction ends."""
    session.exec(_insert(session)(Disclosure).values(**values).on_conflict_do_nothing())
    found = select(Disclosure).where(
        Disclosure.agreement_id == values["agreement_id"],
        Disclosure.version_id == values["version_id"],
        Disclosure.purpose == values["purpose"],
        Disclosure.numbering == values["numbering"],
    )
    return session.exec(found.with_for_update(), execution_options={"populate_existing": True}).one()


def _insert(session: Session) -> Any:
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert


def blocks_of(session: Session, disclosure_id: str, blocks: Sequence[int]) -> Mapping[int, DisclosedBlock]:
    """Return some blocks of a disclosure."""
    found: dict[int, DisclosedBlock] = {}
    for start in range(0, len(blocks), _ASKED):
        some = blocks[start : start + _ASKED]
        wanted = select(DisclosedBlock).where(
            DisclosedBlock.disclosure_id == disclosure_id, col(DisclosedBlock.block).in_(some)
        )
        found |= {each.block: each for each in session.exec(wanted)}
    return found


def keep_persons(session: Session, disclosure_id: str, subjects: Iterable[bytes]) -> None:
    """Keep people by digest; who is there already stays."""
    rows = [{"disclosure_id": disclosure_id, "subject": each} for each in subjects]
    for start in range(0, len(rows), _ASKED):
        made = _insert(session)(DisclosedPerson).values(rows[start : start + _ASKED])
        session.exec(made.on_conflict_do_nothing())


def reserved(session: Session, entry_id: str) -> DisclosureReserved | None:
    """Return what a delivery has reserved and not settled, locked."""
    found = select(DisclosureReserved).where(DisclosureReserved.entry_id == entry_id)
    return session.exec(found.with_for_update()).first()


def reserved_before(session: Session, before: datetime, limit: int) -> Sequence[DisclosureReserved]:
    """Return reservations of long ago, the oldest first."""
    found = select(DisclosureReserved).where(col(DisclosureReserved.at) < before)
    return session.exec(found.order_by(col(DisclosureReserved.at)).limit(limit)).all()


def people_reserved(session: Session, digest: str) -> bytes | None:
    """Return the bits of a reserved set."""
    found = session.get(ReservedPeople, digest)
    return found.bits if found else None


def forget_people(session: Session, before: datetime) -> int:
    """Remove sets that no delivery holds and that none asked for since; return how many."""
    held = select(DisclosureReserved.people)
    statement = delete(ReservedPeople).where(
        col(ReservedPeople.at) < before, col(ReservedPeople.digest).not_in(held)
    )
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # a DELETE counts its rows


def disclosures_of(session: Session, dataset_id: str) -> Sequence[Disclosure]:
    """Return what has left of a dataset."""
    return session.exec(select(Disclosure).where(Disclosure.dataset_id == dataset_id)).all()


def reservations_of(session: Session, dataset_id: str) -> Sequence[DisclosureReserved]:
    """Return what may be leaving of a dataset now."""
    return session.exec(select(DisclosureReserved).where(DisclosureReserved.dataset_id == dataset_id)).all()


def persons_among(session: Session, disclosure_id: str, subjects: Sequence[bytes]) -> set[bytes]:
    """Return which of some people are in a disclosure by digest."""
    found: set[bytes] = set()
    for start in range(0, len(subjects), _ASKED):
        some = subjects[start : start + _ASKED]
        wanted = select(DisclosedPerson.subject).where(
            DisclosedPerson.disclosure_id == disclosure_id, col(DisclosedPerson.subject).in_(some)
        )
        found |= set(session.exec(wanted))
    return found
