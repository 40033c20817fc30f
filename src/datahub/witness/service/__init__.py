"""The verbs of witnessing: cosigning for others, asking others, and who is known to whom."""

from datahub.witness.service.asking import (
    PublishedLog,
    ask,
    metrics,
    own_trust_policy,
    status_of_log,
    trust_policy,
    witnesses_due,
)
from datahub.witness.service.cosigning import Answer, add_checkpoint, own_keys
from datahub.witness.service.registers import (
    add_log,
    add_witness,
    evidence_of,
    get_log,
    get_witness,
    list_logs,
    list_witnesses,
    remove_log,
    remove_witness,
)

__all__ = [
    "Answer",
    "PublishedLog",
    "add_checkpoint",
    "add_log",
    "add_witness",
    "ask",
    "evidence_of",
    "get_log",
    "get_witness",
    "list_logs",
    "list_witnesses",
    "metrics",
    "own_keys",
    "own_trust_policy",
    "remove_log",
    "remove_witness",
    "status_of_log",
    "trust_policy",
    "witnesses_due",
]
