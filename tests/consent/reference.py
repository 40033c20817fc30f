"""What may leave, worked out slowly from what was said alone: one person, one row and one word at a time.

Nothing here is taken from the exchange: the moves, the purposes and what a notice covers are written down again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

ACADEMIC = "https://w3id.org/dpv#AcademicResearch"
RESEARCH = "https://w3id.org/dpv#ResearchAndDevelopment"
# The purpose that rows are read for, and what it falls under: the nearest first.
UPWARD = (ACADEMIC, RESEARCH)
EVERYBODY = "class:participants"
OWN = ("person", "guardian")
SAYS_YES = ("give", "renew")
YES = ("given", "renewed")
NO = ("withdrawn", "refused")
# move → {state before → state after}
LEADS: Mapping[str, Mapping[str, str]] = {
    "request": {"": "requested", **{s: s for s in ("requested", *YES, *NO, "expired", "invalidated")}},
    "give": {
        **dict.fromkeys(("", "requested", *NO, "expired", "invalidated"), "given"),
        **dict.fromkeys(YES, "renewed"),
    },
    "renew": dict.fromkeys((*YES, "expired"), "renewed"),
    "withdraw": dict.fromkeys((*YES, "expired"), "withdrawn"),
    "refuse": dict.fromkeys(("", "requested", "expired", "invalidated"), "refused"),
    "invalidate": dict.fromkeys(YES, "invalidated"),
}


@dataclass(frozen=True)
class Term:
    """What a rule says of one purpose. `data`: columns, None for all of them."""

    choice: str
    is_explicit: bool
    recipients: frozenset[str]
    data: frozenset[str] | None
    days: int = 365

    def covers(self, names: Collection[str], columns: Collection[str]) -> bool:
        """Tell whether it is about a recipient and these columns."""
        return not self.recipients.isdisjoint(names) and (self.data is None or self.data.issuperset(columns))


@dataclass(frozen=True)
class Rule:
    """One version of a rule."""

    subjects: tuple[str, ...]
    several: str
    nobody: str
    terms: Mapping[str, Term]


@dataclass(frozen=True)
class Said:
    """Where one person's decision on one purpose stands."""

    state: str
    until: datetime | None
    is_explicit: bool
    rule: int
    is_own: bool
    at: datetime


@dataclass(frozen=True)
class Move:
    """Something said for one person. `rule`: the version whose notice it is about; `of_age`: of whom a guardian speaks."""

    move: str
    by: str
    rule: int
    until: datetime | None = None
    is_explicit: bool = False
    of_age: datetime | None = None


@dataclass
class Book:
    """All versions of a rule, and what everybody said."""

    rules: list[Rule] = field(default_factory=list)
    said: dict[tuple[str, str], Said] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """The rule of today."""
        return self.rules[-1]

    def hear(
        self, person: str, purpose: str, move: Move, now: datetime, at: datetime | None = None
    ) -> tuple[int, str]:
        """Take down what is said, if it may be; return the status the exchange must answer, and the state after.

        `at`: when it was expressed, now unless told.
        """
        at = at or now
        term = self.rules[move.rule - 1].terms.get(purpose)
        before = self.said.get((purpose, person))
        state = before.state if before else ""
        if term is None:
            return 400, state
        fault = self._fault(term, before, move, now, at)
        if fault:
            return fault, state
        after = LEADS[move.move][state]
        if move.move == "request" and state not in ("", "requested"):
            return 201, state
        until = move.until if move.move in SAYS_YES and term.choice == "opt-in" else None
        if until is not None and move.of_age is not None:
            until = min(until, move.of_age)
        is_own = move.by in OWN or (before is not None and before.is_own and after in NO)
        is_explicit = move.is_explicit and move.move in SAYS_YES
        self.said[purpose, person] = Said(after, until, is_explicit, move.rule, is_own, at)
        return 201, after

    def _fault(self, term: Term, before: Said | None, move: Move, now: datetime, at: datetime) -> int:
        """Return the status of a refusal, 0 for none."""
        state = before.state if before else ""
        is_asked = term.choice == "opt-in"
        if move.by in OWN and move.move in ("request", "invalidate"):
            return 403
        if term.choice == "none" or (
            not is_asked and move.move not in ("give", "refuse", "withdraw", "invalidate")
        ):
            return 409
        is_own_no = before is not None and before.is_own and state in NO
        is_overruled = is_own_no and move.move in SAYS_YES and move.by not in OWN
        if is_overruled or state not in LEADS[move.move]:
            return 409
        if before is not None and at < before.at:
            return 400
        if move.move in SAYS_YES and is_asked:
            if term.is_explicit and not move.is_explicit:
                return 400
            if move.until is None or not max(now, at) < move.until <= at + timedelta(days=term.days):
                return 400
            if move.of_age is not None and move.of_age <= now:
                return 400
        return 0

    def write_ends_down(self, now: datetime) -> None:
        """Do what the worker does: a yes that is over is expired."""
        for key, said in self.said.items():
            if said.state in YES and said.until is not None and said.until <= now:
                self.said[key] = replace(
                    said, state="expired", until=None, is_explicit=False, is_own=False, at=said.until
                )

    def forget(self, person: str, now: datetime) -> None:
        """Cut everything a person said loose from them; a yes is over, and a no stays where silence is a yes."""
        if all(term.choice != "opt-out" for term in self.rule.terms.values()):
            self.said = {key: said for key, said in self.said.items() if key[1] != person}
            return
        for key, said in self.said.items():
            if key[1] == person and said.state in YES:
                self.said[key] = replace(said, state="withdrawn", until=None, is_explicit=False, at=now)

    def word(
        self, person: str, purpose: str, names: Collection[str], columns: Collection[str], now: datetime
    ) -> str:
        """Return what one purpose says of one person: yes, no or nothing."""
        term = self.rule.terms[purpose]
        is_open = term.covers(names, columns)
        said = self.said.get((purpose, person))
        if said is not None and said.state == "requested":
            said = None
        is_over = said is not None and said.until is not None and said.until <= now
        is_no = said is not None and (is_over or said.state not in YES)
        if term.choice == "none":
            return "yes" if is_open else ""
        if is_no:
            return "no"
        if term.choice == "opt-out":
            return "yes" if is_open else ""
        if said is None:
            return ""
        shown = self.rules[said.rule - 1].terms.get(purpose)
        was_asked = shown is not None and shown.choice == "opt-in" and shown.covers(names, columns)
        is_enough = said.is_explicit or not term.is_explicit
        return "yes" if is_open and was_asked and is_enough else ""

    def lets(self, person: str, names: Collection[str], columns: Collection[str], now: datetime) -> bool:
        """Tell whether somebody lets their rows go to a recipient: the nearest purpose that says anything counts."""
        for purpose in UPWARD:
            if purpose in self.rule.terms:
                word = self.word(person, purpose, names, columns, now)
                if word:
                    return word == "yes"
        return False

    def code(self, names: Collection[str], columns: Collection[str]) -> str:
        """Return why nothing can leave whatever people say, or nothing."""
        asked = [self.rule.terms[each] for each in UPWARD if each in self.rule.terms]
        open_ = [each for each in asked if not each.recipients.isdisjoint(names)]
        if not open_:
            return "consent-not-covered"
        about = set(columns) - set(self.rule.subjects)
        return "" if any(each.covers(names, about) for each in open_) else "consent-columns-not-covered"

    def rows(
        self,
        table: Sequence[Mapping[str, str]],
        names: Collection[str],
        columns: Collection[str],
        now: datetime,
    ) -> list[Mapping[str, str]]:
        """Return the rows that may leave, one looked at after the other."""
        about = set(columns) - set(self.rule.subjects)
        found = []
        for row in table:
            people = [row[each] for each in self.rule.subjects if row[each]]
            lets = [self.lets(each, names, about, now) for each in people]
            join = all if self.rule.several == "all" else any
            if join(lets) if people else self.rule.nobody == "in":
                found.append(row)
        return found
