"""The verbs on versions: allow an upload, add what it brought, read."""

from collections.abc import Mapping
from typing import Any

from datahub.audit import About, record
from datahub.catalog.errors.versions import DatasetIsLive, DatasetIsStored, VersionNotFound
from datahub.catalog.models import Dataset, DatasetVersion
from datahub.catalog.rules import datasets as rules
from datahub.catalog.service import datasets
from datahub.catalog.service.datasets import FitCheck, anything_fits
from datahub.catalog.service.uploads import Plan, Prepared
from datahub.catalog.store import versions as store
from datahub.kernel.context import Context
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest

LIVE_TYPE = "application/json"


def plan_upload(ctx: Context, dataset_id: str) -> Plan:
    """Allow an upload before its body is read.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetWithdrawn.
    """
    dataset = datasets.dataset_to_change(ctx, dataset_id)
    rules.must_be_open(dataset)
    _must_be_alike(ctx, dataset, is_live=False)
    return Plan.of(dataset)


def add_version(
    ctx: Context, prepared: Prepared, note: str | None, must_fit: FitCheck = anything_fits
) -> DatasetVersion:
    """Make a stored upload the dataset's next version; of two at once both succeed, with numbers of their own.

    Asks again what `plan_upload` asked, since the upload may have taken hours; raises whatever `must_fit` raises.
    """
    dataset = datasets.dataset_to_change(ctx, prepared.plan.dataset_id)
    rules.must_be_open(dataset)
    is_live = prepared.object_key is None and not prepared.files
    _must_be_alike(ctx, dataset, is_live=is_live)
    must_fit(ctx, dataset, dataset.state, prepared.columns or ())
    dataset.last_version += 1
    datasets.touch(ctx, dataset)
    version = DatasetVersion(
        id=prepared.plan.version_id,
        dataset_id=dataset.id,
        number=dataset.last_version,
        created_at=ctx.now,
        by_participant_id=ctx.actor.participant_id,
        by_client_id=ctx.actor.client_id,
        note=note,
        media_type=prepared.media_type,
        bytes=prepared.bytes,
        sha256=prepared.sha256,
        source_media_type=prepared.source_media_type,
        source_bytes=prepared.source_bytes,
        source_sha256=prepared.source_sha256,
        columns=prepared.columns,
        row_count=prepared.row_count,
        object_key=prepared.object_key,
        files=prepared.files,
    )
    ctx.session.add(version)
    ctx.session.flush()
    about = About(
        thing_id=version.id,
        provider_id=dataset.provider_id,
        dataset_id=dataset.id,
        dataset_version=version.number,
        rows=version.row_count,
        bytes=version.bytes,
        columns=[column["name"] for column in version.columns or ()] or None,
        details=_facts(version),
    )
    record(ctx, "version.add", about)
    announce(ctx, "VersionAdded", {"datasetId": dataset.id, "number": version.number})
    return version


def add_live_version(
    ctx: Context,
    dataset_id: str,
    columns: list[dict[str, Any]] | None,
    *,
    most_bytes: int,
    sha256: str,
    must_fit: FitCheck,
) -> DatasetVersion:
    """Make what a live API promises the dataset's next version: its columns, and the most bytes of one answer.

    Raises as `add_version`, and DatasetIsStored.
    """
    plan = Plan.of(datasets.dataset_to_change(ctx, dataset_id))
    prepared = Prepared(plan, LIVE_TYPE, most_bytes, sha256, LIVE_TYPE, 0, columns=columns)
    return add_version(ctx, prepared, None, must_fit)


def _must_be_alike(ctx: Context, dataset: Dataset, *, is_live: bool) -> None:
    latest = store.version_of(ctx.session, dataset.id, None)
    if latest is None or latest.is_live == is_live:
        return
    if latest.is_live:
        detail = "This dataset is a live API: its data is asked of the provider's service, not stored here."
        raise DatasetIsLive(detail, remedy="Describe another dataset for stored data.")
    detail = "This dataset has stored versions, and a dataset is either stored or live."
    raise DatasetIsStored(detail, remedy="Describe another dataset for the live API.")


def get_version(ctx: Context, dataset_id: str, number: int) -> DatasetVersion:
    """Return one version of a dataset the actor may see. Raises DatasetNotFound, VersionNotFound."""
    dataset = datasets.get_dataset(ctx, dataset_id)
    version = store.version_of(ctx.session, dataset.id, number)
    if version is None:
        raise VersionNotFound(
            "The dataset has no version with this number.", latest=dataset.last_version or None
        )
    return version


def list_versions(ctx: Context, dataset_id: str, request: PageRequest) -> Page[DatasetVersion]:
    """Return the versions of a dataset the actor may see, newest first. Raises DatasetNotFound."""
    return store.versions_page(ctx, datasets.get_dataset(ctx, dataset_id).id, request)


def _facts(version: DatasetVersion) -> Mapping[str, object]:
    facts = {
        "sha256": version.sha256,
        "sourceSha256": version.source_sha256,
        "files": len(version.files) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
