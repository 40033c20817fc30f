"""One delivery at the gate: which stored rows pass now, looked at again before every batch, and whose rows have left.

What passes when it opens is the most that ever passes: who says no on the way is in no batch after, who says yes waits
for the next read.
"""

from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Engine

from datahub.catalog import DatasetVersion
from datahub.consent.models import Nobody, Several
from datahub.consent.rules.gate import Allowed, Bools, SubjectIndex, rows_allowed
from datahub.consent.rules.leavers import Leavers, numbers_of
from datahub.consent.service.gate import Gate
from datahub.consent.service.needs import Need
from datahub.consent.service.people import digest_of_key
from datahub.consent.service.people_index import People, numbered_table, people_of
from datahub.consent.store.rules import standing
from datahub.kernel import db
from datahub.kernel.clock import Clock
from datahub.kernel.context import Context
from datahub.kernel.settings import Settings

KEPT_BYTES = 1 << 30
"""What the consents of all datasets together may take in one process; those used longest ago are read again."""


class ConsentMoved(Exception):  # noqa: N818 — says what happened
    """The rule lets nothing leave any more, or names people in another way, since the delivery began."""


class Desk(Protocol):
    """What is needed to open transactions of one's own."""

    @property
    def engine(self) -> Engine:
        """The database."""

    @property
    def settings(self) -> Settings:
        """The settings of the process."""

    @property
    def clock(self) -> Clock:
        """The present."""


class Admission:
    """The gate of one delivery, as an engine asks it. Safe to share among threads."""

    def __init__(self, desk: Desk, gate: Gate, people: People, need: Need, columns: Collection[str]) -> None:
        """Look once. Raises ConsentMoved."""
        self.need = need
        self.people = people
        self._engine, self._clock, self._gate = desk.engine, desk.clock, gate
        self._about = need.asks_about(columns)
        self._leavers = Leavers(len(people), people.rows)
        self._several, self._nobody = Several.ANY, Nobody.IN
        self._first = self._now = self._asked()
        self._moved = False
        self._take(self._now)

    @property
    def allowed(self) -> Allowed:
        """Who was let through when the delivery began."""
        return self._first

    @property
    def last(self) -> Allowed:
        """Who was let through when it was last looked at."""
        return self._now

    @property
    def could_leave(self) -> Bools:
        """Whose rows the delivery could give: of a row that any one of several may release, the others' too."""
        if self._several is Several.ANY and len(self.people.rows) > 1:
            return np.ones(len(self.people), np.bool_)
        return self._first.people

    @property
    def left(self) -> Bools:
        """Whose rows are on their way out, or gone."""
        return self._leavers.people

    def look(self) -> bool:
        """Learn what has changed; tell whether fewer pass than at first. Raises ConsentMoved."""
        now = self._asked()
        if now is not self._now:
            self._take(now)
            self._moved = True
        return self._moved

    def keep(self, rows: npt.NDArray[np.integer]) -> Bools:
        """Tell which rows pass."""
        passes = self._passes
        found = [numbers_of(each, rows) for each in self.people.rows]
        if len(found) > 1:
            return rows_allowed(passes[:-1], found, self._several, self._nobody)
        kept = passes.take(found[0])  # half the time of an index, and nobody (-1) has the last place here too
        self._leavers.judged(rows, kept, passes)
        return kept

    def note(self, rows: npt.NDArray[np.integer]) -> None:
        """Take down whose rows these are, in order, all of which have passed."""
        self._leavers.note(rows)

    def _asked(self) -> Allowed:
        need = self.need
        if not self._gate.stands_at(standing(self._engine, need.dataset_id)):
            with db.transaction(self._engine, is_read=True) as session:
                self._gate.refresh(session)
        rule = self._gate.rule
        found = self._gate.allowed(
            need.purpose, need.names, self._clock(), self._about, is_strict=need.is_strict
        )
        named = need.named
        if rule is None or rule.named != (named.provider_id, named.key_space, *named.subjects):
            raise ConsentMoved("people are named in another way now")
        if not found.is_open:
            raise ConsentMoved("the rule lets nothing leave any more")
        # Of two versions of the rule in one delivery the stricter holds.
        self._several = Several.ALL if Several.ALL in (rule.several, self._several) else Several.ANY
        self._nobody = Nobody.OUT if Nobody.OUT in (rule.nobody, self._nobody) else Nobody.IN
        return found

    def _take(self, now: Allowed) -> None:
        passes = np.empty(len(self.people) + 1, np.bool_)
        np.logical_and(self._first.people, now.people, out=passes[:-1])
        passes[-1] = self._nobody is Nobody.IN
        self._passes, self._now = passes, now


def admit(desk: Desk, version: DatasetVersion, need: Need, columns: Collection[str]) -> Admission:
    """Return the gate for one delivery of a stored version, as it stands now; reserves nothing yet.

    Blocks: who is in the version, and what all of them decided, is read when it is not in memory. Raises ConsentMoved,
    ObjectMissing, StorageFailed, OSError.
    """
    people = people_of(desk.settings, version, need.named)
    return Admission(desk, _gate_of(desk.settings, need.dataset_id, people), people, need, columns)


def admit_table(desk: Desk, need: Need, table: pa.Table, columns: Collection[str]) -> Admission:
    """Return the gate for a table that was made just now: only its people's decisions are read. Raises ConsentMoved."""
    people, subjects = numbered_table(desk.settings, table, need.named)
    gate = Gate(need.dataset_id, people.index, only=subjects)
    return Admission(desk, gate, people, need, columns)


def digests_in(ctx: Context, need: Need, keys: Collection[str]) -> list[bytes]:
    """Return the digests of people's keys as a rule names them. Raises InvalidConsent for one that names nobody."""
    named = need.named
    return [
        digest_of_key(ctx.settings, named.provider_id, named.key_space, key, f"/context/people/{at}")
        for at, key in enumerate(keys)
    ]


def all_let(ctx: Context, need: Need, keys: Collection[str], columns: Collection[str]) -> bool:
    """Tell whether all of these people let their data go, as this transaction sees it. Raises InvalidConsent."""
    subjects = list(dict.fromkeys(digests_in(ctx, need, keys)))
    gate = Gate(need.dataset_id, SubjectIndex(b"".join(subjects)), only=subjects)
    gate.refresh(ctx.session)
    about = need.asks_about(columns)
    allowed = gate.allowed(need.purpose, need.names, ctx.now, about, is_strict=need.is_strict)
    return bool(allowed.is_open and allowed.people.all())


def digests_left(admission: Admission) -> list[bytes]:
    """Return the digests of those whose rows left."""
    index = admission.people.index
    pairs = np.stack([index.high[admission.left], index.low[admission.left]], axis=1)
    return [each.tobytes() for each in pairs.astype(">u8")]


def _gate_of(settings: Settings, dataset_id: str, people: People) -> Gate:
    key = (settings.database_url, settings.home, people.name)
    with _lock:
        gate = _gates.pop(key, None) or Gate(dataset_id, people.index)
        _gates[key] = gate
        while len(_gates) > 1 and sum(each.cell_bytes for each in _gates.values()) > KEPT_BYTES:
            _gates.popitem(last=False)
    return gate


_gates: OrderedDict[tuple[str, Path, str], Gate] = OrderedDict()
_lock = Lock()
