"""REST routes of samples."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from datahub.dataplane import TableFormat
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow, allow_anyone
from datahub.kernel.rest.accept import choose
from datahub.samples import service
from datahub.samples.errors import SampleNotFound
from datahub.samples.schemas import SampleIn, SampleOut

router = APIRouter(prefix="/v1/datasets/{datasetId}/sample", tags=["samples"])

Publisher = Annotated[Context, allow("catalog:write")]
Anyone = Annotated[Context, allow_anyone()]
Taker = Annotated[Context, allow_anyone(is_logged=True)]
JSON = "application/json"
# `format` → (media type, the form it is written in); JSON is JSON Lines in one list. The first is what `*/*` gets.
_FORMS = {
    "csv": ("text/csv", TableFormat.CSV),
    "json": (JSON, TableFormat.JSON_LINES),
    "jsonl": ("application/jsonl", TableFormat.JSON_LINES),
    "arrow": ("application/vnd.apache.arrow.stream", TableFormat.ARROW),
    "parquet": ("application/vnd.apache.parquet", TableFormat.PARQUET),
}
_NAMES = {media_type: name for name, (media_type, _) in _FORMS.items()}
Form = Annotated[
    str | None,
    Query(
        alias="format", pattern=f"^({'|'.join(_FORMS)})$", description="Wins over Accept. CSV unless told."
    ),
]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sample. `Datahub-Sample` says whether it is masked or synthetic.",
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in _NAMES},
    }
}


@router.put("", response_model=SampleOut)
def put_sample(datasetId: str, body: SampleIn, ctx: Publisher, reply: Replies) -> Response:
    """Let a sample of a table be seen before there is an agreement, or change it (then If-Match is needed)."""
    present = service.sample_to_change(ctx, datasetId)
    if present is not None:
        reply.changing(present.revision)
    columns = [each.model_dump(mode="json") for each in body.columns]
    wanted = service.Settings(body.kind, body.rows, columns, body.is_open)
    sample = service.set_sample(ctx, datasetId, wanted)
    return reply.read(SampleOut.of(sample, service.warnings_of(ctx, sample)), sample.revision)


@router.get("/settings", response_model=SampleOut)
def get_sample_settings(datasetId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read what a sample holds: its kind, columns and masks, with warnings for columns about people."""
    sample = service.get_sample(ctx, datasetId)
    return reply.read(SampleOut.of(sample, service.warnings_of(ctx, sample)), sample.revision)


@router.delete("", status_code=204)
def remove_sample(datasetId: str, ctx: Publisher, reply: Replies) -> None:
    """Give no sample any more. Needs If-Match."""
    present = service.sample_to_change(ctx, datasetId)
    if present is None:
        raise SampleNotFound("The provider gives no sample of this dataset.")
    reply.changing(present.revision)
    service.remove_sample(ctx, datasetId)


@router.get("", response_class=Response, responses=_ANSWERS)
def take_sample(datasetId: str, request: Request, ctx: Taker, form: Form = None) -> Response:
    """Look at a sample of a table: real rows behind masks, or made-up ones, as the provider set it."""
    name = form or _NAMES[choose(request.headers.get("accept"), tuple(_NAMES))]
    media_type, written_as = _FORMS[name]
    taken = service.take_sample(ctx, datasetId, written_as)
    body = b'{"items":[' + b",".join(taken.body.splitlines()) + b"]}" if media_type == JSON else taken.body
    headers = {
        "Datahub-Log-Entry": taken.entry_id,
        "Datahub-Sample": taken.kind,
        "Cache-Control": "no-store",
        "Vary": "Accept, Authorization",
    }
    return Response(body, 200, headers, media_type)
