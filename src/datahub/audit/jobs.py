"""What the clock asks of the log: a heartbeat, so that silence is visible; the full self-audit; retention."""

from datetime import datetime

from sqlalchemy import Engine

from datahub.audit import erasure, self_audit, tree_store
from datahub.audit.service import record
from datahub.kernel.context import Context
from datahub.kernel.settings import Settings

HEARTBEAT_EVERY_S = 300
SELF_AUDIT_EVERY_S = 86_400
RETENTION_EVERY_S = 3600


def heartbeat(ctx: Context) -> int:
    """Write an entry that says nothing but that the log is alive, once it has a first entry."""
    if tree_store.newest_log(ctx.session) is None:
        return 0
    record(ctx, "log.heartbeat")
    return 1


def audit(engine: Engine, settings: Settings, now: datetime) -> int:
    """Do the full self-audit; what it finds stands in the log's status."""
    return int(self_audit.audit_log(engine, settings, now) is not None)


def retain(ctx: Context) -> int:
    """Erase and prune what the retention policy no longer keeps."""
    return erasure.apply_retention(ctx)
