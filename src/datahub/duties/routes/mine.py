"""REST routes of the person: who received rows, what one can ask, and everything to take along."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.consent import MyTopicOut, my_topics
from datahub.duties.schemas.duties import DutyHistoryOut, DutyMoveOut
from datahub.duties.schemas.mine import (
    ExportOut,
    RecipientOut,
    RecipientsOut,
    RightsMoveIn,
    RightsRequestIn,
    RightsRequestOut,
    RightsRequestsOut,
)
from datahub.duties.service import rights
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow

router = APIRouter(prefix="/v1/me", tags=["my consents"])

Person = Annotated[Context, allow("consents:own")]
LoggedPerson = Annotated[Context, allow("consents:own", is_logged=True)]
_AT = "/v1/me/requests"


@router.get("/recipients", response_model=RecipientsOut)
def list_my_recipients(ctx: LoggedPerson, reply: Replies) -> Response:
    """See who received rows about you, for which purpose, when, and who confirmed that they were erased."""
    return reply.read(RecipientsOut(items=[RecipientOut.of(each) for each in rights.my_recipients(ctx)]))


@router.get("/requests", response_model=RightsRequestsOut)
def list_my_requests(ctx: Person, reply: Replies) -> Response:
    """See what you asked, and what became of it."""
    return reply.read(
        RightsRequestsOut(items=[RightsRequestOut.of(each) for each in rights.my_requests(ctx)])
    )


@router.post("/requests", status_code=201, response_model=RightsRequestOut)
def make_my_request(body: RightsRequestIn, ctx: Person, reply: Replies) -> Response:
    """Ask to be erased, or object to a purpose."""
    reply.once(ctx)
    duty = rights.ask(ctx, body.kind, body.dataset_id, body.purpose, body.wish)
    seen = rights.my_request(ctx, duty.id)
    return reply.created(ctx, RightsRequestOut.of(seen), f"{_AT}/{duty.id}", duty.revision)


@router.get("/requests/{requestId}", response_model=RightsRequestOut)
def get_my_request(requestId: str, ctx: Person, reply: Replies) -> Response:
    """See one thing you asked."""
    return reply.read(RightsRequestOut.of(rights.my_request(ctx, requestId)))


@router.post("/requests/{requestId}/transitions", status_code=201, response_model=RightsRequestOut)
def move_my_request(requestId: str, body: RightsMoveIn, ctx: Person, reply: Replies) -> Response:
    """Take a request back, or say that it was not done though it was said to be."""
    reply.once(ctx)
    seen = rights.move_my_request(ctx, requestId, body.wish())
    return reply.created(ctx, RightsRequestOut.of(seen), f"{_AT}/{requestId}", seen.duty.revision)


@router.get("/requests/{requestId}/transitions")
def my_request_history(requestId: str, ctx: Person) -> DutyHistoryOut:
    """See what was done about a request of yours."""
    return DutyHistoryOut(items=[DutyMoveOut.of(e) for e in rights.my_request_history(ctx, requestId)])


@router.get("/export", response_model=ExportOut)
def export_mine(ctx: LoggedPerson, reply: Replies) -> Response:
    """Take along everything the exchange keeps about you that it can show."""
    rights.record_export(ctx)
    answer = reply.read(
        ExportOut(
            exported_at=ctx.now,
            consents=[MyTopicOut.of(each) for each in my_topics(ctx)],
            recipients=[RecipientOut.of(each) for each in rights.my_recipients(ctx)],
            requests=[RightsRequestOut.of(each) for each in rights.my_requests(ctx)],
            report=f"{ctx.settings.base_url}/v1/me/report",
        )
    )
    answer.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return answer
