"""The life of one consent: which move leads where, who may make it, and what it does. Pure: no database, no clock.

ISO/IEC TS 27560 §6.3.7 and its Annex B, in the states of DPV; GDPR art. 7 and 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from datahub.consent.errors import (
    ConsentMoveNotAllowed,
    ConsentMoveNotPossible,
    InvalidConsent,
    NothingToDecide,
    OnlyThePersonDecides,
)
from datahub.consent.models import Channel, Choice, Collector, ConsentState, Move
from datahub.kernel.errors import Fault

S = ConsentState
M = Move
# (state, move) → state; None: nothing was ever said. A request never changes what a person decided.
MOVES: Mapping[tuple[S | None, M], S] = {
    (None, M.REQUEST): S.REQUESTED,
    (None, M.GIVE): S.GIVEN,
    (None, M.REFUSE): S.REFUSED,
    (S.REQUESTED, M.REQUEST): S.REQUESTED,
    (S.REQUESTED, M.GIVE): S.GIVEN,
    (S.REQUESTED, M.REFUSE): S.REFUSED,
    (S.GIVEN, M.REQUEST): S.GIVEN,
    (S.GIVEN, M.GIVE): S.RENEWED,
    (S.GIVEN, M.RENEW): S.RENEWED,
    (S.GIVEN, M.WITHDRAW): S.WITHDRAWN,
    (S.GIVEN, M.EXPIRE): S.EXPIRED,
    (S.GIVEN, M.INVALIDATE): S.INVALIDATED,
    (S.RENEWED, M.REQUEST): S.RENEWED,
    (S.RENEWED, M.GIVE): S.RENEWED,
    (S.RENEWED, M.RENEW): S.RENEWED,
    (S.RENEWED, M.WITHDRAW): S.WITHDRAWN,
    (S.RENEWED, M.EXPIRE): S.EXPIRED,
    (S.RENEWED, M.INVALIDATE): S.INVALIDATED,
    (S.WITHDRAWN, M.REQUEST): S.WITHDRAWN,
    (S.WITHDRAWN, M.GIVE): S.GIVEN,
    (S.REFUSED, M.REQUEST): S.REFUSED,
    (S.REFUSED, M.GIVE): S.GIVEN,
    (S.EXPIRED, M.REQUEST): S.EXPIRED,
    (S.EXPIRED, M.GIVE): S.GIVEN,
    (S.EXPIRED, M.RENEW): S.RENEWED,
    (S.EXPIRED, M.REFUSE): S.REFUSED,
    (S.EXPIRED, M.WITHDRAW): S.WITHDRAWN,
    (S.INVALIDATED, M.REQUEST): S.INVALIDATED,
    (S.INVALIDATED, M.GIVE): S.GIVEN,
    (S.INVALIDATED, M.REFUSE): S.REFUSED,
}
# Where there is an objection to make, a yes takes it back, and a request asks for nothing.
OPT_OUT_MOVES = frozenset({M.GIVE, M.REFUSE, M.WITHDRAW})
YES = frozenset({S.GIVEN, S.RENEWED})
NO = frozenset({S.WITHDRAWN, S.REFUSED})
SAYS_YES = frozenset({M.GIVE, M.RENEW})
_DECISIONS = frozenset({M.GIVE, M.RENEW, M.WITHDRAW, M.REFUSE})
# who → what they may do
MAY: Mapping[Collector, frozenset[Move]] = {
    Collector.PERSON: _DECISIONS,
    Collector.GUARDIAN: _DECISIONS,
    Collector.PUBLISHER: _DECISIONS | {M.REQUEST, M.INVALIDATE},
    Collector.EXCHANGE: frozenset({M.EXPIRE, M.INVALIDATE}),
}
OWN = frozenset({Collector.PERSON, Collector.GUARDIAN})
# Clocks differ; what was said later than this from now was not said.
SKEW = timedelta(minutes=5)


# Of an entry there are few; of what follows below it one or more for each line of a file of millions, so those are tuples.
@dataclass(frozen=True)
class Entry:
    """What a rule says of one purpose. `recipients` by name or class; `data`: columns, None for all of them."""

    purpose: str
    basis: str
    choice: Choice
    is_explicit: bool
    recipients: frozenset[str]
    data: frozenset[str] | None
    validity_days: int


class Standing(NamedTuple):
    """Where a consent stands. `until`: end of a yes; None when there is no yes, or no end to it."""

    state: S
    until: datetime | None
    is_explicit: bool
    rule_number: int
    is_persons_own: bool
    last_at: datetime
    last_event: int


class Guardian(NamedTuple):
    """Somebody who decides for a minor, until the minor is one no longer."""

    majority_at: datetime
    relation: str
    digest: bytes = b""


class Wish(NamedTuple):
    """One move wished for on one person's consent for one purpose; `at` is when it was expressed."""

    move: Move
    at: datetime
    collector: Collector
    channel: Channel
    rule_number: int
    until: datetime | None = None
    is_explicit: bool = False
    guardian: Guardian | None = None


def decide(now: datetime, entry: Entry, before: Standing | None, wish: Wish) -> Standing:
    """Return where the consent stands after the move.

    Raises ConsentMoveNotAllowed, NothingToDecide, OnlyThePersonDecides, ConsentMoveNotPossible, InvalidConsent.
    """
    _must_be_allowed(entry, before, wish)
    after = MOVES.get((before.state if before else None, wish.move))
    if after is None:
        raise _not_possible(before)
    faults = [*_time_faults(now, before, wish), *_yes_faults(now, entry, wish)]
    if faults:
        raise InvalidConsent("The consent cannot be right; see errors.", faults=faults)
    says_yes = wish.move in SAYS_YES
    is_kept = wish.move is M.REQUEST and before is not None and before.state is not S.REQUESTED
    if is_kept and before is not None:  # the decision stands as it was made
        return Standing(
            before.state,
            before.until,
            before.is_explicit,
            before.rule_number,
            before.is_persons_own,
            before.last_at,
            before.last_event + 1,
        )
    is_own = wish.collector in OWN
    stays_own = before is not None and before.is_persons_own and after in NO
    return Standing(
        state=after,
        until=_end(entry, wish),
        is_explicit=wish.is_explicit if says_yes else False,
        rule_number=wish.rule_number,
        is_persons_own=is_own or stays_own,
        last_at=wish.at,
        last_event=(before.last_event if before else 0) + 1,
    )


def span(now: datetime, entry: Entry, wish: Wish) -> tuple[datetime, datetime]:
    """Return from when on, and before when, a wish that was granted could have been expressed and been granted as well.

    So of millions that wish the same, at one instant or another, only the first has to be decided.
    """
    first, end = datetime.min.replace(tzinfo=UTC), now + SKEW + datetime.resolution
    if wish.move in SAYS_YES and entry.choice is not Choice.OPT_OUT and wish.until is not None:
        first, end = wish.until - timedelta(days=entry.validity_days), min(end, wish.until)
        if wish.guardian is not None:
            end = min(end, wish.guardian.majority_at)
    return first, end


def possible_moves(collector: Collector, entry: Entry, state: S | None) -> Sequence[Move]:
    """Return the moves somebody may make from a state."""
    if entry.choice is Choice.NONE:
        return []
    found = [m for (s, m) in MOVES if s == state and m in MAY[collector]]
    return [m for m in found if entry.choice is Choice.OPT_IN or m in OPT_OUT_MOVES]


def is_repeat(entry: Entry, before: Standing | None, wish: Wish) -> bool:
    """Tell whether a wish was granted already: the same decision, expressed at the same instant."""
    if before is None or before.last_at != wish.at:
        return False
    leads_to = {after for (_, move), after in MOVES.items() if move is wish.move}
    is_same = before.until == _end(entry, wish) and before.rule_number == wish.rule_number
    return before.state in leads_to and is_same


def _must_be_allowed(entry: Entry, before: Standing | None, wish: Wish) -> None:
    if wish.move not in MAY[wish.collector]:
        raise ConsentMoveNotAllowed(f"{wish.move.capitalize()} is not for the {wish.collector} to do.")
    if entry.choice is Choice.NONE:
        detail = f"For this purpose the basis is {entry.basis}; the person is not asked."
        raise NothingToDecide(detail, basis=entry.basis)
    if entry.choice is Choice.OPT_OUT and wish.move not in OPT_OUT_MOVES | {M.INVALIDATE, M.EXPIRE}:
        raise NothingToDecide(
            f"Here the person may object; there is no {wish.move} to make.",
            remedy="Send refuse for an objection, give to take one back.",
            basis=entry.basis,
        )
    said_no = before is not None and before.is_persons_own and before.state in NO
    if said_no and wish.move in SAYS_YES and wish.collector not in OWN:
        raise OnlyThePersonDecides(
            "The person said no here; nobody else can report a yes over that.",
            remedy="Send the person a link, so that they can decide again.",
        )


def _not_possible(before: Standing | None) -> ConsentMoveNotPossible:
    state = before.state if before else None
    possible = [str(m) for (s, m) in MOVES if s == state]
    word = state or "not there yet"
    return ConsentMoveNotPossible(
        f"A consent that is {word} does not allow this.",
        remedy=f"Possible now: {', '.join(possible)}.",
        state=None if state is None else str(state),
        possible=[*possible],
    )


def _time_faults(now: datetime, before: Standing | None, wish: Wish) -> list[Fault]:
    if wish.at > now + SKEW:
        return [Fault("/at", "lies in the future", "in-the-future")]
    if before is not None and wish.at < before.last_at:
        return [Fault("/at", "is older than what is on record", "older-than-last")]
    return []


def _yes_faults(now: datetime, entry: Entry, wish: Wish) -> list[Fault]:
    if wish.move not in SAYS_YES or entry.choice is Choice.OPT_OUT:
        return []
    faults = []
    if entry.is_explicit and not wish.is_explicit:
        faults.append(Fault("/explicit", "this purpose needs explicit consent", "not-explicit"))
    if wish.until is None:
        faults.append(Fault("/validUntil", "a consent needs an end", "missing"))
    elif wish.until <= wish.at or wish.until <= now:
        faults.append(Fault("/validUntil", "lies in the past", "in-the-past"))
    elif wish.until > wish.at + timedelta(days=entry.validity_days):
        detail = f"is later than the {entry.validity_days} days that the notice tells"
        faults.append(Fault("/validUntil", detail, "longer-than-told"))
    if wish.guardian is not None and wish.guardian.majority_at <= max(wish.at, now):
        detail = "the person is of age, and decides without a guardian"
        faults.append(Fault("/guardian/majorityAt", detail, "of-age"))
    return faults


def _end(entry: Entry, wish: Wish) -> datetime | None:
    """Return when a yes ends, to the second: at what was said, or when the minor is one no longer."""
    if wish.move not in SAYS_YES or entry.choice is not Choice.OPT_IN:
        return None
    end = wish.until
    if wish.guardian is not None:
        end = min(end or wish.guardian.majority_at, wish.guardian.majority_at)
    return end.replace(microsecond=0) if end is not None and end.microsecond else end
