"""Lines of an import decided in bulk lead where each would have led alone, and their events are what they commit to."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlmodel import Session, col, select

from datahub.consent.errors import ConsentMoveNotPossible, InvalidConsent, NothingToDecide
from datahub.consent.models import (
    Channel,
    Collector,
    ConsentEvent,
    ConsentImportFault,
    ConsentRecord,
    ImportForm,
    Move,
)
from datahub.consent.rules import lines, lives
from datahub.consent.rules.events import event_digest, instant
from datahub.consent.rules.notices import entries_of
from datahub.consent.service.people import digest_for
from datahub.consent.store.rules import current_rule
from datahub.kernel.clock import rfc3339
from tests.build import NOON
from tests.consent.building import RESEARCH, Clinic, a_clinic, a_purpose
from tests.hub import Hub

Line = tuple[str, Move, datetime, datetime | None, datetime | None]
"""Person, move, when, until when, of age."""
DAY = timedelta(days=1)
SOON = NOON + timedelta(minutes=2)  # before what clocks may differ by
UNTILS = (NOON + DAY, NOON + 30 * DAY, SOON, NOON - DAY)
FIELDS = (
    "record_id", "number", "move", "state", "at", "recorded_at", "until", "is_explicit", "rule_number", "language",
    "collector", "channel", "is_conditional", "source_id", "by_client_id",
)  # fmt: skip
Lives = dict[str, lives.Standing]


def some_lines(dice: random.Random, count: int) -> list[Line]:
    """Draw lines of few manners, about few people, at all kinds of instants: around every end there is."""
    moves = [Move.GIVE] * 5 + [Move.WITHDRAW, Move.REFUSE, Move.REQUEST, Move.RENEW, Move.INVALIDATE]
    around = [NOON - 30 * DAY, NOON - 29 * DAY, NOON - DAY, NOON, SOON, NOON + lives.SKEW]
    near = [each + timedelta(microseconds=step) for each in around for step in (-1, 0, 1)]
    lines: list[Line] = []
    for _ in range(count):
        move = dice.choice(moves)
        at = dice.choice([*near, NOON - dice.random() * 40 * DAY])
        until = dice.choice(UNTILS) if move in lives.SAYS_YES else None
        of_age = dice.choice([None, None, NOON + DAY, SOON, NOON - DAY]) if until else None
        lines.append((f"p{dice.randrange(40)}", move, at, until, of_age))
    return sorted(lines, key=lambda line: (line[2], line[0])) if dice.random() < 0.8 else lines


def told(line: Line) -> dict[str, Any]:
    person, move, at, until, of_age = line
    said: dict[str, Any] = {"subject": person, "purpose": RESEARCH, "move": move, "at": instant(at)}
    if until:
        said |= {"validUntil": rfc3339(until), "explicit": True}
    return said | ({"majorityAt": rfc3339(of_age), "relation": "parent"} if of_age else {})


def one_by_one(entry: lives.Entry, standing: Lives, lines: Sequence[Line]) -> list[tuple[int, str]]:
    """Decide each line alone; return which are faulty, and how."""
    faults: list[tuple[int, str]] = []
    for number, (person, move, at, until, of_age) in enumerate(lines, 1):
        guardian = lives.Guardian(of_age, "parent") if of_age else None
        wish = lives.Wish(
            move, at, Collector.PUBLISHER, Channel.PAPER, 1, until, is_explicit=bool(until), guardian=guardian
        )
        before = standing.get(person)
        if lives.is_repeat(entry, before, wish):
            continue
        try:
            standing[person] = lives.decide(NOON, entry, before, wish)
        except InvalidConsent as wrong:
            faults.append((number, wrong.faults[0].code))
        except (ConsentMoveNotPossible, NothingToDecide) as wrong:
            faults.append((number, wrong.code()))
    return faults


def stand(hub: Hub, clinic: Clinic) -> Lives:
    """Return where consents stand in the database; each event must be what it commits to."""
    digest = digest_for(hub.settings, clinic.party.id, "citizen")
    people = {digest(f"p{n}"): f"p{n}" for n in range(40)}
    found: Lives = {}
    with Session(hub.engine) as session:
        for record in session.exec(select(ConsentRecord)):
            until = None if record.until_s is None else datetime.fromtimestamp(record.until_s, UTC)
            found[people[record.subject or b""]] = lives.Standing(
                lives.S(record.state),
                until,
                record.is_explicit,
                record.rule_number,
                record.is_persons_own,
                record.last_at,
                record.last_event,
            )
            events = select(ConsentEvent).where(ConsentEvent.record_id == record.id)
            numbers = []
            for event in session.exec(events.order_by(col(ConsentEvent.number))):
                numbers.append(event.number)
                assert event_digest(tuple(getattr(event, name) for name in FIELDS)) == event.digest
            assert numbers == [*range(1, record.last_event + 1)]
            assert event.state == record.state
    return found


@pytest.mark.parametrize("choice", ["opt-in", "opt-out"])
def test_lines_lead_where_each_would_have_led_alone(hub: Hub, choice: str) -> None:
    clinic = a_clinic(hub)
    basis = "consent" if choice == "opt-in" else "legitimate-interest"
    clinic.rule(purposes=[a_purpose(basis=basis, explicit=choice == "opt-in", validityDays=30)])
    with Session(hub.engine) as session:
        rule = current_rule(session, clinic.dataset_id)
        assert rule is not None
        entry = entries_of(rule.purposes)[RESEARCH]
    dice, standing, applied = random.Random(choice), Lives(), 0
    for _ in range(3):
        lines = some_lines(dice, 250)
        faults = one_by_one(entry, standing, lines)
        done = clinic.send(b"\n".join(orjson.dumps(told(line)) for line in lines))
        assert done["faulty"] == len(faults)
        with Session(hub.engine) as session:
            kept = select(ConsentImportFault).where(ConsentImportFault.import_id == done["id"])
            found = session.exec(kept.order_by(col(ConsentImportFault.line))).all()
        assert [(fault.line, fault.code) for fault in found] == faults
        assert stand(hub, clinic) == standing
        applied += done["applied"]
    assert applied > 100, "there was something to compare"


@pytest.mark.parametrize(
    "said",
    [
        "2026-05-01T00:00:00Z", "2026-05-01T23:59:59Z", "2026-05-01T00:00:00+00:00", "2026-05-01 00:00:00Z",
        "2026-W18-5T00:00:00Z", "20260501T000000.123Z", "2026-05-01T00:00:00.123456Z", "2026-05-01T02:00:00+02:00",
        "2026-05-01T00:00Z",
    ],
)  # fmt: skip
def test_an_instant_is_written_as_events_write_it_however_it_was_said(said: str) -> None:
    at = datetime.fromisoformat(said).astimezone(UTC)
    assert lines.written(said, at) == instant(at)


PLAIN = {"subject": "a", "purpose": RESEARCH, "move": "give", "at": "2026-05-01T00:00:00Z", "explicit": True}
OTHER: list[dict[str, Any]] = [
    {}, {"subject": " b "}, {"subject": ""}, {"subject": 12}, {"subject": None}, {"subject": True},
    {"subject": "a\tb"}, {"subject": "x" * 200}, {"subject": "x" * 201}, {"subject": ["a"]}, {"at": None},
    {"at": "2026-05-01T24:00:00Z"}, {"at": "2026-05-01T00:00:60Z"}, {"at": "2026-02-30T00:00:00Z"},
    {"at": "2026-05-01T02:00:00+02:00"}, {"at": "2026-05-01T00:00:00"}, {"at": 5}, {"move": "gives"},
    {"move": None}, {"evidence": "form 12"}, {"evidence": None}, {"evidence": 5}, {"explicit": "true"},
    {"explicit": 1}, {"explicit": []}, {"purpose": "other"}, {"more": 1}, {"ruleNumber": 1}, {"ruleNumber": 2},
    {"validUntil": "soon"}, {"evidence": "x" * (lines.MAX_LINE_BYTES)}, {"subject": "a", "language": "de"},
]  # fmt: skip
ODD = [
    b"", b"  ", b"{", b"[]", b"7", b'"subject"', b"null", b"\xff", b"{}", b'{"subject":"a"}',
    *(orjson.dumps({**PLAIN, **other}) for other in OTHER),
]  # fmt: skip


def test_many_lines_are_read_as_each_is_alone() -> None:
    def reader() -> lines.LineReader:
        entry = entries_of([{"purpose": RESEARCH, "basis": "consent", "recipients": ["x"], "isExplicit": True,
                             "choice": "opt-in", "data": None, "validityDays": 30}])  # fmt: skip
        return lines.LineReader(
            ImportForm.NDJSON, columns=None, topics={RESEARCH: 1}, rules={1: entry}, digest=str.encode
        )

    def alone(line: bytes) -> object:
        if not line.strip():
            return None
        try:
            return reader().read(line.strip())
        except lines.LineFault as wrong:
            return wrong.fault

    def told_of(found: object) -> object:
        return (found[1:], vars(found.manner)) if isinstance(found, lines.Line) else found

    expected = [told_of(alone(line)) for line in ODD]
    assert sum(isinstance(each, tuple) for each in expected) > 5
    dice, places = random.Random(5), [*range(len(ODD))]
    for _ in range(20):
        dice.shuffle(places)
        found = reader().read_many(b" " * (at % 3) + ODD[at] + b"\r\n" for at in places)
        assert [told_of(each) for each in found] == [expected[at] for at in places]
