"""REST route that looks ahead: what other terms of an offer would do."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.contracts.schemas.preview import PreviewIn, PreviewOut
from datahub.contracts.service import preview as service
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow

router = APIRouter(tags=["offers"])


@router.post("/v1/datasets/{datasetId}/offers/{offerId}/preview", response_model=PreviewOut)
def preview_offer_change(
    datasetId: str,
    offerId: str,
    body: PreviewIn,
    ctx: Annotated[Context, allow("catalog:write")],
    reply: Replies,
) -> Response:
    """Say before saving what other terms would do: who gains and loses, which agreements, which recorded reads."""
    return reply.read(PreviewOut.of(service.preview_change(ctx, datasetId, offerId, body.proposal())))
