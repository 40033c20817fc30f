"""Which duties an agreement gives rise to, and what becomes of them when it is over. Pure.

When a duty must be done follows from its timing: before and during use, from the agreement's first day on; after use,
from its last. A final date stated in the policy needs no first day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from datahub.duties.models import Duty, DutyMove, DutyState, Ground, Known
from datahub.policy import Owed, Timing, action_words


@dataclass(frozen=True)
class Terms:
    """When a duty starts and ends; without a start it waits for the end of the agreement, with its term in hand."""

    starts_at: datetime | None
    due_at: datetime | None
    term: timedelta | None


def terms_of(owed: Owed, begins_at: datetime, usual: timedelta) -> Terms:
    """Return the terms of a duty from a policy; `usual` is what there is for one owed afterwards that states no term."""
    if owed.due_by is not None:
        ends = [
            owed.due_by,
            *([begins_at + owed.term] if owed.term and owed.timing is not Timing.POST else []),
        ]
        return Terms(begins_at, min(ends), None)
    if owed.timing is Timing.POST:
        return Terms(None, None, owed.term or usual)
    return Terms(begins_at, None if owed.term is None else begins_at + owed.term, None)


def when_over(duty: Duty, replaced_by: Iterable[Owed] | None) -> DutyMove | None:
    """Return what becomes of a living duty of an agreement that is over.

    `replaced_by`: the duties of the agreement that took its place, where one did: what is owed after use is then owed
    after that use. What had to come before use, or go with it, is owed by nobody once there is no use.
    """
    if duty.ground != Ground.POLICY:
        return None
    if duty.state == DutyState.OPEN and duty.starts_at is None:
        goes_on = any(each.action == duty.action and each.timing is Timing.POST for each in replaced_by or ())
        return DutyMove.LAPSE if goes_on else DutyMove.START
    is_about_use = duty.timing in (Timing.PRE, Timing.DURING)
    return DutyMove.LAPSE if is_about_use and duty.state in _WAITING else None


_WAITING = frozenset({DutyState.OPEN, DutyState.DUE})
# What the exchange itself asks for, beside what policies ask for.
ERASE, ANSWER = "dh:eraseSubject", "dh:answerObjection"
# On which grounds a person may object (GDPR art. 21(1)).
OBJECTABLE = frozenset({"public-task", "legitimate-interest"})
WORDS: Mapping[str, Mapping[str, str]] = {
    ERASE: {"en": "erase the data about these people", "nl": "de gegevens over deze personen wissen"},
    ANSWER: {
        "en": "judge the person's objection, and answer it",
        "nl": "het bezwaar van de persoon beoordelen, en beantwoorden",
    },
}


def words_of(action: str) -> Mapping[str, str]:
    """Return what an action comes down to, by language."""
    return WORDS.get(action) or action_words(action)


# How a column that names people is shown → how the receiver knows them. Other masks name nobody.
_KNOWN: Mapping[str, Known] = {"as-it-is": Known.KEY, "hmac": Known.PSEUDONYM, "hash": Known.HASH}
_BEST = (Known.KEY, Known.PSEUDONYM, Known.HASH)


def best_known(shown: Iterable[str | None]) -> Known:
    """Return how somebody knows people who received columns that name them, each shown like this or not at all."""
    found = {_KNOWN.get(each or "", Known.HIDDEN) for each in shown}
    return next((each for each in _BEST if each in found), Known.HIDDEN)
