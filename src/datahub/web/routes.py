"""Addresses for people and monitors: landing, API reference, refusals, health, well-known files."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from fastapi import APIRouter, Request
from sqlalchemy import text
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from datahub.catalog import storage
from datahub.kernel import db, outbox
from datahub.kernel.clock import rfc3339
from datahub.kernel.errors import NotFound, Unavailable
from datahub.kernel.rest import Door
from datahub.web import pages

router = APIRouter(include_in_schema=False)
_WEEK = {"Cache-Control": "public, max-age=604800"}
_PAGE = {"Content-Security-Policy": pages.PAGE_CSP, "Cache-Control": "no-cache"}


class PageNotFound(NotFound):
    """No page lives at this address."""

    title = "Page not found"


class NotReady(Unavailable):
    """The exchange cannot reach what it needs to serve."""

    title = "Not ready"


@router.get("/")
def landing(request: Request) -> Response:
    """Show what this is and where to go."""
    return HTMLResponse(pages.landing(request.app.title), headers=_PAGE)


@router.get("/docs")
def reference() -> Response:
    """Show the API reference."""
    return HTMLResponse(pages.REFERENCE, headers={"Content-Security-Policy": pages.DOCS_CSP})


@router.get("/docs/assets/{name}")
def reference_asset(name: str) -> Response:
    """Give one file of the API reference."""
    if name == "start.js":
        return Response(pages.START_JS, media_type="text/javascript", headers=_WEEK)
    if name not in pages.ASSETS:
        raise PageNotFound("No such file.")
    return Response(pages.asset(name), media_type=pages.ASSETS[name], headers=_WEEK)


@router.get("/problems")
def problem_index() -> Response:
    """List every refusal."""
    return HTMLResponse(pages.problem_index(), headers=_PAGE)


@router.get("/problems/{code}")
def problem_page(code: str) -> Response:
    """Explain one refusal."""
    for kind in pages.refusals():
        if kind.code() == code:
            return HTMLResponse(pages.problem_page(kind), headers=_PAGE)
    raise PageNotFound("No refusal has this code.", remedy="See /problems for all of them.")


@router.get("/log/verify")
def receipt_page() -> Response:
    """Show the page that verifies a receipt in the browser."""
    headers = {"Content-Security-Policy": pages.RECEIPT_CSP, "Cache-Control": "no-cache"}
    return HTMLResponse(pages.receipt_page(), headers=headers)


@router.get("/log/verify/receipt.js")
def receipt_script() -> Response:
    """Give the script of that page."""
    return Response(
        pages.receipt_script(), media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


@router.get("/v1/openapi.json")
def openapi(request: Request) -> Response:
    """Give the OpenAPI document (NL API Design Rules /core/publish-openapi: open to all origins)."""
    body = orjson.dumps(request.app.state.openapi.published)
    return Response(
        body,
        media_type="application/json",
        headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"},
    )


@router.get("/health/live")
def live() -> dict[str, str]:
    """Tell that the process runs."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(request: Request) -> dict[str, str]:
    """Tell whether the exchange can serve: the database answers, the storage takes files. Raises NotReady."""
    door: Door = request.app.state.door
    for name, look in _NEEDED.items():
        try:
            look(door)
        except Exception as fault:
            raise NotReady(f"The {name} does not answer.", remedy=_REMEDIES[name], failed=name) from fault
    return {"status": "ready"}


@router.get("/health/worker")
def working(request: Request) -> dict[str, str]:
    """Tell whether a worker takes care of what is due; the exchange serves without one. Raises NotReady."""
    door: Door = request.app.state.door
    now = door.clock()
    with db.transaction(door.engine, is_read=True) as session:
        since = outbox.waiting_since(session, now)
    if since is not None and now - since > _LATE:
        detail = f"Webhooks and what follows from events have waited since {rfc3339(since)}."
        raise NotReady(detail, remedy=_REMEDIES["worker"], failed="worker")
    return {"status": "working"}


def _look_at_database(door: Door) -> None:
    with db.transaction(door.engine, is_read=True) as session:
        session.execute(text("select 1 from participant limit 1"))


_NEEDED: Mapping[str, Callable[[Door], None]] = {
    "database": _look_at_database,
    "storage": lambda door: storage(door.settings).must_work(),
}
_REMEDIES = {
    "database": "Operators: `datahub migrate`, then look at the log.",
    "storage": "Operators: is there room on the disk, does DATAHUB_STORAGE_URL answer, may this user write there?",
    "worker": "Operators: run `datahub worker`, or serve without --without-worker, and look at its log.",
}
_LATE = timedelta(minutes=2)


@router.get("/.well-known/security.txt")
def security_txt(request: Request) -> Response:
    """Say where to report a weakness (RFC 9116)."""
    door: Door = request.app.state.door
    expires = rfc3339((door.clock() + timedelta(days=180)).replace(hour=0, minute=0, second=0, microsecond=0))
    contact = (
        f"Contact: mailto:{door.settings.contact_email}\nExpires: {expires}\nPreferred-Languages: nl, en\n"
    )
    return PlainTextResponse(contact)


@router.get("/.well-known/api-catalog")
def api_catalog(request: Request) -> Response:
    """List the APIs here and their descriptions (RFC 9727)."""
    base = request.app.state.door.settings.base_url
    linkset: dict[str, Any] = {
        "linkset": [
            {
                "anchor": f"{base}/v1",
                "service-desc": [{"href": f"{base}/v1/openapi.json", "type": "application/openapi+json"}],
                "service-doc": [{"href": f"{base}/docs", "type": "text/html"}],
                "status": [{"href": f"{base}/health/ready"}],
            }
        ]
    }
    return Response(orjson.dumps(linkset), media_type="application/linkset+json")
