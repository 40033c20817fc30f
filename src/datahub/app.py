"""The composition root of the server: with `worker`, the only module that knows every slice and door.

`create_app(settings)` builds the whole exchange; nothing here decides anything.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from threading import Thread

from fastapi import FastAPI, Request
from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

import datahub.audit.routes
import datahub.catalog.routes
import datahub.consent.routes
import datahub.contracts.routes
import datahub.dataplane.routes
import datahub.duties.routes
import datahub.live.routes
import datahub.oauth.routes
import datahub.participants.routes
import datahub.queries.routes
import datahub.review.routes
import datahub.samples.routes
import datahub.transfers.routes
import datahub.web
import datahub.witness.routes
from datahub import __version__
from datahub.audit import About, Journal, record_refused_call
from datahub.consent import (
    Reader,
    authenticate_person,
    is_session,
    known_logins,
    may_see_profiles,
    must_fit_rule,
    must_fit_terms,
)
from datahub.contracts import agreements_in_force, check_upstream, holders_of, recipient_names
from datahub.dataplane import HotDoor
from datahub.engine import warm_up
from datahub.kernel import db, rest
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import ANONYMOUS, ENTRY_HEADER, Actor, Context, Credential
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import openapi
from datahub.kernel.settings import Settings
from datahub.oauth import ProvenToken, authenticate, challenge, check, prove, use_up_groups
from datahub.oauth.routes import TokenDoor
from datahub.participants import identifiers_of, participant_by_id
from datahub.transfers import check_grant, learn_grant

API_VERSION = __version__
_log = logging.getLogger(__name__)

_TAGS = [
    {"name": "participants", "description": "Organisations, their people and roles."},
    {"name": "clients", "description": "OAuth clients of an organisation."},
    {
        "name": "oauth",
        "description": "Tokens: FAPI 2.0; RFC 6749, 7009, 7662, 8414, 8707, 9068, 9126, 9396, 9449, 9728.",
    },
    {"name": "datasets", "description": "The catalogue (DCAT 3): open metadata, closed data."},
    {"name": "uploads", "description": "Large bodies in stretches that survive a broken line (tus 1.0)."},
    {"name": "offers", "description": "Policies (ODRL 2.2) on datasets."},
    {"name": "access-requests", "description": "Requests and their negotiation (Dataspace Protocol states)."},
    {"name": "agreements", "description": "What was agreed, frozen and signed."},
    {"name": "duties", "description": "What organisations owe each other and people, and until when."},
    {"name": "consent", "description": "Consent rules and notices, and what people decided."},
    {"name": "my consents", "description": "For the person: from a one-time link to one's own consents."},
    {"name": "data", "description": "Fetching what an agreement allows."},
    {"name": "live APIs", "description": "Data asked of a provider's own service, call by call."},
    {"name": "samples", "description": "What may be seen of a table before there is an agreement."},
    {"name": "queries", "description": "Results of groups, and SQL over what an agreement gives."},
    {
        "name": "log",
        "description": "The access log: who did or tried what, and why it was allowed or refused.",
    },
]
_ROUTERS = (
    datahub.participants.routes.router,
    datahub.oauth.routes.router,
    datahub.catalog.routes.router,
    datahub.consent.routes.router,
    datahub.contracts.routes.router,
    datahub.duties.routes.router,
    datahub.dataplane.routes.router,
    datahub.live.routes.router,
    datahub.samples.routes.router,
    datahub.transfers.routes.router,
    datahub.queries.routes.router,
    datahub.review.routes.router,
    datahub.audit.routes.router,
    datahub.witness.routes.router,
    datahub.web.router,
)


def create_app(settings: Settings, clock: Clock = system_clock) -> ASGIApp:
    """Return the exchange as one ASGI app. The database must be migrated before it serves."""
    return serve(build(settings, clock))


def serve(app: FastAPI, api_version: str = API_VERSION) -> ASGIApp:
    """Put the outer layers around the exchange: the envelope, and the hot paths in front of the app."""
    journal, envelope = app.state.journal, rest.Envelope(app, api_version)
    return TokenDoor(app, journal, envelope, HotDoor(app, journal, envelope))


def build(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Return the exchange without its outermost layer; tests and the OpenAPI writer look inside it."""
    known_logins(settings)  # a file that is wrong is refused at start, not when a person stands at the door
    engine = db.make_engine(settings.database_url)
    journal = Journal(engine, use_up_groups)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Beside the first requests, which need it seldom: so no start waits for it, and no reader of data.
        Thread(target=warm_up, name="warm-up", daemon=True).start()
        yield
        journal.close()
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
        lifespan=lifespan,
    )
    app.router.routes.extend(_routes(settings.max_body_bytes))
    rest.install(app)
    app.add_exception_handler(rest.Replay, rest.replay)
    app.state.openapi = openapi.Description(app, settings)
    app.state.door = rest.Door(
        settings=settings,
        engine=engine,
        clock=clock,
        authenticate=_authenticate,
        on_refusal=_record_refusal,
        methods_of=openapi.method_finder(app),
        prove=_prove,
        check=_check,
        challenge=challenge,
    )
    app.state.journal = journal
    app.state.grant_check = check_grant
    app.state.grant_learner = learn_grant
    app.state.fit_check = must_fit_rule
    app.state.terms_check = must_fit_terms
    app.state.profiles_check = may_see_profiles
    app.state.readers_of = _readers_of
    app.state.upstream_check = check_upstream
    return app


@cache
def _routes(max_body_bytes: int) -> Sequence[BaseRoute]:
    """Return all routes, each signature read once: that takes a second, and a process may hold several exchanges."""
    reader = FastAPI(
        openapi_url=None,
        max_body_size=max_body_bytes,
        generate_unique_id_function=lambda route: _camel(route.name),
    )
    for router in _ROUTERS:
        reader.include_router(router)
    return reader.routes


def _prove(engine: Engine, settings: Settings, credential: Credential, now: datetime) -> ProvenToken | str:
    """Verify what a caller shows; the session of a person's link is looked up once the transaction is open."""
    return credential.token if _is_person(credential) else prove(engine, settings, credential, now)


def _check(engine: Engine, settings: Settings, credential: Credential, now: datetime) -> ProvenToken | str:
    """Do as `_prove`, but leave the single use of a proof to the caller."""
    return credential.token if _is_person(credential) else check(engine, settings, credential, now)


def _is_person(credential: Credential) -> bool:
    return credential.scheme == "bearer" and is_session(credential.token)


def _authenticate(ctx: Context, proven: ProvenToken | str) -> Actor:
    """Find who calls: a person with the session of a link, or a client with an access token."""
    return authenticate_person(ctx, proven) if isinstance(proven, str) else authenticate(ctx, proven)


def _readers_of(ctx: Context, dataset_id: str) -> Iterator[Reader]:
    """Give who may read a dataset now, for the preview of a consent rule."""
    for consumer_id in holders_of(ctx.session, dataset_id):
        consumer = participant_by_id(ctx.session, consumer_id)
        if consumer is not None:
            names = recipient_names(consumer, identifiers_of(ctx, [consumer_id])[consumer_id])
            for found in agreements_in_force(ctx.session, consumer_id, dataset_id, ctx.now):
                yield Reader(found.id, consumer_id, found.purpose, names)


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
    entry_id = record_refused_call(
        door.engine,
        door.settings,
        actor,
        door.clock(),
        trace_id,
        action="call.refuse",
        refusal=refusal,
        about=about,
    )
    return {ENTRY_HEADER: entry_id}


def _text(refusal: Refusal, fact: str) -> str | None:
    value = refusal.facts.get(fact)
    return value if isinstance(value, str) else None


def _camel(name: str) -> str:
    first, *rest_of_name = name.split("_")
    return first + "".join(part.capitalize() for part in rest_of_name)
