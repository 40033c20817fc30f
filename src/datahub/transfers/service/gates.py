"""The gate between a permit and the first byte: who may pass now, and what could leave, durable before anything does.

The decision is in the log already. Numbering the people of a large version, or reading what all of them decided, may
take long the first time; so it is done after that transaction and not within it.
"""

from collections.abc import Collection, Iterable

import pyarrow as pa

from datahub.catalog import DatasetVersion
from datahub.consent import (
    Admission,
    ConsentMoved,
    Desk,
    Leaving,
    Need,
    admit,
    admit_table,
    note_persons,
    reserve,
)
from datahub.contracts import Agreement
from datahub.kernel.context import Context
from datahub.transfers.errors import ConsentChanged


def open_gate(
    desk: Desk, version: DatasetVersion, need: Need | None, columns: Collection[str]
) -> Admission | None:
    """Return the gate of one delivery of a stored version, as it stands now; None: there is none. Blocks.

    Raises ConsentChanged, ObjectMissing, StorageFailed, OSError.
    """
    if need is None:
        return None
    try:
        return admit(desk, version, need, columns)
    except ConsentMoved as moved:
        raise _changed(need) from moved


def open_gate_for(
    desk: Desk, need: Need | None, table: pa.Table, columns: Collection[str]
) -> Admission | None:
    """Return the gate of a table that was made just now; None: there is none. Blocks. Raises ConsentChanged."""
    if need is None:
        return None
    try:
        return admit_table(desk, need, table, columns)
    except ConsentMoved as moved:
        raise _changed(need) from moved


def reserve_leaving(
    ctx: Context, entry_id: str, agreement: Agreement | None, admission: Admission | None
) -> None:
    """Write down whose rows a delivery could give; the door commits before the first byte, and settles at the end."""
    if admission is not None:
        reserve(ctx, entry_id, _leaving(admission.need, agreement), admission.could_leave)


def note_leaving(
    ctx: Context, entry_id: str, agreement: Agreement | None, need: Need, people: Iterable[bytes]
) -> None:
    """Write down that rows about these people, by their digests, leave; the door commits before the first byte."""
    note_persons(ctx, entry_id, _leaving(need, agreement), people)


def _leaving(need: Need, agreement: Agreement | None) -> Leaving:
    if agreement is None:  # without an agreement there is no purpose, and without a purpose nothing passes
        raise _changed(need)
    return Leaving(agreement.id, need.dataset_id, need.version_id, need.purpose, need.named)


def _changed(need: Need) -> ConsentChanged:
    return ConsentChanged(
        "The consent rule changed while this was being prepared, and lets nothing leave any more.",
        remedy="GET /v1/datasets/{id}/consent-rule tells what may leave; then ask again.",
        datasetId=need.dataset_id,
    )
