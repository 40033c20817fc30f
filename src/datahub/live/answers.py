"""An answer from upstream on its way out: its rows as a table, what may leave of them, in the form asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.concurrency import run_in_threadpool

from datahub.consent import Admission
from datahub.dataplane import Scan, TableFormat, stream_table
from datahub.engine import Plan, Stored
from datahub.live.rules import Definition, table_of
from datahub.transfers import Release

JSON = "application/json"
# What rows can be had as; the first is what `*/*` gets. JSON is JSON Lines in one list.
_FORMS = {
    JSON: TableFormat.JSON_LINES,
    "text/csv": TableFormat.CSV,
    "application/jsonl": TableFormat.JSON_LINES,
    "application/vnd.apache.parquet": TableFormat.PARQUET,
    "application/vnd.apache.arrow.stream": TableFormat.ARROW,
}
FORMS = tuple(_FORMS)


@dataclass(frozen=True)
class Released:
    """What leaves: whole, so that what is wrong with it is known before the first byte."""

    body: bytes
    media_type: str
    rows: int | None = None
    admission: Admission | None = None


async def released(
    definition: Definition,
    release: Release | None,
    form: str | None,
    media_type: str,
    body: bytes,
    *,
    gate: Callable[[pa.Table], Admission | None],
) -> Released:
    """Return what may leave of an answer; `gate` opens the gate for the table it holds. Raises NotAsMapped."""
    mapping = definition["mapping"]
    if mapping is None:
        # Without rows there is nothing to choose from: a policy that chooses was not permitted to get here.
        assert release is None  # noqa: S101 — see transfers: no columns, no release
        return Released(body, media_type or "application/octet-stream")
    chosen = _FORMS[form or JSON]
    scan, admission = await run_in_threadpool(_scan, mapping, release, body, gate)
    stream = stream_table(scan, chosen)
    async with stream:
        written = b"".join([block async for block in stream])
    rows = stream.outcome.rows
    if form == JSON:
        items = b'{"items":[' + b",".join(written.splitlines()) + b"]}"
        return Released(items, JSON, rows, admission)
    return Released(written, chosen.media_type, rows, admission)


def _scan(
    mapping: Mapping[str, Any],
    release: Release | None,
    body: bytes,
    gate: Callable[[pa.Table], Admission | None],
) -> tuple[Scan, Admission | None]:
    table, sink = table_of(mapping, body), pa.BufferOutputStream()
    pq.write_table(table, sink)
    stored = Stored.of(pa.BufferReader(sink.getvalue()))
    plan, admission = release.steps(stored.schema) if release else Plan(stored.schema), gate(table)
    return Scan(stored, plan.opened(admission)), admission
