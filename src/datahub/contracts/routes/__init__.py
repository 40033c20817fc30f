"""REST routes of contracts, one module per concept; `router` holds them all."""

from fastapi import APIRouter

from datahub.contracts.routes import agreements, preview, requests

router = APIRouter()
router.include_router(requests.router)
router.include_router(agreements.router)
router.include_router(preview.router)
