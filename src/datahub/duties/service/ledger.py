"""The verbs on the ledger: enter a duty, read, list, move. Every step is in the log and told to both sides."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from datahub.audit import About, Entry, history, record
from datahub.duties import store
from datahub.duties.errors import DutyNotFound, SubjectsNotShown
from datahub.duties.models import Duty, DutyMove, DutyState, DutySubject, Ground, Side
from datahub.duties.rules import lives
from datahub.duties.rules.lives import After, Wish
from datahub.duties.service import holds
from datahub.duties.store import Filters
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import Context
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest

# What the worker tells the organisations concerned, by move.
FACTS: Mapping[DutyMove, str] = {
    DutyMove.START: "DutyStarted",
    DutyMove.FULFIL: "DutyFulfilled",
    DutyMove.RETURN: "DutyReturned",
    DutyMove.RETRACT: "DutyRetracted",
    DutyMove.WAIVE: "DutyWaived",
    DutyMove.RESTORE: "DutyRestored",
    DutyMove.EXTEND: "DutyExtended",
    DutyMove.DECLINE: "DutyDeclined",
    DutyMove.EXPIRE: "DutyOverdue",
    DutyMove.LAPSE: "DutyLapsed",
}
_LIFE = ("duty.arise", "duty.remind", *(f"duty.{move}" for move in DutyMove))


@dataclass(frozen=True)
class Seen:
    """A duty as somebody sees it now: its state by the clock, what they can do, and which agreements it holds."""

    duty: Duty
    state: DutyState
    moves: Sequence[DutyMove]
    holds: Sequence[str]


def enter(ctx: Context, duty: Duty) -> Duty:
    """Put a new duty in the ledger; the caller knows that its origin gave rise to none before."""
    ctx.session.add(duty)
    ctx.session.flush()
    record(ctx, "duty.arise", about(duty, {"to": duty.state, "dueAt": _instant(duty.due_at)}))
    announce(ctx, "DutyArose", fact(duty))
    return duty


def get_duty(ctx: Context, duty_id: str) -> Duty:
    """Return a duty the actor has a part in. Raises DutyNotFound."""
    duty = store.duty_by_id(ctx.session, duty_id)
    if duty is None or not lives.may_see(duty, ctx.actor):
        raise DutyNotFound("No duty with this id.")
    return duty


def list_duties(ctx: Context, request: PageRequest, filters: Filters) -> Page[Duty]:
    """Return the duties the actor's organisation owes or is owed, newest first; all for who oversees the exchange."""
    return store.duties_page(ctx, ctx.actor, request, filters)


def see(ctx: Context, duties: Sequence[Duty], side: Side | None = None) -> Sequence[Seen]:
    """Return duties as the actor sees them; `side` for who is not an organisation."""
    held: dict[str, list[str]] = {}
    for hold in store.holds_of(ctx.session, [duty.id for duty in duties]):
        held.setdefault(hold.duty_id, []).append(hold.agreement_id)
    return [
        Seen(
            duty,
            lives.state_at(duty, ctx.now),
            lives.possible_moves(duty, ctx.now, side or lives.side_of(duty, ctx.actor), ctx.actor),
            sorted(held.get(duty.id, ())),
        )
        for duty in duties
    ]


def move_duty(ctx: Context, duty_id: str, wish: Wish) -> Duty:
    """Fulfil, return, waive … a duty, as an organisation; an agreement it held goes on when nothing else holds it.

    Raises DutyNotFound, DutyMoveNotAllowed, DutyMoveNotPossible, InvalidDutyMove.
    """
    duty = store.duty_for_change(ctx.session, get_duty(ctx, duty_id).id)
    return make_move(ctx, duty, wish, lives.side_of(duty, ctx.actor))


def make_move(ctx: Context, duty: Duty, wish: Wish, side: Side | None) -> Duty:
    """Make a move on a locked duty for one side; the caller has found out which. Raises as `move_duty`."""
    after = lives.decide(duty, wish, ctx.now, side, ctx.actor)
    if wish.move is DutyMove.FULFIL:
        stated = {"text": wish.evidence.text, "url": wish.evidence.url, "sha256": wish.evidence.sha256}
        duty.evidence = {**stated, "at": rfc3339(ctx.now), "byClientId": ctx.actor.client_id}
    if wish.move in lives.NEEDS_REASON:
        duty.answer = wish.reason
    change(ctx, duty, wish.move, after, wish.reason)
    return duty


def change(ctx: Context, duty: Duty, move: DutyMove, after: After, reason: str | None = None) -> None:
    """Write down where a duty stands after a move, and what follows from that."""
    duty.state = after.state
    duty.due_at = after.due_at
    duty.first_due_at = duty.first_due_at or after.due_at
    duty.settled_at = ctx.now if after.is_settled else None
    is_due = after.state is DutyState.DUE
    duty.remind_at = lives.next_reminder(duty.starts_at or ctx.now, duty.due_at, ctx.now) if is_due else None
    duty.revision += 1
    ctx.session.add(duty)
    ctx.session.flush()
    details: dict[str, Any] = {"from": after.before.value, "to": after.state.value, "reason": reason}
    if move is DutyMove.FULFIL and duty.evidence:
        # What was stated may name people; the log commits to it without repeating it.
        details["evidenceDigest"] = _digest(duty.evidence)
    if after.due_at is not None:
        details["dueAt"] = _instant(after.due_at)
    record(ctx, f"duty.{move}", about(duty, details))
    announce(ctx, FACTS[move], fact(duty))
    if after.state is DutyState.OVERDUE:
        holds.hold(ctx, duty)
    else:
        holds.let_go(ctx, duty)


def duty_history(ctx: Context, duty_id: str) -> Sequence[Entry]:
    """Return the moves of a duty's life, oldest first. Raises DutyNotFound."""
    return moves_of(ctx, get_duty(ctx, duty_id).id)


def moves_of(ctx: Context, duty_id: str) -> Sequence[Entry]:
    """Return the moves of a duty's life, oldest first; the caller checks who may see them."""
    return history(ctx, duty_id, _LIFE)


def subjects_of_duty(ctx: Context, duty_id: str, request: PageRequest) -> tuple[Duty, Page[DutySubject]]:
    """Return whom a duty is about, as who owes it knows them; that they looked is logged.

    Only for the debtor: the names are those it holds. Raises DutyNotFound, SubjectsNotShown.
    """
    duty = get_duty(ctx, duty_id)
    if lives.side_of(duty, ctx.actor) is not Side.DEBTOR:
        raise SubjectsNotShown("The people this duty is about are shown to whoever owes it.")
    page = store.subjects_page(ctx, duty.id, request)
    record(ctx, "duty.read-subjects", about(duty, {"people": len(page.items)}))
    return duty, page


def duty_states(session: Session, agreement_id: str, now: datetime) -> Mapping[str, str]:
    """Return what the policy engine is told of an agreement's duties: fulfilled or violated, by the duty's key."""
    found = {
        duty.rule: lives.TOLD.get(lives.state_at(duty, now))
        for duty in store.policy_duties(session, agreement_id)
    }
    return {key: state for key, state in found.items() if state is not None}


def about(duty: Duty, details: Mapping[str, Any]) -> About:
    """Return what an entry about a duty says; both sides find it in their log."""
    is_right = duty.ground == Ground.RIGHT
    return About(
        thing_id=duty.id,
        provider_id=duty.debtor_id if is_right else duty.creditor_id,
        consumer_id=None if is_right else duty.debtor_id,
        dataset_id=duty.dataset_id,
        agreement_id=duty.agreement_id,
        purpose=duty.purpose,
        details={"ground": duty.ground, "action": duty.action, **details},
    )


def fact(duty: Duty) -> dict[str, Any]:
    """Return what is told of a duty: which it is and where it stands, and nothing of whom it is about."""
    return {
        "dutyId": duty.id,
        "ground": duty.ground,
        "action": duty.action,
        "state": duty.state,
        "dueAt": _instant(duty.due_at),
        "subjects": duty.subjects,
        "agreementId": duty.agreement_id,
        "datasetId": duty.dataset_id,
        "debtorId": duty.debtor_id,
        "creditorId": duty.creditor_id,
    }


def _digest(evidence: Mapping[str, Any]) -> str:
    parts = "\n".join(str(evidence.get(name) or "") for name in ("text", "url", "sha256"))
    return f"sha256:{hashlib.sha256(parts.encode()).hexdigest()}"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
