"""A receipt: one text file that shows an entry in a log without asking anybody (`.tlog-proof`).

C2SP tlog-proof. The extra line is nobody's statement; what it holds must be checked against the leaf.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.text import decode_base64, decode_text, encode_base64, parse_hash, parse_number
from datahub.audit.tlog.tree import MAX_PROOF, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA_BYTES = 256 * 1024
MAX_PROOF_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class LogProof:
    """Where an entry is, the path from it to the root, and the signed checkpoint with that root."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the file."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines += [f"index {self.index}", *map(encode_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint.encode()

    @classmethod
    def parse(cls, data: bytes) -> "LogProof":
        """Return the proof of a file. Raises TlogFault."""
        whole = decode_text(data, MAX_PROOF_FILE_BYTES, "proof")
        head, mark, note = whole.partition("\n\n")
        lines = head.split("\n")
        if not mark or lines.pop(0) != HEADER:
            raise TlogFault(f"a proof begins with {HEADER!r} and holds a checkpoint after an empty line")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _parse_extra(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise TlogFault("a proof has a line 'index N'")
        index = parse_number(lines.pop(0).removeprefix("index "), "index")
        return cls(index, parse_hashes(lines), Note.parse(note.encode()), extra)

    def verify(self, leaf: bytes) -> Checkpoint:
        """Return the head that the entry with hash `leaf` is under. Whether to trust it, the trust policy says.

        Raises TlogFault.
        """
        head = Checkpoint.parse(self.checkpoint.text)
        verify_inclusion(leaf, self.index, head.size, self.hashes, head.root)
        return head


def parse_hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    """Return the hashes of a proof's lines. Raises TlogFault."""
    if len(lines) > MAX_PROOF:
        raise TlogFault(f"a proof has at most {MAX_PROOF} hashes; this one has {len(lines)}")
    return tuple(parse_hash(line) for line in lines)


def _parse_extra(text: str) -> bytes:
    extra = decode_base64(text, "extra line")
    if len(extra) > MAX_EXTRA_BYTES:
        raise TlogFault(f"the extra line holds at most {MAX_EXTRA_BYTES} bytes")
    return extra
