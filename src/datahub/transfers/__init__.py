"""What may flow now: every read is decided anew from agreement, policy and the two organisations' standing.

An entitlement is derived at the moment of the read and never stored as truth (Dataspace Protocol 2025-1 leaves this to
the data plane). Doors ask `authorise_read` in a transaction they commit before the first byte, and say how it ended
with `record_outcome`.
"""

from datahub.transfers.errors import DataNotFound
from datahub.transfers.rules import Release
from datahub.transfers.service.grants import check_grant
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

__all__ = [
    "ACTION",
    "DataNotFound",
    "Plan",
    "ReadDenial",
    "ReadPermit",
    "ReadRequest",
    "Release",
    "authorise_read",
    "check_grant",
    "may_go_on",
    "record_outcome",
]
