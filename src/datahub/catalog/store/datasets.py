"""Queries on datasets: one by id or reference, and the searchable list."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from datahub.catalog.models import Dataset, DatasetState, DatasetTag, TagField
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants import Participant, Role

LISTED = (DatasetState.PUBLISHED, DatasetState.DEPRECATED)


class Sort(StrEnum):
    """The orders of the list."""

    NEWEST = "newest"
    TITLE = "title"


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to; everything given must hold. `words` and `tags` are folded."""

    words: Sequence[str] = ()
    tags: Sequence[tuple[TagField, str]] = ()
    publisher: str | None = None  # id or short name
    ref: str | None = None  # id or "org-slug/dataset-slug"
    state: DatasetState | None = None
    kind: str | None = None
    access_rights: str | None = None
    updated_since: datetime | None = None
    sort: Sort = field(default=Sort.NEWEST)


def dataset_by_id(session: Session, dataset_id: str) -> Dataset | None:
    """Return a dataset; the caller checks who may see it."""
    return session.get(Dataset, dataset_id) if is_id(dataset_id) else None


def find_dataset(session: Session, ref: str) -> Dataset | None:
    """Return a dataset by its id or its reference "org-slug/dataset-slug"; the caller checks who may see it."""
    if "/" not in ref:
        return dataset_by_id(session, ref)
    return session.exec(_referred(select(Dataset), ref)).first()


def dataset_for_change(session: Session, dataset_id: str) -> Dataset | None:
    """Return a dataset, locked until the transaction ends, as it is now in the database."""
    if not is_id(dataset_id):
        return None
    found = select(Dataset).where(Dataset.id == dataset_id).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).first()


def dataset_called(session: Session, provider_id: str, slug: str) -> str | None:
    """Return the id of an organisation's dataset with this short name."""
    return session.exec(
        select(Dataset.id).where(Dataset.provider_id == provider_id, Dataset.slug == slug)
    ).first()


def datasets_page(ctx: Context, actor: Actor, request: PageRequest, filters: Filters) -> Page[Dataset]:
    """Return the datasets that the actor may see in lists and that fit the filters, in the order asked for."""
    found = _visible(select(Dataset), actor)
    if filters.ref is not None:
        found = _referred(found, filters.ref)
    if filters.state is not None:
        found = found.where(Dataset.state == filters.state)
    if filters.kind is not None:
        found = found.where(Dataset.kind == filters.kind)
    if filters.access_rights is not None:
        found = found.where(Dataset.access_rights == filters.access_rights)
    if filters.updated_since is not None:
        found = found.where(col(Dataset.modified_at) >= filters.updated_since)
    if filters.publisher is not None:
        found = found.where(col(Dataset.provider_id).in_(_publisher_ids(filters.publisher)))
    for name, value in filters.tags:
        # EXISTS, not IN: it is looked up while walking the order's index, so a common tag ends with the first page
        same = DatasetTag.dataset_id == Dataset.id
        found = found.where(
            select(1).where(same, DatasetTag.field == name, DatasetTag.value == value).exists()
        )
    for word in filters.words:
        found = found.where(col(Dataset.search_text).contains(word, autoescape=True))
    return read_page(ctx, found, _order(filters.sort), request)


def replace_tags(session: Session, dataset_id: str, tags: Iterable[tuple[TagField, str]]) -> None:
    """Make these the dataset's tags."""
    session.exec(delete(DatasetTag).where(col(DatasetTag.dataset_id) == dataset_id))
    session.add_all(DatasetTag(field=name, value=value, dataset_id=dataset_id) for name, value in set(tags))
    session.flush()


def remove_dataset(session: Session, dataset: Dataset) -> None:
    """Remove a dataset with its tags; its versions must be gone."""
    session.exec(delete(DatasetTag).where(col(DatasetTag.dataset_id) == dataset.id))
    session.delete(dataset)
    session.flush()


def _visible(statement: SelectOfScalar[Dataset], actor: Actor) -> SelectOfScalar[Dataset]:
    if actor.oversees(Role.ADMIN, Role.AUDITOR):
        return statement
    listed = col(Dataset.state).in_(LISTED)
    if actor.participant_id is None:
        return statement.where(listed)
    return statement.where(or_(listed, col(Dataset.provider_id) == actor.participant_id))


def _referred(statement: SelectOfScalar[Dataset], ref: str) -> SelectOfScalar[Dataset]:
    org, slash, slug = ref.partition("/")
    if not slash:
        return statement.where(Dataset.id == ref)
    provider = select(Participant.id).where(Participant.slug == org)
    return statement.where(Dataset.slug == slug, col(Dataset.provider_id).in_(provider))


def _publisher_ids(publisher: str) -> SelectOfScalar[str]:
    return select(Participant.id).where(
        or_(col(Participant.id) == publisher, col(Participant.slug) == publisher)
    )


def _order(sort: Sort) -> Sequence[SortKey]:
    if sort is Sort.TITLE:
        return SortKey(col(Dataset.title_sort), "title_sort"), SortKey(col(Dataset.id), "id")
    return (
        SortKey(col(Dataset.listed_at), "listed_at", is_descending=True),
        SortKey(col(Dataset.id), "id", is_descending=True),
    )
