"""What the lines of one chunk of an import come to: rows to write, faults, and who said no.

Of millions of lines nearly all say what another has said of somebody else. So a decision, its text and its row are made
once for all that wish the same from the same state, and only what is each line's own is made for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from datahub.consent.models import Channel, ConsentImport, ConsentImportFault, ConsentState, ImportForm, Move
from datahub.consent.rules import lives
from datahub.consent.rules.events import Frame, digest_in, frame_of, instant
from datahub.consent.rules.lines import Line, LineReader, Manner
from datahub.consent.rules.notices import entries_of
from datahub.consent.service.people import digest_for
from datahub.consent.service.records import standing_of
from datahub.consent.store import bulk
from datahub.consent.store import rules as rule_store
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault, Refusal
from datahub.kernel.ids import new_id

_Key = tuple[int, bytes]
"""Topic and person."""

_SAYS_NO = frozenset({Move.WITHDRAW, Move.REFUSE, Move.INVALIDATE})


@dataclass
class Chunk:
    """What one chunk comes to. `withdrawn`: by topic, the ids of the consents of those who said no."""

    rows: bulk.Rows = field(default_factory=bulk.Rows)
    faults: list[ConsentImportFault] = field(default_factory=list)
    withdrawn: dict[int, list[str]] = field(default_factory=dict)
    applied: int = 0
    unchanged: int = 0
    faulty: int = 0


@dataclass(frozen=True)
class _Verdict:
    """What a wish leads to from one state, whoever wishes it, at any instant from `first` to before `end`.

    `record` and `said` with `rest` are what of a row of a consent, and of an event, is the same for all of them. `kept_at`:
    a decision that a request left as it was, and so not as of the line's instant.
    """

    after: lives.Standing
    first: datetime
    end: datetime
    record: bulk.Values
    said: tuple[str, str]
    rest: bulk.Values
    frame: Frame
    relation: str | None
    kept_at: Any


def decide_lines(ctx: Context, waiting: ConsentImport, lines: Sequence[bytes]) -> Chunk:
    """Decide the lines that come next in an import; locks the topics that they are about."""
    chunk = Chunk()
    read = _read(ctx, waiting, lines, chunk)
    wanted: dict[int, set[bytes]] = {}
    for _, line in read:
        wanted.setdefault(line.manner.topic_no, set()).add(line.subject)
    # Topics are locked in one order, so that two imports never wait for each other in a circle; people are written in the
    # order of the index on them, because neighbours share its pages.
    epochs = {no: rule_store.step_epoch(ctx.session, no) for no in sorted(wanted)}
    asked = {no: sorted(wanted[no]) for no in epochs}
    decider = _Decider(ctx, waiting, chunk, bulk.records_of_many(ctx.session, asked))
    decider.decide(read)
    for no, epoch in epochs.items():
        decider.keep(no, asked[no], epoch)
    return chunk


def _read(
    ctx: Context, waiting: ConsentImport, lines: Sequence[bytes], chunk: Chunk
) -> list[tuple[int, Line]]:
    rules = rule_store.rules_of(ctx.session, waiting.dataset_id)
    topics = {p: t.no or 0 for p, t in rule_store.topics_of(ctx.session, waiting.dataset_id).items()}
    reader = LineReader(
        ImportForm(waiting.form),
        columns=waiting.columns,
        topics=topics,
        rules={rule.number: entries_of(rule.purposes) for rule in rules},
        digest=digest_for(ctx.settings, waiting.provider_id, rules[-1].key_space),
    )
    read: list[tuple[int, Line]] = []
    for at, found in enumerate(reader.read_many(lines), waiting.lines + 1):
        if isinstance(found, Line):
            read.append((at, found))
        elif found is not None:
            _fault(waiting, chunk, at, found)
    return read


class _Decider:
    """Decides line after line, each from where the ones before it have led."""

    def __init__(
        self, ctx: Context, waiting: ConsentImport, chunk: Chunk, there: Mapping[_Key, bulk.Kept]
    ) -> None:
        self._now, self._waiting, self._chunk, self._there = ctx.now, waiting, chunk, there
        self._channel = Channel(waiting.channel)
        self._form = bulk.Form.of(ctx.session)
        self._verdicts: dict[tuple[Manner, ConsentState | None, bool], _Verdict] = {}
        self._ids = {key: row.id for key, row in there.items()}
        # Where the lines so far have led, by the last of them: its verdict, itself, the number of its event, its instant.
        self._led: dict[_Key, tuple[_Verdict, Line, int, Any]] = {}
        self._first: dict[Manner, _Verdict] = {}

    def decide(self, read: Sequence[tuple[int, Line]]) -> None:
        """Decide lines, each with its number in the file."""
        there, led, first = self._there, self._led, self._first
        for number, line in read:
            key = (line.manner.topic_no, line.subject)
            if key not in led and key not in there:  # a new person, as most are: decided as the one before
                verdict = first.get(line.manner)
                if verdict is not None and verdict.first <= line.at < verdict.end:
                    self._apply(key, line, verdict, 1)
                    continue
            before = self._before(key)
            if before is not None and before.last_at == line.at:
                wish = line.manner.wish(line.at, self._channel)
                if lives.is_repeat(line.manner.entry, before, wish):
                    self._chunk.unchanged += 1
                    continue
            try:
                verdict = self._verdict(line, before)
            except Refusal as refusal:
                fault = (
                    refusal.faults[0] if refusal.faults else Fault("/move", refusal.detail, refusal.code())
                )
                _fault(self._waiting, self._chunk, number, fault)
                continue
            if before is None and not verdict.kept_at:
                first[line.manner] = verdict
            self._apply(key, line, verdict, before.last_event + 1 if before else 1)

    def keep(self, topic_no: int, subjects: Sequence[bytes], epoch: int) -> None:
        """Write down where consents on a topic stand at the end."""
        rows, led, blob = self._chunk.rows, self._led, self._form.blob
        for subject in subjects:
            key = (topic_no, subject)
            if key in led:
                verdict, _, number, at = led[key]
                at = verdict.kept_at or at
                row = (self._ids[key], topic_no, blob(subject), *verdict.record, at, number, epoch)
                (rows.changed if key in self._there else rows.new).append(row)

    def _before(self, key: _Key) -> lives.Standing | None:
        if (led := self._led.get(key)) is not None:
            verdict, line, number, _ = led
            after = verdict.after
            return after if verdict.kept_at else after._replace(last_at=line.at, last_event=number)
        return standing_of(self._there.get(key))

    def _verdict(self, line: Line, before: lives.Standing | None) -> _Verdict:
        """Return what a line leads to. Raises what `lives.decide` raises."""
        manner, at, form = line.manner, line.at, self._form
        kind = (manner, before.state, before.is_persons_own) if before else (manner, None, False)
        found = self._verdicts.get(kind)
        if found and found.first <= at < found.end and (before is None or before.last_at <= at):
            return found
        wish = manner.wish(at, self._channel)
        after = lives.decide(self._now, manner.entry, before, wish)
        first, end = lives.span(self._now, manner.entry, wish)
        said = (manner.move.value, after.state.value)
        until = after.until if manner.move in lives.SAYS_YES else None
        own = (
            form.flag(manner.is_explicit), manner.rule_number, manner.language, str(wish.collector), str(wish.channel),
            form.flag(manner.is_conditional), self._waiting.id, self._waiting.actor["client"],
        )  # fmt: skip
        is_kept = manner.move is Move.REQUEST  # whatever it leads to is each person's own
        made = _Verdict(
            after,
            first,
            end,
            _record_of(after, form),
            said,
            (form.instant(self._now, instant(self._now)), form.instant(until, instant(until)), *own),
            frame_of(said, (self._now, until, *own)),
            manner.guardian.relation if manner.guardian else None,
            form.instant(after.last_at, instant(after.last_at)) if is_kept else None,
        )
        if not is_kept:
            self._verdicts[kind] = made
        return made

    def _apply(self, key: _Key, line: Line, verdict: _Verdict, number: int) -> None:
        chunk = self._chunk
        record_id = self._ids.get(key) or self._ids.setdefault(key, new_id())
        at = self._form.instant(line.at, line.written)
        self._led[key] = verdict, line, number, at
        digest = digest_in(verdict.frame, record_id, number, line.written)
        chunk.rows.events.append(
            (record_id, number, *verdict.said, at, *verdict.rest, self._form.blob(digest))
        )
        if line.evidence or verdict.relation:
            evidence = line.evidence or self._waiting.evidence
            chunk.rows.details.append((record_id, number, evidence, verdict.relation))
        chunk.applied += 1
        if line.manner.move in _SAYS_NO:
            chunk.withdrawn.setdefault(line.manner.topic_no, []).append(record_id)


def _record_of(after: lives.Standing, form: bulk.Form) -> bulk.Values:
    """Return what a row of a consent says of where it stands, from its state on to before the instant."""
    until_s = None if after.until is None else int(after.until.timestamp())
    return (
        after.state.value,
        until_s,
        form.flag(after.is_explicit),
        after.rule_number,
        form.flag(after.is_persons_own),
    )


def _fault(waiting: ConsentImport, chunk: Chunk, at: int, fault: Fault) -> None:
    chunk.faulty += 1
    chunk.faults.append(
        ConsentImportFault(
            import_id=waiting.id,
            line=at,
            pointer=fault.pointer,
            code=fault.code,
            detail=fault.detail[:500],
        )
    )
