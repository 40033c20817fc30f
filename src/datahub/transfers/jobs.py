"""What the clock does to deliveries: those whose process died are given their outcome, so that every permit has one."""

from datetime import timedelta

from datahub.audit import About, Outcome, permits_without_outcome, record
from datahub.kernel.context import Context
from datahub.transfers import store
from datahub.transfers.service.quotas import CHARGE_LIFE
from datahub.transfers.service.reads import ACTION, DELIVERY

CLOSE_EVERY_S = 600
# No delivery runs for longer than this without its token, its agreement and its reader all being long gone.
LONGEST_DELIVERY = timedelta(days=1)
LOOK_BACK = timedelta(days=30)
BATCH = 100
FORGET_EVERY_S = 3600


def close_unfinished(ctx: Context) -> int:
    """Record as aborted, `outcome-unknown`, what was permitted over a day ago and never said how it ended.

    How much was sent is not known, so rows and bytes stay empty. Running it again changes nothing.
    """
    due = permits_without_outcome(ctx, ACTION, ctx.now - LOOK_BACK, ctx.now - LONGEST_DELIVERY, BATCH)
    for attempt in due:
        about = About(
            thing_id=attempt.thing_id,
            provider_id=attempt.provider_id,
            consumer_id=attempt.consumer_id,
            dataset_id=attempt.dataset_id,
            dataset_version=attempt.dataset_version,
            columns=attempt.columns,
            agreement_id=attempt.agreement_id,
            offer_id=attempt.offer_id,
            offer_version=attempt.offer_version,
            policy_hash=attempt.policy_hash,
            purpose=attempt.purpose,
            decision_id=attempt.decision_id,
            of_entry_id=attempt.id,
        )
        record(ctx, DELIVERY, about, outcome=Outcome.ABORTED, code="outcome-unknown")
    return len(due)


def forget_charges(ctx: Context) -> int:
    """Drop charges that nobody will settle or retry any more; what they counted stays counted."""
    return store.forget_charges(ctx.session, ctx.now - CHARGE_LIFE)
