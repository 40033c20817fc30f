"""The access log: what was done or refused, by whom, on whose data, under which agreement; append-only.

Other slices write with `record` and `record_decision`, in the transaction of the change itself; a door that must have
it durable before it goes on uses `own_transaction`, or the `Journal` where calls are many.
"""

from datahub.audit import leaves, profiles
from datahub.audit.errors import LogUnavailable
from datahub.audit.exports import columns_of, shown_to
from datahub.audit.garbage import settle_garbage
from datahub.audit.journal import Journal, UsedBefore
from datahub.audit.keys import subject_ids, verifier_keys
from datahub.audit.models import About, Decision, Entry, Outcome, append_only_ddl
from datahub.audit.restart import restart_log
from datahub.audit.rows import NOW, Form, Line, entry_values, form_of, line_of
from datahub.audit.sequencer import LogForked, check_at_boot, prepare_process, run_sequencer
from datahub.audit.service import (
    decisions_on,
    find_decision,
    get_decision,
    history,
    is_recorded,
    own_transaction,
    permits_without_outcome,
    record,
    record_decision,
    record_look,
    record_refused_call,
)
from datahub.audit.status import LogStatus, as_metrics, log_status
from datahub.audit.store import EntryFilter
from datahub.audit.subjects import (
    Report,
    Use,
    record_subjects,
    report_on_subject,
    subject_reference,
)
from datahub.audit.tail import START, Place, entries_after, newest_place
from datahub.audit.tree_store import add_signatures, last_signed, newest_log, published_head, tile_reader
from datahub.audit.unrolling import unroll

__all__ = [
    "NOW",
    "START",
    "About",
    "Decision",
    "Entry",
    "EntryFilter",
    "Form",
    "Journal",
    "Line",
    "LogForked",
    "LogStatus",
    "LogUnavailable",
    "Outcome",
    "Place",
    "Report",
    "Use",
    "UsedBefore",
    "add_signatures",
    "append_only_ddl",
    "as_metrics",
    "check_at_boot",
    "columns_of",
    "decisions_on",
    "entries_after",
    "entry_values",
    "find_decision",
    "form_of",
    "get_decision",
    "history",
    "is_recorded",
    "last_signed",
    "leaves",
    "line_of",
    "log_status",
    "newest_log",
    "newest_place",
    "own_transaction",
    "permits_without_outcome",
    "prepare_process",
    "profiles",
    "published_head",
    "record",
    "record_decision",
    "record_look",
    "record_refused_call",
    "record_subjects",
    "report_on_subject",
    "restart_log",
    "run_sequencer",
    "settle_garbage",
    "shown_to",
    "subject_ids",
    "subject_reference",
    "tile_reader",
    "unroll",
    "verifier_keys",
]
