"""Signed notes: a text, an empty line, and lines that sign the text.

C2SP signed-note v1.0. Lines of keys that the reader does not know are ignored; a line of a key that the reader
knows must be right, or the whole note is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import ID_BYTES, Signer, VerifierKey, check_name
from datahub.audit.tlog.text import decode_base64, decode_text, encode_base64

MAX_NOTE_BYTES = 512 * 1024
MAX_SIGNATURES = 100
_MARK = "\u2014 "


@dataclass(frozen=True)
class Signature:
    """One line below a note: who, by which key, and the value (after a time, where the type has one)."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """Return the line with its newline."""
        return f"{_MARK}{self.name} {encode_base64(self.key_id + self.value)}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Return the signature of a line without its newline. Raises TlogFault."""
        name, _, encoded = line.removeprefix(_MARK).partition(" ")
        data = decode_base64(encoded, "signature")
        if not line.startswith(_MARK) or len(data) <= ID_BYTES:
            raise TlogFault("a signature line is written '— name base64'")
        check_name(name)
        return cls(name, data[:ID_BYTES], data[ID_BYTES:])


@dataclass(frozen=True)
class Signed:
    """A signature that was checked: by which key, and when it was made if it says so (POSIX seconds)."""

    key: VerifierKey
    timestamp: int | None


@dataclass(frozen=True)
class Note:
    """A text that ends in a newline, and the signatures below it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def encode(self) -> bytes:
        """Return the note as it is stored and sent."""
        return (self.text + "\n" + "".join(each.line for each in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Return the note of bytes. Raises TlogFault: too long, not UTF-8, control characters, no signature, bad lines."""
        whole = decode_text(data, MAX_NOTE_BYTES, "note")
        text, mark, lines = whole.rpartition("\n\n")
        if not mark or not text or not lines.endswith("\n"):
            raise TlogFault("a note is a text, an empty line and signature lines, each ended by a newline")
        return cls(text + "\n", parse_signatures(lines))

    def with_signatures(self, more: Iterable[Signature]) -> "Note":
        """Return the note with signatures added; of one key the newest stays."""
        merged = {(each.name, each.key_id): each for each in (*self.signatures, *more)}
        return replace(self, signatures=tuple(merged.values()))

    def verify(self, keys: Iterable[VerifierKey]) -> list[Signed]:
        """Return the signatures of known keys, in the order of the note; there may be none.

        Raises TlogFault when one of them is false.
        """
        known = {(key.name, key.id): key for key in keys}
        found: dict[VerifierKey, Signed] = {}
        for each in self.signatures:
            key = known.get((each.name, each.key_id))
            if key is not None and key not in found:
                found[key] = Signed(key, key.verify(self.text, each.value))
        return list(found.values())


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures of lines, each ended by a newline. Raises TlogFault."""
    if lines.count("\n") > MAX_SIGNATURES:
        raise TlogFault(f"a note has at most {MAX_SIGNATURES} signatures")
    if not lines.endswith("\n"):
        raise TlogFault("a signature line ends in a newline")
    return tuple(Signature.parse(line) for line in lines[:-1].split("\n"))


def sign(text: str, signers: Sequence[Signer], timestamp: int = 0) -> Note:
    """Return the note of a text signed by each signer at a POSIX time (which Ed25519 notes do not carry)."""
    return Note(text, tuple(cosign(text, signer, timestamp) for signer in signers))


def cosign(text: str, signer: Signer, timestamp: int) -> Signature:
    """Return the line by which a signer signs a text, at a POSIX time."""
    return Signature(signer.name, signer.key.id, signer.sign(text, timestamp))


def open_checkpoint(data: bytes, keys: Iterable[VerifierKey], origin: str) -> tuple[Checkpoint, Note]:
    """Return the head and the note of a log's signed checkpoint.

    Raises TlogFault: malformed, of another log, a false signature, or no signature by any of the log's keys.
    """
    note = Note.parse(data)
    head = Checkpoint.parse(note.text)
    if head.origin != origin:
        raise TlogFault(f"this is a checkpoint of {head.origin!r}, not of {origin!r}")
    if not note.verify(keys):
        raise TlogFault("the checkpoint is not signed by a key of the log")
    return head, note
