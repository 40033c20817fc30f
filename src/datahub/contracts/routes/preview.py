"""REST routes that look ahead and back: what other terms would do, and what was decided, decided again."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.contracts.schemas.preview import AgainOut, PreviewIn, PreviewOut
from datahub.contracts.service import preview as service
from datahub.kernel.context import Context
from datahub.kernel.rest import Line, Replies, allow

router = APIRouter()


@router.post("/v1/datasets/{datasetId}/offers/{offerId}/preview", response_model=PreviewOut, tags=["offers"])
def preview_offer_change(
    datasetId: str,
    offerId: str,
    body: PreviewIn,
    ctx: Annotated[Context, allow("catalog:write")],
    reply: Replies,
) -> Response:
    """Say before saving what other terms would do: who gains and loses, which agreements, which recorded reads."""
    return reply.read(PreviewOut.of(service.preview_change(ctx, datasetId, offerId, body.proposal())))


@router.post("/v1/offers/{offerId}/preview", response_model=PreviewOut, tags=["offers"])
def preview_offer(
    offerId: str, body: PreviewIn, ctx: Annotated[Context, allow("catalog:write")], reply: Replies
) -> Response:
    """Say what other terms would do, of an offer whose dataset need not be named."""
    return reply.read(PreviewOut.of(service.preview_offer(ctx, offerId, body.proposal())))


@router.get("/v1/decisions/{decisionId}/replay", response_model=AgainOut, tags=["log"])
def replay_decision(
    decisionId: str,
    ctx: Annotated[Context, allow("log:read", is_logged=True)],
    reply: Replies,
    reason: Annotated[
        Line | None, Query(description="Why you look; it is kept with the fact that you looked.")
    ] = None,
) -> Response:
    """Make a decision on record again, from the policy and the facts of then: the same answer shows that nothing moved."""
    return reply.read(AgainOut.of(service.decide_again(ctx, decisionId, reason=reason)))
