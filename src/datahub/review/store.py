"""Queries for reviewing: the cases that rules judge, findings and reviews as far as the actor may see them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, func, or_, select, true
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from datahub.audit import Entry, Outcome
from datahub.kernel.context import Actor, Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.review.models import HISTORY, REVIEWERS, Case, Finding, Review, Use

READS = ("data.read", "data.query")
DELIVERY = "data.deliver"
ENDS = ("agreement.end", "agreement.revoke", "agreement.expire")
MOST_OF_A_DAY = 5000


def case_of(session: Session, consumer_id: str, dataset_id: str, day: str) -> Case:
    """Return what rules look at: the day of one organisation on one dataset, and its history before that day."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    pair = (col(Entry.consumer_id) == consumer_id, col(Entry.dataset_id) == dataset_id)
    today = session.exec(
        select_rows(Entry)
        .where(*pair, col(Entry.at) >= start, col(Entry.at) < start + timedelta(days=1))
        .where(col(Entry.action).in_((*READS, DELIVERY)))
        .order_by(col(Entry.at), col(Entry.id))
        .limit(MOST_OF_A_DAY)
    ).all()
    own = (
        col(Entry.consumer_id) == consumer_id,
        col(Entry.action).in_(READS),
        col(Entry.outcome) == Outcome.PERMIT,
        col(Entry.at) < start,
    )
    agreements = {entry.agreement_id for entry in today if entry.agreement_id}
    return Case(
        consumer_id,
        dataset_id,
        day,
        attempts=[_use(entry) for entry in today if entry.action != DELIVERY],
        deliveries=[_use(entry) for entry in today if entry.action == DELIVERY],
        reads_before=_count(session, *own, col(Entry.dataset_id) == dataset_id),
        purposes_before=frozenset(
            each
            for each in session.execute(select(col(Entry.purpose)).where(*own).distinct()).scalars()
            if each is not None
        ),
        hours_before=_hours(session, *own, col(Entry.at) >= start - HISTORY),
        rows_before=_rows_per_day(
            session,
            *pair,
            col(Entry.action) == DELIVERY,
            col(Entry.at) >= start - HISTORY,
            col(Entry.at) < start,
        ),
        ended=_ended(session, agreements),
    )


def _use(entry: Entry) -> Use:
    filters = entry.details.get("filters") or ()
    return Use(
        entry.id,
        entry.at,
        entry.outcome,
        entry.code,
        entry.agreement_id,
        entry.purpose,
        entry.rows,
        entry.of_entry_id,
        tuple(map(str, filters)),
    )


def _count(session: Session, *conditions: Any) -> int:
    found: int = session.execute(select(func.count()).select_from(Entry).where(*conditions)).scalar_one()
    return found


def _hours(session: Session, *conditions: Any) -> dict[int, int]:
    hour = func.substr(sql_cast(col(Entry.at), String), 12, 2)
    rows = session.execute(select(hour, func.count()).where(*conditions).group_by(hour)).all()
    return {int(name): count for name, count in rows}


def _rows_per_day(session: Session, *conditions: Any) -> list[int]:
    day = func.substr(sql_cast(col(Entry.at), String), 1, 10)
    total = func.coalesce(func.sum(col(Entry.rows)), 0)
    return [int(each) for each in session.execute(select(total).where(*conditions).group_by(day)).scalars()]


def _ended(session: Session, agreements: set[str]) -> dict[str, datetime]:
    found = select_rows(Entry).where(col(Entry.action).in_(ENDS), col(Entry.agreement_id).in_(agreements))
    ended: dict[str, datetime] = {}
    for entry in session.exec(found.where(Entry.outcome == Outcome.DONE)).all():
        if entry.agreement_id is not None:
            ended[entry.agreement_id] = min(entry.at, ended.get(entry.agreement_id, entry.at))
    return ended


def known_keys(session: Session, found: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return which of these (rule, key) are findings already."""
    keys = [key for _, key in found]
    rows = session.exec(select_rows(Finding.rule, Finding.key).where(col(Finding.key).in_(keys))).all()
    return set(rows)


def findings_page(ctx: Context, request: PageRequest, rule: str | None) -> Page[Finding]:
    """Return the findings about data of the actor's organisation, newest first; all for the exchange's reviewers."""
    found = select_rows(Finding).where(_own(ctx.actor, col(Finding.provider_id)))
    if rule is not None:
        found = found.where(Finding.rule == rule)
    return read_page(ctx, found, [SortKey(col(Finding.id), "id", is_descending=True)], request)


def reviews_page(ctx: Context, request: PageRequest, state: str | None) -> Page[Review]:
    """Return the reviews that the actor does, and those their organisation was asked about; newest first."""
    asked = (col(Review.asked_id) == ctx.actor.participant_id) & col(Review.is_asked).is_(True)
    found = select_rows(Review).where(or_(_own(ctx.actor, col(Review.owner_id)), asked))
    if state is not None:
        found = found.where(Review.state == state)
    return read_page(ctx, found, [SortKey(col(Review.id), "id", is_descending=True)], request)


def _own(actor: Actor, owner: Any) -> ColumnElement[bool]:
    if actor.oversees(*REVIEWERS):
        return true()
    mine: ColumnElement[bool] = owner == (actor.participant_id if actor.has_role(*REVIEWERS) else None)
    return mine


def some_entries(
    session: Session, owner_id: str, size: int, since: datetime | None, until: datetime | None
) -> Sequence[Entry]:
    """Return random attempts on data of an organisation that it does not review yet."""
    reviewed = select_rows(Review.entry_id).where(
        Review.owner_id == owner_id, col(Review.entry_id).is_not(None)
    )
    found = select_rows(Entry).where(
        Entry.provider_id == owner_id, col(Entry.action).in_(READS), col(Entry.id).not_in(reviewed)
    )
    if since is not None:
        found = found.where(col(Entry.at) >= since)
    if until is not None:
        found = found.where(col(Entry.at) < until)
    return session.exec(found.order_by(func.random()).limit(size)).all()
