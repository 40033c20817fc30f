"""The life of one duty: which move leads where, who may make it, and what it needs. Pure: no database, no clock.

ODRL 2.2 §2.6.3 leaves the states of a duty to whoever carries it out, and the W3C Formal Semantics draft leaves deadlines
open; these are the exchange's. The clock is asked at every look, so a duty past its term is overdue whether or not
anybody has written so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from datahub.duties.errors import DutyMoveNotAllowed, DutyMoveNotPossible, InvalidDutyMove
from datahub.duties.models import LIVING, Duty, DutyMove, DutyState, Ground, Side
from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants import Role

S = DutyState
M = DutyMove
# (state, move) → state. What is not here cannot be done.
MOVES: Mapping[tuple[S, M], S] = {
    (S.OPEN, M.START): S.DUE,
    (S.OPEN, M.WAIVE): S.WAIVED,
    (S.OPEN, M.LAPSE): S.LAPSED,
    (S.DUE, M.FULFIL): S.FULFILLED,
    (S.DUE, M.WAIVE): S.WAIVED,
    (S.DUE, M.DECLINE): S.DECLINED,
    (S.DUE, M.EXTEND): S.DUE,
    (S.DUE, M.EXPIRE): S.OVERDUE,
    (S.DUE, M.LAPSE): S.LAPSED,
    (S.OVERDUE, M.FULFIL): S.FULFILLED,
    (S.OVERDUE, M.WAIVE): S.WAIVED,
    (S.OVERDUE, M.DECLINE): S.DECLINED,
    (S.OVERDUE, M.EXTEND): S.DUE,
    (S.FULFILLED, M.RETURN): S.DUE,
    (S.FULFILLED, M.RETRACT): S.DUE,
    (S.WAIVED, M.RESTORE): S.DUE,
    (S.DECLINED, M.RETRACT): S.DUE,
}
_BOTH = frozenset({Side.CREDITOR, Side.PERSON})
_DEBTOR = frozenset({Side.DEBTOR})
# Who makes a move that somebody makes; the others are the clock's.
MAKERS: Mapping[M, frozenset[Side]] = {
    M.FULFIL: _DEBTOR,
    M.RETRACT: _DEBTOR,
    M.DECLINE: _DEBTOR,
    M.RETURN: _BOTH,
    M.WAIVE: _BOTH,
    M.RESTORE: frozenset({Side.CREDITOR}),
    M.EXTEND: frozenset({Side.CREDITOR, Side.DEBTOR}),
}
_GUARDS = frozenset({Role.APPROVER, Role.ADMIN})
ROLES: Mapping[Side, frozenset[Role]] = {
    Side.DEBTOR: _GUARDS | {Role.PUBLISHER, Role.REQUESTER},
    Side.CREDITOR: _GUARDS,
}
# A person's right can be declined with a reason, and its term prolonged once by whoever owes it (GDPR art. 12(3), (4)).
_OF_RIGHTS = frozenset({M.DECLINE})
NEEDS_REASON = frozenset({M.RETRACT, M.DECLINE, M.RETURN, M.WAIVE, M.RESTORE, M.EXTEND})
SETTLED = frozenset(S) - LIVING
# What the policy engine is told of a duty; a duty that was waived stands in nobody's way.
TOLD: Mapping[S, str] = {S.FULFILLED: "fulfilled", S.WAIVED: "fulfilled", S.OVERDUE: "violated"}
# How much longer there is, at most, when a debtor prolongs the term of a right by itself (GDPR art. 12(3)).
MOST_MONTHS_LONGER = 2
LONGEST = timedelta(days=3660)
# What there is at least for a duty that is there again.
GRACE = timedelta(days=14)
_AHEAD = (timedelta(days=7), timedelta(days=1))


@dataclass(frozen=True)
class Evidence:
    """What shows that a duty was done: words, where it can be read, a digest of it. Nothing of it is fetched here."""

    text: str | None = None
    url: str | None = None
    sha256: str | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was said."""
        return not (self.text or self.url or self.sha256)


NOTHING = Evidence()


@dataclass(frozen=True)
class Wish:
    """One move wished for."""

    move: M
    reason: str | None = None
    evidence: Evidence = NOTHING
    due_at: datetime | None = None


@dataclass(frozen=True)
class After:
    """Where a duty stands after a move: `before` is the state by the clock, which the row may not say yet."""

    before: S
    state: S
    due_at: datetime | None
    is_settled: bool


def state_at(duty: Duty, now: datetime) -> S:
    """Return the state a duty is in now; a term's end is not included in it."""
    state = S(duty.state)
    if state is S.OPEN and duty.starts_at is not None and duty.starts_at <= now:
        state = S.DUE
    if state is S.DUE and duty.due_at is not None and duty.due_at <= now:
        state = S.OVERDUE
    return state


def side_of(duty: Duty, actor: Actor) -> Side | None:
    """Tell on which side of a duty an organisation's actor is, if on any. The person of a right has a door of its own."""
    if actor.participant_id is None:
        return None
    sides = {duty.creditor_id: Side.CREDITOR, duty.debtor_id: Side.DEBTOR}
    return sides.get(actor.participant_id)


def may_see(duty: Duty, actor: Actor) -> bool:
    """Tell whether the actor may see a duty: both sides may, and those who oversee the exchange."""
    return side_of(duty, actor) is not None or actor.oversees(Role.ADMIN, Role.AUDITOR)


def decide(duty: Duty, wish: Wish, now: datetime, side: Side | None, actor: Actor) -> After:
    """Return where the duty stands after the move.

    Raises DutyMoveNotAllowed, DutyMoveNotPossible, InvalidDutyMove, in this order.
    """
    _must_be_maker(duty, wish.move, side, actor)
    before = state_at(duty, now)
    state = MOVES.get((before, wish.move))
    if state is None or not _fits(duty, wish.move, side, before):
        possible = [str(each) for each in possible_moves(duty, now, side, actor)]
        raise DutyMoveNotPossible(
            f"A duty that is {before} does not allow this.",
            remedy=f"Possible now: {', '.join(possible) or 'nothing'}.",
            state=before.value,
            possible=[*possible],
        )
    if faults := _faults(duty, wish, now, side):
        raise InvalidDutyMove("The move cannot be made like this; see errors.", faults=faults)
    if wish.move is M.RESTORE and wish.due_at is None and (duty.starts_at is None or duty.starts_at > now):
        state = S.OPEN  # it was waived before its term began
    due_at = _term(duty, wish, now) if state is S.DUE else duty.due_at
    return After(before, state, due_at, state in SETTLED)


def possible_moves(duty: Duty, now: datetime, side: Side | None, actor: Actor) -> Sequence[M]:
    """Return the moves somebody may make now."""
    if side is None or not _has_role(side, actor):
        return []
    before = state_at(duty, now)
    found = [move for (state, move) in MOVES if state is before and side in MAKERS.get(move, ())]
    return [move for move in found if _fits(duty, move, side, before)]


def next_reminder(starts_at: datetime, due_at: datetime | None, now: datetime) -> datetime | None:
    """Return when the debtor is next reminded: a week and a day ahead of the end, as far as that lies within the term."""
    if due_at is None:
        return None
    found = [due_at - ahead for ahead in _AHEAD if due_at - ahead > max(starts_at, now)]
    return min(found, default=None)


def months_after(at: datetime, months: int) -> datetime:
    """Return the same day of a later month, or its last day (Regulation (EEC, Euratom) 1182/71, art. 3(2)(c))."""
    month = at.month - 1 + months
    year, month = at.year + month // 12, month % 12 + 1
    for day in range(at.day, 27, -1):
        try:
            return at.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return at.replace(year=year, month=month)


def _must_be_maker(duty: Duty, move: M, side: Side | None, actor: Actor) -> None:
    makers = MAKERS.get(move, frozenset())
    if side is None or side not in makers or not _has_role(side, actor):
        raise DutyMoveNotAllowed(
            f"You may not {move} this duty.",
            sides=sorted(makers),
            roles=sorted(frozenset().union(*(ROLES.get(each, frozenset()) for each in makers))),
        )
    is_right = duty.ground == Ground.RIGHT
    if move in _OF_RIGHTS and not is_right:
        raise DutyMoveNotAllowed("Only what a person asks for can be declined; ask the creditor to waive it.")
    if move is M.EXTEND and side is Side.DEBTOR and not is_right:
        raise DutyMoveNotAllowed("The term of this duty is the creditor's to prolong.")


def _has_role(side: Side, actor: Actor) -> bool:
    return side is Side.PERSON or actor.has_role(*ROLES.get(side, ()))


def _fits(duty: Duty, move: M, side: Side | None, before: S) -> bool:
    """Tell what the table cannot: who owes a right prolongs it once, and in time; nothing without a term is prolonged."""
    if move in _OF_RIGHTS:
        return duty.ground == Ground.RIGHT
    if move is not M.EXTEND:
        return True
    if side is Side.DEBTOR:
        return duty.ground == Ground.RIGHT and before is S.DUE and duty.due_at == duty.first_due_at
    return duty.due_at is not None


def _faults(duty: Duty, wish: Wish, now: datetime, side: Side | None) -> list[Fault]:
    faults = []
    if wish.move is M.FULFIL and wish.evidence.is_empty:
        faults.append(Fault("/evidence", "say how the duty was fulfilled", "missing"))
    if wish.move is not M.FULFIL and not wish.evidence.is_empty:
        faults.append(Fault("/evidence", "belongs to fulfil only", "not-allowed"))
    if wish.move in NEEDS_REASON and not wish.reason:
        faults.append(Fault("/reason", f"{wish.move} needs this; the other side reads it", "missing"))
    return faults + _term_faults(duty, wish, now, side)


def _term_faults(duty: Duty, wish: Wish, now: datetime, side: Side | None) -> list[Fault]:
    takes_term = wish.move in (M.EXTEND, M.RETURN, M.RESTORE)
    if wish.due_at is None:
        return [Fault("/dueAt", "extend needs this", "missing")] if wish.move is M.EXTEND else []
    if not takes_term:
        return [Fault("/dueAt", "belongs to extend, return and restore only", "not-allowed")]
    if side is Side.PERSON:
        return [Fault("/dueAt", "the law sets this term", "not-allowed")]
    if wish.due_at <= max(now, duty.due_at or now) and wish.move is M.EXTEND:
        return [Fault("/dueAt", "is no later than the term there is", "not-later")]
    if wish.due_at <= now:
        return [Fault("/dueAt", "lies in the past", "in-the-past")]
    latest = now + LONGEST
    if side is Side.DEBTOR and duty.first_due_at is not None:
        latest = months_after(duty.first_due_at, MOST_MONTHS_LONGER)
    return (
        [Fault("/dueAt", f"is later than {latest.isoformat()}", "too-late")] if wish.due_at > latest else []
    )


def _term(duty: Duty, wish: Wish, now: datetime) -> datetime | None:
    """Return the end of the term of a duty that is due (again): what was said, what is left of it, or a grace."""
    if wish.due_at is not None:
        return wish.due_at
    end = duty.due_at
    if end is None and duty.term_s is not None:  # settled before anybody wrote down that its term had begun
        end = (duty.starts_at or now) + timedelta(seconds=duty.term_s)
    return None if end is None else max(end, now + GRACE)
