"""What a log asks a witness, and what a witness answers, decided without side effects.

C2SP tlog-witness v1.0 §add-checkpoint. The caller loads the state, asks `judge`, stores the new head and only then
sends the cosignature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import VerifierKey
from datahub.audit.tlog.notes import MAX_NOTE_BYTES, Note
from datahub.audit.tlog.proof_file import parse_hashes
from datahub.audit.tlog.text import decode_text, encode_base64, parse_number
from datahub.audit.tlog.tree import EMPTY_ROOT, verify_consistency

PATH = "add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4096


@dataclass(frozen=True)
class AddCheckpoint:
    """A request: the size the log believes the witness has, the proof from there, and the new checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Note

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.checkpoint.encode()

    @classmethod
    def parse(cls, body: bytes) -> "AddCheckpoint":
        """Return the request of a body. Raises TlogFault."""
        head, mark, note = decode_text(body, MAX_REQUEST_BYTES, "request").partition("\n\n")
        first, *proof = head.split("\n")
        if not mark or not first.startswith("old "):
            raise TlogFault("a request is 'old N', the hashes of the proof, an empty line and a checkpoint")
        old_size = parse_number(first.removeprefix("old "), "old size")
        request = cls(old_size, parse_hashes(proof), Note.parse(note.encode()))
        if old_size > request.head.size:
            raise TlogFault("the old size is larger than that of the checkpoint")
        if not old_size and proof:
            raise TlogFault("from size 0 there is nothing to prove: the proof must be empty")
        return request

    @property
    def head(self) -> Checkpoint:
        """Return the head that is to be cosigned. Raises TlogFault."""
        return Checkpoint.parse(self.checkpoint.text)


@dataclass(frozen=True)
class KnownLog:
    """What a witness knows of a log: its origin and keys, and the head that it cosigned last (size 0: none yet)."""

    origin: str
    keys: Sequence[VerifierKey]
    size: int = 0
    root: bytes = EMPTY_ROOT


class Verdict(StrEnum):
    """What a witness does with a request."""

    COSIGN = "cosign"
    UNKNOWN_LOG = "unknown-log"
    NOT_SIGNED = "not-signed"
    OTHER_SIZE = "other-size"  # the log did not start from the last cosigned size; it may ask again
    FORK = "fork"  # two signed heads of one size with different roots
    NOT_CONSISTENT = "not-consistent"  # signed, but not shown to begin with what was cosigned


STATUS = {
    Verdict.COSIGN: 200,
    Verdict.NOT_SIGNED: 403,
    Verdict.UNKNOWN_LOG: 404,
    Verdict.OTHER_SIZE: 409,
    Verdict.FORK: 409,
    Verdict.NOT_CONSISTENT: 422,
}
# A signed checkpoint that comes with one of these is kept: it may show that the log has forked.
EVIDENCE = frozenset({Verdict.FORK, Verdict.NOT_CONSISTENT})


def judge(request: AddCheckpoint, known: KnownLog | None) -> Verdict:
    """Return what a witness that knows `known` about the log of this request does with it."""
    head = request.head
    if known is None or known.origin != head.origin:
        return Verdict.UNKNOWN_LOG
    try:
        if not request.checkpoint.verify(known.keys):
            return Verdict.NOT_SIGNED
    except TlogFault:
        return Verdict.NOT_SIGNED
    if head.size == known.size and head.root != known.root:
        return Verdict.FORK
    if request.old_size != known.size:
        return Verdict.OTHER_SIZE
    if known.size:
        try:
            verify_consistency(known.size, known.root, head.size, head.root, request.proof)
        except TlogFault:
            return Verdict.NOT_CONSISTENT
    return Verdict.COSIGN
