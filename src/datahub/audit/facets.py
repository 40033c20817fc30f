"""Faceted search: how many entries there are of each value and in each stretch of time, under the same filters as the list.

Counted over the newest entries that match, at most COUNTED of them, in one pass of the database.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import String, func, select
from sqlalchemy import cast as sql_cast
from sqlmodel import col

from datahub.audit import service, store
from datahub.audit.models import About, Entry
from datahub.audit.store import EntryFilter
from datahub.audit.unrolling import unroll
from datahub.kernel.context import Context

COUNTED = 200_000
VALUES = 20
# facet → the column it counts
FACETS: Mapping[str, str] = {
    "consumer": "consumer_id",
    "provider": "provider_id",
    "dataset": "dataset_id",
    "purpose": "purpose",
    "outcome": "outcome",
    "code": "code",
    "action": "action",
}
# stretch → how many characters of an instant tell it, and what completes it; finest first
BUCKETS: Mapping[str, tuple[int, str]] = {
    "minute": (16, ":00"),
    "hour": (13, ":00:00"),
    "day": (10, " 00:00:00"),
    "month": (7, "-01 00:00:00"),
}
# A histogram has at most about this many bars when the stretch is not named.
BARS = 100
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "month": 31 * 86_400}


@dataclass(frozen=True)
class Facets:
    """The counts; `others` per facet are the entries of values beyond the most frequent."""

    total: int
    is_complete: bool
    bucket: str
    histogram: Sequence[tuple[datetime, int]]
    values: Mapping[str, Sequence[tuple[str, int]]]
    others: Mapping[str, int]


def count_facets(ctx: Context, wanted: EntryFilter, bucket: str | None, *, reason: str | None) -> Facets:
    """Count what concerns the actor; that they looked, and why, is itself logged. `bucket` None: what fits the span."""
    unroll(ctx.session)
    stretch = bucket or _fitting(ctx, wanted)
    length, rest = BUCKETS[stretch]
    rows = _counted(ctx, wanted, length)
    details = {"filters": wanted.in_words(), "reason": reason, "bucket": stretch}
    service.record(ctx, "log.count", About(details=details))
    counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    bars: Counter[str] = Counter()
    for row in rows:
        bars[row.bucket] += row.count
        for name in FACETS:
            value = getattr(row, name)
            if value is not None:
                counts[name][value] += row.count
    total = sum(bars.values())
    # Equal counts in the order of their values, so that the same log gives the same answer.
    top = {name: sorted(each.items(), key=lambda v: (-v[1], v[0]))[:VALUES] for name, each in counts.items()}
    return Facets(
        total=min(total, COUNTED),
        is_complete=total <= COUNTED,
        bucket=stretch,
        histogram=[(_instant(start + rest), count) for start, count in sorted(bars.items())],
        values=top,
        others={name: counts[name].total() - sum(count for _, count in top[name]) for name in FACETS},
    )


def _counted(ctx: Context, wanted: EntryFilter, length: int) -> Sequence[Any]:
    named: list[Any] = [col(getattr(Entry, column)).label(name) for name, column in FACETS.items()]
    at = func.substr(sql_cast(col(Entry.at), String), 1, length).label("bucket")
    newest = (
        select(*named, at)
        .where(*store.conditions(ctx.actor, wanted))
        .order_by(col(Entry.id).desc())
        .limit(COUNTED + 1)
    ).subquery()
    groups = [newest.c[name] for name in (*FACETS, "bucket")]
    return ctx.session.execute(select(*groups, func.count().label("count")).group_by(*groups)).all()


def _fitting(ctx: Context, wanted: EntryFilter) -> str:
    """Return the finest stretch that gives no more than some BARS bars."""
    found = select(func.min(col(Entry.at)), func.max(col(Entry.at))).where(
        *store.conditions(ctx.actor, wanted)
    )
    first, last = ctx.session.execute(found).one()
    span = 0.0 if first is None else (last - first).total_seconds()
    return next((name for name, seconds in _SECONDS.items() if span <= seconds * BARS), "month")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
