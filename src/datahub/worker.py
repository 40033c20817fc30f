"""The composition root of the worker: facts to handlers, and what is due by the clock.

One readable table of each. Every job is idempotent, so two workers, or one that was killed, do no harm.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session

from datahub.catalog import jobs as catalog_jobs
from datahub.contracts import holders_of
from datahub.contracts import jobs as contracts_jobs
from datahub.kernel import db, http
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import Errand, Handler, work_off
from datahub.kernel.settings import Settings
from datahub.oauth import jobs as oauth_jobs
from datahub.participants import note_delivery, tell, webhook_message
from datahub.transfers import jobs as transfers_jobs

_log = logging.getLogger(__name__)


# fact → what its webhook message is called, and which ids of the fact name the organisations to tell
TOLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ParticipantMoved": ("participant.moved", ("participantId",)),
    "AccessRequestMoved": ("access-request.moved", ("providerId", "consumerId")),
    "AgreementConcluded": ("agreement.concluded", ("providerId", "consumerId")),
    "AgreementSuspended": ("agreement.suspended", ("providerId", "consumerId")),
    "AgreementResumed": ("agreement.resumed", ("providerId", "consumerId")),
    "AgreementEnded": ("agreement.ended", ("providerId", "consumerId")),
    "AgreementRevoked": ("agreement.revoked", ("providerId", "consumerId")),
    "AgreementExpired": ("agreement.expired", ("providerId", "consumerId")),
    "AgreementSuperseded": ("agreement.superseded", ("providerId", "consumerId")),
}


def _telling(event: str, names: tuple[str, ...]) -> Handler:
    return lambda ctx, payload: tell(ctx, event, [payload[name] for name in names], payload)


def _telling_holders(event: str) -> Handler:
    """Tell the organisations that hold an agreement on the dataset."""
    return lambda ctx, payload: tell(ctx, event, holders_of(ctx.session, payload["datasetId"]), payload)


def _deliver_webhook(engine: Engine, settings: Settings, payload: Mapping[str, Any], now: datetime) -> None:
    with db.transaction(engine, is_read=True) as session:
        message = webhook_message(_context(session, settings, now, "webhook"), payload)
    if message is not None:
        status = http.post(settings, message.url, message.body, message.headers)
        with db.transaction(engine) as session:
            note_delivery(_context(session, settings, now, "webhook"), payload, status)


# fact → what is done about it, in the transaction that marks it done
HANDLERS: Mapping[str, Handler] = {
    **{fact: _telling(event, names) for fact, (event, names) in TOLD.items()},
    "DatasetMoved": _telling_holders("dataset.moved"),
    "OfferMoved": _telling_holders("offer.moved"),
}
# fact → what is done about it outside
ERRANDS: Mapping[str, Errand] = {"WebhookDue": _deliver_webhook}


@dataclass(frozen=True)
class Due:
    """Something the clock asks for: how often, and the verb that does whatever is due by then."""

    name: str
    every_s: int
    run: Callable[[Context], int]


DUE: tuple[Due, ...] = (
    Due("contracts", 5, contracts_jobs.expire_due),
    Due("oauth-purge", oauth_jobs.PURGE_EVERY_S, oauth_jobs.purge),
    Due("storage", catalog_jobs.SWEEP_EVERY_S, catalog_jobs.sweep_storage),
    Due("deliveries", transfers_jobs.CLOSE_EVERY_S, transfers_jobs.close_unfinished),
    Due("key-rotation", oauth_jobs.ROTATE_EVERY_S, oauth_jobs.rotate_keys_when_due),
)


def run_once(engine: Engine, settings: Settings, now: datetime) -> int:
    """Handle all facts that wait and do all that is due at `now`; return how many things were done."""
    done = sum(_run_due(engine, settings, due, now) for due in DUE)
    while handled := work_off(engine, settings, HANDLERS, now, errands=ERRANDS):
        done += handled
    return done


def run(settings: Settings, stop: Event, clock: Clock = system_clock, pause_s: float = 1.0) -> None:
    """Work until `stop` is set."""
    engine = db.make_engine(settings.database_url)
    last: dict[str, float] = {}
    while not stop.is_set():
        now = clock()
        for due in DUE:
            if time.monotonic() - last.get(due.name, -due.every_s) >= due.every_s:
                last[due.name] = time.monotonic()
                _run_due(engine, settings, due, now)
        if not work_off(engine, settings, HANDLERS, now, errands=ERRANDS):
            stop.wait(pause_s)
    engine.dispose()


def _run_due(engine: Engine, settings: Settings, due: Due, now: datetime) -> int:
    try:
        with db.transaction(engine) as session:
            return due.run(_context(session, settings, now, due.name))
    except Exception:  # noqa: BLE001 — one job that fails must not stop the others
        _log.exception("job %s failed; it is tried again next time", due.name)
        return 0


def _context(session: Session, settings: Settings, now: datetime, name: str) -> Context:
    return Context(session, ANONYMOUS, now, f"{name}-{new_id().replace('-', '')}", settings)
