"""Queries on versions."""

from collections.abc import Collection

from sqlalchemy import delete
from sqlmodel import Session, col, select

from datahub.catalog.models import DatasetVersion
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page


def version_of(session: Session, dataset_id: str, number: int | None = None) -> DatasetVersion | None:
    """Return one version of a dataset, the latest when no number is given; the caller checks who may see it."""
    found = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    if number is not None:
        found = found.where(DatasetVersion.number == number)
    return session.exec(found.order_by(col(DatasetVersion.number).desc()).limit(1)).first()


def version_by_id(session: Session, version_id: str) -> DatasetVersion | None:
    """Return a version by its id; the caller checks who may see it."""
    return session.get(DatasetVersion, version_id)


def versions_page(ctx: Context, dataset_id: str, request: PageRequest) -> Page[DatasetVersion]:
    """Return the versions of a dataset, newest first."""
    found = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    return read_page(ctx, found, [SortKey(col(DatasetVersion.number), "number", is_descending=True)], request)


def remove_versions(session: Session, dataset_id: str) -> None:
    """Remove all versions of a dataset; their objects are swept later."""
    session.exec(delete(DatasetVersion).where(col(DatasetVersion.dataset_id) == dataset_id))


def known_versions(session: Session, version_ids: Collection[str]) -> set[str]:
    """Return those of the ids that are versions."""
    return set(session.exec(select(DatasetVersion.id).where(col(DatasetVersion.id).in_(version_ids))))
