"""The gate lets through exactly who a slow reading of the rules lets through: whatever was decided, by whom, when, how."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.consent import Gate, SubjectIndex, digest_of_key, index_of, rows_allowed
from datahub.consent.errors import ConsentMoveNotPossible, InvalidConsent
from datahub.consent.models import Channel, Choice, Collector, Move, Nobody, Several
from datahub.consent.rules import lives
from datahub.consent.rules.gate import NOBODY, UNKNOWN, Cells, combine
from datahub.consent.rules.keys import digester, digests
from datahub.consent.rules.lives import Entry, Guardian, Standing, Wish
from datahub.consent.rules.notices import as_policy, beyond, covers
from datahub.consent.rules.purposes import answering, falls_under
from datahub.kernel import db
from datahub.kernel.errors import Refusal
from datahub.policy import grants_nothing_beyond, read_policy
from tests.consent.building import ACADEMIC, MARKETING, RESEARCH, a_clinic, a_purpose
from tests.hub import Hub

T0 = datetime(2026, 6, 1, tzinfo=UTC)
ADVERTISING = "https://w3id.org/dpv#Advertising"
TREE = (RESEARCH, ACADEMIC, MARKETING, ADVERTISING)
PEOPLE = [f"p{n}" for n in range(6)]
NAMES = ("kvk:1", "kvk:2", "class:participants")
COLUMNS = ("a", "b")


def entries(purpose: str) -> st.SearchStrategy[Entry]:
    basis = st.sampled_from(
        [("consent", Choice.OPT_IN)] * 4 + [("public-task", Choice.OPT_OUT), ("contract", Choice.NONE)]
    )
    return st.builds(
        lambda found, explicit, recipients, data: Entry(
            purpose, found[0], found[1], explicit and found[0] == "consent", recipients, data, 365
        ),
        basis,
        st.booleans(),
        st.frozensets(st.sampled_from(NAMES), min_size=1),
        st.none() | st.frozensets(st.sampled_from(COLUMNS), min_size=1),
    )


rules = st.fixed_dictionaries({}, optional={p: entries(p) for p in TREE}).filter(bool)


@dataclass
class Slow:
    """What the gate must come to, one person at a time, from all that was said."""

    rules: list[dict[str, Entry]]
    standing: dict[tuple[str, str], Standing] = field(default_factory=dict)

    def says(
        self, person: str, entry: Entry, name: str, columns: frozenset[str] | None, now: datetime
    ) -> str:
        tokens = frozenset({name, "class:participants"})
        is_open = covers(entry, tokens, columns)
        found = self.standing.get((entry.purpose, person))
        is_over = found is not None and found.until is not None and found.until <= now
        is_no = found is not None and (is_over or found.state not in (*lives.YES, lives.S.REQUESTED))
        if entry.choice is not Choice.OPT_IN:
            return "no" if is_no and entry.choice is Choice.OPT_OUT else "yes" if is_open else ""
        if is_no:
            return "no"
        if found is None or found.state is lives.S.REQUESTED:
            return ""
        old = self.rules[found.rule_number - 1].get(entry.purpose)
        good = old is not None and old.choice is Choice.OPT_IN and covers(old, tokens, columns)
        return "yes" if good and is_open and (found.is_explicit or not entry.is_explicit) else ""

    def lets(
        self, person: str, purpose: str, name: str, columns: frozenset[str] | None, now: datetime
    ) -> bool:
        rule = self.rules[-1]

        def nearest(below: str, all_: list[str]) -> list[str]:
            above = [e for e in all_ if e != below and falls_under(below, e)]
            return [e for e in above if not any(o != e and falls_under(o, e) for o in above)]

        def total(each: str) -> str:
            own = self.says(person, rule[each], name, columns, now)
            over = [total(up) for up in nearest(each, list(names))]
            return own or ("no" if "no" in over else "yes" if "yes" in over else "")

        names = [each for each in rule if falls_under(purpose, each)]
        lowest = [e for e in names if not any(o != e and falls_under(o, e) for o in names)]
        said = [total(each) for each in lowest]
        return "yes" in said and "no" not in said


moves = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from(TREE),
    st.sampled_from(list(Move)),
    st.sampled_from([Collector.PERSON, Collector.PUBLISHER, Collector.EXCHANGE]),
    st.integers(1, 300),
    st.booleans(),
    st.none() | st.integers(1, 300),
)


@settings(max_examples=150)
@given(
    st.lists(rules, min_size=1, max_size=3),
    st.lists(st.lists(moves, max_size=12), min_size=3, max_size=3),
    st.data(),
)
def test_whatever_was_decided_the_gate_lets_through_who_a_slow_reading_does(
    versions: list[dict[str, Entry]], said: list[list[Any]], data: st.DataObject
) -> None:
    slow = Slow(versions)
    now = T0
    for number, rule in enumerate(versions, 1):
        for person, purpose, move, collector, days, explicit, majority in said[number - 1]:
            now += timedelta(days=3)
            guardian = None if majority is None else Guardian(T0 + timedelta(days=majority), "parent")
            wish = Wish(
                move, now, collector, Channel.PAPER, number, now + timedelta(days=days), explicit, guardian
            )
            entry = rule.get(purpose)
            if entry is None:
                continue
            before = slow.standing.get((purpose, person))
            try:
                slow.standing[purpose, person] = lives.decide(now, entry, before, wish)
            except Refusal:
                continue
    check(slow, now, data)


def check(slow: Slow, now: datetime, data: st.DataObject) -> None:
    digest = digester(b"k" * 32, "provider", "space")
    index = SubjectIndex(digests(digest, PEOPLE))
    rule = slow.rules[-1]
    cells = {purpose: Cells(len(PEOPLE)) for purpose in rule}
    for (purpose, person), found in slow.standing.items():
        if purpose in cells:
            cell = cells[purpose]
            code = cell.code(
                is_yes=found.state in lives.YES,
                is_no=found.state not in (*lives.YES, lives.S.REQUESTED),
                rule_number=found.rule_number,
                is_explicit=found.is_explicit,
            )
            until = 0 if found.until is None else int(found.until.timestamp())
            cell.put(index.positions(digest(person)), [code], [until])
    for days in (0, 30, 200, 500):
        later = now + timedelta(days=days)
        for cell in cells.values():
            cell.lapse(int(later.timestamp()))
        purpose, name = data.draw(st.sampled_from(TREE)), data.draw(st.sampled_from(["kvk:1", "kvk:3"]))
        columns = data.draw(st.none() | st.frozensets(st.sampled_from(COLUMNS)))
        names = answering(purpose, rule)
        tokens = frozenset({name, "class:participants"})
        cells_say = {
            each: cells[each].said(
                rule[each], {n: r.get(each) for n, r in enumerate(slow.rules, 1)}, tokens, columns
            )
            for each in names
        }
        got = combine(purpose, {n: rule[n] for n in names}, cells_say, len(PEOPLE))
        by_person = got[index.positions(digests(digest, PEOPLE))]
        assert by_person.tolist() == [slow.lets(person, purpose, name, columns, later) for person in PEOPLE]


@given(
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.tuples(*[st.integers(UNKNOWN, 3)] * 3), max_size=30),
    st.sampled_from(Several),
    st.sampled_from(Nobody),
    st.booleans(),
)
def test_rows_about_several_people_and_about_nobody(
    allowed: list[bool], rows: list[tuple[int, ...]], several: Several, nobody: Nobody, is_open: bool
) -> None:
    columns = [np.array([row[at] for row in rows], np.int64) for at in range(3)]
    got = rows_allowed(np.array(allowed), columns, several, nobody, is_open=is_open)
    for row, kept in zip(rows, got, strict=True):
        about = [number for number in row if number != NOBODY]
        each = [number >= 0 and allowed[number] for number in about]
        join = all if several is Several.ALL else any
        assert kept == (is_open and (join(each) if about else nobody is Nobody.IN))


def test_people_are_found_by_the_whole_digest() -> None:
    half = (7).to_bytes(8, "big")
    same_half = [half + n.to_bytes(8, "big") for n in (5, 3, 9)]
    index = SubjectIndex(b"".join(same_half))
    wanted = [*same_half, half + (4).to_bytes(8, "big"), b"\xff" * 16]
    assert index.positions(b"".join(wanted)).tolist() == [1, 0, 2, UNKNOWN, UNKNOWN], "by rank"
    assert len(SubjectIndex(same_half[0] * 2)) == 1, "who comes twice is one person"


def engine_says(narrow: Entry, wide: Entry) -> bool | None:
    return grants_nothing_beyond(read_policy(as_policy([narrow])), read_policy(as_policy([wide]))).holds


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(entries(RESEARCH), entries(RESEARCH))
def test_the_policy_engine_agrees_on_what_a_notice_covers(old: Entry, new: Entry) -> None:
    pytest.importorskip("z3")
    plain = [
        Entry(
            e.purpose,
            "consent",
            Choice.OPT_IN,
            is_explicit=False,
            recipients=e.recipients,
            data=e.data,
            validity_days=365,
        )
        for e in (old, new)
    ]
    assert engine_says(plain[1], plain[0]) is (not beyond(*plain))


def test_a_no_closes_the_gate_at_the_next_read_on_every_worker_and_after_a_restart(hub: Hub) -> None:
    clinic = a_clinic(hub)
    clinic.rule(purposes=[a_purpose(), a_purpose(MARKETING, basis="legitimate-interest", explicit=False)])
    people = ["ann", "bob", "cat"]
    index = index_of(hub.settings, clinic.party.id, "citizen", people)
    one, two = Gate(clinic.dataset_id, index), Gate(clinic.dataset_id, index)
    numbers = index.positions(
        b"".join(digest_of_key(hub.settings, clinic.party.id, "citizen", each) for each in people)
    )

    def lets(gate: Gate, purpose: str = ACADEMIC) -> str:
        with db.transaction(hub.engine, is_read=True) as session:
            gate.refresh(session)
        allowed = gate.allowed(purpose, {"kvk:1"}, hub.clock())
        return "".join(name[0] for name, ok in zip(people, allowed.people[numbers], strict=True) if ok)

    assert (lets(one), lets(one, MARKETING), lets(one, "dpv:Payment")) == ("", "abc", "")
    clinic.say("ann", "give")
    clinic.say("cat", "give", guardian={"relation": "parent", "majorityAt": "2026-06-11T12:00:00Z"})
    clinic.say("zed", "give")
    clinic.say("bob", "refuse", purpose=MARKETING)
    assert lets(one) == lets(two) == "ac"
    assert lets(two, MARKETING) == "ac"
    stamp = one.allowed(ACADEMIC, {"kvk:1"}, hub.clock()).stamp
    assert stamp == "rule=1;ResearchAndDevelopment=3"
    clinic.say("ann", "withdraw")
    assert lets(one) == lets(two) == "c"
    assert lets(Gate(clinic.dataset_id, index)) == "c", "built anew from the database"
    hub.clock.forward(days=10)
    assert lets(one) == "", "time needs no worker"
    clinic.say("ann", "give")
    clinic.party.done("POST", f"{clinic.at}/consents/erasures", 200, json={"subject": "ann"})
    assert lets(one) == lets(two) == "", "who was cut loose is let through nowhere"
    clinic.say("bob", "give")
    clinic.rule(purposes=[a_purpose(recipients=["kvk:2"])])
    assert lets(one) == "", "the present rule lets another organisation through"
    clinic.rule(purposes=[a_purpose(recipients=["kvk:1", "kvk:2"])])
    assert lets(one) == "b", "and bob said yes to every participant"


def test_moves_and_states_are_whole() -> None:
    entry = Entry(
        RESEARCH,
        "consent",
        Choice.OPT_IN,
        is_explicit=False,
        recipients=frozenset({"x"}),
        data=None,
        validity_days=365,
    )
    for state in (None, *lives.S):
        before = (
            None
            if state is None
            else Standing(
                state, None, is_explicit=False, rule_number=1, is_persons_own=False, last_at=T0, last_event=1
            )
        )
        for move in Move:
            wish = Wish(move, T0, Collector.PUBLISHER, Channel.PAPER, 1, T0 + timedelta(days=1))
            if move not in lives.MAY[Collector.PUBLISHER]:
                continue
            if (state, move) in lives.MOVES:
                assert lives.decide(T0, entry, before, wish).state is lives.MOVES[state, move]
            else:
                with pytest.raises((ConsentMoveNotPossible, InvalidConsent)):
                    lives.decide(T0, entry, before, wish)
