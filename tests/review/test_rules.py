"""The rules: each finds what it is for, says what it saw and expected, and leaves the usual alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from datahub.review.models import Case, Use
from datahub.review.rules.anomalies import RULES, judge
from datahub.review.rules.states import MOVES, NEEDS, Move, State
from datahub.review.rules.syslog import frame
from tests.build import NOON

USUAL = Case(
    "consumer",
    "dataset",
    "2026-06-01",
    attempts=[Use("e1", NOON, "permit", purpose="research", agreement_id="a")],
    deliveries=[Use("d1", NOON, "finished", rows=100, of_entry_id="e1")],
    reads_before=60,
    purposes_before=frozenset({"research"}),
    hours_before={11: 30, 12: 30},
    rows_before=[90, 100, 110, 100, 95],
    ended={},
)


def uses(count: int, seconds: float, outcome: str = "permit", **more: Any) -> Sequence[Use]:
    return [Use(f"e{n}", NOON + timedelta(seconds=n * seconds), outcome, **more) for n in range(count)]


def small_reads(count: int, seconds: float) -> dict[str, Any]:
    attempts = uses(count, seconds, purpose="research", filters=("id eq",))
    deliveries = [
        Use(f"d{use.entry_id}", use.at, "finished", rows=1, of_entry_id=use.entry_id) for use in attempts
    ]
    return {"attempts": attempts, "deliveries": deliveries}


UNUSUAL: dict[str, dict[str, Any]] = {
    "first-use": {"reads_before": 0},
    "new-purpose": {"attempts": [Use("e1", NOON, "permit", purpose="marketing")]},
    "off-hours": {"attempts": [Use("e1", NOON.replace(hour=3), "permit", purpose="research")]},
    "volume": {"deliveries": [Use("d1", NOON, "finished", rows=100_000)]},
    "deny-burst": {"attempts": uses(10, 30, "deny", code="agreement-ended")},
    "scanning": small_reads(30, 10),
    "after-end": {"ended": {"a": NOON - timedelta(days=1)}},
    "missing-outcome": {"deliveries": [Use("d1", NOON, "aborted", code="outcome-unknown")]},
}
NEARLY: dict[str, dict[str, Any]] = {
    "off-hours": {"attempts": [Use("e1", NOON.replace(hour=13), "permit", purpose="research")]},
    "volume": {"deliveries": [Use("d1", NOON, "finished", rows=140)]},
    "deny-burst": {"attempts": uses(20, 120, "deny")},
    "scanning": small_reads(29, 10),
    "after-end": {"ended": {"a": NOON + timedelta(days=1)}},
}


def test_the_usual_is_left_alone() -> None:
    assert list(judge(USUAL)) == []


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_what_it_is_for_and_explains_it(rule: str) -> None:
    [(name, found)] = list(judge(replace(USUAL, **UNUSUAL[rule])))
    assert name == rule
    assert found.seen
    assert found.expected
    assert found.entries
    assert found.nl.endswith(".")
    assert found.en.endswith(".")
    again = [each for _, each in judge(replace(USUAL, **UNUSUAL[rule]))]
    assert [each.key for each in again] == [found.key]


@pytest.mark.parametrize("rule", NEARLY)
def test_what_is_nearly_unusual_is_not_found(rule: str) -> None:
    assert list(judge(replace(USUAL, **NEARLY[rule]))) == []


def test_a_burst_says_whether_a_permit_followed() -> None:
    denied = list(uses(10, 1, "deny"))
    late = Use("late", NOON + timedelta(minutes=1), "permit", purpose="research")
    [(_, found)] = judge(replace(USUAL, attempts=[*denied, late]))
    assert found.seen["thenPermitted"] is True
    assert found.entries[-1] == "late"


def test_no_history_no_judgement_of_what_is_usual() -> None:
    young = replace(USUAL, hours_before={12: 3}, rows_before=[1], **UNUSUAL["volume"])
    assert list(judge(young)) == []


def test_every_state_can_be_left_and_closing_needs_a_verdict() -> None:
    assert {state for state, _ in MOVES} == set(State)
    assert all(MOVES[state, Move.CLOSE] is State.CLOSED for state in State if state is not State.CLOSED)
    assert NEEDS[Move.CLOSE] == "verdict"
    allowed = [(s, m) for s, m in product(State, Move) if (s, m) in MOVES]
    assert [s for s, m in allowed if m is Move.ANSWER] == [State.ASKED]


def test_a_syslog_line_is_framed_and_quoted() -> None:
    entry = {"at": "2026-06-01T12:00:00Z", "action": "data.read", "outcome": "deny", "code": 'a"]b\\'}
    line = frame(entry, {"class_uid": 6003}, "exchange.example")
    length, _, message = line.partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(
        b"<109>1 2026-06-01T12:00:00Z exchange.example datahub - data.read [datahub@32473 "
    )
    assert rb'code="a\"\]b\\"' in message
    assert message.endswith(b'\xef\xbb\xbf{"class_uid":6003}')
