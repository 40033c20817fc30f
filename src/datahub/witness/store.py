"""Queries of witnessing."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from datahub.witness.models import AskedWitness, ForkEvidence, WitnessedLog


def log_of_origin(session: Session, origin: str, *, is_locked: bool = False) -> WitnessedLog | None:
    """Return the witnessed log of an origin; locked, nobody else moves its head until this transaction ends.

    SQLite has no row locks and needs none: a writing transaction is alone.
    """
    query = select(WitnessedLog).where(WitnessedLog.origin == origin)
    return session.exec(query.with_for_update() if is_locked else query).first()


def logs(session: Session) -> Sequence[WitnessedLog]:
    """Return all witnessed logs."""
    return session.exec(select(WitnessedLog).order_by(col(WitnessedLog.origin))).all()


def evidence_of(session: Session, log_id: str) -> Sequence[ForkEvidence]:
    """Return what is held against a log, oldest first."""
    query = select(ForkEvidence).where(ForkEvidence.log_id == log_id).order_by(col(ForkEvidence.id))
    return session.exec(query).all()


def count_evidence(session: Session, log_id: str) -> int:
    """Return how much is held against a log."""
    return session.exec(
        select(func.count()).select_from(ForkEvidence).where(ForkEvidence.log_id == log_id)
    ).one()


def is_evidence_known(session: Session, log_id: str, digest: str) -> bool:
    """Tell whether this very checkpoint is held against the log already."""
    query = select(ForkEvidence.id).where(ForkEvidence.log_id == log_id, ForkEvidence.digest == digest)
    return session.exec(query).first() is not None


def witnesses(session: Session) -> Sequence[AskedWitness]:
    """Return all witnesses that the exchange asks."""
    return session.exec(select(AskedWitness).order_by(col(AskedWitness.name))).all()


def witness_of_name(session: Session, name: str) -> AskedWitness | None:
    """Return the witness of that name."""
    return session.exec(select(AskedWitness).where(AskedWitness.name == name)).first()
