"""The composition root of the worker: facts to handlers, and what is due by the clock.

One readable table of each. Every job is idempotent, so two workers, or one that was killed, do no harm.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session

from datahub.audit import jobs as audit_jobs
from datahub.audit.sequencer import work
from datahub.catalog import jobs as catalog_jobs
from datahub.consent import jobs as consent_jobs
from datahub.contracts import close_what_was_shared_on, holders_of
from datahub.contracts import jobs as contracts_jobs
from datahub.duties import Eyes, owe_what_was_agreed, settle_what_is_over
from datahub.duties import jobs as duties_jobs
from datahub.kernel import db, http
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import Errand, Handler, forget_done, work_off
from datahub.kernel.settings import Settings
from datahub.oauth import jobs as oauth_jobs
from datahub.participants import note_delivery, tell, webhook_message
from datahub.queries import jobs as queries_jobs
from datahub.review import jobs as review_jobs
from datahub.transfers import jobs as transfers_jobs
from datahub.transfers import pseudonym_key, shown_as
from datahub.witness import jobs as witness_jobs

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
    "DutyArose": ("duty.arisen", ("debtorId", "creditorId")),
    "DutyStarted": ("duty.due", ("debtorId", "creditorId")),
    "DutyReminded": ("duty.reminder", ("debtorId",)),
    "DutyOverdue": ("duty.overdue", ("debtorId", "creditorId")),
    "DutyFulfilled": ("duty.fulfilled", ("debtorId", "creditorId")),
    "DutyReturned": ("duty.returned", ("debtorId", "creditorId")),
    "DutyRetracted": ("duty.retracted", ("debtorId", "creditorId")),
    "DutyWaived": ("duty.waived", ("debtorId", "creditorId")),
    "DutyRestored": ("duty.restored", ("debtorId", "creditorId")),
    "DutyExtended": ("duty.extended", ("debtorId", "creditorId")),
    "DutyDeclined": ("duty.declined", ("debtorId", "creditorId")),
    "DutyLapsed": ("duty.lapsed", ("debtorId", "creditorId")),
}


def _telling(event: str, names: tuple[str, ...]) -> Handler:
    """Tell the organisations that a fact names; a duty owed to a person has no organisation on that side."""
    return lambda ctx, payload: tell(ctx, event, [payload[n] for n in names if payload[n]], payload)


def _in_turn(*handlers: Handler) -> Handler:
    def handle(ctx: Context, payload: Mapping[str, Any]) -> None:
        for handler in handlers:
            handler(ctx, payload)

    return handle


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


_recall = partial(duties_jobs.recall_who_said_no, eyes=Eyes(shown_as, pseudonym_key))

# fact → what is done about it, in the transaction that marks it done
HANDLERS: Mapping[str, Handler] = {
    **{fact: _telling(event, names) for fact, (event, names) in TOLD.items()},
    **{
        fact: _in_turn(_telling(*TOLD[fact]), close_what_was_shared_on, settle_what_is_over)
        for fact in ("AgreementEnded", "AgreementRevoked", "AgreementExpired")
    },
    "AgreementConcluded": _in_turn(_telling(*TOLD["AgreementConcluded"]), owe_what_was_agreed),
    "AgreementSuperseded": _in_turn(_telling(*TOLD["AgreementSuperseded"]), settle_what_is_over),
    "DatasetMoved": _telling_holders("dataset.moved"),
    "OfferMoved": _telling_holders("offer.moved"),
    "ConsentRuleWritten": _telling_holders("consent-rule.written"),
}
# fact → what is done about it outside
ERRANDS: Mapping[str, Errand] = {
    "WebhookDue": _deliver_webhook,
    "CosignatureDue": witness_jobs.ask,
    review_jobs.FACT: review_jobs.forward,
    "ConsentWithdrawn": _recall,
    "PersonForgotten": _recall,
    "VersionAdded": consent_jobs.number_people,
    "PeopleNamed": consent_jobs.number_people,
    "RightCalledUpon": duties_jobs.name_whose_right,
}


@dataclass(frozen=True)
class Due:
    """Something the clock asks for: how often, and the verb that does whatever is due by then."""

    name: str
    every_s: int
    run: Callable[[Context], int]


DUE: tuple[Due, ...] = (
    Due("contracts", 5, contracts_jobs.expire_due),
    Due("consent-imports", consent_jobs.IMPORT_EVERY_S, consent_jobs.run_imports),
    Due("consents", consent_jobs.EXPIRE_EVERY_S, consent_jobs.expire_due),
    Due("duties", duties_jobs.EVERY_S, duties_jobs.work_off_terms),
    Due("duty-names", duties_jobs.FORGET_EVERY_S, duties_jobs.forget_settled_names),
    Due("consent-links", consent_jobs.FORGET_EVERY_S, consent_jobs.forget_old_links),
    Due("consent-disclosures", consent_jobs.SETTLE_EVERY_S, consent_jobs.settle_disclosures),
    Due("consent-people", consent_jobs.FORGET_EVERY_S, consent_jobs.sweep_numbers),
    Due("outbox", 600, forget_done),
    Due("oauth-purge", oauth_jobs.PURGE_EVERY_S, oauth_jobs.purge),
    Due("uploads", catalog_jobs.EXPIRE_EVERY_S, catalog_jobs.expire_uploads),
    Due("storage", catalog_jobs.SWEEP_EVERY_S, catalog_jobs.sweep_storage),
    Due("deliveries", transfers_jobs.CLOSE_EVERY_S, transfers_jobs.close_unfinished),
    Due("queries", queries_jobs.CLOSE_EVERY_S, queries_jobs.close_left_running),
    Due("charges", transfers_jobs.FORGET_EVERY_S, transfers_jobs.forget_charges),
    Due("key-rotation", oauth_jobs.ROTATE_EVERY_S, oauth_jobs.rotate_keys_when_due),
    Due("witnesses", witness_jobs.ASK_EVERY_S, witness_jobs.witnesses_due),
    Due("log-heartbeat", audit_jobs.HEARTBEAT_EVERY_S, audit_jobs.heartbeat),
    Due("log-anomalies", review_jobs.WATCH_EVERY_S, review_jobs.watch),
    Due("log-forwards", review_jobs.FORWARD_EVERY_S, review_jobs.forwards_due),
    Due("log-retention", audit_jobs.RETENTION_EVERY_S, audit_jobs.retain),
)
# What takes long, and so opens its own short transactions.
LONG: tuple[tuple[str, int, Callable[[Engine, Settings, datetime], object]], ...] = (
    ("log-self-audit", audit_jobs.SELF_AUDIT_EVERY_S, audit_jobs.audit),
)


def run_once(engine: Engine, settings: Settings, now: datetime) -> int:
    """Handle all facts that wait and do all that is due at `now`; return how many things were done."""
    done = sum(_run_due(engine, settings, due, now) for due in DUE)
    while handled := work_off(engine, settings, HANDLERS, now, errands=ERRANDS):
        done += handled
    work(engine, settings, lambda: now)
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
        for name, every_s, run_long in LONG:
            if time.monotonic() - last.get(name, -every_s) >= every_s:
                last[name] = time.monotonic()
                _run_long(engine, settings, name, run_long, now)
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


def _run_long(
    engine: Engine,
    settings: Settings,
    name: str,
    run_long: Callable[[Engine, Settings, datetime], object],
    now: datetime,
) -> None:
    try:
        run_long(engine, settings, now)
    except Exception:  # noqa: BLE001 — as above
        _log.exception("job %s failed; it is tried again next time", name)


def _context(session: Session, settings: Settings, now: datetime, name: str) -> Context:
    return Context(session, ANONYMOUS, now, f"{name}-{new_id().replace('-', '')}", settings)
