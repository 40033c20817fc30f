"""What a duty that is not kept does to agreements: they stand still, and go on once it is kept, but for other reasons.

A hold is on the agreement the duty comes from and on those that replaced it. The exchange suspends, so that neither side
can lift it: the debtor lifts it by doing its duty, the creditor by waiving it.
"""

from datahub.contracts import hold_agreement, line_of, release_agreement
from datahub.duties import store
from datahub.duties.models import Consequence, Duty, DutyHold
from datahub.kernel.context import Context


def hold(ctx: Context, duty: Duty) -> int:
    """Have the agreements of an overdue duty stand still; return how many. Doing it again changes nothing."""
    if duty.consequence != Consequence.SUSPEND or duty.agreement_id is None:
        return 0
    done = 0
    for agreement in line_of(ctx.session, duty.agreement_id):
        done += _hold_one(ctx, duty, agreement.id, agreement.revision)
    return done


def _hold_one(ctx: Context, duty: Duty, agreement_id: str, seen: int) -> int:
    own = store.held_by(ctx.session, duty.id, agreement_id)
    if own is not None and own.revision == seen:
        return 0
    others = [each for each in store.holds_on(ctx.session, agreement_id) if each.revision == seen]
    # It stands still for another duty: this one joins, so that both must be kept before it goes on.
    revision = others[0].revision if others else hold_agreement(ctx, agreement_id, _why(duty))
    if revision is None:
        return 0
    if own is not None:
        own.revision = revision
    else:
        ctx.session.add(DutyHold(duty_id=duty.id, agreement_id=agreement_id, revision=revision))
    ctx.session.flush()
    return 1


def let_go(ctx: Context, duty: Duty) -> None:
    """Let go of the agreements a duty held; those that nothing else holds, and nobody touched since, go on."""
    for own in store.holds_of(ctx.session, [duty.id]):
        agreement_id, revision = own.agreement_id, own.revision
        ctx.session.delete(own)
        ctx.session.flush()
        if not any(each.revision == revision for each in store.holds_on(ctx.session, agreement_id)):
            release_agreement(ctx, agreement_id, revision, f"duty {duty.id} is {duty.state}")


def _why(duty: Duty) -> str:
    return f"duty {duty.id} ({duty.action}) is overdue"
