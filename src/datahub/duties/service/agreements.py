"""What agreements give rise to: duties of their policies, entered when they are concluded, started when they are over.

Both follow facts in the outbox; a fact that comes twice finds the duties there.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from datahub.contracts import Agreement, agreement_by_id, line_of
from datahub.duties import store
from datahub.duties.models import Consequence, Duty, DutyMove, DutyState, Ground
from datahub.duties.rules import arising, lives
from datahub.duties.rules.arising import Terms
from datahub.duties.rules.lives import After
from datahub.duties.service import ledger
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.policy import Owed, owed, read_policy

_OVER = "the agreement is over"
_REPLACED = "owed under the agreement that took its place"


def owe_what_was_agreed(ctx: Context, payload: Mapping[str, Any]) -> None:
    """Enter the duties of an agreement's policy that the consumer has to see to."""
    agreement = agreement_by_id(ctx.session, payload["agreementId"])
    if agreement is None:
        return
    wanted = {_origin(agreement, each): each for each in _owed(agreement)}
    known = store.known_origins(ctx.session, wanted)
    usual = timedelta(days=ctx.settings.duty_days)
    for origin, each in wanted.items():
        if origin not in known:
            terms = arising.terms_of(each, agreement.valid_from, usual)
            ledger.enter(ctx, _duty(ctx, agreement, each, terms, origin))


def settle_what_is_over(ctx: Context, payload: Mapping[str, Any]) -> None:
    """Start the duties that waited for the end of an agreement; let lapse what was about using the data."""
    agreement = agreement_by_id(ctx.session, payload["agreementId"])
    if agreement is None:
        return
    owe_what_was_agreed(ctx, payload)  # it may have ended before the worker heard that it began
    replaced_by = _owed_after(ctx.session, agreement)
    for duty in store.living_of_agreement(ctx.session, agreement.id):
        move = arising.when_over(duty, replaced_by)
        if move is DutyMove.START:
            start(ctx, duty)
        elif move is DutyMove.LAPSE:
            before = lives.state_at(duty, ctx.now)
            if (before, move) in lives.MOVES:
                reason = _OVER if duty.starts_at else _REPLACED
                after = After(before, DutyState.LAPSED, duty.due_at, is_settled=True)
                ledger.change(ctx, duty, move, after, reason)
    if replaced_by is None:
        for duty in store.waived_waiting(ctx.session, agreement.id):
            duty.starts_at = ctx.now  # so that it has its term, should it be restored
            ctx.session.add(duty)


def start(ctx: Context, duty: Duty) -> None:
    """Begin the term of a duty, now."""
    duty.starts_at = duty.starts_at or ctx.now
    due_at = duty.due_at
    if duty.term_s is not None:
        due_at = duty.starts_at + timedelta(seconds=duty.term_s)
    ledger.change(ctx, duty, DutyMove.START, After(DutyState.OPEN, DutyState.DUE, due_at, is_settled=False))


def _owed(agreement: Agreement) -> tuple[Owed, ...]:
    return owed(read_policy(agreement.policy))


def _owed_after(session: Session, agreement: Agreement) -> tuple[Owed, ...] | None:
    line = line_of(session, agreement.id)
    return _owed(line[1]) if len(line) > 1 else None


def _origin(agreement: Agreement, each: Owed) -> str:
    return f"policy:{agreement.id}:{each.key}"[:400]


def _duty(ctx: Context, agreement: Agreement, each: Owed, terms: Terms, origin: str) -> Duty:
    is_due = terms.starts_at is not None
    return Duty(
        id=new_id(),
        ground=Ground.POLICY,
        action=each.action,
        timing=each.timing,
        rule=each.key[:300],
        origin=origin,
        debtor_id=agreement.consumer_id,
        creditor_id=agreement.provider_id,
        dataset_id=agreement.dataset_id,
        agreement_id=agreement.id,
        purpose=agreement.purpose,
        needs=each.evidence[:200],
        state=DutyState.DUE if is_due else DutyState.OPEN,
        consequence=Consequence.SUSPEND,
        term_s=None if terms.term is None else int(terms.term.total_seconds()),
        starts_at=terms.starts_at,
        due_at=terms.due_at,
        first_due_at=terms.due_at,
        remind_at=lives.next_reminder(ctx.now, terms.due_at, ctx.now) if is_due else None,
        created_at=ctx.now,
    )
