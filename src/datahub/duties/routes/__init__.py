"""REST routes of duties, one module per concept."""

from fastapi import APIRouter

from datahub.duties.routes import duties, mine

router = APIRouter()
for each in (duties.router, mine.router):
    router.include_router(each)
