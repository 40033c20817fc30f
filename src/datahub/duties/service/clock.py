"""What the clock does to duties: terms begin and end, debtors are reminded, what was not kept has its consequence.

Nothing waits for this but the consequence: the clock is also asked at every look. Running it twice changes nothing.
"""

from datahub.audit import record
from datahub.duties import store
from datahub.duties.models import Consequence, DutyMove, DutyState, Ground
from datahub.duties.rules import lives
from datahub.duties.rules.lives import After
from datahub.duties.service import holds, ledger, recall
from datahub.duties.service.agreements import start
from datahub.kernel.context import Context
from datahub.kernel.outbox import announce


def start_duties(ctx: Context, limit: int) -> int:
    """Begin the terms that the clock begins: of recalls, once nobody is added to them any more; return how many."""
    due = store.due_to_start(ctx.session, ctx.now, limit)
    for duty in due:
        if duty.ground != Ground.RECALL or recall.drop_who_allows_again(ctx, duty):
            start(ctx, duty)
    return len(due)


def expire_duties(ctx: Context, limit: int) -> int:
    """Write down which duties are overdue, with what follows from it; return how many."""
    due = store.due_to_expire(ctx.session, ctx.now, limit)
    for duty in due:
        after = After(DutyState.DUE, DutyState.OVERDUE, duty.due_at, is_settled=False)
        ledger.change(ctx, duty, DutyMove.EXPIRE, after)
    return len(due)


def remind_debtors(ctx: Context, limit: int) -> int:
    """Tell debtors of the terms that are about to end, once for each time they are to be told; return how many."""
    due = store.due_to_remind(ctx.session, ctx.now, limit)
    for duty in due:
        duty.remind_at = lives.next_reminder(duty.starts_at or ctx.now, duty.due_at, ctx.now)
        ctx.session.add(duty)
        record(ctx, "duty.remind", ledger.about(duty, {"dueAt": ledger.fact(duty)["dueAt"]}))
        announce(ctx, "DutyReminded", ledger.fact(duty))
    return len(due)


def hold_again(ctx: Context) -> int:
    """Suspend what an overdue duty should hold and does not: agreed since, or resumed in the meantime; return how many."""
    overdue = store.overdue_with_consequence(ctx.session, Consequence.SUSPEND)
    return sum(holds.hold(ctx, duty) for duty in overdue)
