"""What the worker does for the authorization server when the clock says so; each is idempotent."""

from datahub.kernel.context import Context
from datahub.oauth import store
from datahub.oauth.keys import rotate_keys_when_due

__all__ = ["purge", "rotate_keys_when_due"]

PURGE_EVERY_S = 300
ROTATE_EVERY_S = 3600


def purge(ctx: Context) -> int:
    """Drop used assertions and revocations of tokens that have expired; return how many."""
    return store.purge(ctx.session, ctx.now)
