"""The life of a duty as a table, and terms as arithmetic: pure, every pair tried."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.duties.errors import DutyMoveNotAllowed, DutyMoveNotPossible, InvalidDutyMove
from datahub.duties.models import Duty, DutyMove, DutyState, Ground, Side
from datahub.duties.rules import lives
from datahub.duties.rules.arising import terms_of, when_over, words_of
from datahub.duties.rules.lives import Evidence, Wish
from datahub.kernel.context import Actor
from datahub.participants import Role
from datahub.policy import Owed, Timing
from tests.build import NOON

SIDES = {
    Side.DEBTOR: Actor(client_id="d", participant_id="debtor", roles=frozenset({Role.REQUESTER})),
    Side.CREDITOR: Actor(client_id="c", participant_id="creditor", roles=frozenset({Role.APPROVER})),
    Side.PERSON: Actor(client_id="person"),
}
MONTH = NOON + timedelta(days=30)


def a_duty(state: DutyState = DutyState.DUE, ground: Ground = Ground.POLICY, **more: Any) -> Duty:
    values: dict[str, Any] = {
        "id": "duty", "ground": ground, "action": "delete", "timing": "post", "rule": "/obligation/0",
        "origin": "x", "debtor_id": "debtor", "creditor_id": None if ground is Ground.RIGHT else "creditor",
        "needs": "attestation", "state": state, "consequence": "suspend", "starts_at": NOON, "due_at": MONTH,
        "first_due_at": MONTH, "created_at": NOON,
    }  # fmt: skip
    return Duty(**{**values, **more})


def a_wish(move: DutyMove, **more: Any) -> Wish:
    """Return a move with all it needs."""
    evidence = Evidence(text="done") if move is DutyMove.FULFIL else Evidence()
    due_at = MONTH + timedelta(days=5) if move is DutyMove.EXTEND else None
    return Wish(**{"move": move, "reason": "so", "evidence": evidence, "due_at": due_at, **more})


@pytest.mark.parametrize("ground", Ground)
@pytest.mark.parametrize("state", DutyState)
@pytest.mark.parametrize("move", DutyMove)
@pytest.mark.parametrize("side", SIDES)
def test_every_move_in_every_state_is_as_the_table_says(
    ground: Ground, state: DutyState, move: DutyMove, side: Side
) -> None:
    duty = a_duty(state, ground)
    if state is DutyState.OPEN:
        duty.starts_at = None
    elif state is DutyState.OVERDUE:
        duty.due_at = duty.first_due_at = NOON
    wish = a_wish(move)
    is_maker = side in lives.MAKERS.get(move, ())
    is_foreign = ground is not Ground.RIGHT and (
        move is DutyMove.DECLINE or (move is DutyMove.EXTEND and side is Side.DEBTOR)
    )
    if not is_maker or is_foreign:
        with pytest.raises(DutyMoveNotAllowed):
            lives.decide(duty, wish, NOON, side, SIDES[side])
        return
    after = lives.MOVES.get((state, move))
    is_late = move is DutyMove.EXTEND and side is Side.DEBTOR and state is DutyState.OVERDUE
    if after is None or is_late:
        with pytest.raises(DutyMoveNotPossible):
            lives.decide(duty, wish, NOON, side, SIDES[side])
        assert move not in lives.possible_moves(duty, NOON, side, SIDES[side])
        return
    found = lives.decide(duty, wish, NOON, side, SIDES[side])
    assert (found.before, found.state) == (state, after)
    assert found.is_settled is (after not in (DutyState.OPEN, DutyState.DUE, DutyState.OVERDUE))
    assert move in lives.possible_moves(duty, NOON, side, SIDES[side])
    if after is DutyState.DUE:
        assert found.due_at is not None
        assert found.due_at > NOON, "what is due again leaves time to do it"


def test_every_state_but_the_first_is_reached_and_every_living_one_can_be_left() -> None:
    assert set(lives.MOVES.values()) == set(DutyState) - {DutyState.OPEN}
    for state in (DutyState.OPEN, DutyState.DUE, DutyState.OVERDUE):
        assert any(at is state and end is not state for (at, _), end in lives.MOVES.items())


@pytest.mark.parametrize(
    ("state", "starts", "due", "now", "expected"),
    [
        (DutyState.OPEN, None, None, 9, DutyState.OPEN),
        (DutyState.OPEN, 1, 5, 0, DutyState.OPEN),
        (DutyState.OPEN, 1, 5, 1, DutyState.DUE),
        (DutyState.OPEN, 1, 5, 5, DutyState.OVERDUE),
        (DutyState.DUE, 1, 5, 4, DutyState.DUE),
        (DutyState.DUE, 1, 5, 5, DutyState.OVERDUE),
        (DutyState.DUE, 1, None, 99, DutyState.DUE),
        (DutyState.FULFILLED, 1, 5, 99, DutyState.FULFILLED),
        (DutyState.OVERDUE, 1, 5, 0, DutyState.OVERDUE),
    ],
)
def test_the_clock_is_asked_at_every_look(
    state: DutyState, starts: int | None, due: int | None, now: int, expected: DutyState
) -> None:
    def day(number: int | None) -> datetime | None:
        return None if number is None else NOON + timedelta(days=number)

    duty = a_duty(state, starts_at=day(starts), due_at=day(due))
    assert lives.state_at(duty, NOON + timedelta(days=now)) is expected


def test_a_right_is_prolonged_once_by_at_most_two_months() -> None:
    duty = a_duty(ground=Ground.RIGHT)
    late = lives.months_after(MONTH, 2)
    actor = SIDES[Side.DEBTOR]
    with pytest.raises(InvalidDutyMove):
        too_long = a_wish(DutyMove.EXTEND, due_at=late + timedelta(seconds=1))
        lives.decide(duty, too_long, NOON, Side.DEBTOR, actor)
    found = lives.decide(duty, a_wish(DutyMove.EXTEND, due_at=late), NOON, Side.DEBTOR, actor)
    duty.due_at = found.due_at
    with pytest.raises(DutyMoveNotPossible):
        lives.decide(duty, a_wish(DutyMove.EXTEND, due_at=late), NOON, Side.DEBTOR, actor)


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        (Wish(DutyMove.FULFIL), "/evidence"),
        (Wish(DutyMove.WAIVE), "/reason"),
        (Wish(DutyMove.WAIVE, "so", Evidence(text="x")), "/evidence"),
        (Wish(DutyMove.WAIVE, "so", due_at=MONTH), "/dueAt"),
        (Wish(DutyMove.EXTEND, "so"), "/dueAt"),
        (Wish(DutyMove.EXTEND, "so", due_at=MONTH), "/dueAt"),
        (Wish(DutyMove.EXTEND, "so", due_at=MONTH + timedelta(days=4000)), "/dueAt"),
    ],
)
def test_what_a_move_lacks_or_does_not_take_is_named(wish: Wish, pointer: str) -> None:
    side = Side.DEBTOR if wish.move is DutyMove.FULFIL else Side.CREDITOR
    with pytest.raises(InvalidDutyMove) as refused:
        lives.decide(a_duty(), wish, NOON, side, SIDES[side])
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


@given(st.integers(1, 4000), st.integers(0, 4000))
def test_reminders_lie_ahead_within_the_term_and_never_after_it(days: int, passed: int) -> None:
    now, end = NOON + timedelta(hours=passed), NOON + timedelta(days=days)
    found = lives.next_reminder(NOON, end, now)
    if found is None:
        assert end - now <= timedelta(days=1) or days <= 1
    else:
        assert now < found < end
        assert found > NOON


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 12))  # noqa: DTZ001 — zone below
def test_months_end_on_the_same_day_or_the_last(at: datetime, months: int) -> None:
    start = at.replace(tzinfo=UTC)
    found = lives.months_after(start, months)
    assert (found.year * 12 + found.month) - (start.year * 12 + start.month) == months
    assert found.time() == start.time()
    is_last = (found + timedelta(days=1)).day == 1
    assert found.day == start.day or (found.day < start.day and is_last)


def an_owed(timing: Timing, term: int | None = None, due_by: datetime | None = None) -> Owed:
    return Owed(
        "/obligation/0", "delete", timing, timedelta(days=term) if term else None, due_by, "attestation"
    )


@pytest.mark.parametrize(
    ("owed", "starts", "due", "term"),
    [
        (an_owed(Timing.POST, 10), None, None, 10),
        (an_owed(Timing.POST), None, None, 30),
        (an_owed(Timing.POST, 10, MONTH), NOON, MONTH, None),
        (an_owed(Timing.PRE), NOON, None, None),
        (an_owed(Timing.PRE, 10), NOON, NOON + timedelta(days=10), None),
        (an_owed(Timing.DURING, 10, MONTH), NOON, NOON + timedelta(days=10), None),
        (an_owed(Timing.DURING, 40, MONTH), NOON, MONTH, None),
    ],
)
def test_terms_follow_from_timing(
    owed: Owed, starts: datetime | None, due: datetime | None, term: int | None
) -> None:
    found = terms_of(owed, NOON, timedelta(days=30))
    expected = None if term is None else timedelta(days=term)
    assert (found.starts_at, found.due_at, found.term) == (starts, due, expected)


@pytest.mark.parametrize(
    ("duty", "replaced_by", "move"),
    [
        (a_duty(DutyState.OPEN, starts_at=None), None, DutyMove.START),
        (a_duty(DutyState.OPEN, starts_at=None), [an_owed(Timing.POST)], DutyMove.LAPSE),
        (a_duty(DutyState.OPEN, starts_at=None), [an_owed(Timing.PRE)], DutyMove.START),
        (a_duty(DutyState.DUE), [an_owed(Timing.POST)], None),
        (a_duty(DutyState.DUE, timing="pre"), None, DutyMove.LAPSE),
        (a_duty(DutyState.OVERDUE, timing="during"), None, None),
        (a_duty(DutyState.OPEN, Ground.RECALL, starts_at=None), None, None),
    ],
)
def test_what_becomes_of_a_duty_when_its_agreement_is_over(
    duty: Duty, replaced_by: list[Owed] | None, move: DutyMove | None
) -> None:
    assert when_over(duty, replaced_by) is move


def test_words_are_there_for_what_policies_and_the_exchange_ask() -> None:
    assert words_of("delete")["en"] == "delete the data"
    assert words_of("dh:eraseSubject")["nl"] == "de gegevens over deze personen wissen"
    assert words_of("dh:gone") == {"en": "dh:gone", "nl": "dh:gone"}
