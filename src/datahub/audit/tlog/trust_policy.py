"""A trust policy: which logs are accepted, and whose cosignatures a checkpoint must carry.

C2SP tlog-policy. Names of witnesses and groups are octets without meaning; the file is read as Latin-1 so that every
octet is one character, and written back the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import KeyType, VerifierKey
from datahub.audit.tlog.notes import Note, Signed
from datahub.audit.tlog.text import parse_number

MAX_POLICY_BYTES = 1024 * 1024
MAX_NAMES = 256  # of logs, and of witnesses with groups
NO_QUORUM = "none"
_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")  # tlog-policy §Character set
_LOG_TYPES = (KeyType.ED25519, KeyType.ML_DSA_44)
_WITNESS_TYPES = (KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44)


@dataclass(frozen=True)
class Log:
    """A log whose checkpoints are accepted; the name of its key is its origin."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True)
class Witness:
    """A witness by its name in this file."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True)
class Group:
    """So many of these witnesses and groups."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Trusted:
    """A checkpoint that the policy accepts: its head, the log's own signatures, and the witnesses' by name."""

    head: Checkpoint
    log: tuple[Signed, ...]
    witnesses: Mapping[str, Signed]


@dataclass(frozen=True)
class TrustPolicy:
    """The logs, the witnesses, and the witness or group that must have witnessed a checkpoint."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM

    def encode(self) -> bytes:
        """Return the file."""
        lines = [" ".join(filter(None, ("log", _octets(each.key), each.url))) for each in self.logs]
        lines += [" ".join(filter(None, ("witness", w.name, _octets(w.key), w.url))) for w in self.witnesses]
        lines += [f"group {g.name} {g.threshold} {' '.join(g.members)}" for g in self.groups]
        return "".join(f"{line}\n" for line in (*lines, f"quorum {self.quorum}")).encode("latin-1")

    @classmethod
    def parse(cls, data: bytes) -> "TrustPolicy":
        """Return the policy of a file. Raises TlogFault that names the line."""
        if len(data) > MAX_POLICY_BYTES:
            raise TlogFault(f"a trust policy has at most {MAX_POLICY_BYTES} bytes")
        if not _OCTETS.fullmatch(data):
            raise TlogFault("a trust policy holds no control characters but tab and newline")
        lines = data.decode("latin-1").split("\n")
        if lines.pop():
            raise TlogFault("the last line of a trust policy ends in a newline")
        reading = _Reading()
        for number, line in enumerate(lines, 1):
            words = [word for word in line.replace("\t", " ").split(" ") if word]
            if words and not words[0].startswith("#"):
                try:
                    reading.take(words)
                except TlogFault as fault:
                    raise TlogFault(f"line {number}: {fault}") from None
        if reading.quorum is None:
            raise TlogFault("a trust policy has exactly one quorum line; this one has none")
        return cls(tuple(reading.logs), tuple(reading.witnesses), tuple(reading.groups), reading.quorum)

    def judge(self, note: Note) -> Trusted:
        """Return the checkpoint as far as it can be trusted. Raises TlogFault: log, signature, or quorum not met."""
        of_log, witnesses = self.log_signatures(note), self.cosignatures(note)
        if not self.is_met(witnesses):
            raise TlogFault(
                f"the quorum {self.quorum!r} is not met: cosigned by {', '.join(witnesses) or 'no witness'}"
            )
        return Trusted(Checkpoint.parse(note.text), of_log, witnesses)

    def log_signatures(self, note: Note) -> tuple[Signed, ...]:
        """Return the signatures of the log itself. Raises TlogFault when there is none, or one is false."""
        origin = Checkpoint.parse(note.text).origin
        of_log = note.verify(log.key for log in self.logs if log.key.name == origin)
        if not of_log:
            raise TlogFault(f"no log of the trust policy has signed this checkpoint of {origin!r}")
        return tuple(of_log)

    def cosignatures(self, note: Note) -> dict[str, Signed]:
        """Return the cosignatures of this policy's witnesses by their names. Raises TlogFault when one is false."""
        signed = {each.key: each for each in note.verify(witness.key for witness in self.witnesses)}
        return {w.name: signed[w.key] for w in self.witnesses if w.key in signed}

    def is_met(self, witnesses: Mapping[str, object]) -> bool:
        """Tell whether cosignatures of these witnesses are a quorum."""
        met = {NO_QUORUM, *witnesses}
        for group in self.groups:  # each names only what stands before it
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met


class _Reading:
    """A policy while its lines are read."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._names: set[str] = set()
        self._in_a_group: set[str] = set()

    def take(self, words: Sequence[str]) -> None:
        kind, *rest = words
        read: Mapping[str, Callable[..., None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if kind not in read:
            raise TlogFault("a line begins with log, witness, group or quorum")
        read[kind](*_counted(kind, rest))

    def _log(self, vkey: str, url: str = "") -> None:
        key = _key(vkey, _LOG_TYPES, [log.key for log in self.logs])
        self.logs.append(Log(key, url))
        _limit(self.logs)

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        key = _key(vkey, _WITNESS_TYPES, [witness.key for witness in self.witnesses])
        self._name(name)
        self.witnesses.append(Witness(name, key, url))

    def _group(self, name: str, threshold: str, *members: str) -> None:
        for member in members:
            if member not in self._names:
                raise TlogFault(f"{member!r} is not defined before this line")
            if member in self._in_a_group:
                raise TlogFault(f"{member!r} is in a group already")
            self._in_a_group.add(member)
        words = {"any": 1, "all": len(members)}
        count = words[threshold] if threshold in words else parse_number(threshold, "threshold")
        if not 1 <= count <= len(members):
            raise TlogFault("a threshold is between 1 and the number of members")
        self._name(name)
        self.groups.append(Group(name, count, members))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise TlogFault("there is a quorum line already")
        if name != NO_QUORUM and name not in self._names:
            raise TlogFault(f"{name!r} is not defined before this line")
        self.quorum = name

    def _name(self, name: str) -> None:
        if name == NO_QUORUM or name in self._names:
            raise TlogFault(f"the name {name!r} is taken")
        self._names.add(name)
        _limit(self._names)


# How many words may follow each first word.
_COUNTS = {"log": (1, 2), "witness": (2, 3), "group": (3, MAX_NAMES + 2), "quorum": (1, 1)}


def _counted(kind: str, words: Sequence[str]) -> Sequence[str]:
    least, most = _COUNTS[kind]
    if not least <= len(words) <= most:
        raise TlogFault(f"a {kind} line has {least} to {most} words after {kind!r}")
    return words


def _key(vkey: str, types: Sequence[KeyType], taken: Sequence[VerifierKey]) -> VerifierKey:
    try:
        key = VerifierKey.parse(vkey.encode("latin-1").decode("utf-8"))
    except UnicodeDecodeError:
        raise TlogFault("the name of a key is UTF-8") from None
    if key.type not in types:
        raise TlogFault("a key of this type signs nothing that this line is about")
    if any(key.public == each.public for each in taken):
        raise TlogFault("this key stands in the file already")
    return key


def _octets(key: VerifierKey) -> str:
    return key.vkey.encode().decode("latin-1")


def _limit(names: Sequence[object] | set[str]) -> None:
    if len(names) > MAX_NAMES:
        raise TlogFault(f"a trust policy has at most {MAX_NAMES} logs, witnesses and groups")
