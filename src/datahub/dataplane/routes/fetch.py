"""REST routes that fetch data: decide and log, open, deliver."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from datahub.audit import About, own_transaction, record_refused_call
from datahub.catalog import DatasetVersion, ObjectMissing, StorageFailed, digest_field, storage
from datahub.consent import Admission
from datahub.dataplane.errors import DataUnavailable
from datahub.dataplane.formats import Compression, TableFormat, Writing, stream_table
from datahub.dataplane.ranges import Selection, select, strong_etag, unchanged
from datahub.dataplane.routes.delivery import Delivery, Visit
from datahub.dataplane.schemas import CsvFormulas, read_fields, read_filters, read_writing
from datahub.dataplane.service import Computed, Stored, Wish, shape
from datahub.kernel.context import ANONYMOUS, Credential
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door, Line, RangeNotSatisfiable, problem
from datahub.kernel.rest.accept import choose
from datahub.kernel.rest.access import ANYONE, bearer_token, prove
from datahub.transfers import (
    ACTION,
    ConsentChanged,
    ReadDenial,
    ReadPermit,
    ReadRequest,
    Release,
    authorise_read,
    open_gate,
    rate_limit_fields,
)

router = APIRouter(prefix="/v1/datasets", tags=["data"])

MAX_VERSION = 2**31 - 1
MAX_LIMIT = 2**53 - 1
Token = Annotated[Credential | None, Security(bearer_token, scopes=[ANYONE])]
VersionNumber = Annotated[int, Path(ge=1, le=MAX_VERSION)]
Fields = Annotated[
    list[Line], Query(max_length=1000, description="Columns, parted by commas; all unless told.")
]
Filters = Annotated[
    list[Line],
    Query(
        alias="filter",
        max_length=50,
        description="`column:operator:value`, repeatable, all must hold. Operators: eq ne lt le gt ge in isNull; "
        "`in` takes values parted by commas.",
        examples=["country:eq:NL"],
    ),
]
Form = Annotated[
    TableFormat | None, Query(alias="format", description="Of a table; wins over Accept. CSV unless told.")
]
Limit = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_LIMIT,
        description="Of a table: at most so many rows of those that the filters leave; which ones is not promised.",
    ),
]
File = Annotated[Line | None, Query(alias="file", description="Of a dataset of files: which one.")]
Packed = Annotated[
    Compression | None,
    Query(alias="compression", description="Of Arrow; or name it in Accept: `…arrow.stream; codecs=zstd`."),
]
Formulas = Annotated[
    CsvFormulas,
    Query(
        alias="csvFormulas",
        description="`escape`: in CSV, text that a spreadsheet would take for a formula gets an apostrophe before it.",
    ),
]
Agreement = Annotated[Line | None, Query(description="Which of the agreements in the token to read under.")]

# What Accept may ask for a table; the first is what `*/*` gets.
OFFERED = {
    "text/csv": TableFormat.CSV,
    "application/jsonl": TableFormat.JSON_LINES,
    "application/x-ndjson": TableFormat.JSON_LINES,
    "application/vnd.apache.parquet": TableFormat.PARQUET,
    "application/vnd.apache.arrow.stream": TableFormat.ARROW,
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The data. `Datahub-Log-Entry` names its line in the access log.",
        "content": dict.fromkeys((*OFFERED, "application/octet-stream"), _BINARY),
    },
    206: {"description": "The range asked for.", "content": {"application/octet-stream": _BINARY}},
    304: {"description": "The copy you have is still good."},
    403: {"description": "Not permitted; the code says why, and the decision can be read."},
    416: {"description": "The range lies outside the file."},
}


@router.head("/{datasetId}/data", include_in_schema=False)
@router.get("/{datasetId}/data", response_class=Response, responses=_ANSWERS)
async def fetch_data(
    *,
    request: Request,
    datasetId: str,
    token: Token,
    fields: Fields = [],  # noqa: B006 — FastAPI copies it
    filters: Filters = [],  # noqa: B006 — as above
    limit: Limit = None,
    form: Form = None,
    file: File = None,
    agreement: Agreement = None,
    compression: Packed = None,
    formulas: Formulas = CsvFormulas.KEEP,
) -> Response:
    """Fetch the latest version of a dataset: a table as CSV, JSON Lines, Parquet or Arrow, or one file.

    What may be fetched is decided anew each time; the decision is in the access log before the first byte.
    """
    writing = read_writing(compression, formulas, request.headers.get("accept"))
    plan = shape_of(
        request, fields=fields, filters=filters, limit=limit, form=form, file=file, writing=writing
    )
    asked = ReadRequest(datasetId, plan, None, agreement, _retry(request))
    return await _fetch(request, token, asked)


@router.head("/{datasetId}/versions/{number}/data", include_in_schema=False)
@router.get("/{datasetId}/versions/{number}/data", response_class=Response, responses=_ANSWERS)
async def fetch_version_data(
    *,
    request: Request,
    datasetId: str,
    number: VersionNumber,
    token: Token,
    fields: Fields = [],  # noqa: B006 — FastAPI copies it
    filters: Filters = [],  # noqa: B006 — as above
    limit: Limit = None,
    form: Form = None,
    file: File = None,
    agreement: Agreement = None,
    compression: Packed = None,
    formulas: Formulas = CsvFormulas.KEEP,
) -> Response:
    """Fetch one version of a dataset, which never changes."""
    writing = read_writing(compression, formulas, request.headers.get("accept"))
    plan = shape_of(
        request, fields=fields, filters=filters, limit=limit, form=form, file=file, writing=writing
    )
    asked = ReadRequest(datasetId, plan, number, agreement, _retry(request))
    return await _fetch(request, token, asked)


def shape_of(
    request: Request,
    *,
    fields: Sequence[str],
    filters: Sequence[str],
    limit: int | None = None,
    form: TableFormat | None,
    file: str | None,
    writing: Writing,
) -> Callable[[DatasetVersion, Release | None], Stored | Computed]:
    """Return what makes of a version what this call asks for, once the read is permitted."""

    def negotiated() -> TableFormat:
        return form or OFFERED[choose(request.headers.get("accept"), tuple(OFFERED))]

    def plan(version: DatasetVersion, release: Release | None) -> Stored | Computed:
        wish = Wish(
            read_fields(fields), read_filters(filters), form is not None, negotiated, file, writing, limit
        )
        return shape(storage(request.app.state.door.settings), wish, version, release)

    return plan


def _retry(request: Request) -> str | None:
    """Return what makes this call the same as one that broke off: its Idempotency-Key, or that it asks for the rest."""
    key = request.headers.get("idempotency-key")
    if key is not None:
        return f"key {key[:255]}"
    return "" if "range" in request.headers else None


_CODES: Mapping[type[BaseException], str] = {
    DataUnavailable: "storage-failed",
    ConsentChanged: "no-longer-permitted",
}
Asked = ReadRequest[Stored | Computed]
Permit = ReadPermit[Stored | Computed]


async def _fetch(request: Request, token: Credential | None, asked: Asked) -> Response:
    door: Door = request.app.state.door
    permits: list[Permit] = []
    try:
        permit = await run_in_threadpool(_decide, request, door, token, asked, permits)
        plan = permit.plan
        visit = Visit(door, permit, request.state.proven)
        return await (
            _send_stored(request, visit, plan)
            if isinstance(plan, Stored)
            else _send_computed(request, visit, plan)
        )
    except BaseException as fault:
        # Whoever is in the log with a permit is also in it with an outcome.
        if permits:
            code = _CODES.get(type(fault), "delivery-failed")
            await Visit(door, permits[0]).ended(is_finished=False, rows=None, size=0, code=code)
        elif isinstance(fault, Refusal) and hasattr(request.state, "actor"):
            await run_in_threadpool(_record_refused, request, door, fault)
        raise


def _record_refused(request: Request, door: Door, refusal: Refusal) -> None:
    """Put in the log what was refused before or after the decision: no such data, a query that cannot be."""
    about = About(details={"path": request.url.path, "faults": [fault.code for fault in refusal.faults]})
    actor, trace_id = request.state.actor, request.scope["trace_id"]
    record_refused_call(
        door.engine, door.settings, actor, door.clock(), trace_id, action=ACTION, refusal=refusal, about=about
    )


def _decide(
    request: Request, door: Door, token: Credential | None, asked: Asked, permits: list[Permit]
) -> Permit:
    """Authenticate, decide and log in one transaction, committed when this returns.

    Raises LogUnavailable, Unauthenticated, DataNotFound, the denial's own refusal, and what the plan refuses.
    """
    trace_id = request.scope["trace_id"]
    proven = request.state.proven = prove(request, token)
    with own_transaction(door.engine, door.settings, ANONYMOUS, door.clock(), trace_id) as unproven:
        ctx = unproven
        if proven is not None:
            ctx = replace(unproven, actor=door.authenticate(unproven, proven))
            request.state.actor = ctx.actor
        verdict = authorise_read(ctx, asked)
    if isinstance(verdict, ReadDenial):
        request.scope["answer_headers"].extend(rate_limit_fields(verdict.quotas, is_refused=True).items())
        raise verdict.refusal
    permits.append(verdict)
    return verdict


async def _send_stored(request: Request, visit: Visit, plan: Stored) -> Response:
    chosen, headers = stored_head(visit.permit, plan, request.headers)
    if chosen.status not in (200, 206) or request.method == "HEAD":
        return await _bodiless(request, visit, chosen, headers, plan.media_type)
    store = storage(visit.door.settings)
    try:
        blocks = await store.open(plan.key, start=chosen.start, end=chosen.end)
    except (ObjectMissing, StorageFailed) as fault:
        raise DataUnavailable("The stored bytes cannot be read now; nothing was sent.") from fault
    rows = plan.row_count if chosen.length == plan.size else None
    return Delivery(
        visit, blocks, status=chosen.status, headers=headers, media_type=plan.media_type, rows=lambda: rows
    )


def stored_head(permit: Permit, plan: Stored, asked: Mapping[str, str]) -> tuple[Selection, dict[str, str]]:
    """Return which bytes of a stored object answer these headers of a request, and the headers of the answer."""
    chosen = select(
        size=plan.size,
        etag=strong_etag(plan.sha256),
        modified_at=permit.version.created_at,
        range_field=asked.get("range"),
        if_range=asked.get("if-range"),
        if_none_match=asked.get("if-none-match"),
        if_modified_since=asked.get("if-modified-since"),
    )
    headers = {**_headers(permit, plan.filename), **dict(chosen.headers)}
    return chosen, headers | {"Repr-Digest": digest_field(plan.sha256)}


async def _bodiless(
    request: Request, visit: Visit, chosen: Selection, headers: dict[str, str], media_type: str
) -> Response:
    status: int = chosen.status
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        await visit.ended(is_finished=True, rows=0, size=0, code=RangeNotSatisfiable.code())
        detail = "The range asked for lies outside the file."
        return problem(request, RangeNotSatisfiable(detail), dict(chosen.headers) | _entry(visit.permit))
    code = "not-modified" if status == HTTPStatus.NOT_MODIFIED else "head"
    await visit.ended(is_finished=True, rows=0, size=0, code=code)
    return _empty(status, headers, media_type)


async def _send_computed(request: Request, visit: Visit, closed: Computed) -> Response:
    admission = await run_in_threadpool(_gate, visit, closed)
    plan = closed.behind(admission)
    headers = {**_headers(visit.permit, plan.filename), "ETag": plan.etag, "Accept-Ranges": "none"}
    if unchanged(plan.etag, None, if_none_match=request.headers.get("if-none-match"), if_modified_since=None):
        await visit.ended(is_finished=True, rows=0, size=0, code="not-modified")
        return _empty(304, headers, plan.media_type)
    if request.method == "HEAD":
        await visit.ended(is_finished=True, rows=0, size=0, code="head")
        return _empty(200, headers, plan.media_type)
    visit = await run_in_threadpool(visit.reserved, admission)
    stream = stream_table(plan.scan, plan.form, checkpoint=visit.checkpoint(), writing=plan.writing)
    return Delivery(
        visit,
        stream,
        status=200,
        headers=headers,
        media_type=plan.media_type,
        rows=lambda: stream.outcome.rows,
    )


def _gate(visit: Visit, plan: Computed) -> Admission | None:
    """Open the gate. Raises ConsentChanged, DataUnavailable."""
    permit = visit.permit
    try:
        return open_gate(visit.door, permit.version, permit.need, plan.touched)
    except (ObjectMissing, StorageFailed, OSError) as fault:
        raise DataUnavailable("The stored table cannot be read now; nothing was sent.") from fault


def _empty(status: int, headers: dict[str, str], media_type: str) -> Response:
    answer = Response(None, status, headers, media_type)
    if "Content-Length" not in headers and "content-length" in answer.headers:
        del answer.headers["content-length"]  # what a GET would send is not known beforehand
    return answer


def _headers(permit: Permit, filename: str) -> dict[str, str]:
    dataset, agreement = permit.dataset, permit.agreement
    name = filename if permit.plan.columns is None else f"{dataset.slug}-{filename}"
    address = f"/v1/datasets/{dataset.id}/versions/{permit.version.number}/data"
    links = [f'<{address}>; rel="item"']
    if dataset.licence and dataset.licence.isascii() and dataset.licence.startswith(("https://", "http://")):
        links.append(f'<{quote(dataset.licence, safe=_URL_SAFE)}>; rel="license"')
    if agreement is not None:
        links.append(f'</v1/agreements/{agreement.id}>; rel="terms-of-service"')
    return {
        **_entry(permit),
        **rate_limit_fields(permit.quotas),
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Authorization",
        "Content-Disposition": _disposition(name),
        "Link": ", ".join(links),
    }


_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"


def _entry(permit: Permit) -> dict[str, str]:
    return {"Datahub-Log-Entry": permit.entry_id, "Datahub-Decision": permit.decision_id}


def _disposition(name: str) -> str:
    """Name the file for saving (RFC 6266 §4.3): in ASCII for everybody, in UTF-8 for who reads that."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\/%' else "_" for c in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
