"""What may become of a review, as a table, and who may do it. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from datahub.kernel.context import Actor
from datahub.review.models import REVIEWERS, Finding, Review


class State(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    ASSIGNED = "assigned"
    ASKED = "asked"  # for a reason, by the organisation that acted
    ANSWERED = "answered"
    CLOSED = "closed"


class Move(StrEnum):
    """What is done to a review."""

    ASSIGN = "assign"
    ASK = "ask"
    ANSWER = "answer"
    CLOSE = "close"
    REOPEN = "reopen"


class Verdict(StrEnum):
    """What a reviewer made of it."""

    JUSTIFIED = "justified"
    VIOLATION = "violation"
    FALSE_ALARM = "false-alarm"
    UNCLEAR = "unclear"


S, M = State, Move
# (state, move) → state
MOVES: Mapping[tuple[State, Move], State] = {
    (S.OPEN, M.ASSIGN): S.ASSIGNED,
    (S.ASSIGNED, M.ASSIGN): S.ASSIGNED,
    (S.OPEN, M.ASK): S.ASKED,
    (S.ASSIGNED, M.ASK): S.ASKED,
    (S.ANSWERED, M.ASK): S.ASKED,
    (S.ASKED, M.ANSWER): S.ANSWERED,
    (S.OPEN, M.CLOSE): S.CLOSED,
    (S.ASSIGNED, M.CLOSE): S.CLOSED,
    (S.ASKED, M.CLOSE): S.CLOSED,
    (S.ANSWERED, M.CLOSE): S.CLOSED,
    (S.CLOSED, M.REOPEN): S.OPEN,
}
# Moves of the organisation that is asked; all others are the reviewers'.
OF_ASKED = frozenset({M.ANSWER})
# move → what must be given with it
NEEDS: Mapping[Move, str] = {M.ASSIGN: "assignee", M.ASK: "reason", M.ANSWER: "reason", M.CLOSE: "verdict"}


def is_reviewer(actor: Actor, owner_id: str) -> bool:
    """Tell whether the actor reviews for this organisation, or for the whole exchange."""
    return actor.oversees(*REVIEWERS) or (actor.participant_id == owner_id and actor.has_role(*REVIEWERS))


def is_asked(actor: Actor, review: Review) -> bool:
    """Tell whether the actor's organisation was asked about this."""
    return review.is_asked and actor.participant_id is not None and actor.participant_id == review.asked_id


def may_see(actor: Actor, review: Review) -> bool:
    """Tell whether the actor may know of a review."""
    return is_reviewer(actor, review.owner_id) or is_asked(actor, review)


def may_see_finding(actor: Actor, finding: Finding) -> bool:
    """Tell whether the actor may know of a finding: it is about the provider's data, and theirs to judge."""
    return is_reviewer(actor, finding.provider_id)
