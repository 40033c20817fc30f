"""A checkpoint: the head of a log as three lines of text, which signatures and cosignatures cover.

C2SP tlog-checkpoint v1.0. Extension lines are read and kept, because they are signed, but never written.
"""

from dataclasses import dataclass

from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.text import encode_base64, parse_hash, parse_number
from datahub.audit.tlog.tree import EMPTY_ROOT

_LINES = 3


@dataclass(frozen=True)
class Checkpoint:
    """The log's name (origin), how many entries it has, and the root of its tree."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the lines as they are signed."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Return the head a text is. Raises TlogFault: form, or an empty tree whose root is not the empty one."""
        lines = text.split("\n")
        if len(lines) < _LINES + 1 or lines.pop() or not all(lines):
            raise TlogFault(
                "a checkpoint is the lines origin, size and root, each ended by a newline, none empty"
            )
        head = cls(lines[0], parse_number(lines[1], "size"), parse_hash(lines[2]), tuple(lines[_LINES:]))
        if head.size == 0 and head.root != EMPTY_ROOT:
            raise TlogFault("the root of an empty tree is the hash of nothing")
        return head
