"""The engine: what may leave a table, as a plan of a few frozen steps, and who carries it out.

Pure of HTTP and of tables of ours. `release` makes a plan of what a policy lets leave; a reader's own filters and
columns come after it with `Plan.then`; `run` carries it out over a stored Parquet table and gives record batches.
Steps: SubjectGate, Predicate, Project (with masks and codes), MinAggregate, Limit. See docs/adr/0014 and 0040.
"""

from datahub.engine.duck import closed, warm_up
from datahub.engine.frames import Unfit
from datahub.engine.gated import GateClosed
from datahub.engine.masks import method_of
from datahub.engine.plan import (
    Limit,
    Mapped,
    Measure,
    MinAggregate,
    Output,
    Plan,
    Predicate,
    Project,
    RowGate,
    SubjectGate,
    kept,
)
from datahub.engine.pseudonyms import code_of
from datahub.engine.release import release
from datahub.engine.run import Batches, Engine, Stored, engine_for, run
from datahub.engine.sql import fingerprint, render
from datahub.engine.subjects import Subjects

__all__ = [
    "Batches",
    "Engine",
    "GateClosed",
    "Limit",
    "Mapped",
    "Measure",
    "MinAggregate",
    "Output",
    "Plan",
    "Predicate",
    "Project",
    "RowGate",
    "Stored",
    "SubjectGate",
    "Subjects",
    "Unfit",
    "closed",
    "code_of",
    "engine_for",
    "fingerprint",
    "kept",
    "method_of",
    "release",
    "render",
    "run",
    "warm_up",
]
