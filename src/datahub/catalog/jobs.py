"""What the clock does to the catalogue's bytes: what killed uploads left is swept.

A day is longer than any upload lives between its object and its row, so nothing is swept that is still to be named.
"""

from datetime import timedelta

from datahub.audit import About, record
from datahub.catalog.objects import ObjectStore
from datahub.catalog.objects.pieces import PIECES
from datahub.catalog.service.resumable import forget_bytes
from datahub.catalog.service.storage import storage
from datahub.catalog.service.uploads import OBJECTS, Plan
from datahub.catalog.store.uploads import expired_uploads, known_uploads, remove_upload
from datahub.catalog.store.versions import known_versions
from datahub.kernel.context import Context

SWEEP_EVERY_S = 6 * 3600
EXPIRE_EVERY_S = 600
BATCH = 100
KEPT_FOR = timedelta(days=1)


def expire_uploads(ctx: Context) -> int:
    """End uploads that nothing came for in a week; return how many."""
    objects, ended = storage(ctx.settings), 0
    while found := list(expired_uploads(ctx.session, ctx.now, BATCH)):
        for upload in found:
            remove_upload(ctx.session, upload.id)
            record(ctx, "upload.expire", About(thing_id=upload.id, provider_id=upload.provider_id))
        ctx.session.commit()
        for upload in found:
            forget_bytes(objects, upload.id)
        ended += len(found)
    return ended


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
    return swept + _sweep_pieces(ctx, store)


def _sweep_pieces(ctx: Context, store: ObjectStore) -> int:
    """Remove the bytes of uploads that are no more, which a killed server left."""
    swept = 0
    for keys in store.aged(PIECES, KEPT_FOR, now=ctx.now):
        ids = {key.split("/")[1] for key in keys}
        known = known_uploads(ctx.session, ids)
        ctx.session.commit()
        for gone in ids - known:
            forget_bytes(store, gone)
            swept += 1
    return swept
