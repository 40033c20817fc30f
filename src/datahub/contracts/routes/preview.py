"""REST route that looks ahead: what other terms of an offer would do."""

from typing import Annotated

from fastapi import APIRouter

from datahub.contracts.schemas.preview import PreviewIn, PreviewOut
from datahub.contracts.service import preview as service
from datahub.kernel.context import Context
from datahub.kernel.rest import allow

router = APIRouter(tags=["offers"])


@router.post("/v1/datasets/{datasetId}/offers/{offerId}/preview")
def preview_offer_change(
    datasetId: str, offerId: str, body: PreviewIn, ctx: Annotated[Context, allow("catalog:write")]
) -> PreviewOut:
    """Say before saving what other terms would do: who gains and loses, which agreements, which recorded reads."""
    return PreviewOut.of(service.preview_change(ctx, datasetId, offerId, body.proposal()))
