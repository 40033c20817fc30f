"""The transparency log over HTTP: what verifiers read (C2SP tlog-tiles v0.1), receipts, status, metrics."""

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from datahub.audit import tree_store
from datahub.audit.errors import NoSuchTile, TilePruned
from datahub.audit.keys import verifier_keys
from datahub.audit.models import Log
from datahub.audit.receipts import get_opening, get_receipt
from datahub.audit.routes.entries import Reader, Reason
from datahub.audit.schemas.log import OpeningOut, retention_policy
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.tiles import Tile, parse_path, tile_over
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow_anyone

router = APIRouter(tags=["log"])

Anyone = Annotated[Context, allow_anyone()]
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
BRIEFLY = {"Cache-Control": "public, max-age=1"}
TEXT, OCTETS = "text/plain; charset=utf-8", "application/octet-stream"
_PROOF: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The receipt (C2SP tlog-proof).",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    409: {"description": "Not yet under a signed head: ask again after Retry-After seconds."},
    410: {"description": "The leaf is older than the log keeps."},
}


@router.get("/log/checkpoint", include_in_schema=False)
def get_checkpoint(ctx: Anyone) -> Response:
    """Return the newest signed head of the log."""
    return _checkpoint(ctx, tree_store.newest_log(ctx.session))


@router.get("/log/closed/{number:int}/checkpoint", include_in_schema=False)
def get_closed_checkpoint(number: int, ctx: Anyone) -> Response:
    """Return the last signed head of an earlier log of the exchange."""
    return _checkpoint(ctx, tree_store.log_by_number(ctx.session, number))


@router.get("/log/tile/{path:path}", include_in_schema=False)
def get_tile(path: str, ctx: Anyone) -> Response:
    """Return a tile or an entry bundle."""
    return _tile(ctx, tree_store.newest_log(ctx.session), path)


@router.get("/log/closed/{number:int}/tile/{path:path}", include_in_schema=False)
def get_closed_tile(number: int, path: str, ctx: Anyone) -> Response:
    """Return a tile or an entry bundle of an earlier log."""
    return _tile(ctx, tree_store.log_by_number(ctx.session, number), path)


@router.get("/log/keys", include_in_schema=False)
def get_keys(ctx: Anyone) -> Response:
    """Return the log's public keys, a vkey on each line (C2SP signed-note)."""
    log = tree_store.newest_log(ctx.session)
    lines = [] if log is None else [key.vkey for key in verifier_keys(ctx.session, log)]
    return Response("".join(f"{line}\n" for line in lines), 200, BRIEFLY, TEXT)


@router.get("/log/retention-policy", include_in_schema=False)
def get_retention_policy(ctx: Anyone) -> Response:
    """Return how long records and leaves are kept, as C2SP tlog-tiles asks of a log that prunes."""
    log = tree_store.newest_log(ctx.session)
    return Response(retention_policy(ctx.settings, log), 200, BRIEFLY, TEXT)


@router.get("/v1/log-entries/{entryId}/proof", response_class=Response, responses=_PROOF)
def get_log_entry_proof(entryId: str, ctx: Reader, reason: Reason = None) -> Response:
    """Fetch the receipt of an entry: it shows, without asking anybody, that the entry is in the log.

    Until the entry is under a signed head, which takes about a second, the answer is 409 with Retry-After.
    """
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{entryId}.tlog-proof"',
    }
    return Response(get_receipt(ctx, entryId, reason=reason), 200, headers, TEXT)


@router.get("/v1/log-entries/{entryId}/disclosures", response_model=OpeningOut)
def get_log_entry_disclosures(entryId: str, ctx: Reader, reply: Replies, reason: Reason = None) -> Response:
    """Read what ties an entry's record to its leaf: the salted fields you may see, and the digests of the others."""
    return reply.read(OpeningOut.of(get_opening(ctx, entryId, reason=reason)))


def _checkpoint(ctx: Context, log: Log | None) -> Response:
    signed = None if log is None else tree_store.published_head(ctx.session, log.number)
    if signed is None:
        raise NoSuchTile("The log has no signed head yet.")
    return Response(signed.note, 200, BRIEFLY, TEXT)


def _tile(ctx: Context, log: Log | None, path: str) -> Response:
    try:
        tile = parse_path(f"tile/{path}")
    except TlogFault as fault:
        raise NoSuchTile(str(fault)) from fault
    if log is None or not _is_there(tile, log.size):
        raise NoSuchTile("The log is not as large as that.")
    try:
        data = tree_store.tile_reader(ctx.session, log.number)(tile)
    except tree_store.TileMissing as fault:
        if tile.end <= log.pruned_below:
            raise TilePruned("The log no longer keeps leaves as old as these.") from fault
        raise
    return Response(data, 200, FOREVER, OCTETS)


def _is_there(tile: Tile, size: int) -> bool:
    return tile.width <= tile_over(tile.level, tile.number, size).width
