"""The verbs on samples: set, show, remove, take."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datahub.audit import About, record
from datahub.catalog import (
    Dataset,
    DatasetVersion,
    ObjectMissing,
    StorageFailed,
    dataset_to_change,
    get_dataset,
    must_be_open,
    storage,
    version_of,
)
from datahub.consent import current_rule
from datahub.dataplane import DataUnavailable, Scan, TableFormat, stream_table
from datahub.engine import Measure, MinAggregate, Plan, Stored, kept, run
from datahub.kernel.context import Context
from datahub.samples import rules, store
from datahub.samples.errors import (
    InvalidSample,
    SampleNeedsConsent,
    SampleNeedsToken,
    SampleNotFound,
    SampleTooLarge,
)
from datahub.samples.models import Sample, SampleKind

MOST_BYTES = 8 << 20
MOST_SHARED = 1000


@dataclass(frozen=True)
class Settings:
    """What a provider sets."""

    kind: SampleKind
    rows: int
    columns: list[dict[str, Any]]
    is_open: bool


@dataclass(frozen=True)
class Taken:
    """A sample, and its line in the log."""

    entry_id: str
    body: bytes
    rows: int
    kind: str
    is_open: bool


def set_sample(ctx: Context, dataset_id: str, wanted: Settings) -> Sample:
    """Set what may be seen of a table, or change it.

    Raises DatasetNotFound, DatasetChangeNotAllowed, DatasetWithdrawn, InvalidSample, SampleNeedsConsent.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    must_be_open(dataset)
    version = _table_of(ctx, dataset)
    if version is None:
        raise InvalidSample("Only a stored table has a sample; this dataset has none yet.")
    is_synthetic = wanted.kind is SampleKind.SYNTHETIC
    faults = rules.faults_of(wanted.columns, version.columns or (), is_synthetic=is_synthetic)
    if faults:
        raise InvalidSample("The sample does not fit the table; see errors.", faults=faults)
    _must_not_need_consent(ctx, dataset, wanted.kind, wanted.columns)
    sample = store.sample_of(ctx.session, dataset.id, is_locked=True)
    if sample is None:
        sample = Sample(
            dataset_id=dataset.id,
            kind=wanted.kind,
            rows=0,
            columns=[],
            created_at=ctx.now,
            modified_at=ctx.now,
        )
        ctx.session.add(sample)
    else:
        sample.revision += 1
    sample.kind, sample.rows, sample.columns = wanted.kind, wanted.rows, wanted.columns
    sample.is_open, sample.modified_at = wanted.is_open, ctx.now
    ctx.session.flush()
    details = {"kind": str(wanted.kind), "rows": wanted.rows, "open": wanted.is_open}
    record(ctx, "sample.write", _about(dataset, [each["name"] for each in wanted.columns], details))
    return sample


def sample_to_change(ctx: Context, dataset_id: str) -> Sample | None:
    """Return the sample of a dataset of the actor's own. Raises DatasetNotFound, DatasetChangeNotAllowed."""
    return store.sample_of(ctx.session, dataset_to_change(ctx, dataset_id).id, is_locked=True)


def get_sample(ctx: Context, dataset_id: str) -> Sample:
    """Return what is set for a dataset the actor may see. Raises DatasetNotFound, SampleNotFound."""
    sample = store.sample_of(ctx.session, get_dataset(ctx, dataset_id).id)
    if sample is None:
        raise SampleNotFound("The provider gives no sample of this dataset.")
    return sample


def warnings_of(ctx: Context, sample: Sample) -> list[dict[str, str]]:
    """Return a warning for each column that seems to be about people and of which real values leave."""
    version = version_of(ctx.session, sample.dataset_id, None)
    stored = (version.columns or ()) if version else ()
    return rules.warnings_of(sample.columns, stored, is_synthetic=sample.kind == SampleKind.SYNTHETIC)


def remove_sample(ctx: Context, dataset_id: str) -> None:
    """Give no sample any more. Raises DatasetNotFound, DatasetChangeNotAllowed, SampleNotFound."""
    dataset = dataset_to_change(ctx, dataset_id)
    sample = store.sample_of(ctx.session, dataset.id, is_locked=True)
    if sample is None:
        raise SampleNotFound("The provider gives no sample of this dataset.")
    ctx.session.delete(sample)
    record(ctx, "sample.remove", _about(dataset, None, {}))


def take_sample(ctx: Context, dataset_id: str, form: TableFormat) -> Taken:
    """Return the sample of a dataset in a form, and write that it was given.

    Raises DatasetNotFound, DatasetWithdrawn, SampleNotFound, SampleNeedsToken, SampleNeedsConsent, SampleTooLarge,
    DataUnavailable.
    """
    sample = get_sample(ctx, dataset_id)
    dataset = get_dataset(ctx, dataset_id)
    must_be_open(dataset)
    if ctx.actor.is_anonymous and not sample.is_open:
        raise SampleNeedsToken("This sample is for the participants of the exchange.")
    version = _table_of(ctx, dataset)
    if version is None or version.object_key is None:
        raise SampleNotFound("There is no stored table to give a sample of.")
    _must_not_need_consent(ctx, dataset, sample.kind, sample.columns)
    is_blind = current_rule(ctx.session, dataset.id) is not None
    try:
        stored = Stored.of(storage(ctx.settings).table_source(version.object_key))
        scan = (
            _made_up(sample, version, stored, is_blind=is_blind)
            if sample.kind == SampleKind.SYNTHETIC
            else _masked(sample, stored)
        )
        body, rows = asyncio.run(_written(scan, form))
    except (ObjectMissing, StorageFailed, OSError) as fault:
        raise DataUnavailable("The stored table cannot be read now; nothing was sent.") from fault
    about = _about(
        dataset, list(scan.columns), {"kind": str(sample.kind), "format": form.value}, version.number
    )
    entry = record(ctx, "sample.read", about)
    return Taken(entry.id, body, rows, str(sample.kind), sample.is_open)


def _masked(sample: Sample, stored: Stored) -> Scan:
    return Scan(stored, rules.masked(stored.schema, sample.columns, sample.rows))


def _made_up(sample: Sample, version: DatasetVersion, stored: Stored, *, is_blind: bool) -> Scan:
    shared = {
        each["name"]: _shared(stored, each["name"])
        for each in sample.columns
        if each.get("listed") and each["name"] in stored.schema.names
    }
    table = rules.synthetic(
        stored.schema,
        version.columns or (),
        sample.columns,
        rows=sample.rows,
        row_count=stored.row_count,
        shared=shared,
        seed=hashlib.sha256(f"{version.id}/{sample.revision}".encode()).hexdigest(),
        is_blind=is_blind,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    made = Stored.of(pa.BufferReader(sink.getvalue()))
    return Scan(made, Plan(made.schema))


def _shared(stored: Stored, name: str) -> Sequence[Any]:
    """Return values that enough rows share, of a column whose values may be listed."""
    groups = MinAggregate((name,), (Measure("n", "count"),), rules.LEAST_SHARED)
    plan = Plan(stored.schema).then(kept(stored.schema, (name,)), groups)
    with run(plan, stored) as batches:
        found = [value for batch in batches for value in batch.column(0).to_pylist() if value is not None]
    return sorted(found)[:MOST_SHARED]


async def _written(scan: Scan, form: TableFormat) -> tuple[bytes, int]:
    body = bytearray()
    async with stream_table(scan, form) as stream:
        async for block in stream:
            body += block
            if len(body) > MOST_BYTES:
                raise SampleTooLarge(f"This sample has more than {MOST_BYTES} bytes; ask for fewer rows.")
        return bytes(body), stream.outcome.rows


def _table_of(ctx: Context, dataset: Dataset) -> DatasetVersion | None:
    version = version_of(ctx.session, dataset.id, None)
    return version if version is not None and version.object_key is not None else None


def _must_not_need_consent(
    ctx: Context, dataset: Dataset, kind: str, columns: Sequence[Mapping[str, Any]]
) -> None:
    """Keep real rows and values of people in: who looks before an agreement has no purpose that anybody consented to."""
    is_real = kind == SampleKind.MASKED or any(each.get("listed") for each in columns)
    if is_real and current_rule(ctx.session, dataset.id) is not None:
        detail = (
            "Rows of this dataset leave by a consent rule only, and a sample has no purpose to consent to."
        )
        remedy = "Set kind synthetic, and let no column's values be listed."
        raise SampleNeedsConsent(detail, remedy=remedy, datasetId=dataset.id)


def _about(
    dataset: Dataset, columns: Sequence[str] | None, details: dict[str, Any], number: int | None = None
) -> About:
    return About(
        thing_id=dataset.id,
        provider_id=dataset.provider_id,
        dataset_id=dataset.id,
        dataset_version=number,
        columns=columns,
        details=details,
    )
