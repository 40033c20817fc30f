"""The access log: what was done or refused, by whom, on whose data, under which agreement; append-only.

Other slices write with `record` and `record_decision`, in the transaction of the change itself; a door that must have
it durable before it goes on uses `own_transaction`.
"""

from datahub.audit.errors import LogUnavailable
from datahub.audit.models import Decision, Entry, Outcome, append_only_ddl
from datahub.audit.service import (
    About,
    decisions_on,
    get_decision,
    history,
    is_recorded,
    own_transaction,
    permits_without_outcome,
    record,
    record_decision,
    record_refused_call,
)

__all__ = [
    "About",
    "Decision",
    "Entry",
    "LogUnavailable",
    "Outcome",
    "append_only_ddl",
    "decisions_on",
    "get_decision",
    "history",
    "is_recorded",
    "own_transaction",
    "permits_without_outcome",
    "record",
    "record_decision",
    "record_refused_call",
]
