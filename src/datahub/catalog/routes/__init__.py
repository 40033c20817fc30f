"""REST routes of the catalogue, one module per concept; `router` holds them all."""

from fastapi import APIRouter

from datahub.catalog.routes import datasets, offers, uploads, versions

router = APIRouter()
for each in (datasets, versions, uploads, offers):
    router.include_router(each.router)
