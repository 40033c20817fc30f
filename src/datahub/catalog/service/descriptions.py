"""Datasets with all that a full description of them draws on: publisher, latest version, open policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datahub.catalog.models import Dataset, DatasetVersion
from datahub.catalog.service.offers import linked
from datahub.catalog.store import descriptions as store
from datahub.kernel.context import Context
from datahub.participants import Participant, the_exchange


@dataclass(frozen=True)
class Described:
    """A dataset with all that its DCAT description draws on."""

    dataset: Dataset
    publisher: Participant
    latest: DatasetVersion | None = None
    policies: Sequence[Mapping[str, Any]] = field(default=())


def describe(ctx: Context, datasets: Sequence[Dataset]) -> list[Described]:
    """Return some datasets, which the actor was found to see, with what describes them."""
    publishers = store.publishers_of(ctx.session, datasets)
    latest = store.latest_versions(ctx.session, datasets)
    terms = store.open_terms(ctx.session, datasets)
    return [
        Described(
            dataset,
            publishers[dataset.provider_id],
            latest.get(dataset.id),
            [linked(version) for version in terms.get(dataset.id, ())],
        )
        for dataset in datasets
    ]


def operator(ctx: Context) -> Participant | None:
    """Return the exchange's own organisation, which publishes the catalogue."""
    return the_exchange(ctx.session)
