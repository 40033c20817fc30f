"""The verbs on versions: allow an upload, add what it brought, read."""

from collections.abc import Mapping

from datahub.audit import About, record
from datahub.catalog.errors.versions import VersionNotFound
from datahub.catalog.models import DatasetVersion
from datahub.catalog.rules import datasets as rules
from datahub.catalog.service import datasets
from datahub.catalog.service.uploads import Plan, Prepared
from datahub.catalog.store import versions as store
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest


def plan_upload(ctx: Context, dataset_id: str) -> Plan:
    """Allow an upload before its body is read.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetWithdrawn.
    """
    dataset = datasets.dataset_to_change(ctx, dataset_id)
    rules.must_be_open(dataset)
    return Plan.of(dataset)


def add_version(ctx: Context, prepared: Prepared, note: str | None) -> DatasetVersion:
    """Make a stored upload the dataset's next version; of two at once both succeed, with numbers of their own.

    Asks again what `plan_upload` asked, since the upload may have taken hours.
    """
    dataset = datasets.dataset_to_change(ctx, prepared.plan.dataset_id)
    rules.must_be_open(dataset)
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
    return version


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
