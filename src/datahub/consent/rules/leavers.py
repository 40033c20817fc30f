"""Whose rows of a stored version are on their way out, or gone: exact, and told at little cost. Pure.

Most deliveries give all that passes the gate. Then nobody's number is looked up while rows leave: where all that passed
in a stretch of rows is on its way, the stretch is noted, and who that was is worked out at the end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from datahub.consent.rules.gate import Bools, Numbers


class _Stretch(NamedTuple):
    """Rows that lie together and were judged at once: from `start` to before `stop`, and how many of them passed."""

    start: int
    stop: int
    passed: int
    passes: Bools


class Leavers:
    """The people whose rows one delivery gives. Safe to share among threads as long as one of them notes."""

    def __init__(self, people: int, rows: Sequence[Numbers]) -> None:
        """Start with nobody. `rows`: per subject column the number of each row's person, -1 for nobody."""
        self._rows = rows
        self._seen = np.zeros(people + 1, np.bool_)
        self._judged: dict[int, _Stretch] = {}
        self._gone: list[_Stretch] = []

    def judged(self, rows: Numbers, kept: Bools, passes: Bools) -> None:
        """Learn which of some rows, in order, have passed; `passes` by a person's number, of nobody at the end."""
        if len(self._rows) == 1 and lie_together(rows) and (count := int(np.count_nonzero(kept))):
            start = int(rows[0])
            self._judged[start + int(kept.argmax())] = _Stretch(start, start + len(rows), count, passes)

    def note(self, rows: Numbers) -> None:
        """Take down that these rows, in order, all of which have passed, are on their way out."""
        stretch = self._judged.pop(int(rows[0]), None) if len(rows) else None
        if stretch is not None and stretch.passed == len(rows) and int(rows[-1]) < stretch.stop:
            self._gone.append(stretch)
            return
        for each in self._rows:
            # By numbers as wide as the machine's, numpy writes three times as fast; nobody (-1) has the last place.
            self._seen[numbers_of(each, rows).astype(np.intp)] = True

    @property
    def people(self) -> Bools:
        """Whose rows were noted so far, by their numbers."""
        gone = sorted(self._gone, key=lambda each: each.start)
        if self._is_all(gone):
            self._seen |= gone[0].passes  # everybody who has a number has a row
        else:
            for each in gone:
                numbers = self._rows[0][each.start : each.stop]
                self._seen[numbers[each.passes.take(numbers)].astype(np.intp)] = True
        return self._seen[:-1]

    def _is_all(self, gone: Sequence[_Stretch]) -> bool:
        """Tell whether stretches, in order, are every row of the version, all judged by the same."""
        at = 0
        for each in gone:
            if each.start > at or each.passes is not gone[0].passes:
                return False
            at = max(at, each.stop)
        return bool(gone) and at == len(self._rows[0])


def numbers_of(numbers: Numbers, rows: Numbers) -> Numbers:
    """Return the numbers of some rows' people; a stretch of rows is not copied."""
    if lie_together(rows):
        return numbers[int(rows[0]) : int(rows[-1]) + 1]
    return np.asarray(numbers[rows])


def lie_together(rows: Numbers) -> bool:
    """Tell whether rows, in order, are a stretch without a gap."""
    return len(rows) > 0 and int(rows[-1]) - int(rows[0]) + 1 == len(rows)
