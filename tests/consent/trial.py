"""A dataset about people whose story is told at random, and the slow book that says what may leave of it."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import orjson
from hypothesis import strategies as st

from datahub.kernel.clock import rfc3339
from datahub.participants import Role
from tests.consent.building import a_clinic
from tests.consent.reference import ACADEMIC, EVERYBODY, OWN, RESEARCH, SAYS_YES, Book, Move, Rule, Term
from tests.consent.test_reads import Reading, read
from tests.hub import Hub, Party

Row = dict[str, str]
COLUMNS = ("person", "partner", "area", "visits")
# Keys that only look alike are of different people; blanks around one mean nothing.
PEOPLE = ("ann", "Ann", "007", "7", "bob")
_numbers = count(1)

keys = st.sampled_from((*PEOPLE, ""))
tables = st.lists(st.tuples(keys, keys, st.booleans()), min_size=1, max_size=12).map(
    lambda found: [
        {"person": f" {one} " if one and is_padded else one, "partner": two, "area": "a", "visits": str(n)}
        for n, (one, two, is_padded) in enumerate(found)
    ]
)
_bases = st.sampled_from(
    [("consent", "opt-in")] * 3
    + [("public-task", "opt-out"), ("legitimate-interest", "opt-out"), ("contract", "none")]
)


@dataclass(frozen=True)
class Purpose:
    """One purpose of a rule to be written; `is_ours`: the reader is named in it, by id or as a participant."""

    basis: str
    choice: str
    is_explicit: bool
    names: tuple[str, ...]
    data: tuple[str, ...] | None


A_YES = Purpose("consent", "opt-in", is_explicit=True, names=(EVERYBODY,), data=None)
purposes = st.builds(
    lambda basis, is_explicit, names, data: Purpose(
        basis[0], basis[1], is_explicit and basis[0] == "consent", names, data
    ),
    _bases,
    st.booleans(),
    st.sampled_from([(EVERYBODY,), ("reader",), ("reader", "kvk:1"), ("kvk:1",)]),
    st.sampled_from([None, None, ("area", "visits"), ("partner", "visits"), ("area",)]),
)
rules = st.tuples(
    st.sampled_from([("person",), ("person", "partner"), ("partner",)]),
    st.sampled_from(["all", "any"]),
    st.sampled_from(["in", "out"]),
    st.fixed_dictionaries({}, optional=dict.fromkeys((RESEARCH, ACADEMIC), purposes)).filter(bool),
)
sayings = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from([RESEARCH, ACADEMIC]),
    st.sampled_from(
        ["give", "give", "give", "withdraw", "withdraw", "refuse", "renew", "request", "invalidate"]
    ),
    st.sampled_from(["publisher", "publisher", "person", "guardian"]),
    st.booleans(),  # by the notice before the newest, where that can be
    st.integers(1, 60),
    st.booleans(),
)
steps = st.one_of(
    sayings.map(lambda each: ("say", each)),
    sayings.map(lambda each: ("say", each)),
    sayings.map(lambda each: ("say", each)),
    st.lists(sayings, min_size=1, max_size=5).map(lambda each: ("send", each)),
    rules.map(lambda each: ("rule", each)),
    tables.map(lambda each: ("upload", each)),
    st.integers(1, 30).map(lambda each: ("wait", each)),
    st.just(("work", None)),
    st.sampled_from(PEOPLE).map(lambda each: ("forget", each)),
    st.sampled_from(["csv", "jsonl", "parquet", "arrow"]).map(lambda each: ("read", each)),
)


@dataclass
class Trial:
    """One dataset of its own organisation, read by a university; what is done to it is done to the book as well."""

    reading: Reading
    book: Book = field(default_factory=Book)
    table: Sequence[Row] = ()
    sessions: dict[tuple[str, bool], tuple[str, datetime]] = field(default_factory=dict)
    of_age: dict[str, datetime] = field(default_factory=dict)
    kept: tuple[str, datetime] | None = None

    @property
    def hub(self) -> Hub:
        """The exchange."""
        return self.reading.hub

    @property
    def names(self) -> frozenset[str]:
        """By what a rule can mean the reader."""
        return frozenset({self.reading.university.id, EVERYBODY})

    def do(self, step: str, what: Any) -> None:
        """Do one thing, a second after the one before: two decisions of one instant would be one."""
        self.hub.clock.forward(seconds=1)
        getattr(self, step)(what)

    def rule(self, found: tuple[tuple[str, ...], str, str, dict[str, Purpose]]) -> None:
        """Write the next version of the rule."""
        subjects, several, nobody, asked = found
        ours = self.reading.university.id
        terms = {
            each: Term(
                it.choice,
                it.is_explicit,
                frozenset(ours if name == "reader" else name for name in it.names),
                None if it.data is None else frozenset(it.data),
            )
            for each, it in asked.items()
        }
        wanted = [
            {
                "purpose": each,
                "basis": it.basis,
                "choice": it.choice,
                "explicit": it.is_explicit,
                "recipients": sorted(terms[each].recipients),
                "data": it.data and list(it.data),
            }
            for each, it in asked.items()
        ]
        # Recalls have a term that no story outlasts: an agreement that one of them suspends is no matter of the gate.
        handling = {"address": "Plein 1, 1000 AA Amsterdam", "retention": "P5Y", "recallDays": 365}
        self.reading.clinic.rule(
            subjects=list(subjects), several=several, nobody=nobody, purposes=wanted, handling=handling
        )
        self.book.rules.append(Rule(subjects, several, nobody, terms))

    def upload(self, table: Sequence[Row]) -> None:
        """Upload a new version."""
        at = f"{self.reading.clinic.at}/versions"
        csv_type = {"Content-Type": "text/csv"}
        self.reading.clinic.party.done("POST", at, 201, content=_csv(COLUMNS, table), headers=csv_type)
        self.table = [{name: value.strip() for name, value in row.items()} for row in table]

    def say(self, said: tuple[str, str, str, str, bool, int, bool]) -> httpx2.Response | None:
        """Let somebody say something; the book must have expected the answer, which is returned, and the state after."""
        person, purpose, move, *_ = said
        told = self._move(said)
        if told.by in OWN:
            if move in ("request", "invalidate"):
                return None
            token = self._session(person, is_guardian=told.by == "guardian")
            body = {
                "datasetId": self.reading.clinic.dataset_id,
                "purpose": purpose,
                "move": move,
                "explicit": told.is_explicit,
            }
            answer = self.reading.clinic.mine(token, "POST", "/consents", json=body)
        else:
            at = f"{self.reading.clinic.at}/consents"
            answer = self.reading.clinic.party.post(at, json=_reported(person, purpose, told))
        status, state = self.book.hear(person, purpose, told, self.hub.clock())
        assert answer.status_code == status, (said, answer.text)
        if status == 201:
            assert answer.json()["state"] == state, said
        return answer

    def send(self, found: Sequence[tuple[str, str, str, str, bool, int, bool]]) -> None:
        """Send what a publisher reports in one file, in one form or the other."""
        self.hub.clock.forward(seconds=len(found))
        self.work(None)
        lines, good, now = [], 0, self.hub.clock()
        for left, said in zip(reversed(range(len(found))), found, strict=True):
            person, purpose, *_ = said
            told = self._move((*said[:3], "publisher", *said[4:]))
            line = _reported(person, purpose, told)
            guardian = line.pop("guardian", None)
            del line["channel"]
            at = now - timedelta(seconds=left)
            line["at"] = rfc3339(at)
            if guardian:
                line |= guardian
            lines.append(line)
            good += self.book.hear(person, purpose, told, now, at)[0] == 201
        if len(lines) % 2:
            done = self.reading.clinic.send(b"\n".join(orjson.dumps(line) for line in lines))
        else:
            names = list(dict.fromkeys(name for line in lines for name in line))
            rows = [{name: _cell(line.get(name)) for name in names} for line in lines]
            done = self.reading.clinic.send(_csv(names, rows), "text/csv")
        assert (done["applied"], done["faulty"]) == (good, len(lines) - good), lines
        self.book.write_ends_down(now)

    def wait(self, days: int) -> None:
        """Let time pass, and nobody come by."""
        self.hub.clock.forward(days=days)

    def work(self, _: None) -> None:
        """Let the worker come by."""
        self.hub.work()
        self.book.write_ends_down(self.hub.clock())

    def forget(self, person: str) -> None:
        """Cut somebody's consents loose."""
        at = f"{self.reading.clinic.at}/consents/erasures"
        self.reading.clinic.party.done("POST", at, 200, json={"subject": person})
        self.book.forget(person, self.hub.clock())
        self.sessions = {key: each for key, each in self.sessions.items() if key[0] != person}

    def read(self, form: str, columns: Sequence[str] = COLUMNS, path: str = "data") -> list[Row]:
        """Read in one form; exactly the rows of the book must come, or its refusal. Return those that may leave."""
        now, code = self.hub.clock(), self.book.code(self.names, columns)
        if code == "consent-not-covered":
            assert self.ask_token().status_code != 200
            if self._kept_token():
                answer = self.reading.get(form, token=self._kept_token(), path=path)
                assert (answer.status_code, answer.json()["code"]) == (403, code)
            return []
        more: dict[str, Any] = {} if tuple(columns) == COLUMNS else {"fields": ",".join(columns)}
        answer = self.reading.get(form, token=self.token(), params=more, path=path)
        if code:
            assert (answer.status_code, answer.json().get("code")) == (403, code), answer.text
            return []
        expected = self.book.rows(self.table, self.names, columns, now)
        assert answer.status_code == 200, answer.text
        assert [visits for _, visits in read(form, answer.content)] == [
            int(row["visits"]) for row in expected
        ]
        return [dict(row) for row in expected]

    def ask_token(self) -> httpx2.Response:
        """Ask for a token for rows and questions."""
        details: dict[str, Any] = {"type": "dataset", "identifier": self.reading.clinic.dataset_id}
        details |= {"agreement": self.reading.agreement_id, "actions": ["read", "query"]}
        return self.reading.university.ask_token(authorization_details=json.dumps([details]))

    def token(self) -> str:
        """Return a token for rows and questions: one from before, as long as it lives, whatever happened since."""
        token = self._kept_token()
        if token is None:
            answer = self.ask_token()
            assert answer.status_code == 200, answer.text
            token = str(answer.json()["access_token"])
            self.kept = token, self.hub.clock() + timedelta(seconds=answer.json()["expires_in"])
        return token

    def _kept_token(self) -> str | None:
        return self.kept[0] if self.kept and self.kept[1] > self.hub.clock() else None

    def ask(self) -> None:
        """Ask for figures, and for rows by SQL: both are of what may leave and of nothing else."""
        if self.book.code(self.names, ("visits",)) == "consent-not-covered":
            return
        token, now = self.token(), self.hub.clock()
        measures = [{"function": "count", "as": "n"}, {"function": "sum", "column": "visits", "as": "sum"}]
        code = self.book.code(self.names, ("visits",))
        rows = [] if code else self.book.rows(self.table, self.names, ("visits",), now)
        told = {"n": len(rows), "sum": sum(int(row["visits"]) for row in rows) if rows else None}
        self._answered("queries", token, {"measures": measures}, code, [told])
        code = self.book.code(self.names, COLUMNS)
        rows = [] if code else self.book.rows(self.table, self.names, COLUMNS, now)
        sql = {"sql": "select visits from data order by visits"}
        self._answered("sql", token, sql, code, [{"visits": int(row["visits"])} for row in rows])

    def _answered(self, door: str, token: str, body: Any, code: str, rows: list[dict[str, Any]]) -> None:
        at = f"{self.reading.clinic.at}/{door}"
        answer = self.reading.university.call("POST", at, token=token, json=body)
        if code:
            assert (answer.status_code, answer.json()["code"]) == (403, code)
        else:
            assert answer.status_code == 200, answer.text
            assert answer.json()["rows"] == rows, door

    def _move(self, said: tuple[str, str, str, str, bool, int, bool]) -> Move:
        person, purpose, move, by, is_old, days, is_explicit = said
        now, newest = self.hub.clock(), len(self.book.rules)
        number = newest - 1 if is_old and newest > 1 and by == "publisher" else newest
        of_age = None
        if by == "guardian":
            of_age = self._of_age(person, days)
        elif by == "publisher" and days % 4 == 0:
            of_age = now + timedelta(days=days // 2)
        until = None
        if move in SAYS_YES:
            term = self.book.rules[number - 1].terms.get(purpose)
            long = term.days if term else 0
            until = now + timedelta(days=long if by in OWN else days)
        return Move(move, by, number, until, is_explicit, of_age)

    def _of_age(self, person: str, days: int) -> datetime:
        """Return when somebody is of age; whoever was is given another guardian: the exchange has no birthdays."""
        if self.of_age.get(person, self.hub.clock()) <= self.hub.clock():
            self.of_age[person] = self.hub.clock() + timedelta(days=days)
            self.sessions.pop((person, True), None)
        return self.of_age[person]

    def _session(self, person: str, *, is_guardian: bool) -> str:
        token, until = self.sessions.get((person, is_guardian), ("", self.hub.clock()))
        if until <= self.hub.clock():
            more: dict[str, Any] = {}
            if is_guardian:
                majority = rfc3339(self.of_age[person])
                more = {"guardian": {"key": "mum", "relation": "parent", "majorityAt": majority}}
            token, until = self.reading.clinic.session(person, **more), self.hub.clock() + timedelta(hours=1)
            self.sessions[person, is_guardian] = token, until
        return token


def a_trial(hub: Hub, university: Party, rule: Any, table: Sequence[Row]) -> Trial:
    """Put one more clinic in the exchange, with a rule, rows, and an agreement."""
    clinic = a_clinic(hub, slug=f"clinic-{next(_numbers)}")
    trial = Trial(Reading(clinic, university))
    trial.upload(table)
    trial.rule((("person",), "all", "out", {RESEARCH: A_YES}))
    assert clinic.publish().status_code == 201
    trial.reading.agree()
    trial.rule(rule)
    return trial


def a_university(hub: Hub) -> Party:
    """Return the reader."""
    return hub.party("university", Role.REQUESTER)


def _reported(person: str, purpose: str, told: Move) -> dict[str, Any]:
    line: dict[str, Any] = {"subject": person, "purpose": purpose, "move": told.move, "channel": "paper"}
    line |= {"ruleNumber": told.rule, "explicit": told.is_explicit}
    if told.until is not None:
        line["validUntil"] = rfc3339(told.until)
    if told.of_age is not None:
        line["guardian"] = {"relation": "parent", "majorityAt": rfc3339(told.of_age)}
    return line


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _csv(names: Sequence[str], rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
