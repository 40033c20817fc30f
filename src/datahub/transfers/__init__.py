"""What may flow now: every read is decided anew from agreement, policy and the two organisations' standing.

An entitlement is derived at the moment of the read and never stored as truth (Dataspace Protocol 2025-1 leaves this to
the data plane). Doors ask `authorise_read` in a transaction they commit before the first byte, and say how it ended
with `record_outcome`.
"""

from datahub.transfers.errors import ConsentChanged, DataNotFound
from datahub.transfers.rules import QUERY, READ, Release, Room
from datahub.transfers.schemas import DecisionAnswerOut, DecisionQuestionIn
from datahub.transfers.service.by_heart import ByHeart, learn_grant, learn_question, learn_read, with_delivery
from datahub.transfers.service.decisions import Answer
from datahub.transfers.service.gates import note_leaving, open_gate, open_gate_for, reserve_leaving
from datahub.transfers.service.grants import check_grant
from datahub.transfers.service.pseudonyms import pseudonym_key
from datahub.transfers.service.queries import (
    ANSWER,
    ASKING,
    QueryPermit,
    Question,
    authorise_query,
)
from datahub.transfers.service.quotas import rate_limit_fields
from datahub.transfers.service.reads import (
    ACTION,
    Plan,
    ReadDenial,
    ReadPermit,
    ReadRequest,
    authorise_read,
    may_go_on,
    record_outcome,
)
from datahub.transfers.service.shown import AS_IT_IS, shown_as

__all__ = [
    "ACTION",
    "ANSWER",
    "ASKING",
    "AS_IT_IS",
    "QUERY",
    "READ",
    "Answer",
    "ByHeart",
    "ConsentChanged",
    "DataNotFound",
    "DecisionAnswerOut",
    "DecisionQuestionIn",
    "Plan",
    "QueryPermit",
    "Question",
    "ReadDenial",
    "ReadPermit",
    "ReadRequest",
    "Release",
    "Room",
    "authorise_query",
    "authorise_read",
    "check_grant",
    "learn_grant",
    "learn_question",
    "learn_read",
    "may_go_on",
    "note_leaving",
    "open_gate",
    "open_gate_for",
    "pseudonym_key",
    "rate_limit_fields",
    "record_outcome",
    "reserve_leaving",
    "shown_as",
    "with_delivery",
]
