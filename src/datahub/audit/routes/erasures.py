"""REST routes of erasure: fields, records, a person's key; legal holds."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.audit import erasure
from datahub.audit.schemas.log import ErasureIn, ErasureOut, HoldIn, HoldOut, HoldsOut, ShredIn
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, TransitionIn, allow

router = APIRouter(prefix="/v1", tags=["log"])

Admin = Annotated[Context, allow("log:erase")]


@router.post("/log-entries/{entryId}/erasures", status_code=201, response_model=ErasureOut)
def erase_log_entry(entryId: str, body: ErasureIn, ctx: Admin, reply: Replies) -> Response:
    """Erase some fields of an entry's record, or all of it; its leaf and every proof stay. The erasure is logged."""
    reply.once(ctx)
    done = (
        erasure.erase_fields(ctx, entryId, body.fields, body.basis)
        if body.fields is not None
        else erasure.erase_record(ctx, entryId, body.basis)
    )
    return reply.created(ctx, ErasureOut.of(done), f"/v1/log-entries/{done.entry_id}")


@router.post("/log-subject-erasures", status_code=201, response_model=ErasureOut)
def shred_log_subject(body: ShredIn, ctx: Admin, reply: Replies) -> Response:
    """Destroy a person's key, so that nothing ties log entries to them any more. The erasure is logged."""
    reply.once(ctx)
    done = erasure.shred_subject(ctx, body.subject, body.basis)
    return reply.created(ctx, ErasureOut.of(done), f"/v1/log-entries/{done.entry_id}")


@router.get("/log-holds", response_model=HoldsOut)
def list_log_holds(ctx: Annotated[Context, allow("log:read")], reply: Replies) -> Response:
    """Read all legal holds on the log."""
    return reply.read(HoldsOut(items=[HoldOut.of(each) for each in erasure.holds(ctx)]))


@router.post("/log-holds", status_code=201, response_model=HoldOut)
def place_log_hold(body: HoldIn, ctx: Admin, reply: Replies) -> Response:
    """Keep what matches all that is named from being erased, until the hold is released."""
    reply.once(ctx)
    hold = erasure.place_hold(
        ctx,
        body.reason,
        entry_id=body.entry_id,
        dataset_id=body.dataset_id,
        participant_id=body.participant_id,
    )
    return reply.created(ctx, HoldOut.of(hold), f"/v1/log-holds/{hold.id}")


@router.post("/log-holds/{holdId}/transitions", status_code=201, response_model=HoldOut)
def release_log_hold(holdId: str, body: TransitionIn, ctx: Admin, reply: Replies) -> Response:
    """Release a legal hold: the one move is `release`."""
    reply.once(ctx)
    hold = erasure.release_hold(ctx, holdId, body.reason or "")
    return reply.created(ctx, HoldOut.of(hold), f"/v1/log-holds/{hold.id}")
