"""REST routes of resumable uploads: tus 1.0 with creation, creation-with-upload, checksum, expiration, termination.

https://tus.io/protocols/resumable-upload (1.0.0). A finished upload becomes a version by
`POST /v1/datasets/{datasetId}/versions?upload={uploadId}`.
"""

from collections.abc import Mapping
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from datahub.catalog.errors.uploads import InvalidUploadHeader
from datahub.catalog.errors.versions import InvalidUpload
from datahub.catalog.models.uploads import Upload
from datahub.catalog.receive import GATHER_BYTES, to_its_end
from datahub.catalog.rules import resumable as rules
from datahub.catalog.schemas.uploads import UploadOut
from datahub.catalog.service import resumable as service
from datahub.catalog.service.storage import storage
from datahub.kernel.context import Context
from datahub.kernel.rest import (
    ChecksumMismatch,
    PreconditionFailed,
    Reply,
    StreamingReplies,
    TooLarge,
    UnsupportedMediaType,
    allow,
    allow_anyone,
)

UPLOADS = "/v1/uploads"
NO_LIMIT = 1 << 62  # the upload's own limit is a setting
Publisher = Annotated[Context, allow("catalog:write")]


def _speak_tus(request: Request) -> None:
    """Every answer names the protocol, whatever it is (Core, Tus-Resumable)."""
    request.scope["answer_headers"].append(("Tus-Resumable", rules.VERSION))


router = APIRouter(tags=["uploads"], dependencies=[Depends(_speak_tus)])


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_TUS = _header("Tus-Resumable", "1.0.0", required=True)
_OFFSET = _header("Upload-Offset", "Bytes that the exchange has; this request goes on there.", required=True)
_CHECKSUM = _header("Upload-Checksum", "`sha256` or `sha1`, a blank, base64: of this request's bytes.")
_BODY = {"content": {rules.OFFSET_OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
_NOT_TUS = {"description": "Tus-Resumable names another version of the protocol, or is missing."}
_ELSEWHERE = {"description": "The checksum differs; the bytes of this request were not kept."}


def _describe(*parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"parameters": [_TUS, *parameters], "x-needs-if-match": False, **more}


@router.options(UPLOADS, include_in_schema=False)
@router.options(UPLOADS + "/{uploadId}", include_in_schema=False)
def tell_protocol(ctx: Annotated[Context, allow_anyone()]) -> Response:
    """Say what this server can do."""
    headers = {
        "Tus-Version": rules.VERSION,
        "Tus-Extension": rules.EXTENSIONS,
        "Tus-Max-Size": str(ctx.settings.max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(rules.ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    UPLOADS,
    status_code=201,
    response_model=UploadOut,
    responses={412: _NOT_TUS, 460: _ELSEWHERE},
    openapi_extra=_describe(
        _header("Upload-Length", "How many bytes there will be.", required=True),
        _header("Upload-Metadata", "`filename` and `filetype` of what comes: pairs `key base64`."),
        _CHECKSUM,
        requestBody={**_BODY, "required": False, "description": "The first bytes, if you like."},
    ),
    max_body_size=NO_LIMIT,
)
async def begin_upload(request: Request, ctx: Publisher, reply: StreamingReplies) -> Response:
    """Begin an upload in stretches; its address is in Location."""
    _must_speak_tus(request)
    length = rules.length_of(request.headers)
    if length > ctx.settings.max_upload_bytes:
        limit = ctx.settings.max_upload_bytes
        raise TooLarge(f"An upload has at most {limit} bytes.", limitBytes=limit)
    has_body = request.headers.get("content-type") == rules.OFFSET_OCTETS
    checksum = rules.checksum_of(request.headers.get("upload-checksum")) if has_body else None
    rules.metadata_of(request.headers.get("upload-metadata"))
    upload, answer = await run_in_threadpool(_begun, ctx, reply, request, length)
    if has_body:
        await _pour(request, ctx, upload, checksum)
    answer.headers.update(_position(upload))
    return answer


@router.head(
    UPLOADS + "/{uploadId}",
    response_class=Response,
    responses={412: _NOT_TUS},
    openapi_extra=_describe(),
)
def read_position(uploadId: str, request: Request, ctx: Publisher) -> Response:
    """Tell how many bytes have come, in Upload-Offset."""
    _must_speak_tus(request)
    upload = service.get_upload(ctx, uploadId)
    headers = {"Upload-Length": str(upload.length), "Cache-Control": "no-store", **_position(upload)}
    if upload.said:
        headers["Upload-Metadata"] = upload.said
    return Response(status_code=200, headers=headers)


@router.patch(
    UPLOADS + "/{uploadId}",
    status_code=204,
    response_class=Response,
    responses={460: _ELSEWHERE},
    openapi_extra=_describe(_OFFSET, _CHECKSUM, requestBody={**_BODY, "required": True}),
    max_body_size=NO_LIMIT,
)
async def go_on(uploadId: str, request: Request, ctx: Publisher) -> Response:
    """Send bytes from an offset on; what came before a line broke is kept."""
    _must_speak_tus(request)
    if request.headers.get("content-type", "").strip().lower() != rules.OFFSET_OCTETS:
        raise UnsupportedMediaType(f"Bytes of an upload are {rules.OFFSET_OCTETS}.")
    position = rules.whole_number("Upload-Offset", request.headers.get("upload-offset"))
    checksum = rules.checksum_of(request.headers.get("upload-checksum"))
    upload = await run_in_threadpool(_taken_up, ctx, uploadId, position)
    await _pour(request, ctx, upload, checksum)
    return Response(status_code=204, headers=_position(upload))


@router.delete(UPLOADS + "/{uploadId}", status_code=204, response_class=Response, openapi_extra=_describe())
def end_upload(uploadId: str, request: Request, ctx: Publisher) -> Response:
    """End an upload that is not wanted; its bytes are removed."""
    _must_speak_tus(request)
    service.end_upload(ctx, uploadId)
    ctx.session.commit()
    service.forget_bytes(storage(ctx.settings), uploadId)
    return Response(status_code=204)


@router.post(UPLOADS + "/{uploadId}", include_in_schema=False, max_body_size=NO_LIMIT)
async def under_another_method(uploadId: str, request: Request, ctx: Publisher) -> Response:
    """Do as X-HTTP-Method-Override says, for senders that know GET and POST only (Core)."""
    match request.headers.get("x-http-method-override"):
        case "PATCH":
            return await go_on(uploadId, request, ctx)
        case "DELETE":
            return await run_in_threadpool(end_upload, uploadId, request, ctx)
        case _:
            raise InvalidUploadHeader(
                "POST goes to /v1/uploads, or names PATCH or DELETE in X-HTTP-Method-Override."
            )


def _must_speak_tus(request: Request) -> None:
    if request.headers.get("tus-resumable") != rules.VERSION:
        request.scope["answer_headers"].append(("Tus-Version", rules.VERSION))
        raise PreconditionFailed(
            f"Uploads speak tus {rules.VERSION}.", remedy=f"Send the header Tus-Resumable: {rules.VERSION}."
        )


def _begun(ctx: Context, reply: Reply, request: Request, length: int) -> tuple[Upload, Response]:
    reply.once(ctx)
    upload = service.begin_upload(ctx, length, request.headers.get("upload-metadata"))
    answer = reply.created(ctx, UploadOut.of(upload), f"{UPLOADS}/{upload.id}")
    ctx.session.commit()
    return upload, answer


def _taken_up(ctx: Context, upload_id: str, position: int) -> Upload:
    upload = service.take_up(ctx, upload_id, position)
    # No transaction stays open while bytes come in.
    ctx.session.commit()
    return upload


async def _pour(request: Request, ctx: Context, upload: Upload, checksum: rules.Checksum | None) -> None:
    left = upload.length - upload.position
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > left:
        raise _too_large(upload)
    inflow = service.Inflow(ctx, storage(ctx.settings), upload, checksum)
    gathered: list[bytes] = []
    waiting = 0
    try:
        async for chunk in request.stream():
            left -= len(chunk)
            if left < 0:
                raise _too_large(upload)
            gathered.append(chunk)
            waiting += len(chunk)
            if waiting >= GATHER_BYTES:
                taken, gathered, waiting = gathered, [], 0
                await to_its_end(inflow.take, taken)
        await to_its_end(inflow.take, gathered)
        gathered = []
        await to_its_end(inflow.finish)
    except service.ChecksumDiffers as fault:
        await to_its_end(inflow.discard)
        raise ChecksumMismatch("The bytes are not those the checksum was made of; none was kept.") from fault
    except ClientDisconnect as fault:
        await to_its_end(inflow.take, gathered)
        await to_its_end(inflow.break_off)
        raise InvalidUpload("The line broke; HEAD tells what came through.") from fault
    except BaseException:
        await to_its_end(inflow.break_off)
        raise


def _too_large(upload: Upload) -> TooLarge:
    return TooLarge(
        f"The upload has {upload.length} bytes, as announced, and {upload.position} have come.",
        limitBytes=upload.length - upload.position,
    )


def _position(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.position),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }
