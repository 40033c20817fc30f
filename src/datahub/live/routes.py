"""REST routes of live APIs: register and show; and the way through: decide and log, ask upstream, release, send."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Request, Security
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from datahub.audit import About, own_transaction, record_refused_call
from datahub.consent import Admission, digests_left
from datahub.dataplane import Delivery, Visit
from datahub.kernel.context import ANONYMOUS, Context, Credential
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door, Replies, allow, allow_anyone
from datahub.kernel.rest.accept import choose
from datahub.kernel.rest.access import ANYONE, bearer_token, name_entry, prove, raw_path
from datahub.live import service, upstream
from datahub.live.answers import FORMS, Released, released
from datahub.live.errors import LiveApiNotFound, UpstreamFailed
from datahub.live.rules import NotAsMapped, Wanted
from datahub.live.schemas import LiveApiIn, LiveApiOut
from datahub.live.service import Passage
from datahub.transfers import (
    ACTION,
    ReadDenial,
    ReadPermit,
    note_leaving,
    open_gate_for,
    rate_limit_fields,
)

router = APIRouter(prefix="/v1/datasets", tags=["live APIs"])

Publisher = Annotated[Context, allow("catalog:write")]
Anyone = Annotated[Context, allow_anyone()]
Token = Annotated[Credential | None, Security(bearer_token, scopes=[ANYONE])]
Permit = ReadPermit[Passage]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the provider's service answered, as far as it may leave. `Datahub-Log-Entry` names its line "
        "in the access log.",
        "content": dict.fromkeys(FORMS, _BINARY),
    },
    403: {"description": "Not permitted; the code says why, and the decision can be read."},
    429: {"description": "Too many calls in this minute, or the agreement's quota is used up."},
    502: {
        "description": "The provider's service failed, or answered with something that may not be passed on."
    },
    504: {"description": "The provider's service gave no whole answer in time."},
}


@router.put("/{datasetId}/api", response_model=LiveApiOut)
def put_live_api(datasetId: str, body: LiveApiIn, ctx: Publisher, reply: Replies) -> Response:
    """Register the live API of a dataset, or replace it (then If-Match is needed). The credential is never shown again."""
    present = service.api_to_change(ctx, datasetId)
    if present is not None:
        reply.changing(present.revision)
    is_kept = not body.is_credential_said
    api = service.put_api(ctx, datasetId, body.definition(), body.held(), is_kept=is_kept)
    return reply.read(LiveApiOut.of(api, ctx.settings.base_url, is_own=True), api.revision)


@router.get("/{datasetId}/api", response_model=LiveApiOut)
def get_live_api(datasetId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read what a live API offers: paths, parameters, limits, and the columns of its rows."""
    api = service.get_api(ctx, datasetId)
    is_own = service.may_see_upstream(ctx, api)
    return reply.read(
        LiveApiOut.of(api, ctx.settings.base_url, is_own=is_own), None if not is_own else api.revision
    )


@router.delete("/{datasetId}/api", status_code=204)
def remove_live_api(datasetId: str, ctx: Publisher, reply: Replies) -> None:
    """Remove a live API and its credential. Needs If-Match."""
    present = service.api_to_change(ctx, datasetId)
    if present is None:
        raise LiveApiNotFound("This dataset has no live API.")
    reply.changing(present.revision)
    service.remove_api(ctx, datasetId)


@router.head("/{datasetId}/api/{path:path}", include_in_schema=False)
@router.get("/{datasetId}/api/{path:path}", response_class=Response, responses=_ANSWERS)
async def call_live_api(datasetId: str, path: str, request: Request, token: Token) -> Response:
    """Call a live API: decided and logged as any read, then asked of the provider's service.

    Rows come as JSON (`{"items": […]}`), CSV, JSON Lines, Parquet or Arrow, by Accept; other answers as they are.
    """
    del path
    return await _called(request, datasetId, token)


@router.post("/{datasetId}/api/{path:path}", response_class=Response, responses=_ANSWERS)
async def post_live_api(datasetId: str, path: str, request: Request, token: Token) -> Response:
    """Call a live API with a JSON body, where it takes one."""
    del path
    return await _called(request, datasetId, token)


async def _called(request: Request, dataset_id: str, token: Credential | None) -> Response:
    door: Door = request.app.state.door
    wanted = Wanted(
        request.method,
        raw_path(request).split("/", 5)[5],
        request.query_params.multi_items(),
        await request.body(),
        request.headers.get("content-type", "").partition(";")[0].strip().lower(),
    )
    permits: list[Permit] = []
    status: int | None = None
    try:
        permit = await run_in_threadpool(_decide, request, token, dataset_id, wanted, permits)
        if request.method == "HEAD":
            await Visit(door, permit).ended(is_finished=True, rows=0, size=0, code="head")
            return Response(None, 200, _headers(permit))
        passage = permit.plan
        heard = await upstream.ask(door.settings, passage.definition, passage.call, passage.credential)
        status = heard.status
        answer = await _through(door, permit, heard)
        await run_in_threadpool(_note, door, permit, answer)
        return _sent(Visit(door, _with_status(permit, status)), answer)
    except BaseException as fault:
        # Whoever is in the log with a permit is also in it with an outcome.
        if permits:
            said = fault.facts.get("upstreamStatus") if isinstance(fault, Refusal) else None
            name_entry(request, permits[0].entry_id)
            permit = _with_status(permits[0], said if isinstance(said, int) else status)
            code = fault.code() if isinstance(fault, Refusal) else "delivery-failed"
            await Visit(door, permit).ended(is_finished=False, rows=None, size=0, code=code)
        elif isinstance(fault, Refusal) and hasattr(request.state, "actor"):
            await run_in_threadpool(_record_refused, request, door, fault)
        raise


async def _through(door: Door, permit: Permit, heard: upstream.Heard) -> Released:
    passage = permit.plan

    def gate(table: pa.Table) -> Admission | None:
        return open_gate_for(door, permit.need, table, passage.touched)

    try:
        return await released(
            passage.definition, passage.release, passage.form, heard.media_type, heard.body, gate=gate
        )
    except NotAsMapped as fault:
        detail = f"The provider's service did not answer as described: {fault}."
        raise UpstreamFailed(detail, reason="not-as-described", upstreamStatus=heard.status) from fault


def _note(door: Door, permit: Permit, answer: Released) -> None:
    """Make durable whose rows are about to leave. Blocks. Raises LogUnavailable."""
    admission = answer.admission
    if admission is not None:
        with own_transaction(door.engine, door.settings, permit.actor, door.clock(), permit.trace_id) as ctx:
            note_leaving(ctx, permit.entry_id, permit.agreement, admission.need, digests_left(admission))


def _sent(visit: Visit, answer: Released) -> Response:
    headers = {**_headers(visit.permit), "Content-Length": str(len(answer.body))}
    return Delivery(
        visit,
        _Once(answer.body),
        status=200,
        headers=headers,
        media_type=answer.media_type,
        rows=lambda: answer.rows,
    )


class _Once:
    """A body that is whole already, as a source of blocks."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), 1 << 20):
            yield self._body[at : at + (1 << 20)]
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Hold nothing open."""


def _headers(permit: Permit) -> dict[str, str]:
    return {
        "Datahub-Log-Entry": permit.entry_id,
        "Datahub-Decision": permit.decision_id,
        **rate_limit_fields(permit.quotas),
        "Cache-Control": "no-store",
        "Vary": "Accept, Authorization",
        "X-Content-Type-Options": "nosniff",
    }


def _with_status(permit: Permit, status: int | None) -> Permit:
    if status is None:
        return permit
    about = replace(permit.about, details={**permit.about.details, "upstreamStatus": status})
    return replace(permit, about=about)


def _decide(
    request: Request,
    token: Credential | None,
    dataset_id: str,
    wanted: Wanted,
    permits: list[Permit],
) -> Permit:
    """Authenticate, decide and log in one transaction, committed when this returns: nothing is asked before it is."""
    door: Door = request.app.state.door
    trace_id = request.scope["trace_id"]

    def form() -> str:
        return choose(request.headers.get("accept"), FORMS)

    proven = prove(request, token)
    with own_transaction(door.engine, door.settings, ANONYMOUS, door.clock(), trace_id) as unproven:
        ctx = unproven
        if proven is not None:
            ctx = replace(unproven, actor=door.authenticate(unproven, proven))
            request.state.actor = ctx.actor
        found = service.authorise_call(ctx, dataset_id, wanted, form)
    if isinstance(found, ReadDenial):
        request.scope["answer_headers"].extend(rate_limit_fields(found.quotas, is_refused=True).items())
        raise found.refusal
    permits.append(found)
    return found


def _record_refused(request: Request, door: Door, refusal: Refusal) -> None:
    dataset_id = refusal.facts.get("datasetId")
    about = About(
        dataset_id=dataset_id if isinstance(dataset_id, str) else None,
        details={"path": request.url.path, "faults": [fault.code for fault in refusal.faults]},
    )
    actor, trace_id = request.state.actor, request.scope["trace_id"]
    entry_id = record_refused_call(
        door.engine, door.settings, actor, door.clock(), trace_id, action=ACTION, refusal=refusal, about=about
    )
    name_entry(request, entry_id)
