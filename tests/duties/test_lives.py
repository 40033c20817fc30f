"""Duties and their agreement walked at random through HTTP, with the worker coming by or not, beside a small model."""

import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.build import some_settings
from tests.duties.stage import DELETE, SAID, Deal, a_deal
from tests.hub import Hub

TERM = timedelta(days=30)
GRACE = timedelta(days=14)
LIVING = ("open", "due", "overdue")
# state → move → (who makes it, state after)
LIFE: dict[str, dict[str, tuple[str, str]]] = {
    "open": {"waive": ("clinic", "waived")},
    "due": {
        "fulfil": ("university", "fulfilled"),
        "waive": ("clinic", "waived"),
        "extend": ("clinic", "due"),
    },
    "overdue": {
        "fulfil": ("university", "fulfilled"),
        "waive": ("clinic", "waived"),
        "extend": ("clinic", "due"),
    },
    "fulfilled": {"return": ("clinic", "due"), "retract": ("university", "due")},
    "waived": {"restore": ("clinic", "due")},
}
MOVES = sorted({move for moves in LIFE.values() for move in moves} | {"decline"})


class _Shared:
    """One exchange for all walks: making one takes longer than a walk; each walk brings its own organisations."""

    hub: Hub | None = None


class Duties(RuleBasedStateMachine):
    """One duty owed after use and one by a date, under one agreement, which stands still while one is overdue."""

    @initialize()
    def agree(self) -> None:
        if _Shared.hub is None:
            home = Path(tempfile.mkdtemp(prefix="datahub-duties-"))
            _Shared.hub = Hub(some_settings(home, f"sqlite:///{home}/model.sqlite3"))
        self.deal: Deal = a_deal(_Shared.hub)
        self.hub = _Shared.hub
        report = self.deal.report()
        self.agreement_id = self.deal.agree(DELETE, report)
        found = {each["action"]: each["id"] for each in self.deal.duties()}
        self.ids = {"delete": found["delete"], "report": found["dh:reportUse"]}
        self.state = {"delete": "open", "report": "due"}
        self.due: dict[str, Any] = {"delete": None, "report": self.hub.clock() + TERM}
        self.is_written: dict[str, bool] = {"delete": True, "report": True}
        self.is_over = False
        self.ended_at: Any = None

    @rule(
        which=st.sampled_from(["delete", "report"]),
        who=st.sampled_from(["clinic", "university"]),
        move=st.sampled_from(MOVES),
    )
    def move(self, which: str, who: str, move: str) -> None:
        more: dict[str, Any] = {"evidence": SAID} if move == "fulfil" else {"reason": "so"}
        later = max(self.hub.clock(), self.due[which] or self.hub.clock()) + timedelta(days=3)
        if move == "extend":
            more["dueAt"] = later.isoformat()
        party = getattr(self.deal, who)
        answer = self.deal.move(party, self.ids[which], move, **more)
        maker, after = LIFE.get(self.state[which], {}).get(move, (None, None))
        makers = {m for moves in LIFE.values() for name, (m, _) in moves.items() if name == move}
        if who not in makers:
            assert answer.status_code == 403, answer.text
        elif maker is None:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 201, answer.text
            if move == "restore" and which == "delete" and self.ended_at is None:
                after = "open"  # it was waived before its term began
            self.state[which] = str(after)
            self.is_written[which] = True
            if move == "extend":
                self.due[which] = later
            elif after == "due":
                if self.due[which] is None:
                    self.due[which] = self.ended_at + TERM
                self.due[which] = max(self.due[which], self.hub.clock() + GRACE)

    @rule(days=st.integers(min_value=1, max_value=20))
    def pass_time(self, days: int) -> None:
        self.hub.clock.forward(days=days)
        for which, state in self.state.items():
            if state == "due" and self.due[which] is not None and self.due[which] <= self.hub.clock():
                self.state[which], self.is_written[which] = "overdue", False

    @rule()
    def work(self) -> None:
        self.hub.work()
        self.is_written = dict.fromkeys(self.is_written, True)

    @rule()
    def end(self) -> None:
        where = f"/v1/agreements/{self.agreement_id}/transitions"
        answer = self.deal.university.post(where, json={"move": "end"})
        assert answer.status_code == (409 if self.is_over else 201)
        if not self.is_over:
            self.is_over, self.ended_at = True, self.hub.clock()
            self.hub.work()
            self.is_written = dict.fromkeys(self.is_written, True)
            if self.state["delete"] == "open":
                self.state["delete"], self.due["delete"] = "due", self.hub.clock() + TERM

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "ids"):
            return
        seen = {each["id"]: each for each in self.deal.duties()}
        for which, duty_id in self.ids.items():
            assert seen[duty_id]["state"] == self.state[which], which
            assert seen[duty_id]["moves"] == [
                move for move, (maker, _) in LIFE.get(self.state[which], {}).items() if maker == "university"
            ]
        state = self.deal.state_of(self.agreement_id)
        if self.is_over:
            assert state == "ended", "what is over is never resumed"
        elif any(each == "overdue" and self.is_written[which] for which, each in self.state.items()):
            assert state == "suspended"
        else:
            assert state == "active"
        entries = self.deal.clinic.done("GET", f"/v1/duties/{self.ids['report']}/transitions", 200)["items"]
        steps = [(each["fromState"], each["toState"]) for each in entries if each["move"] != "remind"]
        assert [left for left, _ in steps[1:]] == [right for _, right in steps[:-1]] or self._skipped(steps)

    def _skipped(self, steps: list[tuple[str, str]]) -> bool:
        """Tell whether the only gaps are those of a worker that did not come by: due, then moved on from overdue."""
        pairs = pairwise(steps)
        return all(one[1] == two[0] or (one[1], two[0]) == ("due", "overdue") for one, two in pairs)


TestDuties = Duties.TestCase
TestDuties.settings = settings(
    max_examples=4, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
def test_many_walks() -> None:
    """The same at length."""
    from hypothesis.stateful import run_state_machine_as_test

    many = settings(TestDuties.settings, max_examples=150, stateful_step_count=40)
    run_state_machine_as_test(Duties, settings=many)
