"""Tables of the access log: its lines, the tree over them, and what an erasure may take away."""

from datahub.audit.models.entries import (
    NOTHING_MORE,
    OVERSEERS,
    About,
    Decision,
    Entry,
    Outcome,
    Pending,
    Spool,
)
from datahub.audit.models.guards import append_only_ddl
from datahub.audit.models.searches import Search
from datahub.audit.models.tree import (
    Erasure,
    Hold,
    Leaf,
    Log,
    LogKey,
    SignedHead,
    StoredTile,
    SubjectEntry,
    SubjectKey,
)

__all__ = [
    "NOTHING_MORE",
    "OVERSEERS",
    "About",
    "Decision",
    "Entry",
    "Erasure",
    "Hold",
    "Leaf",
    "Log",
    "LogKey",
    "Outcome",
    "Pending",
    "Search",
    "SignedHead",
    "Spool",
    "StoredTile",
    "SubjectEntry",
    "SubjectKey",
    "append_only_ddl",
]
