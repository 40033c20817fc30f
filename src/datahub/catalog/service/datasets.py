"""The verbs on datasets: describe, change, publish, deprecate, withdraw, delete a draft, find."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from datahub.audit import About, Entry, history, record
from datahub.catalog.errors.datasets import DatasetExists, DatasetNotFound
from datahub.catalog.models import Dataset, DatasetKind, DatasetState
from datahub.catalog.rules import datasets as rules
from datahub.catalog.store import datasets as store
from datahub.catalog.store.datasets import Filters
from datahub.catalog.store.descriptions import publishers_of
from datahub.catalog.store.offers import remove_offers
from datahub.catalog.store.versions import remove_versions
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest

_LIFE = ("dataset.create", *(f"dataset.{move}" for move in dict.fromkeys(m for _, m in rules.MOVES)))


class Description(TypedDict, total=False):
    """What an organisation says of a dataset: DCAT 3 properties; what is absent stays as it is."""

    title_nl: str | None
    title_en: str | None
    description_nl: str | None
    description_en: str | None
    provenance_nl: str | None
    provenance_en: str | None
    keywords: list[str]
    themes: list[str]
    languages: list[str]
    conforms_to: list[str]
    spatial: dict[str, Any] | None
    temporal_start: date | None
    temporal_end: date | None
    frequency: str | None
    licence: str | None
    access_rights: str
    contact: dict[str, Any] | None
    columns: list[dict[str, Any]] | None


def create_dataset(ctx: Context, slug: str, kind: DatasetKind, description: Description) -> Dataset:
    """Describe a new dataset of the actor's organisation, as a draft that only the organisation sees.

    Raises DatasetChangeNotAllowed, InvalidDataset, DatasetExists.
    """
    provider_id = rules.must_publish_for(ctx.actor, ctx.actor.participant_id)
    dataset = Dataset(
        id=new_id(),
        provider_id=provider_id,
        slug=slug,
        kind=kind,
        state=DatasetState.DRAFT,
        created_at=ctx.now,
        modified_at=ctx.now,
        listed_at=ctx.now,
        title_sort="",
        search_text="",
        **description,
    )
    rules.check(dataset)
    _derive(dataset)
    if store.slug_taken(ctx.session, provider_id, slug):
        raise _taken(slug)
    ctx.session.add(dataset)
    try:
        ctx.session.flush()
    except IntegrityError as fault:  # two at once with the same short name
        raise _taken(slug) from fault
    store.replace_tags(ctx.session, dataset.id, rules.tags_of(dataset))
    record(
        ctx, "dataset.create", _about(dataset, {"slug": slug, "kind": str(kind), "to": str(dataset.state)})
    )
    return dataset


def get_dataset(ctx: Context, ref: str) -> Dataset:
    """Return a dataset the actor may see, by id or "org-slug/dataset-slug". Raises DatasetNotFound."""
    return _seen(ctx, store.find_dataset(ctx.session, ref))


def list_datasets(ctx: Context, request: PageRequest, filters: Filters) -> Page[Dataset]:
    """Return the datasets that fit: published and deprecated ones for everybody, all of one's own organisation."""
    return store.datasets_page(ctx, ctx.actor, request, filters)


def publisher_slugs(ctx: Context, datasets: Sequence[Dataset]) -> Mapping[str, str]:
    """Return the short names of the publishing organisations of some datasets by the organisations' ids."""
    return {found.id: found.slug for found in publishers_of(ctx.session, datasets).values()}


def dataset_to_change(ctx: Context, dataset_id: str) -> Dataset:
    """Return a dataset of the actor's own, locked against others until the transaction ends.

    Raises DatasetNotFound, DatasetChangeNotAllowed.
    """
    dataset = _seen(ctx, store.dataset_for_change(ctx.session, dataset_id))
    rules.must_publish_for(ctx.actor, dataset.provider_id)
    return dataset


def change_dataset(ctx: Context, dataset_id: str, changes: Description) -> Dataset:
    """Change what is said of a dataset. Raises as `dataset_to_change`, and DatasetWithdrawn, InvalidDataset."""
    dataset = dataset_to_change(ctx, dataset_id)
    rules.must_be_open(dataset)
    for name, value in changes.items():
        setattr(dataset, name, value)
    rules.check(dataset)
    _derive(dataset)
    touch(ctx, dataset)
    store.replace_tags(ctx.session, dataset.id, rules.tags_of(dataset))
    record(ctx, "dataset.change", _about(dataset, {"fields": sorted(changes)}))
    return dataset


def delete_dataset(ctx: Context, dataset_id: str) -> None:
    """Remove a draft and its versions; the log keeps that it was there.

    Raises as `dataset_to_change`, and DatasetNotDraft.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    rules.must_be_draft(dataset)
    remove_versions(ctx.session, dataset.id)
    remove_offers(ctx.session, dataset.id)
    store.remove_dataset(ctx.session, dataset)
    record(ctx, "dataset.delete", _about(dataset, {"slug": dataset.slug, "versions": dataset.last_version}))


def move_dataset(ctx: Context, dataset_id: str, move: str, reason: str | None) -> Dataset:
    """Publish, deprecate, restore or withdraw a dataset; a withdrawn one gives no data from its very next read.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetMoveNotPossible, NothingToPublish.
    """
    dataset = _seen(ctx, store.dataset_for_change(ctx.session, dataset_id))
    before = dataset.state
    dataset.state = rules.decide_move(ctx.actor, dataset, move)
    if dataset.published_at is None:
        dataset.published_at = dataset.listed_at = ctx.now
    touch(ctx, dataset)
    details = {"move": move, "from": str(before), "to": str(dataset.state), "reason": reason}
    record(ctx, f"dataset.{move}", _about(dataset, details))
    announce(ctx, "DatasetMoved", {"datasetId": dataset.id, **details})
    return dataset


def dataset_history(ctx: Context, dataset_id: str) -> Sequence[Entry]:
    """Return the moves of a dataset's life, oldest first. Raises DatasetNotFound, DatasetChangeNotAllowed."""
    dataset = get_dataset(ctx, dataset_id)
    rules.must_read_history(ctx.actor, dataset.provider_id)
    return history(ctx, dataset.id, _LIFE)


def touch(ctx: Context, dataset: Dataset) -> None:
    """Mark a dataset as changed now."""
    dataset.revision += 1
    dataset.modified_at = ctx.now


def _seen(ctx: Context, dataset: Dataset | None) -> Dataset:
    if dataset is None or not rules.may_see(ctx.actor, dataset):
        raise DatasetNotFound("No dataset with this id.")
    return dataset


def _derive(dataset: Dataset) -> None:
    dataset.search_text = rules.search_text_of(dataset)
    dataset.title_sort = rules.title_sort_of(dataset)


def _taken(slug: str) -> DatasetExists:
    return DatasetExists(
        f"Your organisation already has a dataset {slug!r}.",
        faults=[Fault("/slug", "taken by another dataset of your organisation", "taken")],
    )


def _about(dataset: Dataset, details: Mapping[str, Any]) -> About:
    return About(
        thing_id=dataset.id, provider_id=dataset.provider_id, dataset_id=dataset.id, details=dict(details)
    )
