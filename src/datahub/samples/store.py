"""Queries on samples."""

from sqlmodel import Session

from datahub.samples.models import Sample


def sample_of(session: Session, dataset_id: str, *, is_locked: bool = False) -> Sample | None:
    """Return what is set for the sample of a dataset."""
    return session.get(Sample, dataset_id, with_for_update=is_locked or None)
