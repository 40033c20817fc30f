"""REST routes of versions: upload, list, read."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from datahub.catalog.errors.versions import InvalidUpload
from datahub.catalog.ingest import Arrangement, Bucket, Dialect
from datahub.catalog.models import DatasetKind
from datahub.catalog.objects import ObjectStore
from datahub.catalog.receive import Received
from datahub.catalog.routes.checks import Fitting, Profiles
from datahub.catalog.routes.reception import (
    handed_over,
    in_turn,
    media_type_for,
    name_of,
    received_files,
    received_table,
)
from datahub.catalog.schemas.versions import CheckedOut, VersionOut
from datahub.catalog.service import versions as service
from datahub.catalog.service.resumable import forget_bytes, used_up
from datahub.catalog.service.storage import storage
from datahub.catalog.service.uploads import (
    TABLE_FORMS,
    NamedFile,
    Plan,
    Prepared,
    discard,
    prepare_files,
    prepare_table,
)
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
    subject: Annotated[
        str | None,
        Query(
            max_length=255,
            description="Of a table: the column that says whom a row is about. Rows about one subject are stored "
            "together, which makes reading by subject faster.",
        ),
    ] = None
    time: Annotated[
        str | None,
        Query(
            alias="timeColumn",
            max_length=255,
            description="With `subject`: first by stretches of this column.",
        ),
    ] = None
    bucket: Annotated[Bucket, Query(alias="timeBucket", description="How long a stretch is.")] = Bucket.MONTH
    is_clustered: Annotated[
        bool,
        Query(alias="clustered", description="With `subject`: false keeps the rows in the order they came."),
    ] = True
    note: Annotated[Text | None, Query(max_length=2000, description="What is new in this version.")] = None
    upload: Annotated[
        str | None,
        Query(max_length=36, description="A finished upload (`/v1/uploads`) in place of a body."),
    ] = None
    is_dry: Annotated[bool, Query(alias="dryRun", description="Check and answer 200; keep nothing.")] = False

    def arrangement(self) -> Arrangement | None:
        """Return how the rows are to be stored; None: as they came. Raises InvalidUpload."""
        if self.subject is None and self.time is not None:
            raise InvalidUpload(
                "Rows are arranged by subject.", faults=[Fault("/query/subject", "is missing", "missing")]
            )
        if self.subject is None:
            return None
        return Arrangement(self.subject, self.time, self.bucket, self.is_clustered)

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
    *,
    options: Annotated[Options, Depends()],
    must_fit: Fitting,
) -> Response:
    """Upload the next version of a dataset: a table (CSV, JSON Lines, Parquet, Arrow) or files.

    The body streams; `Content-Digest` is verified; either all of it becomes one version, or nothing is kept. A table
    is checked against the declared columns, and every fault is told with its line and column. With `upload` the body
    is a finished upload, and `filetype` and `filename` of its Upload-Metadata stand for those headers.
    """
    plan = await run_in_threadpool(_allowed, ctx, reply, datasetId)
    prepared = await _prepared(request, ctx, plan, options)
    if options.is_dry:
        return reply.read(CheckedOut.of(prepared))
    return await run_in_threadpool(_added, ctx, reply, prepared, options, must_fit)


@router.get(VERSIONS)
def list_versions(
    datasetId: str, ctx: Anyone, paging: Paging, *, may_see_profiles: Profiles
) -> PageOut[VersionOut]:
    """List the versions of a dataset, newest first."""
    page = service.list_versions(ctx, datasetId, paging.request({"of": datasetId}))
    has_profiles = bool(page.items) and may_see_profiles(ctx, page.items[0].dataset_id)
    return page_out(page, lambda version: VersionOut.of(version, has_profiles=has_profiles))


@router.get(VERSIONS + "/{number}", response_model=VersionOut)
def get_version(
    datasetId: str, number: Number, ctx: Anyone, reply: Replies, *, may_see_profiles: Profiles
) -> Response:
    """Read what one version is: its columns or files, sizes and digests."""
    version = service.get_version(ctx, datasetId, number)
    has_profiles = may_see_profiles(ctx, version.dataset_id)
    seen = VersionOut.of(version, has_profiles=has_profiles)
    tag = version.id if has_profiles else f"{version.id}.bare"
    return reply.read(seen, tag, is_public=ctx.actor.is_anonymous)


def _allowed(ctx: Context, reply: Reply, dataset_id: str) -> Plan:
    reply.once(ctx)
    plan = service.plan_upload(ctx, dataset_id)
    # No transaction stays open while bytes come in: the next use of the session begins another, and looks anew.
    ctx.session.commit()
    ctx.session.expire_all()
    return plan


async def _prepared(request: Request, ctx: Context, plan: Plan, options: Options) -> Prepared:
    store = await run_in_threadpool(storage, ctx.settings)
    if options.upload is not None:
        return await in_turn(partial(_prepared_upload, request, ctx, store, plan, options))
    media_type = media_type_for(request, plan)
    limit = ctx.settings.max_upload_bytes
    if plan.kind is DatasetKind.TABLE:
        async with received_table(request, store, limit) as received:
            return await in_turn(partial(_prepared_table, store, plan, received, media_type, options))
    async with received_files(request, store, limit, options.filename) as files:
        return await run_in_threadpool(prepare_files, store, plan, files, media_type, is_dry=options.is_dry)


def _prepared_table(
    store: ObjectStore, plan: Plan, received: Received, media_type: str, options: Options
) -> Prepared:
    dialect, arrangement = options.dialect(), options.arrangement()
    return prepare_table(
        store, plan, received, media_type, dialect, is_dry=options.is_dry, arrangement=arrangement
    )


def _prepared_upload(
    request: Request, ctx: Context, store: ObjectStore, plan: Plan, options: Options
) -> Prepared:
    with handed_over(request, ctx, store, str(options.upload)) as (said, received):
        media_type = media_type_for(request, plan, said.get("filetype"))
        if plan.kind is DatasetKind.TABLE:
            return _prepared_table(store, plan, received, media_type, options)
        name = name_of(request, options.filename or said.get("filename"))
        file = NamedFile(name, media_type, received)
        return prepare_files(store, plan, [file], media_type, is_dry=options.is_dry)


def _added(ctx: Context, reply: Reply, prepared: Prepared, options: Options, must_fit: Fitting) -> Response:
    try:
        version = service.add_version(ctx, prepared, options.note, must_fit)
        where = f"/v1/datasets/{version.dataset_id}/versions/{version.number}"
        if options.upload is not None:
            used_up(ctx, options.upload)
        answer = reply.created(ctx, VersionOut.of(version), where)
        ctx.session.commit()
    except BaseException:
        discard(storage(ctx.settings), prepared)
        raise
    if options.upload is not None:
        forget_bytes(storage(ctx.settings), options.upload)
    return answer
