"""The verbs of the access log: record what was done or refused, and read it back as far as one may see.

Recording joins the caller's transaction: a change and its entry stand or fall together.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from datahub.audit import rules, store
from datahub.audit.errors import DecisionNotFound, EntryErased, EntryNotFound, InvalidGrouping, LogUnavailable
from datahub.audit.models import NOTHING_MORE, About, Decision, Entry, Outcome, Pending
from datahub.audit.rows import entry_values
from datahub.audit.store import EntryFilter
from datahub.audit.tree_store import leaf_of
from datahub.audit.unrolling import unroll
from datahub.kernel import db
from datahub.kernel.context import LOG_ENTRY, Actor, Context
from datahub.kernel.errors import Fault, Refusal
from datahub.kernel.paging import Page, PageRequest
from datahub.kernel.settings import Settings

_log = logging.getLogger(__name__)


def record(
    ctx: Context,
    action: str,
    about: About = NOTHING_MORE,
    *,
    outcome: Outcome = Outcome.DONE,
    code: str = "ok",
) -> Entry:
    """Write one entry in the caller's transaction and return it.

    `action` is `<thing>.<verb>`, e.g. `dataset.publish` or `data.read`; `code` is stable, for programs.
    """
    values = entry_values(ctx.actor, ctx.now, ctx.trace_id, action, about, outcome=outcome, code=code)
    entry = Entry(**values)
    ctx.session.add(entry)
    ctx.session.add(Pending(id=entry.id, entry_ids=entry.id))
    ctx.session.flush()
    ctx.session.info.setdefault(LOG_ENTRY, entry.id)
    return entry


def record_decision(ctx: Context, decision: Decision) -> Decision:
    """Keep one decision, with the facts it saw, in the caller's transaction."""
    ctx.session.add(decision)
    ctx.session.flush()
    return decision


def history(ctx: Context, thing_id: str, actions: Sequence[str]) -> Sequence[Entry]:
    """Return the entries about one thing with one of these actions, oldest first; the caller checks who may see it."""
    return store.about_thing(ctx.session, thing_id, actions)


@contextmanager
def own_transaction(
    engine: Engine, settings: Settings, actor: Actor, now: datetime, trace_id: str
) -> Iterator[Context]:
    """Open a transaction apart from any other, for what must be in the log before (or although) the call goes on.

    Committed, and so durable, when the block ends well. Raises LogUnavailable when the database cannot do it; refusals
    pass through.
    """
    try:
        with db.transaction(engine) as session:
            yield Context(session, actor, now, trace_id, settings)
    except SQLAlchemyError as fault:
        _log.exception("the access log cannot be written, call %s", trace_id)
        detail = "The access log cannot be written now, so nothing was done and nothing was sent."
        raise LogUnavailable(detail, remedy="Try again in a moment.") from fault


def record_refused_call(
    engine: Engine,
    settings: Settings,
    actor: Actor,
    now: datetime,
    trace_id: str,
    *,
    action: str,
    refusal: Refusal,
    about: About = NOTHING_MORE,
) -> str:
    """Record a refused call in a transaction of its own: the call's was rolled back, its entry with it.

    Return the entry's id; of a refusal that is in the log already (see `is_recorded`), that of its entry. Raises
    LogUnavailable.
    """
    if is_recorded(refusal):
        return str(refusal.facts["entryId"])
    with own_transaction(engine, settings, actor, now, trace_id) as ctx:
        return record(ctx, action, about, outcome=Outcome.REFUSED, code=refusal.code()).id


def is_recorded(refusal: Refusal) -> bool:
    """Tell whether a refusal already stands in the log: it then names its entry."""
    return "entryId" in refusal.facts


def permits_without_outcome(
    ctx: Context, action: str, since: datetime, until: datetime, limit: int
) -> Sequence[Entry]:
    """Return permits whose delivery never said how it ended: the process that sent it was killed, or the log failed."""
    return store.permits_without_outcome(ctx.session, action, since, until, limit)


def decisions_on(
    ctx: Context, dataset_id: str, action: str, since: datetime, limit: int
) -> Sequence[Decision]:
    """Return the newest decisions on attempts at an action on a dataset; the caller checks who may see them."""
    unroll(ctx.session)
    return store.decisions_on(ctx.session, dataset_id, action, since, limit)


def list_entries(
    ctx: Context, wanted: EntryFilter, request: PageRequest, *, is_oldest_first: bool, reason: str | None
) -> Page[Entry]:
    """Return entries that concern the actor, in the order of writing; that they looked, and why, is itself logged."""
    unroll(ctx.session)
    page = store.entries_page(ctx, ctx.actor, wanted, request, is_oldest_first=is_oldest_first)
    _record_reading(ctx, "log.read", wanted, reason, {"entries": len(page.items)})
    return page


def export_entries(
    ctx: Context, wanted: EntryFilter, *, is_oldest_first: bool, reason: str | None, form: str
) -> Iterator[Sequence[Entry]]:
    """Return all entries that concern the actor, as batches read while they are sent; the export is itself logged.

    The batches use transactions of their own and end where the log stood at this call.
    """
    unroll(ctx.session)
    entry = _record_reading(ctx, "log.export", wanted, reason, {"form": form})
    engine = ctx.session.get_bind()
    assert isinstance(engine, Engine)  # noqa: S101 — a transaction is always opened on the engine
    return store.all_entries(engine, ctx.actor, wanted, before_id=entry.id, is_oldest_first=is_oldest_first)


def get_entry(ctx: Context, entry_id: str, *, reason: str | None = None) -> Entry:
    """Return one entry that concerns the actor; the reading, and why, is logged. Raises EntryNotFound, EntryErased."""
    unroll(ctx.session)
    entry = store.entry_by_id(ctx.session, entry_id)
    if entry is None and leaf_of(ctx.session, entry_id) is not None:
        raise EntryErased("The record of this entry was erased; its leaf is still in the log's tree.")
    if entry is None or not rules.may_see(ctx.actor, entry):
        detail = "No entry with this id concerns your organisation."
        raise EntryNotFound(detail)
    record_look(ctx, "log.read", entry_id, reason)
    return entry


def get_decision(
    ctx: Context, decision_id: str, *, reason: str | None = None
) -> tuple[Decision, Mapping[str, Any]]:
    """Return one decision and the explanations of it that the actor may read; the reading, and why, is logged.

    Raises DecisionNotFound.
    """
    found = find_decision(ctx, decision_id)
    record_look(ctx, "decision.read", decision_id, reason)
    return found


def record_look(
    ctx: Context, action: str, thing_id: str, reason: str | None, more: Mapping[str, Any] | None = None
) -> Entry:
    """Record that the actor looked at one thing of the log, and the reason, when one was given."""
    why = {} if reason is None else {"reason": reason}
    return record(ctx, action, About(thing_id=thing_id, details={**why, **(more or {})}))


def find_decision(ctx: Context, decision_id: str) -> tuple[Decision, Mapping[str, Any]]:
    """Return one decision and its explanations for a verb that logs the looking itself. Raises DecisionNotFound."""
    unroll(ctx.session)
    decision = store.decision_by_id(ctx.session, decision_id)
    explanation = None if decision is None else rules.explanation_for(ctx.actor, decision)
    if decision is None or explanation is None:
        detail = "No decision with this id is on your organisation's request or data."
        raise DecisionNotFound(detail)
    return decision, explanation


def count_use(
    ctx: Context, wanted: EntryFilter, group_by: Sequence[str], request: PageRequest, *, reason: str | None
) -> Page[Any]:
    """Return decisions and deliveries counted per group, of what concerns the actor. Raises InvalidGrouping."""
    unknown = [name for name in group_by if name not in rules.GROUPINGS]
    if unknown or not group_by or len(set(group_by)) < len(group_by):
        known = ", ".join(rules.GROUPINGS)
        sentence = (
            f"{unknown[0]!r} is not one of {known}" if unknown else f"name each of {known} at most once"
        )
        detail = "The counts cannot be grouped like that."
        raise InvalidGrouping(detail, faults=[Fault("/query/groupBy", sentence, "unknown-grouping")])
    unroll(ctx.session)
    page = store.statistics_page(ctx, ctx.actor, wanted, group_by, request)
    _record_reading(ctx, "log.count", wanted, reason, {"groupBy": list(group_by)})
    return page


def _record_reading(
    ctx: Context, action: str, wanted: EntryFilter, reason: str | None, more: Mapping[str, Any]
) -> Entry:
    return record(ctx, action, About(details={"filters": wanted.in_words(), "reason": reason, **more}))
