"""REST routes of versions: upload, list, read."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from datahub.catalog.errors.versions import InvalidUpload
from datahub.catalog.ingest import Dialect
from datahub.catalog.models import DatasetKind
from datahub.catalog.routes.reception import in_turn, media_type_for, received_files, received_table
from datahub.catalog.schemas.versions import CheckedOut, VersionOut
from datahub.catalog.service import versions as service
from datahub.catalog.service.storage import storage
from datahub.catalog.service.uploads import TABLE_FORMS, Plan, Prepared, discard, prepare_files, prepare_table
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.rest import (
    PageOut,
    Paging,
    Replies,
    Reply,
    StreamingReplies,
    Text,
    allow,
    allow_anyone,
    page_out,
)

router = APIRouter(tags=["datasets"])

Anyone = Annotated[Context, allow_anyone()]
Publisher = Annotated[Context, allow("catalog:write")]
Number = Annotated[int, Path(ge=1, lt=2**31, description="1 is the first version.")]

VERSIONS = "/v1/datasets/{datasetId}/versions"
# The upload's own limit is a setting, and is kept while the body streams.
NO_LIMIT = 1 << 62
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A table in one of the named types, or for a dataset of files any bytes.",
        "content": dict.fromkeys((*TABLE_FORMS, "application/octet-stream"), _BYTES)
        | {"multipart/form-data": {"schema": {"type": "object", "additionalProperties": _BYTES["schema"]}}},
    }
}


@dataclass(frozen=True)
class Options:
    """How an upload is to be read."""

    filename: Annotated[
        str | None, Query(max_length=255, description="Name of a file; else Content-Disposition.")
    ] = None
    delimiter: Annotated[
        str, Query(min_length=1, max_length=3, description="Between the cells of CSV; `tab` for a tab.")
    ] = ","
    note: Annotated[Text | None, Query(max_length=2000, description="What is new in this version.")] = None
    is_dry: Annotated[bool, Query(alias="dryRun", description="Check and answer 200; keep nothing.")] = False

    def dialect(self) -> Dialect:
        """Return how CSV is written. Raises InvalidUpload."""
        try:
            return Dialect("\t" if self.delimiter == "tab" else self.delimiter)
        except ValueError as fault:
            raise InvalidUpload(
                "This delimiter cannot be used.", faults=[Fault("/query/delimiter", str(fault), "delimiter")]
            ) from fault


@router.post(
    VERSIONS,
    status_code=201,
    response_model=VersionOut,
    responses={200: {"model": CheckedOut, "description": "With dryRun=true: what would have been stored."}},
    openapi_extra=_BODY,
    max_body_size=NO_LIMIT,
)
async def add_version(
    datasetId: str,
    request: Request,
    ctx: Publisher,
    reply: StreamingReplies,
    options: Annotated[Options, Depends()],
) -> Response:
    """Upload the next version of a dataset: a table (CSV, JSON Lines, Parquet, Arrow) or files.

    The body streams; `Content-Digest` is verified; either all of it becomes one version, or nothing is kept. A table
    is checked against the declared columns, and every fault is told with its line and column.
    """
    plan = await run_in_threadpool(_allowed, ctx, reply, datasetId)
    prepared = await _prepared(request, ctx, plan, options)
    if options.is_dry:
        return reply.read(CheckedOut.of(prepared))
    return await run_in_threadpool(_added, ctx, reply, prepared, options.note)


@router.get(VERSIONS)
def list_versions(datasetId: str, ctx: Anyone, paging: Paging) -> PageOut[VersionOut]:
    """List the versions of a dataset, newest first."""
    return page_out(service.list_versions(ctx, datasetId, paging.request({"of": datasetId})), VersionOut.of)


@router.get(VERSIONS + "/{number}", response_model=VersionOut)
def get_version(datasetId: str, number: Number, ctx: Anyone, reply: Replies) -> Response:
    """Read what one version is: its columns or files, sizes and digests."""
    version = service.get_version(ctx, datasetId, number)
    return reply.read(VersionOut.of(version), version.id, is_public=ctx.actor.is_anonymous)


def _allowed(ctx: Context, reply: Reply, dataset_id: str) -> Plan:
    reply.once(ctx)
    plan = service.plan_upload(ctx, dataset_id)
    # No transaction stays open while bytes come in: the next use of the session begins another, and looks anew.
    ctx.session.commit()
    ctx.session.expire_all()
    return plan


async def _prepared(request: Request, ctx: Context, plan: Plan, options: Options) -> Prepared:
    media_type = media_type_for(request, plan)
    store = await run_in_threadpool(storage, ctx.settings)
    limit = ctx.settings.max_upload_bytes
    if plan.kind is DatasetKind.TABLE:
        dialect = options.dialect()
        async with received_table(request, store, limit) as received:
            work = partial(prepare_table, store, plan, received, media_type, dialect, is_dry=options.is_dry)
            return await in_turn(work)
    async with received_files(request, store, limit, options.filename) as files:
        return await run_in_threadpool(prepare_files, store, plan, files, media_type, is_dry=options.is_dry)


def _added(ctx: Context, reply: Reply, prepared: Prepared, note: str | None) -> Response:
    try:
        version = service.add_version(ctx, prepared, note)
        where = f"/v1/datasets/{version.dataset_id}/versions/{version.number}"
        return reply.created(ctx, VersionOut.of(version), where)
    except BaseException:
        discard(storage(ctx.settings), prepared)
        raise
