"""Decides: facts in, permit or deny out, with three-valued logic. Closed by default; a prohibition always wins.

W3C ODRL Formal Semantics draft §Rules; Kleene's strong logic for what is unknown: a permission needs true, a
prohibition bites on true and on unknown. A policy is prepared once into closures and then decided many times.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

from datahub.policy.compare_values import comparison
from datahub.policy.facts import Facts, names_of_recipient, source
from datahub.policy.model import (
    Atom,
    Connective,
    Constraint,
    Duty,
    Operator,
    Policy,
    Rule,
    Timing,
    duties_of,
)
from datahub.policy.registry import Operand, Phase, actions, covering, operand

Truth: TypeAlias = bool | None
Test: TypeAlias = Callable[[Facts], Truth]

OPEN: Final[dict[str, object]] = {}
"""A row nobody has looked at yet: conditions on it are taken at their best, and left to the plan."""
DAY: Final = timedelta(days=1)
_TREE = frozenset({Operator.IS_A, Operator.IS_PART_OF, Operator.HAS_PART})


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint ready to be tested; `parts` mirror a logical constraint for explanations."""

    node: Constraint
    test: Test
    parts: tuple["Check", ...] = ()
    on_rows: bool = False


@dataclass(frozen=True, slots=True)
class PreparedDuty:
    """A duty ready to be looked up in the facts."""

    key: str
    duty: Duty
    check: Check | None
    auto: bool

    def applies(self, facts: Facts) -> bool:
        """Whether the duty exists now; unknown counts as yes."""
        return self.check is None or self.check.test(facts) is not False

    def state(self, facts: Facts) -> str:
        """Return fulfilled, violated or open, by the duty's key or else by its action."""
        return facts.duties.get(self.key) or facts.duties.get(self.duty.action) or "open"

    def blocks(self, facts: Facts) -> bool:
        """Whether use must wait or stop: violated, or due before use and not done."""
        state = self.state(facts)
        return state == "violated" or (
            self.duty.timing is Timing.PRE and not self.auto and state != "fulfilled"
        )


@dataclass(frozen=True, slots=True)
class PreparedRule:
    """A rule ready to be decided."""

    rule: Rule
    pointer: str
    target: str | None
    assignee: str | None
    constraint: Check | None
    refinement: Check | None
    duties: tuple[PreparedDuty, ...]
    is_shaped: bool

    def covers(self, facts: Facts) -> bool:
        """Whether the requested action is the rule's action or included in it."""
        return self.rule.action == facts.action or self.rule.action in covering(facts.action)

    def on_target(self, facts: Facts) -> Truth:
        """Whether the rule is about what is asked for."""
        return _among(self.target, facts.target)

    def on_party(self, facts: Facts) -> Truth:
        """Whether the rule is about who asks."""
        if self.assignee is None:
            return True
        names: Iterable[str] | None = facts.recipient
        return None if names is None else self.assignee in names or self.assignee in (facts.groups or ())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A policy ready to be decided many times."""

    policy: Policy
    permissions: tuple[PreparedRule, ...]
    prohibitions: tuple[PreparedRule, ...]
    obligations: tuple[PreparedDuty, ...]
    has_plan: bool

    def permits(self, facts: Facts) -> bool:
        """Decide; nothing else. This is the hot path.

        Without a row, a permission that masks or groups what leaves does not permit by itself: it needs its plan.
        """
        for rule in self.prohibitions:
            if bites(rule, facts):
                return False
        for duty in self.obligations:
            if duty.applies(facts) and duty.state(facts) == "violated":
                return False
        whole = facts.row is None
        return any(grants(rule, facts) and not (whole and rule.is_shaped) for rule in self.permissions)


def _among(wanted: str | None, names: Iterable[str] | None) -> Truth:
    if wanted is None:
        return True
    return None if names is None else wanted in names


def bites(rule: PreparedRule, facts: Facts) -> bool:
    """Whether a prohibition stops this: everything about it is true or unknown."""
    return (
        rule.covers(facts)
        and rule.on_target(facts) is not False
        and rule.on_party(facts) is not False
        and (rule.constraint is None or rule.constraint.test(facts) is not False)
        and (rule.refinement is None or rule.refinement.test(facts) is not False)
    )


def is_active(rule: PreparedRule, facts: Facts) -> bool:
    """Whether a permission is active: its constraints hold and no duty stands in the way (draft §Permission)."""
    if rule.constraint is not None and rule.constraint.test(facts) is not True:
        return False
    return not any(duty.applies(facts) and duty.blocks(facts) for duty in rule.duties)


def grants(rule: PreparedRule, facts: Facts) -> bool:
    """Whether a permission permits this: active, and about this action, target and party, refinements included."""
    return (
        rule.covers(facts)
        and rule.on_target(facts) is True
        and rule.on_party(facts) is True
        and is_active(rule, facts)
        and (rule.refinement is None or rule.refinement.test(facts) is True)
    )


def left_open(facts: Facts) -> Facts:
    """Return the facts with the row and column left to the plan."""
    return replace(facts, row=OPEN)


@lru_cache(maxsize=1024)
def prepare(policy: Policy) -> Prepared:
    """Prepare a policy; the result is cached per policy."""
    permissions = tuple(
        _rule(policy, rule, f"/permission/{at}", positive=True) for at, rule in enumerate(policy.permissions)
    )
    prohibitions = tuple(
        _rule(policy, rule, f"/prohibition/{at}", positive=False)
        for at, rule in enumerate(policy.prohibitions)
    )
    keys = {id(duty): key for key, duty in duties_of(policy)}
    obligations = tuple(_prepared_duty(keys[id(duty)], duty) for duty in policy.obligations)
    checks = (check for rule in (*permissions, *prohibitions) for check in (rule.constraint, rule.refinement))
    has_plan = any(check.on_rows for check in checks if check) or any(rule.is_shaped for rule in permissions)
    return Prepared(policy, permissions, prohibitions, obligations, has_plan)


def _rule(policy: Policy, rule: Rule, pointer: str, *, positive: bool) -> PreparedRule:
    duties = tuple(
        _prepared_duty(duty.uid or f"{pointer}/duty/{at}", duty)
        for at, duty in enumerate(rule.duties if positive else ())
    )
    return PreparedRule(
        rule=rule,
        pointer=pointer,
        target=rule.target or policy.target,
        assignee=rule.assignee or policy.assignee,
        constraint=check_of(rule.constraint, positive=positive),
        refinement=check_of(rule.refinement, positive=positive),
        duties=duties,
        is_shaped=any(actions()[duty.duty.action].shapes for duty in duties),
    )


def _prepared_duty(key: str, duty: Duty) -> PreparedDuty:
    return PreparedDuty(key, duty, check_of(duty.constraint, positive=False), actions()[duty.action].auto)


def check_of(constraint: Constraint | None, *, positive: bool) -> Check | None:
    """Prepare a constraint of a permission (positive) or of a prohibition; None stays None."""
    return None if constraint is None else _check(constraint, positive, positive)


def _check(node: Constraint, positive: bool, agreed: bool) -> Check:
    if isinstance(node, Atom):
        return _atom(node, positive, agreed)
    exclusive = node.connective is Connective.XONE
    parts = tuple(_check(part, positive, agreed and not exclusive) for part in node.parts)
    on_rows = any(part.on_rows for part in parts)
    test = _JOINS[node.connective](tuple(part.test for part in parts))
    if exclusive and on_rows:
        test = _best_when_open(test, positive)
    return Check(node, test, parts, on_rows)


def _atom(node: Atom, positive: bool, agreed: bool) -> Check:
    row = operand(node.left)
    if row is None:  # pragma: no cover (the reader places every operand)
        raise LookupError(node.left)
    if row.missing == "agreed":
        return Check(node, _accepted if agreed else _unknown)
    if node.anchor is not None:
        return Check(node, _recurring(node, node.anchor))
    fact = _fact(row, node.operator)
    compare = comparison(row, node)

    def test(facts: Facts) -> Truth:
        seen = fact(facts)
        return None if seen is None else compare(seen)

    on_rows = row.phase in {Phase.ROW, Phase.COLUMN}
    return Check(node, _best_when_open(test, positive) if on_rows else test, (), on_rows)


def _recurring(node: Atom, anchor: datetime) -> Test:
    """Test whether this is a day (for intervals under a day: a moment) on which the interval recurs."""
    period = node.right[0]

    def test(facts: Facts) -> Truth:
        if facts.now is None or not isinstance(period, timedelta) or not period:
            return None
        passed = (facts.now - anchor) % period
        return passed < DAY if period >= DAY else not passed

    return test


def _fact(row: Operand, operator: Operator) -> Callable[[Facts], object]:
    return names_of_recipient if row.fact == "recipient" and operator in _TREE else source(row)


def _accepted(facts: Facts) -> Truth:
    return True if facts.agreed else None


def _unknown(_facts: Facts) -> Truth:
    return None


def _best_when_open(test: Test, best: bool) -> Test:
    return lambda facts: best if facts.row is OPEN else test(facts)


def _all(tests: tuple[Test, ...]) -> Test:
    def test(facts: Facts) -> Truth:
        truth: Truth = True
        for each in tests:
            value = each(facts)
            if value is False:
                return False
            if value is None:
                truth = None
        return truth

    return test


def _any(tests: tuple[Test, ...]) -> Test:
    def test(facts: Facts) -> Truth:
        truth: Truth = False
        for each in tests:
            value = each(facts)
            if value:
                return True
            if value is None:
                truth = None
        return truth

    return test


def _one(tests: tuple[Test, ...]) -> Test:
    def test(facts: Facts) -> Truth:
        values = [each(facts) for each in tests]
        if values.count(True) > 1:
            return False
        return None if None in values else True in values

    return test


_JOINS: Final[dict[Connective, Callable[[tuple[Test, ...]], Test]]] = {
    Connective.AND: _all,
    Connective.AND_SEQUENCE: _all,
    Connective.OR: _any,
    Connective.XONE: _one,
}
