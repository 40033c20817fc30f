"""The access log: what was done or refused, by whom, on whose data, under which agreement; append-only.

Other slices write with `record` and `record_decision`, in the transaction of the change itself.
"""

from datahub.audit.models import Decision, Entry, Outcome
from datahub.audit.service import About, history, record, record_decision

__all__ = ["About", "Decision", "Entry", "Outcome", "history", "record", "record_decision"]
