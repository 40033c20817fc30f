"""Who may be let through, exactly: an array over a dataset's people, for one purpose and one recipient. Pure.

A dataset version's people are numbered 0, 1, 2 … by the rank of their digests. Per purpose one cell a person holds
what was decided, and until when; a change is one cell and one step of the epoch. Nothing here is probabilistic: a
person is found by the whole digest of the key, and who is not found is not let through.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from datahub.consent.models import Choice, Nobody, Several
from datahub.consent.rules.lives import Entry
from datahub.consent.rules.notices import covers
from datahub.consent.rules.purposes import answering, parents_among

Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]
Columns = frozenset[str] | None
NOBODY = -1
UNKNOWN = -2

# What a cell can say, below the kinds of yes.
SILENT, REFUSED, FIRST_YES = 0, 1, 2
_NO_END = 0
_MAX_SECOND = 2**32 - 1
# What a topic adds up to for one person.
_SILENT, _YES, _NO = np.int8(0), np.int8(1), np.int8(2)


class SubjectIndex:
    """A dataset version's people by the digest of their key: 16 bytes a person, whose rank among them is their number.

    So the number follows from who is in the version and from nothing else: whoever makes the index anew makes the same.
    """

    def __init__(self, digests: bytes | npt.NDArray[np.uint64]) -> None:
        """Sort `digests`, 16 bytes each, one after the other; whoever comes twice is one person."""
        pairs = _pairs(digests)
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        is_new = np.ones(len(pairs), np.bool_)
        is_new[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
        self.high, self.low = pairs[is_new, 0], pairs[is_new, 1]

    @classmethod
    def of_sorted(cls, high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> "SubjectIndex":
        """Take over what an index was before, its digests in halves; they may lie in a file."""
        index = cls.__new__(cls)
        index.high, index.low = high, low
        return index

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.high)

    @property
    def nbytes(self) -> int:
        """Return the memory it takes, bytes."""
        return int(self.high.nbytes + self.low.nbytes)

    def digests_at(self, numbers: Numbers) -> list[bytes]:
        """Return the digests of the people who have these numbers."""
        pairs = np.stack([self.high[numbers], self.low[numbers]], axis=1).astype(">u8")
        return [each.tobytes() for each in pairs]

    def positions(self, digests: bytes | npt.NDArray[np.uint64]) -> Numbers:
        """Return the numbers of people, -2 for those who are not in the dictionary."""
        wanted = _pairs(digests)
        found = np.full(len(wanted), UNKNOWN, np.int64)
        at = np.searchsorted(self.high, wanted[:, 0])
        open_ = np.arange(len(wanted))
        while len(open_):  # more than once only where two digests share their first half
            inside = at[open_] < len(self.high)
            open_ = open_[inside]
            open_ = open_[self.high[at[open_]] == wanted[open_, 0]]
            hit = self.low[at[open_]] == wanted[open_, 1]
            found[open_[hit]] = at[open_[hit]]
            open_ = open_[~hit]
            at[open_] += 1
        return found


def _pairs(digests: bytes | npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    flat = np.frombuffer(digests, ">u8").astype(np.uint64) if isinstance(digests, bytes) else digests
    return flat.reshape(-1, 2)


class Cells:
    """What people decided on one topic: 6 bytes a person. One writer at a time; `said` gives a copy."""

    def __init__(self, people: int) -> None:
        """Start with nobody having said anything."""
        self._codes = np.zeros(people, np.uint16)
        self._until = np.zeros(people, np.uint32)
        self._kinds: dict[tuple[int, bool], int] = {}
        self._next_end = _MAX_SECOND
        self.lapsed = 0

    @property
    def nbytes(self) -> int:
        """Return the memory it takes, bytes."""
        return self._codes.nbytes + self._until.nbytes

    def code(self, *, is_yes: bool, is_no: bool, rule_number: int, is_explicit: bool) -> int:
        """Return how a decision is written in a cell: each version of the notice is a kind of yes of its own."""
        if not is_yes:
            return REFUSED if is_no else SILENT
        return self._kinds.setdefault((rule_number, is_explicit), FIRST_YES + len(self._kinds))

    def put(self, positions: Numbers, codes: npt.ArrayLike, until_s: npt.ArrayLike) -> None:
        """Write decisions into cells; who is not in the dictionary has none. `until_s`: end of a yes, or 0."""
        here = positions >= 0
        ends = np.minimum(np.asarray(until_s, np.int64), _MAX_SECOND).astype(np.uint32)[here]
        self._codes[positions[here]] = np.asarray(codes, np.uint16)[here]
        self._until[positions[here]] = ends
        some = ends[ends != _NO_END]
        if len(some):
            self._next_end = min(self._next_end, int(some.min()))

    def lapse(self, now_s: int) -> None:
        """Turn every yes that has ended by now into a no; costs nothing until the next one ends."""
        if now_s < self._next_end:
            return
        is_over = (self._until != _NO_END) & (self._until <= now_s)
        self._codes[is_over & (self._codes >= FIRST_YES)] = REFUSED
        self._until[is_over] = _NO_END
        left = self._until[self._until != _NO_END]
        self._next_end = int(left.min()) if len(left) else _MAX_SECOND
        self.lapsed += 1

    def said(
        self,
        entry: Entry,
        asked: Mapping[int, Entry | None],
        tokens: frozenset[str],
        columns: Columns,
        *,
        is_strict: bool = False,
        at: Numbers | None = None,
    ) -> npt.NDArray[np.int8]:
        """Return per person whether the topic says yes, no or nothing to one recipient and these columns.

        `at`: of these people only.

        `entry`: the topic in the rule of today; `asked`: the same in each older rule that people decided on.
        `is_strict`: nothing but consent counts, whatever other legal basis the rule has.
        """
        codes = self._codes if at is None else self._codes[at]
        is_open = covers(entry, tokens, columns)
        if entry.choice is not Choice.OPT_IN:
            plain = _YES if is_open and not is_strict else _SILENT
            look_up = np.full(FIRST_YES + len(self._kinds), plain, np.int8)
            if entry.choice is Choice.OPT_OUT:
                look_up[REFUSED] = _NO
            return np.asarray(look_up[codes])
        look_up = np.full(FIRST_YES + len(self._kinds), _SILENT, np.int8)
        look_up[REFUSED] = _NO
        for (number, is_explicit), code in self._kinds.items():
            old = asked.get(number)
            was_asked = old is not None and old.choice is Choice.OPT_IN
            is_covered = was_asked and old is not None and covers(old, tokens, columns)
            if is_open and is_covered and (is_explicit or not entry.is_explicit):
                look_up[code] = _YES
        return np.asarray(look_up[codes])


@dataclass(frozen=True)
class RuleView:
    """A rule as the gate needs it: its version, its purposes, how rows are judged, by what columns people are named."""

    number: int
    entries: Mapping[str, Entry]
    named: tuple[str, ...] = ()
    several: Several = Several.ALL
    nobody: Nobody = Nobody.OUT


def combine(
    purpose: str, entries: Mapping[str, Entry], said: Mapping[str, npt.NDArray[np.int8]], people: int
) -> Bools:
    """Return who is let through for a purpose: the nearest decision upward counts, and a no wins over a yes."""
    names = answering(purpose, entries)
    total: dict[str, npt.NDArray[np.int8]] = {}
    for name in names:  # the broadest first
        total[name] = _joined(said[name], [total[each] for each in parents_among(name, names)])
    nearest = [name for name in names if not any(o != name and name in parents_of(o, names) for o in names)]
    silent = np.zeros(people, np.int8)
    return np.asarray(_joined(silent, [total[name] for name in nearest]) == _YES)


def parents_of(name: str, names: Sequence[str]) -> frozenset[str]:
    """Return everything among `names` that a purpose falls under, itself left out."""
    return frozenset(answering(name, names)) - {name}


def _joined(own: npt.NDArray[np.int8], above: Sequence[npt.NDArray[np.int8]]) -> npt.NDArray[np.int8]:
    if not above:
        return own
    # silent 0, yes 1, no 2: the greatest of those above counts where nothing was said here
    return np.where(own == _SILENT, np.maximum.reduce(above), own)


def rows_allowed(
    allowed: Bools, subjects: Sequence[Numbers], several: Several, nobody: Nobody, *, is_open: bool = True
) -> Bools:
    """Return which rows may leave. `subjects`: per subject column the number of each row's person, -1 for nobody.

    A person who is unknown (-2) is not let through. `is_open`: see `Allowed`.
    """
    count = len(subjects[0])
    is_somebody = np.zeros(count, np.bool_)
    every = np.ones(count, np.bool_)
    some = np.zeros(count, np.bool_)
    for numbers in subjects:
        here = numbers != NOBODY
        lets = np.zeros(count, np.bool_)
        known = numbers >= 0
        lets[known] = allowed[numbers[known]]
        is_somebody |= here
        every &= lets | ~here
        some |= lets
    kept = np.where(is_somebody, every if several is Several.ALL else some, nobody is Nobody.IN)
    return np.asarray(kept & is_open, np.bool_)


@dataclass(frozen=True, eq=False)
class Allowed:
    """Who may be let through, and by what state of the consents: the rule's version, and the epoch of each topic.

    `is_open`: the rule lets the purpose, the recipient and the columns happen at all; rows about nobody ask this.
    """

    people: Bools
    is_open: bool
    rule_number: int
    epochs: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Return what tells this answer from one that lets other people through."""
        packed = np.packbits(self.people).tobytes() + (b"\1" if self.is_open else b"\0")
        return hashlib.blake2b(packed, digest_size=16).hexdigest()

    @property
    def stamp(self) -> str:
        """Return what a decision or an entry of the log keeps of it."""
        return stamp_of(self.rule_number, self.epochs)


def stamp_of(rule_number: int, epochs: Mapping[str, int]) -> str:
    """Write down a state of the consents: the rule's version, and the epoch of each topic by its short name."""
    ends = (f"{purpose.rpartition('#')[2]}={epoch}" for purpose, epoch in sorted(epochs.items()))
    return ";".join([f"rule={rule_number}", *ends])
