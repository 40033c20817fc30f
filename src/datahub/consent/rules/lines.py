"""One line of an import, read: whose decision on which purpose, or what is wrong with it. Pure.

A fault never repeats what the line said, because a line names a person.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from datahub.consent.models import Channel, Collector, ImportForm, Move
from datahub.consent.rules.events import instant
from datahub.consent.rules.keys import MAX_KEY, key_fault, key_text
from datahub.consent.rules.lives import Entry, Guardian, Wish
from datahub.consent.rules.purposes import purpose_iri
from datahub.kernel.errors import Fault

FIELDS = frozenset(
    {
        "subject", "purpose", "move", "at", "validUntil", "explicit", "ruleNumber", "language", "evidence",
        "conditional", "majorityAt", "relation",
    }
)  # fmt: skip
NEEDED = ("subject", "purpose", "move", "at")
LANGUAGES = frozenset({"nl", "en"})
MAX_LINE_BYTES = 1 << 16
MAX_EVIDENCE = 2000
Common = tuple[tuple[str, Any], ...]
"""What a line says beside whose decision it is, when it was, and the proof: names with values."""

_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII).fullmatch
_KEPT = 1 << 16
# What a line that is not as most are leads to where it is taken to be; `read` then says what it is, or what is wrong.
_UNUSUAL = (ValueError, AttributeError, TypeError, LookupError)
_YES_NO: Mapping[Any, bool] = {"true": True, "false": False, "1": True, "0": False, True: True, False: False, None: False, "": False}  # fmt: skip
_MOVES: Mapping[Any, Move] = {str(move): move for move in Move}


class LineFault(Exception):  # noqa: N818 — what is wrong with a line, not a bug
    """A line cannot be read; nothing of it is kept."""

    def __init__(self, pointer: str, detail: str, code: str) -> None:
        """Keep where, what, and its stable code."""
        super().__init__(detail)
        self.fault = Fault(pointer, detail, code)


@dataclass(frozen=True, eq=False)
class Manner:
    """What most lines of a file have in common: all that they say beside whose decision it is, when it was, and the proof.

    One that comes again is the same object.
    """

    topic_no: int
    entry: Entry
    move: Move
    rule_number: int
    until: datetime | None
    is_explicit: bool
    guardian: Guardian | None
    language: str
    is_conditional: bool

    def wish(self, at: datetime, channel: Channel) -> Wish:
        """Return the move that is wished for by a line of this manner."""
        collector, until = Collector.PUBLISHER, self.until
        return Wish(
            self.move, at, collector, channel, self.rule_number, until, self.is_explicit, self.guardian
        )


class Line(NamedTuple):
    """What one line says; `written` is its instant as events write it."""

    manner: Manner
    subject: bytes
    at: datetime
    written: str
    evidence: str | None


class LineReader:
    """Reads the lines of one import. `topics`: number by purpose; `rules`: the purposes of each version of the rule."""

    def __init__(
        self,
        form: ImportForm,
        *,
        columns: Sequence[str] | None,
        topics: Mapping[str, int],
        rules: Mapping[int, Mapping[str, Entry]],
        digest: Callable[[str], bytes],
    ) -> None:
        """Keep what is the same for every line."""
        self._form = form
        self._columns = columns
        self._topics = topics
        self._rules = rules
        self._newest = max(rules)
        self._digest = digest
        self._manners: dict[Common, Manner] = {}
        self._instants: dict[Any, datetime] = {}

    def read_many(self, lines: Iterable[bytes]) -> Iterator[Line | Fault | None]:
        """Read lines as `read` does, each to what it says or what is wrong with it; None for an empty one.

        Of millions of lines nearly all are as the ones before but for person and instant: those are read here at once.
        """
        is_json, manners, digest = self._form is ImportForm.NDJSON, self._manners, self._digest
        for raw in lines:
            text = raw.strip()
            if not text:
                yield None
                continue
            if is_json and len(text) <= MAX_LINE_BYTES:
                try:
                    said = orjson.loads(text)
                    key, at = said.pop("subject").strip(), said.pop("at")
                    manner = manners[tuple(said.items())]
                    if _PLAIN(at) and at[11:13] != "24" and 0 < len(key) <= MAX_KEY and key.isprintable():
                        moment = datetime.fromisoformat(at)
                        yield Line(manner, digest(key), moment, f"{at[:19]}.000000Z", None)
                        continue
                except _UNUSUAL:
                    pass
            try:
                yield self.read(text)
            except LineFault as wrong:
                yield wrong.fault

    def read(self, raw: bytes) -> Line:
        """Read a line. Raises LineFault."""
        key, at, evidence, common = self._parted(raw)
        if not (
            isinstance(key, str) and (text := key.strip()) and len(text) <= MAX_KEY and text.isprintable()
        ):
            if (fault := key_fault(key)) is not None:
                raise LineFault("/subject", fault, "subject-key")
            text = key_text(key)
        manner = self._manner(common)
        moment = (self._instants.get(at) if isinstance(at, str) else None) or self._instant("/at", at)
        if evidence and not (isinstance(evidence, str) and len(evidence) <= MAX_EVIDENCE):
            raise LineFault("/evidence", f"is a text of at most {MAX_EVIDENCE} characters", "evidence")
        return Line(manner, self._digest(text), moment, written(at, moment), evidence or None)

    def _manner(self, common: Common) -> Manner:
        """Return what a line has in common with others, read once for all that say the same. Raises LineFault."""
        try:
            return self._manners.get(common) or self._manners.setdefault(
                common, self._read_manner(dict(common))
            )
        except TypeError:  # a list or an object, where a text or a number belongs
            return self._read_manner(dict(common))

    def _read_manner(self, said: Mapping[str, Any]) -> Manner:
        rule_number = self._rule_number(said.get("ruleNumber"))
        topic_no, entry = self._look_up(said.get("purpose"), rule_number)
        move = said.get("move")
        if not isinstance(move, str) or move not in _MOVES:
            raise LineFault("/move", f"is none of {', '.join(_MOVES)}", "unknown-move")
        language = said.get("language") or "nl"
        if not isinstance(language, str) or language not in LANGUAGES:
            raise LineFault("/language", "is neither nl nor en", "unknown-language")
        until, majority = said.get("validUntil"), said.get("majorityAt")
        guardian = (
            Guardian(self._instant("/majorityAt", majority), str(said.get("relation") or "")[:100])
            if majority
            else None
        )
        return Manner(
            topic_no,
            entry,
            _MOVES[move],
            rule_number,
            self._instant("/validUntil", until) if until else None,
            self._yes_no("/explicit", said.get("explicit")),
            guardian,
            language,
            self._yes_no("/conditional", said.get("conditional")),
        )

    def _parted(self, raw: bytes) -> tuple[Any, Any, Any, Common]:
        """Return whose decision a line is, when it was, the proof, and the rest of what it says."""
        if len(raw) > MAX_LINE_BYTES:
            raise LineFault("", f"has more than {MAX_LINE_BYTES} bytes", "line-too-long")
        said = self._cells(raw) if self._form is ImportForm.CSV else self._object(raw)
        own = said.pop("subject", None), said.pop("at", None), said.pop("evidence", None)
        common = tuple(said.items())
        return (*own, common)

    def _object(self, raw: bytes) -> dict[str, Any]:
        try:
            said = orjson.loads(raw)
        except orjson.JSONDecodeError as fault:
            raise LineFault("", "is not JSON in UTF-8", "not-json") from fault
        if not isinstance(said, dict):
            raise LineFault("", "is not a JSON object", "not-an-object")
        if not said.keys() <= FIELDS:
            raise LineFault("", "has a field that is not known", "unknown-field")
        return said

    def _cells(self, raw: bytes) -> dict[str, Any]:
        try:
            [cells] = csv.reader([raw.decode()], strict=True)
        except (ValueError, csv.Error) as fault:
            raise LineFault("", "is not a line of CSV in UTF-8", "not-csv") from fault
        columns = self._columns or ()
        if len(cells) != len(columns):
            raise LineFault("", f"has {len(cells)} cells, not {len(columns)}", "cells")
        return {name: cell or None for name, cell in zip(columns, cells, strict=True)}

    def _rule_number(self, said: Any) -> int:
        if said is None:
            return self._newest
        try:
            number = int(said)
        except (TypeError, ValueError):
            number = 0
        if number not in self._rules:
            raise LineFault("/ruleNumber", "the dataset has no consent rule with this number", "unknown-rule")
        return number

    def _look_up(self, said: Any, rule_number: int) -> tuple[int, Entry]:
        purpose = (purpose_iri(said) or said) if isinstance(said, str) else ""
        entry = self._rules[rule_number].get(purpose)
        topic_no = self._topics.get(purpose)
        if entry is None or topic_no is None:
            raise LineFault("/purpose", "is not a purpose of the consent rule", "unknown-purpose")
        return topic_no, entry

    def _instant(self, pointer: str, said: Any) -> datetime:
        known = self._instants.get(said) if isinstance(said, str) else None
        if known is not None:
            return known
        try:
            instant = datetime.fromisoformat(said)
            if instant.tzinfo is None:
                raise ValueError
            if instant.tzinfo is not UTC:
                instant = instant.astimezone(UTC)
        except (TypeError, ValueError, OverflowError) as fault:
            detail = "is an instant as RFC 3339 has it, with its offset"
            raise LineFault(pointer, detail, "not-an-instant") from fault
        if len(self._instants) > _KEPT:
            self._instants.clear()
        return self._instants.setdefault(said, instant)

    def _yes_no(self, pointer: str, said: Any) -> bool:
        try:
            return _YES_NO[said]
        except (KeyError, TypeError):
            raise LineFault(pointer, "is neither true nor false", "not-a-boolean") from None


def written(said: str, at: datetime) -> str:
    """Write an instant as events do; one that was said so but for its microseconds is not made into a text anew."""
    if _PLAIN(said) and said[11:13] != "24":
        return f"{said[:19]}.000000Z"
    return instant(at)


def header_fault(columns: Sequence[str]) -> str | None:
    """Return why a CSV header cannot be used, or None."""
    unknown = [name for name in columns if name not in FIELDS]
    missing = [name for name in NEEDED if name not in columns]
    if unknown:
        return f"unknown columns: {', '.join(sorted(unknown))[:200]}"
    if missing:
        return f"missing columns: {', '.join(missing)}"
    return "a column comes twice" if len(set(columns)) < len(columns) else None
