"""The REST door's conventions: access, refusals as problems, replies, schemas, the envelope around the app.

NL API Design Rules 2.1, RFC 9457 (problems), RFC 9110 (preconditions), RFC 6750 (bearer tokens).
"""

from datahub.kernel.errors import Unauthenticated
from datahub.kernel.rest.access import SCOPES, Door, allow, allow_anyone, read_credential
from datahub.kernel.rest.bare import again, refusing
from datahub.kernel.rest.middleware import Envelope, trace_id_of
from datahub.kernel.rest.problems import (
    ChecksumMismatch,
    InsufficientScope,
    NotAcceptable,
    PreconditionFailed,
    RangeNotSatisfiable,
    TooLarge,
    UnsupportedMediaType,
    install,
    problem,
    status_of,
)
from datahub.kernel.rest.query import Paging
from datahub.kernel.rest.reply import Replay, Replies, Reply, StreamingReplies, replay
from datahub.kernel.rest.schemas import (
    Described,
    Kept,
    Line,
    PageOut,
    ProblemOut,
    Schema,
    SchemaIn,
    Slug,
    Text,
    TransitionIn,
    UtcInstant,
    Whole,
    page_out,
)
from datahub.kernel.rest.whole import Head, give, head_of

__all__ = [
    "SCOPES",
    "ChecksumMismatch",
    "Described",
    "Door",
    "Envelope",
    "Head",
    "InsufficientScope",
    "Kept",
    "Line",
    "NotAcceptable",
    "PageOut",
    "Paging",
    "PreconditionFailed",
    "ProblemOut",
    "RangeNotSatisfiable",
    "Replay",
    "Replies",
    "Reply",
    "Schema",
    "SchemaIn",
    "Slug",
    "StreamingReplies",
    "Text",
    "TooLarge",
    "TransitionIn",
    "Unauthenticated",
    "UnsupportedMediaType",
    "UtcInstant",
    "Whole",
    "again",
    "allow",
    "allow_anyone",
    "give",
    "head_of",
    "install",
    "page_out",
    "problem",
    "read_credential",
    "refusing",
    "replay",
    "status_of",
    "trace_id_of",
]
