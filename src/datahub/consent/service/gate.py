"""The gate: the consents of one dataset version in memory, as exact as the database and as new as its epochs.

The database is the truth. `refresh` asks it for the epochs, and reads only what changed since; that is one short query
when nothing did. Time needs nobody to write it down: a yes that has ended lets nobody through from that second on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any

import numpy as np
from sqlmodel import Session

from datahub.consent.models import ConsentRule, ConsentState, ConsentTopic, Nobody, Several
from datahub.consent.rules import lives
from datahub.consent.rules.gate import (
    Allowed,
    Bools,
    Cells,
    Columns,
    Numbers,
    RuleView,
    SubjectIndex,
    combine,
)
from datahub.consent.rules.keys import digests
from datahub.consent.rules.lives import Entry
from datahub.consent.rules.notices import covers, entries_of
from datahub.consent.rules.purposes import answering, purpose_iri, tokens_of
from datahub.consent.service.people import digest_for
from datahub.consent.store import rules as store
from datahub.consent.store.bulk import Decided, Kind, decisions_on
from datahub.kernel.settings import Settings

_KEPT_ANSWERS = 32
# Of so many changes at most the answers that are kept are judged anew; of more, they are made anew.
_PATCHED = 1 << 16
_KEPT_BYTES = 64 << 20

_Asked = tuple[str, frozenset[str], Columns, bool, tuple[int, ...]]
"""Purpose, recipient, columns, strictness, and how often a yes of each topic has ended by then."""


def index_of(settings: Settings, provider_id: str, key_space: str, keys: Iterable[object]) -> SubjectIndex:
    """Return the index of the people who have these keys."""
    return SubjectIndex(digests(digest_for(settings, provider_id, key_space), keys))


class Gate:
    """Who of a dataset version's people may be let through. Safe to share among threads."""

    def __init__(self, dataset_id: str, index: SubjectIndex, only: Sequence[bytes] | None = None) -> None:
        """Start empty: before the first `refresh` nobody is let through. `only`: read these people's decisions alone."""
        self.dataset_id = dataset_id
        self._only = only
        self._index = index
        self._lock = Lock()
        self._cells: dict[str, Cells] = {}
        self._epochs: dict[str, tuple[int, int]] = {}
        self._rule: RuleView | None = None
        self._classes: Mapping[str, Mapping[str, Any]] = {}
        self._asked: dict[str, dict[int, Entry | None]] = {}
        self._answers: dict[_Asked, Allowed] = {}
        self._standing: store.Standing | None = None

    @property
    def nbytes(self) -> int:
        """Return the memory that people take here, bytes."""
        return self._index.nbytes + self.cell_bytes

    @property
    def cell_bytes(self) -> int:
        """Return what of it the decisions take; the index may lie in a file."""
        return sum(cells.nbytes for cells in tuple(self._cells.values()))

    @property
    def rule(self) -> RuleView | None:
        """Return the rule as it was at the last refresh."""
        return self._rule

    def stands_at(self, standing: store.Standing) -> bool:
        """Tell whether nothing has changed since a refresh that found the consents so."""
        return self._standing == standing

    def refresh(self, session: Session, draft: ConsentRule | None = None) -> bool:
        """Bring the gate to what the session's transaction sees; tell whether anything had changed.

        `draft`: judge by this rule, which is not in the database, to see what it would do.
        """
        with self._lock:
            topics = store.topics_of(session, self.dataset_id)
            newest = draft or store.current_rule(session, self.dataset_id)
            number = newest.number if newest else 0
            # Forward only: a transaction that began before another's does not take back what that one has seen.
            is_new_rule = number > (self._rule.number if self._rule else 0)
            if is_new_rule:
                self._take_rules(session, draft)
            asked = [topics[purpose] for purpose in self._asked if purpose in topics]
            changed = [t for t in asked if (t.epoch, t.generation) > self._epochs.get(t.purpose, (-1, -1))]
            moved = [self._take_records(session, topic) for topic in changed]
            if changed or is_new_rule:
                few = [each for each in moved if each is not None]
                if is_new_rule or len(few) < len(moved) or sum(map(len, few)) > _PATCHED:
                    self._answers = {}
                else:
                    self._patch(frozenset(topic.purpose for topic in changed), np.concatenate(few))
            if draft is None:
                # Last: whoever finds it so then finds all else as well. It may be older than what the gate holds, if
                # two transactions came in the other order; then the next look asks in full.
                self._standing = store.standing_among(topics.values(), newest)
            return is_new_rule or bool(changed)

    def allowed(
        self,
        purpose: str,
        recipient: Iterable[str],
        now: datetime,
        columns: Columns = None,
        *,
        is_strict: bool = False,
    ) -> Allowed:
        """Return who may be let through to a recipient, for a purpose, with these columns (None: all of them).

        `recipient`: every name of the organisation. `is_strict`: by consent only, and by no other legal basis. The array
        is shared: read it, never write it.
        """
        with self._lock:
            rule = self._rule
            iri = purpose_iri(purpose) or purpose
            names = answering(iri, rule.entries) if rule else []
            if rule is None or not names:
                nobody = _frozen(np.zeros(len(self._index), np.bool_))
                return Allowed(nobody, is_open=False, rule_number=rule.number if rule else 0)
            for name in names:
                self._cells[name].lapse(int(now.timestamp()))
            tokens = tokens_of(recipient, self._classes)
            key = (iri, tokens, columns, is_strict, tuple(self._cells[name].lapsed for name in names))
            if key not in self._answers:
                if len(self._answers) >= max(1, min(_KEPT_ANSWERS, _KEPT_BYTES // max(1, len(self._index)))):
                    self._answers.clear()
                self._answers[key] = self._answer(rule, iri, names, tokens, columns, is_strict=is_strict)
            return self._answers[key]

    def _answer(
        self,
        rule: RuleView,
        purpose: str,
        names: Sequence[str],
        tokens: frozenset[str],
        columns: Columns,
        *,
        is_strict: bool,
    ) -> Allowed:
        entries = {name: rule.entries[name] for name in names}
        said = {
            name: self._cells[name].said(entry, self._asked[name], tokens, columns, is_strict=is_strict)
            for name, entry in entries.items()
        }
        people = _frozen(combine(purpose, entries, said, len(self._index)))
        is_open = any(covers(entry, tokens, columns) for entry in entries.values())
        return Allowed(people, is_open, rule.number, self._epochs_of(names))

    def _epochs_of(self, names: Sequence[str]) -> dict[str, int]:
        return {name: self._epochs.get(name, (0, 0))[0] for name in names}

    def _patch(self, moved: frozenset[str], at: Numbers) -> None:
        """Judge in each answer anew the few whose decisions have moved: all of twenty million took 65 ms of CPU."""
        rule = self._rule
        for key, old in tuple(self._answers.items()):
            iri, tokens, columns, is_strict, _ = key
            names = answering(iri, rule.entries) if rule else []
            if rule is None or moved.isdisjoint(names):
                continue
            entries = {name: rule.entries[name] for name in names}
            said = {
                name: self._cells[name].said(
                    entry, self._asked[name], tokens, columns, is_strict=is_strict, at=at
                )
                for name, entry in entries.items()
            }
            people = old.people.copy()
            people[at] = combine(iri, entries, said, len(at))
            self._answers[key] = Allowed(_frozen(people), old.is_open, rule.number, self._epochs_of(names))

    def _take_rules(self, session: Session, draft: ConsentRule | None) -> None:
        rules = [*store.rules_of(session, self.dataset_id), *([draft] if draft else [])]
        read = {rule.number: entries_of(rule.purposes) for rule in rules}
        newest = rules[-1]
        self._rule = RuleView(
            newest.number,
            read[newest.number],
            (newest.provider_id, newest.key_space, *newest.subjects),
            Several(newest.several),
            Nobody(newest.nobody),
        )
        self._classes = newest.classes
        self._asked = {name: {n: each.get(name) for n, each in read.items()} for name in read[newest.number]}
        for name in self._asked:
            self._cells.setdefault(name, Cells(len(self._index)))

    def _take_records(self, session: Session, topic: ConsentTopic) -> Numbers | None:
        """Read what changed on a topic since it was last read: all of it, if somebody was cut loose since.

        Returns whose decisions those are; None: anybody's.
        """
        since, generation = self._epochs.get(topic.purpose, (-1, topic.generation))
        if topic.purpose not in self._cells or generation != topic.generation:
            self._cells[topic.purpose] = Cells(len(self._index))
            since = -1
        cells, moved, count = self._cells[topic.purpose], list[Numbers](), 0
        for batch in decisions_on(session, topic.no or 0, since, self._only):
            count += len(batch.kinds)
            positions = self._put(cells, batch)
            if count <= _PATCHED:
                moved.append(positions)
        self._epochs[topic.purpose] = (topic.epoch, topic.generation)
        if since < 0 or count > _PATCHED:
            return None
        return np.concatenate([np.zeros(0, np.int64), *moved])

    def _put(self, cells: Cells, batch: Decided) -> Numbers:
        positions = self._index.positions(batch.subjects)
        kinds, which = np.unique(batch.kinds, return_inverse=True)
        codes = np.array([_code(cells, Kind.of(int(kind))) for kind in kinds], np.uint16)
        cells.put(positions, codes[which], batch.until_s)
        return positions[positions >= 0]


def _code(cells: Cells, kind: Kind) -> int:
    return cells.code(
        is_yes=kind.state in lives.YES,
        is_no=kind.state not in lives.YES and kind.state != ConsentState.REQUESTED,
        rule_number=kind.rule_number,
        is_explicit=kind.is_explicit,
    )


def _frozen(array: Bools) -> Bools:
    array.setflags(write=False)
    return array
