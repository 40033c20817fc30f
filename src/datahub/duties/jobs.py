"""What the worker does about duties, a batch at a time. Running a job twice changes nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from datahub.duties.service import clock, recall, rights
from datahub.duties.service.recall import Eyes
from datahub.duties.store import forget_names
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings

EVERY_S = 5
FORGET_EVERY_S = 3600
BATCH = 200
# As long as a duty that was said to be done can be expected to come back.
_NAMES_KEPT = timedelta(days=30)


def work_off_terms(ctx: Context) -> int:
    """Begin and end terms, remind debtors, and hold what stands still for a duty; return how many things were done."""
    done = clock.start_duties(ctx, BATCH) + clock.expire_duties(ctx, BATCH)
    return done + clock.remind_debtors(ctx, BATCH) + clock.hold_again(ctx)


def forget_settled_names(ctx: Context) -> int:
    """Remove the names of people from duties that are long settled; return how many."""
    return forget_names(ctx.session, ctx.now - _NAMES_KEPT)


def recall_who_said_no(
    engine: Engine, settings: Settings, payload: Mapping[str, Any], now: datetime, *, eyes: Eyes
) -> None:
    """Have whoever received rows of people who said no, or were forgotten, erase them.

    Looking up who holds what may take a while, so it is done before the transaction that writes. Running it again
    changes nothing.
    """
    trace_id = f"recall-{new_id().replace('-', '')}"
    with db.transaction(engine, is_read=True) as session:
        found = recall.find(Context(session, ANONYMOUS, now, trace_id, settings), payload, eyes)
    if found:
        with db.transaction(engine) as session:
            recall.owe(Context(session, ANONYMOUS, now, trace_id, settings), found)


def name_whose_right(engine: Engine, settings: Settings, payload: Mapping[str, Any], now: datetime) -> None:
    """Find out by which key an organisation knows the person who called upon a right; it may not know them at all."""
    trace_id = f"right-{new_id().replace('-', '')}"
    with db.transaction(engine, is_read=True) as session:
        ctx = Context(session, ANONYMOUS, now, trace_id, settings)
        name = rights.name_for_debtor(ctx, payload["dutyId"])
    if name is not None:
        with db.transaction(engine) as session:
            rights.keep_name(Context(session, ANONYMOUS, now, trace_id, settings), payload["dutyId"], name)
