"""Queries on consents, their events, and what of an event may be personal."""

from collections.abc import Sequence

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from datahub.consent.models import (
    ConsentDetail,
    ConsentEvent,
    ConsentImport,
    ConsentRecord,
    ConsentState,
    ConsentTopic,
)
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page


def record_by_id(session: Session, record_id: str) -> tuple[ConsentRecord, ConsentTopic] | None:
    """Return a consent and its topic."""
    found = select(ConsentRecord, ConsentTopic).where(
        ConsentRecord.id == record_id, ConsentRecord.topic_no == ConsentTopic.no
    )
    return session.exec(found).first()


def record_of(session: Session, topic_no: int, subject: bytes) -> ConsentRecord | None:
    """Return a person's consent on a topic, as it is now."""
    found = select(ConsentRecord).where(ConsentRecord.topic_no == topic_no, ConsentRecord.subject == subject)
    return session.exec(found, execution_options={"populate_existing": True}).first()


def records_of_subject(
    session: Session, dataset_ids: Sequence[str], subject: bytes
) -> Sequence[tuple[ConsentRecord, ConsentTopic]]:
    """Return a person's consents on some datasets, oldest first."""
    found = (
        select(ConsentRecord, ConsentTopic)
        .where(
            ConsentRecord.topic_no == ConsentTopic.no,
            col(ConsentTopic.dataset_id).in_(dataset_ids),
            ConsentRecord.subject == subject,
        )
        .order_by(col(ConsentRecord.id))
    )
    return session.exec(found).all()


def records_page(
    ctx: Context, topic_nos: Sequence[int], state: ConsentState | None, request: PageRequest
) -> Page[ConsentRecord]:
    """Return the consents on some topics, by id."""
    found = select(ConsentRecord).where(col(ConsentRecord.topic_no).in_(topic_nos))
    if state is not None:
        found = found.where(ConsentRecord.state == state)
    return read_page(ctx, found, [SortKey(col(ConsentRecord.id), "id")], request)


def events_of(session: Session, record_id: str) -> Sequence[ConsentEvent]:
    """Return the events of a consent, oldest first."""
    found = select(ConsentEvent).where(ConsentEvent.record_id == record_id)
    return session.exec(found.order_by(col(ConsentEvent.number))).all()


def details_of(session: Session, record_id: str) -> dict[int, ConsentDetail]:
    """Return what of a consent's events may be personal, by the event's number; of an import, the evidence for all of it."""
    found = select(ConsentDetail).where(ConsentDetail.record_id == record_id)
    details = {each.number: each for each in session.exec(found)}
    imported = select(ConsentEvent.number, ConsentImport.evidence).where(
        ConsentEvent.record_id == record_id,
        ConsentEvent.source_id == ConsentImport.id,
        col(ConsentImport.evidence).is_not(None),
    )
    for number, evidence in session.exec(imported):
        details.setdefault(number, ConsentDetail(record_id=record_id, number=number, evidence=evidence))
    return details


def due_to_expire(session: Session, now_s: int, limit: int) -> Sequence[tuple[ConsentRecord, ConsentTopic]]:
    """Return consents whose yes has ended and is not written down as such, the longest ended first."""
    found = (
        select(ConsentRecord, ConsentTopic)
        .where(
            col(ConsentRecord.until_s) <= now_s,
            ConsentRecord.topic_no == ConsentTopic.no,
        )
        .order_by(col(ConsentRecord.until_s))
        .limit(limit)
    )
    return session.exec(found).all()


def subjects_of_records(session: Session, record_ids: Sequence[str]) -> set[bytes]:
    """Return whom some consents are about."""
    found = select(ConsentRecord.subject).where(
        col(ConsentRecord.id).in_(record_ids), col(ConsentRecord.subject).is_not(None)
    )
    return {subject for subject in session.exec(found) if subject is not None}


def cut_loose(session: Session, record_ids: Sequence[str]) -> None:
    """Take the person out of some consents."""
    session.execute(
        update(ConsentRecord)
        .where(col(ConsentRecord.id).in_(record_ids))
        .values(subject=None)
        .execution_options(synchronize_session=False)
    )


def drop_details(session: Session, record_ids: Sequence[str]) -> None:
    """Forget of some consents the evidence, and whoever acted for the person."""
    session.execute(delete(ConsentDetail).where(col(ConsentDetail.record_id).in_(record_ids)))
