"""REST routes of duties, for both sides."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.duties.models import Duty, DutyState, Ground
from datahub.duties.schemas.duties import (
    DutyHistoryOut,
    DutyMoveIn,
    DutyMoveOut,
    DutyOut,
    DutySubjectOut,
    subject_out,
)
from datahub.duties.service import ledger, names
from datahub.duties.store import Filters
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, UtcInstant, allow, page_out

router = APIRouter(prefix="/v1/duties", tags=["duties"])

Reader = Annotated[Context, allow("agreements:read")]
LoggedReader = Annotated[Context, allow("agreements:read", is_logged=True)]
Writer = Annotated[Context, allow("agreements:write")]
_ID = "^[0-9a-f-]{36}$"


@router.get("", response_model=PageOut[DutyOut])
def list_duties(
    *,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    state: DutyState | None = None,
    role: Annotated[
        Literal["debtor", "creditor"] | None, Query(description="Who owes it, or whom it is owed.")
    ] = None,
    agreement: Annotated[str | None, Query(pattern=_ID, description="An agreement's id.")] = None,
    dataset: Annotated[str | None, Query(pattern=_ID, description="A dataset's id.")] = None,
    ground: Annotated[Ground | None, Query(description="What it comes from.")] = None,
    dueBefore: Annotated[UtcInstant | None, Query(description="Whose term ends before this.")] = None,
) -> Response:
    """List what your organisation owes and is owed, newest first."""
    said = {"state": state, "role": role, "agreement": agreement, "dataset": dataset, "ground": ground}
    request = paging.request({**said, "dueBefore": dueBefore and dueBefore.isoformat()})
    filters = Filters(state, role, agreement, dataset, ground, dueBefore)
    page = ledger.list_duties(ctx, request, filters)
    seen = {each.duty.id: each for each in ledger.see(ctx, page.items)}
    return reply.read(page_out(page, lambda duty: DutyOut.of(seen[duty.id])))


@router.get("/{dutyId}", response_model=DutyOut)
def get_duty(dutyId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one duty."""
    duty = ledger.get_duty(ctx, dutyId)
    return reply.read(_out(ctx, duty), f"{duty.revision}-{ledger.see(ctx, [duty])[0].state}")


@router.post("/{dutyId}/transitions", status_code=201, response_model=DutyOut)
def move_duty(dutyId: str, body: DutyMoveIn, ctx: Writer, reply: Replies) -> Response:
    """Fulfil a duty with evidence, return it, waive it, prolong it, or take such a move back."""
    reply.once(ctx)
    duty = ledger.move_duty(ctx, dutyId, body.wish())
    return reply.created(ctx, _out(ctx, duty), f"/v1/duties/{duty.id}", duty.revision)


@router.get("/{dutyId}/transitions")
def duty_history(dutyId: str, ctx: Reader) -> DutyHistoryOut:
    """Read the moves of a duty's life."""
    return DutyHistoryOut(items=[DutyMoveOut.of(entry) for entry in ledger.duty_history(ctx, dutyId)])


@router.get("/{dutyId}/subjects", response_model=PageOut[DutySubjectOut])
def list_duty_subjects(dutyId: str, ctx: LoggedReader, reply: Replies, paging: Paging) -> Response:
    """List whom a duty of yours is about, as you know them; that you looked is logged."""
    duty, page = ledger.subjects_of_duty(ctx, dutyId, paging.request({"duty": dutyId}))
    return reply.read(page_out(page, lambda row: subject_out(row, names.opened(ctx.settings, duty.id, row))))


def _out(ctx: Context, duty: Duty) -> DutyOut:
    return DutyOut.of(ledger.see(ctx, [duty])[0])
