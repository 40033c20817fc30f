"""REST routes of the catalogue, one module per concept; `router` holds them all."""

from fastapi import APIRouter

from datahub.catalog.routes import datasets, offers, versions

router = APIRouter()
for each in (datasets, versions, offers):
    router.include_router(each.router)
