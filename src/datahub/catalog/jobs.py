"""What the clock does to the catalogue's bytes: what killed uploads left is swept.

A day is longer than any upload lives between its object and its row, so nothing is swept that is still to be named.
"""

from datetime import timedelta

from datahub.catalog.service.storage import storage
from datahub.catalog.service.uploads import OBJECTS, Plan
from datahub.catalog.store.versions import known_versions
from datahub.kernel.context import Context

SWEEP_EVERY_S = 6 * 3600
KEPT_FOR = timedelta(days=1)


def sweep_storage(ctx: Context) -> int:
    """Remove half-received bodies, and objects that no version names, once a day old; return how many.

    Between batches the transaction ends, so that nobody waits for the store.
    """
    store = storage(ctx.settings)
    swept = store.sweep_staging(KEPT_FOR, now=ctx.now)
    for keys in store.aged(OBJECTS, KEPT_FOR, now=ctx.now):
        known = known_versions(ctx.session, {Plan.version_of_key(key) for key in keys})
        ctx.session.commit()
        left = [key for key in keys if Plan.version_of_key(key) not in known]
        for key in left:
            store.delete(key)
        swept += len(left)
    return swept
