"""REST routes of access requests."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.contracts.models import AccessRequest, NegotiationMove, NegotiationState
from datahub.contracts.schemas.requests import (
    AccessRequestIn,
    AccessRequestOut,
    CommentIn,
    CommentOut,
    CommentsOut,
    RequestMoveIn,
    StepOut,
    StepsOut,
)
from datahub.contracts.service import requests as service
from datahub.contracts.service.requests import Wishes
from datahub.contracts.store import Filters, Side
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, allow, page_out

router = APIRouter(prefix="/v1/access-requests", tags=["access-requests"])

Reader = Annotated[Context, allow("requests:read")]
Writer = Annotated[Context, allow("requests:write")]


@router.post("", status_code=201, response_model=AccessRequestOut)
def request_access(body: AccessRequestIn, ctx: Writer, reply: Replies) -> Response:
    """Ask for access to a dataset under an open offer; what its policy can never permit is refused with the reason."""
    reply.once(ctx)
    wishes = Wishes(
        body.agrees_to, body.purpose, body.answers, body.wished_until, body.supersedes, body.comment
    )
    request = service.request_access(ctx, body.offer_id, wishes)
    return reply.created(ctx, _out(ctx, request), f"/v1/access-requests/{request.id}", request.revision)


@router.get("")
def list_access_requests(
    ctx: Reader,
    paging: Paging,
    state: NegotiationState | None = None,
    dataset: Annotated[str | None, Query(pattern="^[0-9a-f-]{36}$", description="A dataset's id.")] = None,
    role: Annotated[Side | None, Query(description="The side you are on.")] = None,
) -> PageOut[AccessRequestOut]:
    """List the requests your organisation made or received, newest first."""
    filters = paging.request({"state": state, "dataset": dataset, "role": role})
    page = service.list_requests(ctx, filters, Filters(state, dataset, role))
    agreements = service.agreements_of(ctx, page.items)
    return page_out(page, lambda each: AccessRequestOut.of(each, ctx.now, agreements.get(each.id)))


@router.get("/{requestId}", response_model=AccessRequestOut)
def get_access_request(requestId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one request, with every step of its negotiation."""
    request = service.get_request(ctx, requestId)
    return reply.read(_out(ctx, request), request.revision)


@router.post("/{requestId}/transitions", status_code=201, response_model=AccessRequestOut)
def move_access_request(requestId: str, body: RequestMoveIn, ctx: Writer, reply: Replies) -> Response:
    """Approve, return, reject, counter, accept or withdraw a request."""
    reply.once(ctx)
    request = service.move_request(ctx, requestId, NegotiationMove(body.move), body.carried())
    return reply.created(ctx, _out(ctx, request), f"/v1/access-requests/{request.id}", request.revision)


@router.get("/{requestId}/transitions")
def access_request_history(requestId: str, ctx: Reader) -> StepsOut:
    """Read every step of a request's negotiation."""
    return StepsOut(items=[StepOut.of(event) for event in service.steps_of(ctx, requestId)])


@router.post("/{requestId}/comments", status_code=201, response_model=CommentOut)
def comment_on_access_request(requestId: str, body: CommentIn, ctx: Writer, reply: Replies) -> Response:
    """Say something to the other side."""
    reply.once(ctx)
    comment = service.comment_on(ctx, requestId, body.text)
    return reply.created(ctx, CommentOut.of(comment), f"/v1/access-requests/{requestId}/comments")


@router.get("/{requestId}/comments")
def list_access_request_comments(requestId: str, ctx: Reader) -> CommentsOut:
    """Read what both sides said."""
    return CommentsOut(items=[CommentOut.of(comment) for comment in service.comments_of(ctx, requestId)])


def _out(ctx: Context, request: AccessRequest) -> AccessRequestOut:
    agreement = service.agreements_of(ctx, [request]).get(request.id)
    return AccessRequestOut.of(request, ctx.now, agreement, service.steps_of(ctx, request.id))
