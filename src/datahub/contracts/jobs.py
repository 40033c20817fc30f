"""What the clock does to contracts: requests nobody answered, and agreements past their end.

Nothing waits for this: the clock is also asked at every move and every read. Running a job twice changes nothing.
"""

from datahub.contracts.service.agreements import expire_agreements
from datahub.contracts.service.requests import expire_requests
from datahub.kernel.context import Context

BATCH = 100


def expire_due(ctx: Context) -> int:
    """Write down what time has ended, a batch at a time; return how many, so that the caller knows to go on."""
    return expire_requests(ctx, BATCH) + expire_agreements(ctx, BATCH)
