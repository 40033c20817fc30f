"""REST routes of imports: a file of consents in, its progress and its faults out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from datahub.catalog import BodyFault, BodyTooLarge, receive_body, storage
from datahub.consent.errors import InvalidConsentImport
from datahub.consent.models import Channel, ConsentImportFault, ImportForm
from datahub.consent.schemas.imports import ImportFaultOut, ImportOut
from datahub.consent.schemas.records import Reported
from datahub.consent.service import imports as service
from datahub.consent.service.imports import Arrived
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.rest import (
    PageOut,
    Paging,
    Replies,
    Reply,
    StreamingReplies,
    TooLarge,
    UnsupportedMediaType,
    allow,
    page_out,
)

router = APIRouter(tags=["consent"])

Publisher = Annotated[Context, allow("consents:write")]
IMPORTS = "/v1/datasets/{datasetId}/consent-imports"
FORMS = {
    "application/x-ndjson": ImportForm.NDJSON,
    "application/jsonl": ImportForm.NDJSON,
    "text/csv": ImportForm.CSV,
}
NO_LIMIT = 1 << 62
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A decision a line: subject, purpose, move, at, validUntil, explicit, ruleNumber, language, "
        "evidence, conditional, majorityAt, relation. CSV names its columns in the first line.",
        "content": {form: {"schema": {"type": "string", "format": "binary"}} for form in FORMS},
    }
}


@router.post(IMPORTS, status_code=202, response_model=ImportOut, openapi_extra=_BODY, max_body_size=NO_LIMIT)
async def import_consents(
    datasetId: str,
    request: Request,
    ctx: Publisher,
    reply: StreamingReplies,
    *,
    channel: Reported = "other",
    evidence: Annotated[str | None, Query(max_length=2000, description="Where the proof is kept.")] = None,
    is_dry: Annotated[
        bool, Query(alias="dryRun", description="Check every line; change no consent.")
    ] = False,
) -> Response:
    """Send a file of decisions, millions of lines if you like. The answer comes at once; the worker does the rest.

    Sending the same file again changes nothing. Each line stands by itself: those with a fault are told by number.
    """
    form = _form(request)
    dataset_id = await run_in_threadpool(_allowed, ctx, reply, datasetId)
    store = await run_in_threadpool(storage, ctx.settings)
    length = request.headers.get("content-length", "")
    try:
        received = await receive_body(
            request.stream(),
            store.staging,
            limit_bytes=ctx.settings.max_upload_bytes,
            content_length=int(length) if length.isdecimal() else None,
            content_digest=request.headers.get("content-digest") or request.headers.get("repr-digest"),
        )
    except BodyTooLarge as fault:
        raise TooLarge("The file is too large.", limitBytes=fault.limit_bytes) from fault
    except BodyFault as fault:
        detail = f"The file did not come in whole: {fault}."
        raise InvalidConsentImport(detail, faults=[Fault("", str(fault), fault.code)]) from fault
    try:
        arrived = Arrived(
            received.path, received.size_bytes, received.sha256, form, Channel(channel), evidence, is_dry
        )
        return await run_in_threadpool(_taken, ctx, reply, dataset_id, arrived)
    finally:
        received.path.unlink(missing_ok=True)


@router.get(IMPORTS)
def list_consent_imports(datasetId: str, ctx: Publisher, paging: Paging) -> PageOut[ImportOut]:
    """List the imports into a dataset, newest first."""
    return page_out(service.list_imports(ctx, datasetId, paging.request({"of": datasetId})), ImportOut.of)


@router.get(IMPORTS + "/{importId}", response_model=ImportOut)
def get_consent_import(datasetId: str, importId: str, ctx: Publisher, reply: Replies) -> Response:
    """Read how far an import is."""
    found = service.get_import(ctx, datasetId, importId)
    return reply.read(ImportOut.of(found), found.revision)


@router.get(IMPORTS + "/{importId}/faults")
def list_import_faults(
    datasetId: str, importId: str, ctx: Publisher, paging: Paging
) -> PageOut[ImportFaultOut]:
    """List what is wrong with an import, by line; the first ten thousand faults are kept."""
    page = service.list_faults(ctx, datasetId, importId, paging.request({"of": importId}))
    return page_out(page, _fault_out)


def _fault_out(fault: ConsentImportFault) -> ImportFaultOut:
    return ImportFaultOut.model_validate(fault.model_dump(exclude={"import_id"}))


def _form(request: Request) -> ImportForm:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMS:
        raise UnsupportedMediaType(
            "Consents cannot be read from this media type.",
            remedy=f"Send one of {', '.join(FORMS)}, in UTF-8.",
            accepted=list(FORMS),
        )
    return FORMS[media_type]


def _allowed(ctx: Context, reply: Reply, dataset_id: str) -> str:
    reply.once(ctx)
    found = service.plan_import(ctx, dataset_id)
    # No transaction stays open while bytes come in.
    ctx.session.commit()
    ctx.session.expire_all()
    return found


def _taken(ctx: Context, reply: Reply, dataset_id: str, arrived: Arrived) -> Response:
    taken = service.take_import(ctx, dataset_id, arrived)
    answer = reply.created(
        ctx, ImportOut.of(taken), f"/v1/datasets/{dataset_id}/consent-imports/{taken.id}", taken.revision
    )
    answer.status_code = 202
    return answer
