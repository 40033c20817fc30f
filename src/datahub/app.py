"""The composition root of the server: with `worker`, the only module that knows every slice and door.

`create_app(settings)` builds the whole exchange; nothing here decides anything.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request
from starlette.types import ASGIApp

import datahub.audit.routes
import datahub.catalog.routes
import datahub.contracts.routes
import datahub.dataplane.routes
import datahub.oauth.routes
import datahub.participants.routes
import datahub.web
from datahub.audit import About, record_refused_call
from datahub.kernel import db, rest
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import ANONYMOUS, Actor
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import openapi
from datahub.kernel.settings import Settings
from datahub.oauth import authenticate
from datahub.transfers import check_grant

API_VERSION = version("datahub")
_log = logging.getLogger(__name__)

_TAGS = [
    {"name": "participants", "description": "Organisations, their people and roles."},
    {"name": "clients", "description": "OAuth clients of an organisation."},
    {"name": "oauth", "description": "Tokens: RFC 6749, 7009, 7662, 8414, 9068, 9396, 9728."},
    {"name": "datasets", "description": "The catalogue (DCAT 3): open metadata, closed data."},
    {"name": "offers", "description": "Policies (ODRL 2.2) on datasets."},
    {"name": "access-requests", "description": "Requests and their negotiation (Dataspace Protocol states)."},
    {"name": "agreements", "description": "What was agreed, frozen and signed."},
    {"name": "data", "description": "Fetching what an agreement allows."},
    {
        "name": "log",
        "description": "The access log: who did or tried what, and why it was allowed or refused.",
    },
]
_ROUTERS = (
    datahub.participants.routes.router,
    datahub.oauth.routes.router,
    datahub.catalog.routes.router,
    datahub.contracts.routes.router,
    datahub.dataplane.routes.router,
    datahub.audit.routes.router,
    datahub.web.router,
)


def create_app(settings: Settings, clock: Clock = system_clock) -> ASGIApp:
    """Return the exchange as one ASGI app. The database must be migrated before it serves."""
    app = build(settings, clock)
    return rest.Envelope(app, API_VERSION)


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Return the exchange without its outermost layer; tests and the OpenAPI writer look inside it."""
    engine = db.make_engine(settings.database_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        engine.dispose()

    app = FastAPI(
        title="Datahub",
        version=API_VERSION,
        summary="A trusted data exchange: policies, agreements, tokens, data and an access log.",
        description="Dates are RFC 3339 in UTC; names are camelCase; lists are keyset pages; refusals are RFC 9457.",
        openapi_tags=_TAGS,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=settings.max_body_bytes,
        generate_unique_id_function=lambda route: _camel(route.name),
        lifespan=lifespan,
    )
    for router in _ROUTERS:
        app.include_router(router)
    rest.install(app)
    app.add_exception_handler(rest.Replay, rest.replay)
    document = openapi.describe(app, settings)
    app.state.openapi_full = document
    app.state.openapi_published = openapi.publish(document, settings)
    app.state.door = rest.Door(
        settings=settings,
        engine=engine,
        clock=clock,
        authenticate=authenticate,
        on_refusal=_record_refusal,
        methods_of=openapi.method_finder(app),
    )
    app.state.grant_check = check_grant
    return app


def _record_refusal(request: Request, refusal: Refusal) -> Mapping[str, str]:
    """Record a refused call in a transaction of its own: the call's was rolled back, its entry with it."""
    actor: Actor = getattr(request.state, "actor", ANONYMOUS)
    is_change = request.method not in ("GET", "HEAD", "OPTIONS")
    if actor.is_anonymous or not (is_change or rest.status_of(refusal) == 403):  # noqa: PLR2004 — Forbidden
        return {}
    door: rest.Door = request.app.state.door
    # What a refusal says it is about, so that its entry shows up for the provider too.
    about = About(
        dataset_id=_text(refusal, "datasetId"),
        offer_id=_text(refusal, "offerId"),
        provider_id=_text(refusal, "providerId"),
        agreement_id=_text(refusal, "agreementId"),
        details={"method": request.method, "path": request.url.path, "detail": refusal.detail},
    )
    trace_id = request.scope["trace_id"]
    record_refused_call(
        door.engine,
        door.settings,
        actor,
        door.clock(),
        trace_id,
        action="call.refuse",
        refusal=refusal,
        about=about,
    )
    return {}


def _text(refusal: Refusal, fact: str) -> str | None:
    value = refusal.facts.get(fact)
    return value if isinstance(value, str) else None


def _camel(name: str) -> str:
    first, *rest_of_name = name.split("_")
    return first + "".join(part.capitalize() for part in rest_of_name)
