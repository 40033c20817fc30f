"""REST routes for those who look through the log: facets, saved searches, exports with proofs."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from datahub.audit import exports, facets, searches
from datahub.audit.routes.entries import Reader, Reason, Wanted, entry_out
from datahub.audit.schemas.log import EntryOut, Order
from datahub.audit.schemas.review import FacetsOut, SearchChangeIn, SearchIn, SearchOut
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, allow, page_out

router = APIRouter(prefix="/v1", tags=["log"])

Reviewer = Annotated[Context, allow("log:read")]
Bucket = Literal["minute", "hour", "day", "month"]
FormName = Literal["csv", "jsonl", "ocsf", "nen7513"]
ZIP = "application/zip"
_AS_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/log-entries/facets", response_model=FacetsOut)
def count_log_facets(
    *,
    ctx: Reader,
    reply: Replies,
    wanted: Wanted,
    bucket: Annotated[Bucket | None, Query(description="What fits the span unless named.")] = None,
    reason: Reason = None,
) -> Response:
    """Count entries per consumer, provider, dataset, purpose, outcome, code and action, and over time."""
    return reply.read(FacetsOut.of(facets.count_facets(ctx, wanted, bucket, reason=reason)))


@router.get("/log-exports", response_class=Response, responses=_AS_ZIP)
def export_log(
    *,
    ctx: Reader,
    wanted: Wanted,
    form: Annotated[FormName, Query(alias="as", description="How entries are written.")],
    has_proofs: Annotated[bool, Query(alias="withProofs", description="With what verifies each.")] = True,
    reason: Reason = None,
) -> Response:
    """Export the entries that concern your organisation, with a manifest and proofs that verify offline, as one ZIP file."""
    pieces = exports.export_with_proofs(ctx, wanted, form, reason=reason, has_proofs=has_proofs)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="log-export-{form}.zip"',
    }
    return StreamingResponse(pieces, headers=headers, media_type=ZIP)


@router.post("/log-searches", status_code=201, response_model=SearchOut)
def save_log_search(body: SearchIn, ctx: Reviewer, reply: Replies) -> Response:
    """Keep a search of the log for your organisation."""
    reply.once(ctx)
    search = searches.save_search(ctx, body.name, body.filters.wanted())
    return reply.created(ctx, SearchOut.of(search), f"/v1/log-searches/{search.id}", search.revision)


@router.get("/log-searches", response_model=PageOut[SearchOut])
def list_log_searches(ctx: Reviewer, reply: Replies, paging: Paging) -> Response:
    """List the searches that your organisation keeps."""
    return reply.read(page_out(searches.list_searches(ctx, paging.request()), SearchOut.of))


@router.get("/log-searches/{searchId}", response_model=SearchOut)
def get_log_search(searchId: str, ctx: Reviewer, reply: Replies) -> Response:
    """Read one saved search."""
    search = searches.get_search(ctx, searchId)
    return reply.read(SearchOut.of(search), search.revision)


@router.patch("/log-searches/{searchId}", response_model=SearchOut)
def change_log_search(searchId: str, body: SearchChangeIn, ctx: Reviewer, reply: Replies) -> Response:
    """Change the name or the filters of a saved search. Needs If-Match."""
    search = searches.get_search(ctx, searchId)
    reply.changing(search.revision)
    wanted = None if body.filters is None else body.filters.wanted()
    search = searches.change_search(ctx, search, body.name, wanted)
    return reply.read(SearchOut.of(search), search.revision)


@router.delete("/log-searches/{searchId}", status_code=204)
def remove_log_search(searchId: str, ctx: Reviewer, reply: Replies) -> Response:
    """Forget a saved search. Needs If-Match."""
    search = searches.get_search(ctx, searchId)
    reply.changing(search.revision)
    searches.remove_search(ctx, search)
    return Response(status_code=204)


@router.get("/log-searches/{searchId}/entries", response_model=PageOut[EntryOut])
def list_log_search_entries(
    *,
    searchId: str,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    order: Order = Order.NEWEST,
    reason: Reason = None,
) -> Response:
    """Read the entries that a saved search finds now."""
    search = searches.get_search(ctx, searchId)
    asked = paging.request({"search": search.id, "revision": search.revision, "order": order})
    found = searches.entries_found(ctx, search, asked, is_oldest_first=order is Order.OLDEST, reason=reason)
    return reply.read(page_out(found, lambda entry: entry_out(ctx.actor, entry)))
