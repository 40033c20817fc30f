"""Policies as formulas over one attempt, and models of them turned back into facts that `decide` can check."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import z3

from datahub.policy.evaluate import Prepared, PreparedDuty, PreparedRule, prepare
from datahub.policy.facts import Facts
from datahub.policy.model import Duty, Policy, Timing, Value, all_atoms
from datahub.policy.registry import LEVELS, Operand, actions, covering, operand
from datahub.policy.smt import ALWAYS, EPOCH, NEVER, Encoder, Rails

_MOMENTS: Final = {"elapsed": "agreed_at", "delay": "published_at", "since_first_use": "first_used_at"}
_EARLIEST, _LATEST = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class RuleFormula:
    """A rule as conditions: a permission grants when `grants`, a prohibition bites when `bites`."""

    pointer: str
    grants: Any
    bites: Any


class Attempt:
    """One attempt in variables, shared by the policies that are compared."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        constants: dict[str, tuple[Value, ...]] = {}
        for policy in self.policies:
            for atom in all_atoms(policy):
                constants[atom.left] = (*constants.get(atom.left, ()), *atom.right)
        self.encoder = Encoder(constants)
        named = {
            rule.action for policy in self.policies for rule in (*policy.permissions, *policy.prohibitions)
        }
        self.actions = _actions(named)
        self.action = z3.Int("action")
        self.duties: dict[Duty, tuple[Any, Any]] = {}

    def permits(self, policy: Policy) -> Any:
        """Return when the policy permits the attempt, as `decide` does with a row given."""
        prepared = prepare(policy)
        grants = [each.grants for each in self.permissions(prepared)]
        bites = [each.bites for each in self.prohibitions(prepared)]
        broken = [z3.And(self.applies(duty), self.state(duty)[1]) for duty in prepared.obligations]
        return z3.And(z3.Or(*grants), z3.Not(z3.Or(*bites)), z3.Not(z3.Or(*broken)))

    def permissions(self, prepared: Prepared) -> Iterator[RuleFormula]:
        """Yield each permission with the condition under which it grants."""
        for rule in prepared.permissions:
            true, _ = self.matched(rule, agreed=True)
            blocked = [z3.And(self.applies(duty), self.blocks(duty)) for duty in rule.duties]
            yield RuleFormula(rule.pointer, z3.And(true, z3.Not(z3.Or(*blocked))), NEVER)

    def prohibitions(self, prepared: Prepared) -> Iterator[RuleFormula]:
        """Yield each prohibition with the condition under which it bites."""
        for rule in prepared.prohibitions:
            _, false = self.matched(rule, agreed=False)
            yield RuleFormula(rule.pointer, NEVER, z3.Not(false))

    def matched(self, rule: PreparedRule, *, agreed: bool) -> Rails:
        """Return the rails of a rule being about this attempt, constraint and refinement included."""
        covered = z3.Or(
            *(self.action == at for at, name in enumerate(self.actions) if rule.rule.action in covering(name))
        )
        rails = (
            (covered, z3.Not(covered)),
            self.encoder.is_among("target", rule.target),
            self.encoder.is_among("recipient", rule.assignee),
            self.encoder.rails(rule.rule.constraint, agreed=agreed),
            self.encoder.rails(rule.rule.refinement, agreed=agreed),
        )
        return z3.And(*(true for true, _ in rails)), z3.Or(*(false for _, false in rails))

    def applies(self, duty: PreparedDuty) -> Any:
        """Return when a duty exists; unknown counts as yes."""
        _, false = self.encoder.rails(duty.duty.constraint, agreed=False)
        return z3.Not(false)

    def state(self, duty: PreparedDuty) -> tuple[Any, Any]:
        """Return whether a duty is fulfilled and whether it is violated; equal duties share their fate.

        What the exchange does itself and that changes no data (it logs, counts, informs) is taken as done.
        """
        if duty.auto and not actions()[duty.duty.action].shapes:
            return ALWAYS, NEVER
        key = replace(duty.duty, uid=None)
        if key not in self.duties:
            at = len(self.duties)
            fulfilled, violated = z3.Bool(f"fulfilled {at}"), z3.Bool(f"violated {at}")
            self.duties[key] = (fulfilled, violated)
            self.encoder.axioms.append(z3.Not(z3.And(fulfilled, violated)))
        return self.duties[key]

    def blocks(self, duty: PreparedDuty) -> Any:
        """Return when a duty stands in the way of use."""
        fulfilled, violated = self.state(duty)
        waits = duty.duty.timing is Timing.PRE and not duty.auto
        return z3.Or(violated, z3.Not(fulfilled)) if waits else violated

    @property
    def axioms(self) -> list[Any]:
        """What holds for any attempt: the action is one of those, moments are dates people write."""
        bounds = [self.action >= 0, self.action < len(self.actions)]
        for name, variable in self.encoder.scalars.items():
            if name in {"dateTime", *_MOMENTS} or name.endswith(" instant"):
                low, high = ((each - EPOCH) // timedelta(microseconds=1) for each in (_EARLIEST, _LATEST))
                bounds += [variable >= low, variable <= high]
            if name.endswith(" date"):
                bounds += [variable >= _EARLIEST.toordinal(), variable <= _LATEST.toordinal()]
            sorts = {"boolean", "number", "instant", "date", "text"}
            rivals = (
                [f"{name.rsplit(' ', 1)[0]} {sort}" for sort in sorts]
                if name.startswith("dh:column:")
                else []
            )
            others = [self.encoder.known[each] for each in rivals if each in self.encoder.known]
            if len(others) > 1:
                bounds.append(z3.AtMost(*others, 1))
        return [*self.encoder.axioms, *bounds]

    def facts(self, model: Any, policy: Policy) -> Facts:
        """Turn a model into facts for one policy (duties go by that policy's own keys)."""
        given: dict[str, Any] = {"row": {}, "more": {}, "counts": {}}
        given["action"] = self.actions[model.eval(self.action, model_completion=True).as_long()]
        given["agreed"] = bool(model.eval(self.encoder.known.get("agreed", NEVER), model_completion=True))
        for name, known in self.encoder.known.items():
            if name != "agreed" and z3.is_true(model.eval(known, model_completion=True)):
                self._give(given, name, model)
        prepared = prepare(policy)
        duties = (*prepared.obligations, *(duty for rule in prepared.permissions for duty in rule.duties))
        given["duties"] = {duty.key: state for duty in duties if (state := self._duty(model, duty))}
        return Facts(**given)

    def _duty(self, model: Any, duty: PreparedDuty) -> str:
        fulfilled, violated = (
            z3.is_true(model.eval(each, model_completion=True)) for each in self.state(duty)
        )
        return "violated" if violated else "fulfilled" if fulfilled else ""

    def owed(self, model: Any) -> dict[str, str]:
        """Return the duties whose state the model needs, by action."""
        states = {
            duty.action: "violated" if _is(model, violated) else "fulfilled" if _is(model, fulfilled) else ""
            for duty, (fulfilled, violated) in self.duties.items()
        }
        return {action: state for action, state in states.items() if state}

    def _give(self, given: dict[str, Any], name: str, model: Any) -> None:
        """Write one known fact where `decide` looks for it."""
        families = {family for family, _ in self.encoder.names}
        if name in families or name in {"target", "recipient"}:
            there = (
                each
                for (family, each), variable in self.encoder.names.items()
                if family == name and _is(model, variable)
            )
            names = frozenset(there)
            if ":" in name:
                given["more"][name] = names
            else:
                given[name] = names
            return
        if name in _MOMENTS:
            given[_MOMENTS[name]] = _moment(model, self.encoder.scalars[name])
            return
        left, _, sort = name.partition(" ")
        row = operand(left)
        if row is None:  # pragma: no cover (every other name is an operand)
            raise LookupError(left)
        value = self._value(model, name, sort or row.sort, row)
        if left.startswith("dh:column:"):
            given["row"][left.removeprefix("dh:column:")] = value
        elif row.fact == "counts":
            given["counts"]["reads" if left == "count" else left.removeprefix("dh:")] = int(str(value)) - 1
        elif row.fact in {"more", "day", "hour"}:
            given["more"][left] = value
        else:
            given[row.fact] = value

    def _value(self, model: Any, name: str, sort: str, row: Operand) -> object:
        variable = self.encoder.scalars[name]
        if name in self.encoder.choices:
            return self.encoder.choices[name][model.eval(variable, model_completion=True).as_long()]
        if sort == "instant":
            return _moment(model, variable)
        value = model.eval(variable, model_completion=True)
        if sort == "duration":
            return timedelta(microseconds=value.as_long())
        if sort == "date":
            return date.fromordinal(value.as_long())
        if sort == "level":
            return LEVELS[row.name][value.as_long()]
        fraction = value.as_fraction() if z3.is_rational_value(value) else value.as_long()
        return (
            int(fraction)
            if fraction == int(fraction)
            else Decimal(fraction.numerator) / Decimal(fraction.denominator)
        )


def _is(model: Any, variable: Any) -> bool:
    return bool(z3.is_true(model.eval(variable, model_completion=True)))


def _moment(model: Any, variable: Any) -> datetime:
    return EPOCH + timedelta(microseconds=model.eval(variable, model_completion=True).as_long())


def _actions(named: set[str]) -> tuple[str, ...]:
    """Return one action per set of rules that could cover it, the named actions first."""
    chosen: dict[frozenset[str], str] = {}
    for name in (*sorted(named), *actions()):
        chosen.setdefault(frozenset(covering(name)) & named, name)
    return tuple(chosen.values())
