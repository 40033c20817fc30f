"""The verbs on datasets: describe, change, publish, deprecate, withdraw, delete a draft, find."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from datahub.audit import About, Entry, history, record
from datahub.catalog.errors.datasets import DatasetExists, DatasetNotFound
from datahub.catalog.models import Dataset, DatasetKind, DatasetState
from datahub.catalog.rules import datasets as rules
from datahub.catalog.rules.upstream import UpstreamCheck
from datahub.catalog.store import datasets as store
from datahub.catalog.store.datasets import Filters
from datahub.catalog.store.descriptions import publishers_of
from datahub.catalog.store.offers import current_versions, open_offers, remove_offers
from datahub.catalog.store.versions import remove_versions
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.policy import Policy, read_policy

_LIFE = ("dataset.create", *(f"dataset.{move}" for move in dict.fromkeys(m for _, m in rules.MOVES)))


# Whether a dataset can be in a state with these stored columns (None: those of its latest version); raises a Refusal.
# The app hands over what knows more about people than the catalogue does.
FitCheck = Callable[[Context, Dataset, str, Sequence[Mapping[str, Any]] | None], None]


def anything_fits(
    ctx: Context, dataset: Dataset, state: str, stored: Sequence[Mapping[str, Any]] | None
) -> None:
    """Let everything pass."""
    del ctx, dataset, state, stored


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
    upstream_agreement_id: str | None


def create_dataset(
    ctx: Context, slug: str, kind: DatasetKind, description: Description, upstream: UpstreamCheck
) -> Dataset:
    """Describe a new dataset of the actor's organisation, as a draft that only the organisation sees.

    Raises DatasetChangeNotAllowed, InvalidDataset, DatasetExists, and what `upstream` refuses.
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
    _trace(ctx, dataset, upstream)
    if other := store.dataset_called(ctx.session, provider_id, slug):
        raise _taken(slug, other)
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


def change_dataset(
    ctx: Context,
    dataset_id: str,
    changes: Description,
    upstream: UpstreamCheck,
    must_fit: FitCheck = anything_fits,
) -> Dataset:
    """Change what is said of a dataset; offers that are open must stay within an upstream agreement it now names.

    Raises as `dataset_to_change`, and DatasetWithdrawn, InvalidDataset, and what `upstream` and `must_fit` refuse.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    rules.must_be_open(dataset)
    for name, value in changes.items():
        setattr(dataset, name, value)
    rules.check(dataset)
    must_fit(ctx, dataset, dataset.state, None)
    _derive(dataset)
    if "upstream_agreement_id" in changes:
        _trace(ctx, dataset, upstream)
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


def move_dataset(
    ctx: Context, dataset_id: str, move: str, reason: str | None, must_fit: FitCheck = anything_fits
) -> Dataset:
    """Publish, deprecate, restore or withdraw a dataset; a withdrawn one gives no data from its very next read.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetMoveNotPossible, NothingToPublish; whatever `must_fit` raises.
    """
    dataset = _seen(ctx, store.dataset_for_change(ctx.session, dataset_id))
    before = dataset.state
    dataset.state = rules.decide_move(ctx.actor, dataset, move)
    must_fit(ctx, dataset, dataset.state, None)
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


def _trace(ctx: Context, dataset: Dataset, upstream: UpstreamCheck) -> None:
    """Ask after the agreement the data was obtained under, for the dataset and for each of its open offers."""
    agreement_id = dataset.upstream_agreement_id
    dataset.upstream_dataset_id = (
        upstream(ctx, agreement_id, dataset.provider_id, None).dataset_id if agreement_id else None
    )
    open_now = open_offers(ctx.session, dataset.id)
    terms = current_versions(ctx.session, open_now)
    for offer in open_now:
        offer.upstream = verdict_on(ctx, dataset, read_policy(terms[offer.id].policy), upstream)


def verdict_on(ctx: Context, dataset: Dataset, policy: Policy, upstream: UpstreamCheck) -> str | None:
    """Return whether terms stay within what the data was obtained under; None for data of the provider's own.

    Raises what `upstream` refuses.
    """
    agreement_id = dataset.upstream_agreement_id
    return upstream(ctx, agreement_id, dataset.provider_id, policy).verdict if agreement_id else None


def _taken(slug: str, dataset_id: str | None = None) -> DatasetExists:
    return DatasetExists(
        f"Your organisation already has a dataset {slug!r}.",
        faults=[Fault("/slug", "taken by another dataset of your organisation", "taken")],
        datasetId=dataset_id,
    )


def _about(dataset: Dataset, details: Mapping[str, Any]) -> About:
    return About(
        thing_id=dataset.id, provider_id=dataset.provider_id, dataset_id=dataset.id, details=dict(details)
    )
