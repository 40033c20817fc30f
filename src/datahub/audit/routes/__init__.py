"""REST routes of the access log: its lines, and the transparency log over them."""

from fastapi import APIRouter

from datahub.audit.routes import entries, erasures, review, stream, tree

router = APIRouter()
# What has an address of its own under /log-entries comes before the entry of any id.
for each in (tree, erasures, review, stream, entries):
    router.include_router(each.router)
