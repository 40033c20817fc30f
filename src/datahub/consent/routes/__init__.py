"""REST routes of consent, one module per concept."""

from fastapi import APIRouter

from datahub.consent.routes import imports, mine, records, rules

router = APIRouter()
for each in (rules.router, records.router, imports.router, mine.router, mine.choices):
    router.include_router(each)
