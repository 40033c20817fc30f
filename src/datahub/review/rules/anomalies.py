"""What is unusual in how one organisation used one dataset on one day: a table of rules, each of them explained.

A rule sees one case and says what it saw, what would be expected, and on which entries that rests. Limits are figures
in this file. Nothing is scored or learned: whoever is told can check it by hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from datahub.review.models import HISTORY, Case, Use

# Own history that a rule needs before it can say what is usual.
LEAST_DAYS, LEAST_READS = 5, 50
# So many times the usual spread above the usual volume; 1.4826 makes a MAD comparable to a standard deviation.
SPREADS, NORMAL = 6, 1.4826
BURST, WINDOW = 10, timedelta(minutes=10)
SCAN, FEW_ROWS = 30, 5
MOST_ENTRIES = 100
PERMIT, DENY = "permit", "deny"


@dataclass(frozen=True)
class Unusual:
    """What a rule found; the same `key` is the same thing, however often it is looked at."""

    key: str
    seen: Mapping[str, Any]
    expected: Mapping[str, Any]
    entries: Sequence[str]
    nl: str
    en: str


Judge = Callable[[Case], Iterator[Unusual]]


def first_use(case: Case) -> Iterator[Unusual]:
    """Find that an organisation reads a dataset for the first time."""
    reads = _permitted(case)
    if reads and not case.reads_before:
        yield Unusual(
            f"{case.consumer_id} {case.dataset_id}",
            {"reads": len(reads)},
            {"readsBefore": "at least 1"},
            _ids(reads),
            "Deze organisatie las deze dataset niet eerder.",
            "This organisation never read this dataset before.",
        )


def new_purpose(case: Case) -> Iterator[Unusual]:
    """Find a purpose that the organisation never used before, once it has used any."""
    known = case.purposes_before
    for purpose in sorted({use.purpose for use in _permitted(case) if use.purpose} - known if known else ()):
        uses = [use for use in _permitted(case) if use.purpose == purpose]
        yield Unusual(
            f"{case.consumer_id} {purpose}",
            {"purpose": purpose},
            {"purposes": sorted(known)},
            _ids(uses),
            f"Deze organisatie gebruikte het doel {purpose} niet eerder.",
            f"This organisation never used the purpose {purpose} before.",
        )


def off_hours(case: Case) -> Iterator[Unusual]:
    """Find reads at an hour at which, and around which, the organisation never reads."""
    if sum(case.hours_before.values()) < LEAST_READS:
        return
    usual = sorted(hour for hour, count in case.hours_before.items() if count)
    near = {(hour + step) % 24 for hour in usual for step in (-1, 0, 1)}
    for hour in sorted({use.at.hour for use in _permitted(case)} - near):
        uses = [use for use in _permitted(case) if use.at.hour == hour]
        yield Unusual(
            f"{case.consumer_id} {case.dataset_id} {case.day} {hour:02d}",
            {"hour": hour, "reads": len(uses)},
            {"hours": usual, "days": HISTORY.days},
            _ids(uses),
            f"Om {hour:02d} uur (UTC) las deze organisatie de afgelopen {HISTORY.days} dagen nooit.",
            f"At {hour:02d}:00 UTC this organisation never read in the past {HISTORY.days} days.",
        )


def volume(case: Case) -> Iterator[Unusual]:
    """Find more rows in a day than the own history of this dataset makes usual: median and MAD."""
    if len(case.rows_before) < LEAST_DAYS:
        return
    rows = sum(use.rows or 0 for use in case.deliveries)
    middle = median(case.rows_before)
    spread = median(abs(each - middle) for each in case.rows_before)
    limit = middle + SPREADS * max(NORMAL * spread, middle / 10, 1)
    if rows > limit:
        yield Unusual(
            f"{case.consumer_id} {case.dataset_id} {case.day}",
            {"rows": rows},
            {"median": middle, "mad": spread, "limit": round(limit), "days": len(case.rows_before)},
            _ids(case.deliveries),
            f"{rows} rijen op een dag; gebruikelijk is {middle:.0f}, opvallend vanaf {limit:.0f}.",
            f"{rows} rows in a day; usual is {middle:.0f}, remarkable from {limit:.0f} on.",
        )


def deny_burst(case: Case) -> Iterator[Unusual]:
    """Find many refusals in a short time, and whether a permit followed."""
    denied = [use for use in case.attempts if use.outcome == DENY]
    burst = _densest(denied)
    if len(burst) >= BURST:
        after = [use for use in _permitted(case) if use.at >= burst[-1].at]
        yield Unusual(
            f"{case.consumer_id} {case.dataset_id} {case.day}",
            {
                "refusals": len(burst),
                "codes": sorted({use.code for use in burst}),
                "thenPermitted": bool(after),
            },
            {"refusals": f"fewer than {BURST}", "minutes": WINDOW.seconds // 60},
            _ids([*burst, *after[:1]]),
            f"{len(burst)} weigeringen binnen {WINDOW.seconds // 60} minuten.",
            f"{len(burst)} refusals within {WINDOW.seconds // 60} minutes.",
        )


def scanning(case: Case) -> Iterator[Unusual]:
    """Find many reads in a short time that each filter on the same columns and give few rows: an enumeration."""
    given = {use.of_entry_id: use.rows for use in case.deliveries if use.rows is not None}
    small = [
        use for use in _permitted(case) if use.filters and given.get(use.entry_id, FEW_ROWS + 1) <= FEW_ROWS
    ]
    for filters in sorted({use.filters for use in small}):
        found = _densest([use for use in small if use.filters == filters])
        if len(found) >= SCAN:
            yield Unusual(
                f"{case.consumer_id} {case.dataset_id} {case.day} {','.join(filters)}"[:500],
                {"reads": len(found), "filters": list(filters), "rowsPerRead": f"at most {FEW_ROWS}"},
                {"reads": f"fewer than {SCAN}", "minutes": WINDOW.seconds // 60},
                _ids(found),
                f"{len(found)} kleine vragen op {', '.join(filters)}: het lijkt op aftasten.",
                f"{len(found)} small reads by {', '.join(filters)}: it looks like an enumeration.",
            )


def after_end(case: Case) -> Iterator[Unusual]:
    """Find attempts under an agreement after it ended."""
    for agreement, end in sorted(case.ended.items()):
        late = [use for use in case.attempts if use.agreement_id == agreement and use.at > end]
        if late:
            permitted = sum(use.outcome == PERMIT for use in late)
            yield Unusual(
                f"{agreement} {case.day}",
                {"attempts": len(late), "permitted": permitted, "agreementId": agreement},
                {"attempts": 0, "after": end.isoformat()},
                _ids(late),
                f"{len(late)} pogingen onder een overeenkomst die al beëindigd was; toegestaan: {permitted}.",
                f"{len(late)} attempts under an agreement that had ended; permitted: {permitted}.",
            )


def missing_outcome(case: Case) -> Iterator[Unusual]:
    """Find deliveries of which nobody recorded the end."""
    lost = [use for use in case.deliveries if use.code == "outcome-unknown"]
    if lost:
        yield Unusual(
            f"{case.consumer_id} {case.dataset_id} {case.day}",
            {"deliveries": len(lost)},
            {"deliveries": 0},
            _ids(lost),
            f"Van {len(lost)} leveringen is niet vastgelegd hoe ze eindigden.",
            f"Of {len(lost)} deliveries the end was not recorded.",
        )


RULES: Mapping[str, Judge] = {
    "first-use": first_use,
    "new-purpose": new_purpose,
    "off-hours": off_hours,
    "volume": volume,
    "deny-burst": deny_burst,
    "scanning": scanning,
    "after-end": after_end,
    "missing-outcome": missing_outcome,
}


def judge(case: Case) -> Iterator[tuple[str, Unusual]]:
    """Give what any rule finds in a case, with the rule's name."""
    for name, rule in RULES.items():
        for found in rule(case):
            yield name, found


def _permitted(case: Case) -> list[Use]:
    return [use for use in case.attempts if use.outcome == PERMIT]


def _densest(uses: Sequence[Use]) -> Sequence[Use]:
    """Return the most of these, which are in order of time, that lie within one window."""
    best: Sequence[Use] = ()
    start = 0
    for end, use in enumerate(uses):
        while use.at - uses[start].at > WINDOW:
            start += 1
        if end + 1 - start > len(best):
            best = uses[start : end + 1]
    return best


def _ids(uses: Sequence[Use]) -> list[str]:
    return [use.entry_id for use in uses][:MOST_ENTRIES]
