"""Consents and the recalls that follow from them, walked at random through HTTP beside a small model of both.

Two people decide, by the publisher or by themselves; a university reads; the worker comes by or not. Of the consents the
slow book of the gate's tests is the model; of the recalls, a table of moves and a list.
"""

import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.build import some_settings
from tests.consent import trial
from tests.consent.reference import ACADEMIC, NO, OWN, RESEARCH, SAYS_YES, YES
from tests.duties.stage import SAID
from tests.hub import Hub, Party

PEOPLE = ("ann", "bob")
TABLE = [
    {"person": who, "partner": "", "area": "a", "visits": str(n)} for n, who in enumerate((*PEOPLE, "cat"))
]
GATHER = timedelta(seconds=300)
TERM, GRACE, MORE = timedelta(days=30), timedelta(days=14), timedelta(days=3)
people = st.sampled_from(PEOPLE)
LIVING = ("open", "due", "overdue")
CLINIC, UNIVERSITY = "clinic", "university"
# state → move → (who makes it, state after)
LIFE: dict[str, dict[str, tuple[str, str]]] = {
    "open": {"waive": (CLINIC, "waived")},
    "due": {
        "fulfil": (UNIVERSITY, "fulfilled"),
        "waive": (CLINIC, "waived"),
        "extend": (CLINIC, "due"),
    },
    "overdue": {
        "fulfil": (UNIVERSITY, "fulfilled"),
        "waive": (CLINIC, "waived"),
        "extend": (CLINIC, "due"),
    },
    "fulfilled": {"return": (CLINIC, "due"), "retract": (UNIVERSITY, "due")},
    "waived": {"restore": (CLINIC, "due")},
    "lapsed": {},
}
MAKERS = {move: who for moves in LIFE.values() for move, (who, _) in moves.items()} | {"decline": UNIVERSITY}
# What a refused move on a consent is called, by status; over a person's own no it has a name of its own.
CODES = {400: "invalid-consent", 403: "consent-move-not-allowed", 409: "consent-move-not-possible"}


@dataclass
class Recall:
    """One recall as the model has it; `written`: what the worker last wrote down, which the clock may be ahead of."""

    starts_at: datetime
    people: dict[str, datetime]
    causes: dict[str, str]
    written: str = "open"
    due_at: datetime | None = None
    was_settled: bool = False

    def state(self, now: datetime) -> str:
        """Return the state by the clock."""
        state = "due" if self.written == "open" and self.starts_at <= now else self.written
        return "overdue" if state == "due" and self.due_at is not None and self.due_at <= now else state


@dataclass
class Model:
    """What must have come of all that happened."""

    told: trial.Trial
    news: list[tuple[str, str]] = field(default_factory=list)
    yes_at: dict[str, datetime] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    left_at: datetime | None = None
    events: dict[str, int] = field(default_factory=dict)
    recalls: list[Recall] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The present."""
        return self.told.hub.clock()

    def lets(self, person: str) -> bool:
        """Tell whether the university may hold somebody's rows."""
        return self.told.book.lets(person, self.told.names, (), self.now)

    def hear(self, person: str, move: str) -> None:
        """Take down what was said and accepted."""
        self.events[person] = self.events.get(person, 0) + 1
        if move in SAYS_YES:
            self.yes_at[person] = self.now
        elif move != "request":
            self.news.append((person, "no"))

    def forget(self, person: str) -> None:
        """Take down that nothing leads to a person any more; what was not heard of yet is about nobody then."""
        self.events.pop(person, None)
        self.yes_at.pop(person, None)
        self.news = [each for each in self.news if each[0] != person] + [(person, "forgotten")]

    def read(self, people: set[str]) -> None:
        """Take down whose rows left."""
        if people:
            self.left |= people
            self.left_at = self.now

    def move(self, recall: Recall, move: str) -> None:
        """Take down a move on a recall that was accepted."""
        _, after = LIFE[recall.state(self.now)][move]
        if move == "restore" and recall.starts_at > self.now:
            after = "open"
        elif move == "extend":
            recall.due_at = self.later(recall)
        elif after == "due":
            recall.due_at = max(recall.due_at or recall.starts_at + TERM, self.now + GRACE)
        recall.written = after
        recall.was_settled = recall.was_settled or after not in LIVING

    def later(self, recall: Recall) -> datetime:
        """Return a term that is longer than the one there is."""
        return max(self.now, recall.due_at or self.now) + MORE

    def work(self) -> None:
        """Do what the worker does, in the order it does it: ends first, then terms, then news."""
        for (_, person), said in self.told.book.said.items():
            if said.state in YES and said.until is not None and said.until <= self.now:
                self.news.append((person, "no"))
                self.events[person] += 1
        self.told.book.write_ends_down(self.now)
        for recall in self.recalls:
            self._begin(recall)
            if recall.written == "due" and recall.state(self.now) == "overdue":
                recall.written = "overdue"
        for person, cause in self.news:
            self._recall(person, cause)
        self.news = []

    def _begin(self, recall: Recall) -> None:
        if recall.written != "open" or recall.starts_at > self.now:
            return
        for person in [each for each, cause in recall.causes.items() if cause == "no" and self.lets(each)]:
            del recall.people[person], recall.causes[person]
        recall.written = "due" if recall.people else "lapsed"
        recall.due_at = recall.starts_at + TERM if recall.people else None

    def _recall(self, person: str, cause: str) -> None:
        of_them = [each for each in self.recalls if person in each.people]
        if person not in self.left or any(each.written in LIVING for each in of_them):
            return
        asked = max((each.people[person] for each in of_them if each.written != "lapsed"), default=None)
        if asked is not None:
            yes_at = self.yes_at.get(person)
            since = asked if cause == "forgotten" else yes_at if yes_at and yes_at > asked else None
            assert self.left_at is not None
            if since is None or self.left_at < since:
                return
        if cause == "no" and self.lets(person):
            return
        gathering = [each for each in self.recalls if each.written == "open" and each.starts_at > self.now]
        if not gathering:
            self.recalls.append(Recall(self.now + GATHER, {}, {}))
            gathering = self.recalls[-1:]
        gathering[0].people[person] = self.now
        gathering[0].causes[person] = cause


class _Shared:
    """One exchange and one reader for all walks; each walk brings a clinic of its own."""

    stage: tuple[Hub, Party] | None = None


def _stage() -> tuple[Hub, Party]:
    if _Shared.stage is None:
        home = Path(tempfile.mkdtemp(prefix="datahub-recalls-"))
        hub = Hub(some_settings(home, f"sqlite:///{home}/model.sqlite3"))
        _Shared.stage = hub, trial.a_university(hub)
    return _Shared.stage


class Lives(RuleBasedStateMachine):
    """Two people who decide for research, and a university that reads under one agreement."""

    @initialize()
    def begin(self) -> None:
        """Let both people say yes, and their rows leave: from here on a no is followed."""
        rule = (("person",), "all", "out", {RESEARCH: trial.A_YES})
        self.hub, self.university = _stage()
        self.told = trial.a_trial(self.hub, self.university, rule, TABLE)
        self.model = Model(self.told)
        for person in PEOPLE:
            self._say(person, "give", days=50)
        self.read()

    @rule(person=people, days=st.integers(1, 60))
    def say_yes(self, person: str, days: int) -> None:
        before = self.told.book.said.get((RESEARCH, person))
        is_own_no = before is not None and before.is_own and before.state in NO
        self._say(person, "give", "person" if is_own_no else "publisher", days)

    @rule(person=people, by=st.sampled_from(["publisher", "person"]))
    def say_no(self, person: str, by: str) -> None:
        before = self.told.book.said.get((RESEARCH, person))
        self._say(person, "withdraw" if before and before.state in (*YES, "expired") else "refuse", by)

    @rule(
        person=people,
        purpose=st.sampled_from([RESEARCH] * 9 + [ACADEMIC]),
        move=st.sampled_from(["give", "withdraw", "refuse", "renew", "request", "invalidate"]),
        by=st.sampled_from(["publisher", "person", "guardian"]),
        days=st.integers(1, 60),
        is_explicit=st.sampled_from([True, True, True, False]),
    )
    def say_anything(
        self, person: str, purpose: str, move: str, by: str, days: int, *, is_explicit: bool
    ) -> None:
        self._say(person, move, by, days, purpose, is_explicit=is_explicit)

    @rule(person=people)
    def forget(self, person: str) -> None:
        self.hub.clock.forward(seconds=1)
        self.told.forget(person)
        self.model.forget(person)
        self._consents_agree()

    @rule()
    def read(self) -> None:
        self.hub.clock.forward(seconds=1)
        if not self._is_suspended():
            self.model.read({row["person"] for row in self.told.read("csv")})
            return
        refused = self.told.ask_token()
        assert (refused.status_code, refused.json()["code"]) == (400, "agreement-suspended")

    @rule(minutes=st.integers(1, 6))
    def pass_minutes(self, minutes: int) -> None:
        self.hub.clock.forward(minutes=minutes)

    @rule(days=st.integers(1, 40))
    def pass_days(self, days: int) -> None:
        self.hub.clock.forward(days=days)

    @rule()
    def work(self) -> None:
        self.model.work()
        self.hub.work()
        self._consents_agree()

    @rule()
    def let_recalls_go_out(self) -> None:
        self.work()
        self.hub.clock.forward(seconds=GATHER.total_seconds())
        self.work()

    @rule(person=people)
    def change_ones_mind(self, person: str) -> None:
        self.say_no(person, "publisher")
        self.work()
        self.say_yes(person, 30)

    @rule()
    def let_terms_end(self) -> None:
        self.hub.clock.forward(days=TERM.days)
        self.work()

    @precondition(lambda self: any(LIFE[each.state(self.model.now)] for each in self.model.recalls))
    @rule(data=st.data())
    def move_rightly(self, data: st.DataObject) -> None:
        moves = [
            (at, move, who)
            for at, each in enumerate(self.model.recalls)
            for move, (who, _) in LIFE[each.state(self.model.now)].items()
        ]
        at, move, who = data.draw(st.sampled_from(moves))
        self._move(at, move, who)

    @precondition(lambda self: self.model.recalls)
    @rule(
        at=st.integers(0, 9),
        move=st.sampled_from(sorted(MAKERS)),
        who=st.sampled_from([CLINIC, UNIVERSITY]),
        is_bare=st.booleans(),
    )
    def move_anyhow(self, at: int, move: str, who: str, *, is_bare: bool) -> None:
        self._move(at % len(self.model.recalls), move, who, is_bare=is_bare)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        duties = self._duties()
        assert len(duties) == len(self.model.recalls)
        for recall, duty in zip(self.model.recalls, duties, strict=True):
            self._recall_agrees(recall, duty)
        at = f"/v1/agreements/{self.told.reading.agreement_id}"
        state = self.university.done("GET", at, 200)["state"]
        assert state == ("suspended" if self._is_suspended() else "active")

    def _say(
        self,
        person: str,
        move: str,
        by: str = "publisher",
        days: int = 1,
        purpose: str = RESEARCH,
        *,
        is_explicit: bool = True,
    ) -> None:
        """Say something; what is refused must have its own code, and change nothing."""
        self.hub.clock.forward(seconds=1)
        before = self.told.book.said.get((purpose, person))
        answer = self.told.say((person, purpose, move, by, False, days, is_explicit))
        if answer is None:
            return
        overruled = before is not None and before.is_own and before.state in NO
        if answer.status_code == 201:
            self.model.hear(person, move)
        elif answer.status_code == 409 and overruled and move in SAYS_YES and by not in OWN:
            assert answer.json()["code"] == "only-the-person-decides"
        else:
            assert answer.json()["code"] == CODES[answer.status_code]
        self._consents_agree()

    def _move(self, at: int, move: str, who: str, *, is_bare: bool = False) -> None:
        """Make a move on a recall; what is refused must have its own code, and change nothing."""
        self.hub.clock.forward(seconds=1)
        recall, duty = self.model.recalls[at], self._duties()[at]
        body: dict[str, Any] = {"move": move}
        if not is_bare:
            body |= {"evidence": SAID} if move == "fulfil" else {"reason": "so"}
            if move == "extend":
                body["dueAt"] = self.model.later(recall).isoformat()
        party = self.university if who == UNIVERSITY else self.told.reading.clinic.party
        answer = party.post(f"/v1/duties/{duty['id']}/transitions", json=body)
        is_there = move in LIFE[recall.state(self.model.now)]
        if who != MAKERS[move]:
            assert (answer.status_code, answer.json()["code"]) == (403, "duty-move-not-allowed")
        elif not is_there or (move == "extend" and recall.due_at is None):
            assert (answer.status_code, answer.json()["code"]) == (409, "duty-move-not-possible")
        elif is_bare:
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid-duty-move")
        else:
            assert answer.status_code == 201, answer.text
            self.model.move(recall, move)

    def _consents_agree(self) -> None:
        for person in PEOPLE:
            self._consent_agrees(person)

    def _consent_agrees(self, person: str) -> None:
        clinic = self.told.reading.clinic
        found = clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": person})
        said = self.told.book.said.get((RESEARCH, person))
        expected = [(said.state, self.model.events[person])] if said else []
        assert [(each["state"], len(each["events"])) for each in found["items"]] == expected

    def _recall_agrees(self, recall: Recall, duty: dict[str, Any]) -> None:
        state = recall.state(self.model.now)
        assert duty["state"] == state
        assert duty["subjects"] == len(recall.people)
        assert duty["dueAt"] == (recall.due_at and recall.due_at.isoformat().replace("+00:00", "Z"))
        assert set(duty["moves"]) == {move for move, (who, _) in LIFE[state].items() if who == UNIVERSITY}
        if not recall.was_settled:
            people = self.university.done("GET", f"/v1/duties/{duty['id']}/subjects", 200)["items"]
            assert sorted(each["name"] for each in people) == sorted(recall.people)

    def _duties(self) -> list[dict[str, Any]]:
        """Return the recalls of the agreement, the oldest first."""
        where = f"/v1/duties?ground=recall&agreement={self.told.reading.agreement_id}"
        found: list[dict[str, Any]] = self.university.done("GET", where, 200)["items"]
        return found[::-1]

    def _is_suspended(self) -> bool:
        return any(each.written == "overdue" for each in self.model.recalls)


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=3, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
def test_many_lives() -> None:
    run_state_machine_as_test(
        Lives, settings=settings(TestLives.settings, max_examples=100, stateful_step_count=40)
    )
