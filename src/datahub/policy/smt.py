"""Translates policies to SMT (z3) with two rails per formula: when it is true, and when it is false.

What is neither is unknown, exactly as `decide` has it, so a model of the formulas is an attempt that `decide` can check.
Every operand becomes an integer, a real, a choice among finitely many values that matter, or a set of mentioned names.
Loaded only by who compares (`pip install datahub[analysis]`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

import z3

from datahub.policy.compare_values import comparison
from datahub.policy.evaluate import DAY
from datahub.policy.model import Atom, Connective, Constraint, Operator, Value
from datahub.policy.registry import LEVELS, Operand, operand
from datahub.policy.values import is_unresolved, sort_for
from datahub.policy.vocabulary import taxonomies

Rails: TypeAlias = tuple[Any, Any]
"""The conditions under which something is true, and under which it is false."""

ALWAYS: Final = z3.BoolVal(val=True)
NEVER: Final = z3.BoolVal(val=False)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_TREE: Final = frozenset({Operator.IS_A, Operator.IS_PART_OF, Operator.HAS_PART})
_TIMES: Final = frozenset({"instant", "duration", "date"})
_CHOSEN: Final = frozenset({"text", "purpose", "region", "language", "boolean"})
_ELSE: Final[Mapping[str, str]] = {
    "purpose": "urn:other",
    "region": "urn:other",
    "language": "zz",
    "text": "urn:other",
}

_ORDER: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    Operator.EQ: lambda left, right: left == right,
    Operator.NEQ: lambda left, right: left != right,
    Operator.GT: lambda left, right: left > right,
    Operator.GTEQ: lambda left, right: left >= right,
    Operator.LT: lambda left, right: left < right,
    Operator.LTEQ: lambda left, right: left <= right,
}


@dataclass
class Encoder:
    """Gives each operand its variables once, so that several policies speak of the same attempt."""

    constants: Mapping[str, tuple[Value, ...]]
    known: dict[str, Any] = field(default_factory=dict)
    scalars: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    names: dict[tuple[str, str], Any] = field(default_factory=dict)
    axioms: list[Any] = field(default_factory=list)
    today: Any = None

    def rails(self, constraint: Constraint | None, *, agreed: bool) -> Rails:
        """Return the rails of a constraint; `agreed` says that accepted legal terms count as met here."""
        if constraint is None:
            return ALWAYS, NEVER
        if isinstance(constraint, Atom):
            return self.atom(constraint, agreed=agreed)
        exclusive = constraint.connective is Connective.XONE
        return joined(
            constraint.connective,
            [self.rails(part, agreed=agreed and not exclusive) for part in constraint.parts],
        )

    def atom(self, atom: Atom, *, agreed: bool) -> Rails:
        """Return the rails of one comparison."""
        row = operand(atom.left)
        if row is None:  # pragma: no cover (the reader places every operand)
            raise LookupError(atom.left)
        if row.missing == "agreed":
            return (self.is_known("agreed") if agreed else NEVER), NEVER
        sort = sort_for(row, atom.right)
        if any(is_unresolved(each) for each in atom.right) or (sort == "event" and atom.operator in _ORDER):
            return NEVER, NEVER
        if atom.anchor is not None:
            return self.recurring(atom, atom.anchor)
        if sort in {"labels", "party", "event"}:
            return self.membership(row, atom)
        if sort in _CHOSEN or not atom.right:
            return self.chosen(row, atom, sort)
        return self.ordered(row, atom, sort)

    def is_known(self, name: str) -> Any:
        """Return the variable that says whether a fact is known."""
        return self.known.setdefault(name, z3.Bool(f"known {name}"))

    def ordered(self, row: Operand, atom: Atom, sort: str) -> Rails:
        """Compare on a line: microseconds, days, places on a scale, or numbers."""
        value, known = self.quantity(row, sort)
        constants = [as_number(row, each) for each in atom.right]
        return settled(on_a_line(atom.operator, value, constants), known)

    def quantity(self, row: Operand, sort: str) -> tuple[Any, Any]:
        """Return the number that stands for an operand, and whether it is known; spans are taken from their moments."""
        if row.fact in {"elapsed", "delay", "since_first_use"}:
            return self.since(row.fact, row.fact)
        if row.name.startswith("dh:age:"):
            column = row.name.removeprefix("dh:age:")
            return self.since(f"dh:column:{column} instant", f"dh:column:{column} instant")
        name = f"{row.name} {sort}" if row.sort == "column" else row.name
        if name not in self.scalars:
            make = z3.Real if sort == "number" else z3.Int
            self.scalars[name] = make(name)
            if sort == "counter":
                self.axioms.append(self.scalars[name] >= 1)
            if sort == "level":
                self.axioms += [self.scalars[name] >= 0, self.scalars[name] < len(LEVELS[row.name])]
        return self.scalars[name], self.is_known(name)

    def since(self, name: str, known: str) -> tuple[Any, Any]:
        """Return the span from a moment until now."""
        start = self.scalars.setdefault(name, z3.Int(name))
        now = self.scalars.setdefault("dateTime", z3.Int("dateTime"))
        return now - start, z3.And(self.is_known("dateTime"), self.is_known(known))

    def recurring(self, atom: Atom, anchor: datetime) -> Rails:
        """Compare the present with a schedule that counts from its anchor."""
        period = atom.right[0]
        if not isinstance(period, timedelta) or not period:
            return NEVER, NEVER
        now = self.scalars.setdefault("dateTime", z3.Int("dateTime"))
        if not period % DAY and not (anchor - EPOCH) % DAY:
            holds = (self.day() - (anchor - EPOCH) // DAY) % (period // DAY) == 0
        else:
            passed = (now - (anchor - EPOCH) // _MICRO) % (period // _MICRO)
            holds = passed < DAY // _MICRO if period >= DAY else passed == 0
        return settled(holds, self.is_known("dateTime"))

    def day(self) -> Any:
        """Return the number of the present day: small numbers keep remainders easy."""
        if self.today is None:
            self.today = z3.Int("day")
            now, whole = self.scalars.setdefault("dateTime", z3.Int("dateTime")), DAY // _MICRO
            self.axioms += [self.today * whole <= now, now < (self.today + 1) * whole]
        return self.today

    def chosen(self, row: Operand, atom: Atom, sort: str) -> Rails:
        """Compare one of the values that matter, each by the very comparison that decides."""
        name = f"{row.name} {sort}" if row.sort == "column" else row.name
        if name not in self.choices:
            self.choices[name] = candidates(sort, self.constants.get(row.name, ()))
            variable = self.scalars.setdefault(name, z3.Int(name))
            self.axioms += [variable >= 0, variable < len(self.choices[name])]
        compare, variable, known = comparison(row, atom), self.scalars[name], self.is_known(name)
        truths = [compare(value) for value in self.choices[name]]
        true = z3.Or(*(variable == at for at, truth in enumerate(truths) if truth is True))
        false = z3.Or(*(variable == at for at, truth in enumerate(truths) if truth is False))
        return z3.And(known, true), z3.And(known, false)

    def named(self, family: str, name: str) -> Any:
        """Return the variable that says whether a name is in a set-valued fact."""
        return self.names.setdefault((family, name), z3.Bool(f"{family} has {name}"))

    def group(self, name: str) -> Any:
        """Return the variable that says whether the recipient is in a group; who is in one is known to be."""
        inside = self.named("groups", name)
        self.axioms.append(z3.Implies(inside, self.is_known("groups")))
        return inside

    def membership(self, row: Operand, atom: Atom) -> Rails:
        """Compare a set of names: the mentioned ones matter, others are like no mention."""
        family = row.fact if row.fact != "more" else row.name
        wanted = [self.named(family, str(each)) for each in atom.right]
        if family == "recipient" and atom.operator in _TREE:
            wanted = [
                z3.Or(each, self.group(str(name))) for each, name in zip(wanted, atom.right, strict=True)
            ]
        if atom.operator in {Operator.NEQ, Operator.IS_NONE_OF}:
            holds = z3.Not(z3.Or(*wanted))
        else:
            holds = z3.And(*wanted) if atom.operator is Operator.IS_ALL_OF else z3.Or(*wanted)
        return settled(holds, self.is_known(family))

    def is_among(self, family: str, name: str | None) -> Rails:
        """Return the rails of a target or party being among those of the attempt."""
        if name is None:
            return ALWAYS, NEVER
        inside = self.named(family, name)
        if family == "recipient":
            inside = z3.Or(inside, self.group(name))
        return settled(inside, self.is_known(family))


def settled(holds: Any, known: Any) -> Rails:
    """Return the rails of a condition on a fact that may be unknown."""
    return z3.And(known, holds), z3.And(known, z3.Not(holds))


def negation(condition: Any) -> Any:
    """Return when a condition does not hold."""
    return z3.Not(condition)


def joined(connective: Connective, parts: list[Rails]) -> Rails:
    """Join rails as Kleene does."""
    trues, falses = [part[0] for part in parts], [part[1] for part in parts]
    if connective is Connective.OR:
        return z3.Or(*trues), z3.And(*falses)
    if connective is not Connective.XONE:
        return z3.And(*trues), z3.Or(*falses)
    one = [
        z3.And(true, *(false for other, false in enumerate(falses) if other != at))
        for at, true in enumerate(trues)
    ]
    two = z3.AtLeast(*trues, 2) if len(trues) > 1 else NEVER
    return z3.Or(*one), z3.Or(two, z3.And(*falses))


def on_a_line(operator: Operator, value: Any, constants: list[Any]) -> Any:
    """Compare a quantity with constants."""
    if operator in _ORDER:
        return _ORDER[operator](value, constants[0])
    equal = [value == each for each in constants]
    if operator is Operator.IS_ALL_OF:
        return z3.And(*equal)
    return z3.Not(z3.Or(*equal)) if operator is Operator.IS_NONE_OF else z3.Or(*equal)


def as_number(row: Operand, value: Value) -> Any:
    """Return the number that stands for a constant."""
    match value:
        case datetime():
            return z3.IntVal((value - EPOCH) // _MICRO)
        case date():
            return z3.IntVal(value.toordinal())
        case timedelta():
            return z3.IntVal(value // _MICRO)
        case str():
            return z3.IntVal(LEVELS[row.name].index(value))
        case int() | Decimal():
            return z3.RealVal(str(value)) if row.sort != "counter" else z3.IntVal(str(int(value)))
    raise TypeError(value)  # pragma: no cover (the reader lets only these through)


def candidates(sort: str, constants: tuple[Value, ...]) -> tuple[object, ...]:
    """Return values enough to tell any two policies apart that mention these constants.

    Of a taxonomy one concept per signature is enough: the mentioned concepts that it is under, over, or equal to.
    """
    if sort == "boolean":
        return (True, False)
    mentioned = [str(each) for each in dict.fromkeys(constants) if isinstance(each, str)]
    if sort not in {"purpose", "region"}:
        return (*mentioned, _ELSE[sort if sort in _ELSE else "text"])
    known = taxonomies()[sort]
    signatures: dict[object, str] = {}
    for concept in (*mentioned, *known.concepts):
        above = known.above(concept)
        over = frozenset(each for each in mentioned if concept in known.above(each))
        signature = (above.intersection(mentioned), over, concept if concept in mentioned else None)
        signatures.setdefault(signature, concept)
    return (*signatures.values(), _ELSE[sort])


def solve(conditions: Iterable[Any], milliseconds: int = 5000) -> Any | None:
    """Return a model of the conditions, None when there is none.

    Raises TimeoutError when z3 gives up; nobody may then claim an answer.
    """
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    solver.add(*conditions)
    answer = solver.check()
    if answer == z3.unknown:
        message = solver.reason_unknown()
        raise TimeoutError(message)
    return solver.model() if answer == z3.sat else None
