"""Forwarding: the log goes on to other systems, in the order of its tree, at least once, through the outbox.

How far a receiver has everything is a cursor that moves only once it took a batch; a batch names its entries, so that
what comes twice after a crash is told apart by `metadata.uid`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from datahub.audit import (
    START,
    About,
    EntryFilter,
    Place,
    entries_after,
    newest_place,
    profiles,
    record,
    shown_to,
)
from datahub.kernel import db, http
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.settings import Settings
from datahub.participants import signed_headers
from datahub.review.errors import ForwardingNotAllowed, ForwardNotFound, ForwardNotTaken, InvalidForward
from datahub.review.models import REVIEWERS, Cursor, Forward
from datahub.review.rules import forwards

FACT = "LogForwardDue"
MOST_FORWARDS = 10
# Entries in a batch, and batches of one errand: what a receiver takes well within the life of a claim on the outbox.
AT_ONCE, BATCHES = 500, 20
# When the outbox has given a batch up, or its row was lost, a new one is made.
GIVEN_UP_AFTER = timedelta(days=4)
# Never an organisation's own eyes, so persons are not named outside their organisation.
_ALL = Actor(roles=frozenset({"auditor"}), is_exchange=True)

Move = Literal["pause", "resume"]


@dataclass(frozen=True)
class Forwarding:
    """One receiver, and the place in the log up to which it has everything."""

    row: Forward
    place: Place


def add_forward(ctx: Context, url: str, *, is_from_start: bool) -> Forwarding:
    """Forward the log to an address from now on, or from its first entry.

    Raises ForwardingNotAllowed, InvalidForward, AddressNotAllowed.
    """
    _check_admin(ctx)
    _check_address(ctx.settings, url)
    if len(ctx.session.exec(select(Forward.id)).all()) >= MOST_FORWARDS:
        raise InvalidForward(
            f"The log is forwarded to {MOST_FORWARDS} addresses at most.", remedy="Remove one."
        )
    row = Forward(id=new_id(), url=url, created_at=ctx.now)
    place = START if is_from_start else newest_place(ctx.session)
    ctx.session.add(row)
    ctx.session.add(Cursor(name=_cursor_name(row.id), log=place.log, leaf_index=place.leaf_index))
    record(ctx, "log.forward-add", About(thing_id=row.id, details={"url": url, "after": str(place)}))
    return Forwarding(row, place)


def list_forwards(ctx: Context) -> Sequence[Forwarding]:
    """Return where the log is forwarded to. Raises ForwardingNotAllowed."""
    _check_reviewer(ctx)
    rows = ctx.session.exec(select(Forward).order_by(col(Forward.id))).all()
    return [Forwarding(row, _place(ctx.session, row.id)) for row in rows]


def get_forward(ctx: Context, forward_id: str) -> Forwarding:
    """Return one. Raises ForwardingNotAllowed, ForwardNotFound."""
    _check_reviewer(ctx)
    row = ctx.session.get(Forward, forward_id)
    if row is None:
        raise ForwardNotFound("The log is forwarded nowhere under this id.")
    return Forwarding(row, _place(ctx.session, row.id))


def move_forward(ctx: Context, forward_id: str, move: Move) -> Forwarding:
    """Pause a forwarding, or go on with it at once, where it ended. Raises ForwardingNotAllowed, ForwardNotFound."""
    _check_admin(ctx)
    found = get_forward(ctx, forward_id)
    found.row.is_active = move == "resume"
    found.row.queued_at = None
    found.row.revision += 1
    ctx.session.add(found.row)
    record(ctx, f"log.forward-{move}", About(thing_id=forward_id, details={"url": found.row.url}))
    return found


def remove_forward(ctx: Context, forward_id: str) -> None:
    """Forward the log there no longer. Raises ForwardingNotAllowed, ForwardNotFound."""
    _check_admin(ctx)
    found = get_forward(ctx, forward_id)
    ctx.session.delete(found.row)
    ctx.session.delete(ctx.session.get_one(Cursor, _cursor_name(forward_id)))
    record(ctx, "log.forward-remove", About(thing_id=forward_id, details={"url": found.row.url}))


def forwards_due(ctx: Context) -> int:
    """Announce every active forwarding that is behind and not under way yet; return how many."""
    rows = ctx.session.exec(select(Forward).where(col(Forward.is_active).is_(True)).with_for_update()).all()
    newest = newest_place(ctx.session)
    count = 0
    for row in rows:
        is_under_way = row.queued_at is not None and ctx.now - row.queued_at < GIVEN_UP_AFTER
        if not is_under_way and _place(ctx.session, row.id) < newest:
            row.queued_at = ctx.now
            ctx.session.add(row)
            announce(ctx, FACT, {"forwardId": row.id})
            count += 1
    return count


def forward(
    engine: Engine, settings: Settings, payload: Mapping[str, Any], now: datetime, at_once: int = AT_ONCE
) -> None:
    """Send what a receiver does not have yet, batch by batch. Raises ForwardNotTaken, after which it is tried again."""
    forward_id = payload["forwardId"]
    for _ in range(BATCHES):
        with db.transaction(engine, is_read=True) as session:
            row = session.get(Forward, forward_id)
            if row is None or not row.is_active:
                return
            after = _place(session, forward_id)
            new = entries_after(session, _ALL, EntryFilter(), after, at_once)
        if not new:
            break
        batch = [{k: profiles.forms.plain(v) for k, v in shown_to(_ALL, entry).items()} for _, entry in new]
        fault = _sent(settings, row, batch, new[-1][0], now)
        with db.transaction(engine) as session:
            if fault is None:
                _go_on(session, forward_id, after, new[-1][0])
            _note(session, forward_id, lambda row, fault=fault: _tell(row, fault, now))  # type: ignore[misc]
        if fault is not None:
            raise ForwardNotTaken(fault)
    with db.transaction(engine) as session:
        _note(session, forward_id, lambda row: setattr(row, "queued_at", None))


def _sent(
    settings: Settings, row: Forward, batch: Sequence[forwards.Shown], upto: Place, now: datetime
) -> str | None:
    """Send a batch; return why it was not taken, or None."""
    try:
        collector = forwards.collector_of(row.url)
        if collector is not None:
            body = forwards.as_frames(batch, urlsplit(settings.base_url).hostname or "-")
            http.send_stream(settings, collector.host, collector.port, body, is_tls=collector.is_tls)
            return None
        body = forwards.as_lines(batch)
        headers = signed_headers(settings, now, f"log_{row.id}_{upto}", body) | {
            "Content-Type": forwards.OCSF_LINES
        }
        status = http.post(settings, row.url, body, headers)
    except (http.Unreachable, http.AddressNotAllowed) as fault:
        return fault.detail
    return None if 200 <= status < 300 else f"{status} from {row.url}"  # noqa: PLR2004 — success is 2xx


def _go_on(session: Session, forward_id: str, after: Place, upto: Place) -> None:
    """Move the cursor on, unless it was moved by another errand meanwhile, or is gone."""
    cursor = session.get(Cursor, _cursor_name(forward_id), with_for_update=True)
    if cursor is not None and (cursor.log, cursor.leaf_index) == (after.log, after.leaf_index):
        cursor.log, cursor.leaf_index = upto.log, upto.leaf_index
        session.add(cursor)


def _note(session: Session, forward_id: str, change: Callable[[Forward], None]) -> None:
    row = session.get(Forward, forward_id, with_for_update=True)
    if row is not None:
        change(row)
        session.add(row)


def _tell(row: Forward, fault: str | None, now: datetime) -> None:
    row.failure = fault
    if fault is None:
        row.sent_at = now


def _place(session: Session, forward_id: str) -> Place:
    cursor = session.get(Cursor, _cursor_name(forward_id))
    return START if cursor is None else Place(cursor.log, cursor.leaf_index)


def _cursor_name(forward_id: str) -> str:
    return f"forward {forward_id}"


def _check_address(settings: Settings, url: str) -> None:
    try:
        collector = forwards.collector_of(url)
    except ValueError as fault:
        raise InvalidForward(
            f"This address cannot be used: {fault}.", remedy="syslog+tls://host:6514"
        ) from None
    if collector is None:
        http.check_url(url, settings)
    elif not settings.is_egress_private and (not collector.is_tls or collector.port not in http.STREAM_PORTS):
        detail = "Outside a private network the log goes to syslog over TLS on port 6514 only."
        raise InvalidForward(detail, remedy="syslog+tls://host:6514")


def _check_admin(ctx: Context) -> None:
    if not ctx.actor.oversees("admin"):
        raise ForwardingNotAllowed(
            "Only an administrator of the exchange says where the log is forwarded to."
        )


def _check_reviewer(ctx: Context) -> None:
    if not ctx.actor.oversees(*REVIEWERS):
        raise ForwardingNotAllowed("Only reviewers of the exchange see where the log is forwarded to.")
