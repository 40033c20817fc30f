"""Verdicts on two policies by what their terms mean in the world, when nobody knows all facts: the open-world reading.

Here silence proves nothing: two concepts differ only where the taxonomy says so, sizes are positive, metered time and
delay fit within elapsed time, steps of a sequence add up, intervals recur from their anchors (ODRL 2.2 left operands;
W3C workshop 2026 papers on ODRL conflict detection). Verdicts are Conflict, Compatible, or Unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, Final

import z3

from datahub.policy.model import (
    Atom,
    Connective,
    Constraint,
    Logical,
    Operator,
    Policy,
    Value,
    atoms,
    conjunction,
    conjuncts,
)
from datahub.policy.registry import operand
from datahub.policy.smt import ALWAYS, NEVER, Encoder, Rails, as_number, joined, on_a_line, settled, solve
from datahub.policy.vocabulary import Taxonomy, taxonomies

_POSITIVE: Final = frozenset({"absoluteSize", "absoluteSizeWidth", "absoluteSizeHeight", "absoluteSizeDepth"})
_CUMULATIVE: Final = frozenset({"meteredTime", "count"})
_TAXONOMIC: Final = frozenset({"purpose", "region", "language"})
_TREE_UP: Final = frozenset({Operator.IS_A, Operator.IS_PART_OF})


class Verdict(StrEnum):
    """What can be said for certain."""

    CONFLICT = "Conflict"
    COMPATIBLE = "Compatible"
    UNKNOWN = "Unknown"


class Question(StrEnum):
    """What is asked of a pair of policies.

    OVERLAP: can one use satisfy both? WITHIN: does whatever satisfies the first satisfy the second? `EACH_` asks per
    operand and lets what only one side speaks of leave the answer open. RUNTIME: will every use one side lets begin
    stay within the other?
    """

    OVERLAP = "overlap"
    WITHIN = "within"
    EACH_OVERLAP = "each-overlap"
    EACH_WITHIN = "each-within"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, with a witness where one exists: values by operand.

    Of an overlap it lies in both, of what is not within it lies outside; where nothing lies in both, it is a use that one
    side permits, and so the other does not.
    """

    verdict: Verdict
    witness: Mapping[str, str] | None = None


def judge(
    first: Policy, second: Policy, question: Question, world: Mapping[str, Taxonomy] | None = None
) -> Finding:
    """Judge the permissions of two policies. `world` gives the taxonomies by sort; by default the exchange's own."""
    known = dict(taxonomies() if world is None else world)
    mine, theirs = _permitted(first), _permitted(second)
    if question is Question.OVERLAP:
        return _overlap(mine, theirs, known)
    if question is Question.WITHIN:
        return _within(mine, theirs, known)
    if question is Question.RUNTIME:
        return _runtime(mine, theirs, known)
    left, right = _stated(mine), _stated(theirs)
    if question is Question.EACH_WITHIN:
        found = (
            _within(mine, theirs, known)
            if left >= right
            else _partly_within(mine, theirs, left & right, known)
        )
        open_axes = not left & right or not left >= right
    else:
        found = _overlap(mine, theirs, known)
        open_axes = left != right or not left
    if found.verdict is Verdict.COMPATIBLE and open_axes:
        return Finding(Verdict.UNKNOWN)
    return found


def _permitted(policy: Policy) -> Constraint | None:
    """Return what the permissions of a policy ask, as one constraint; None asks nothing."""
    asked = [
        conjunction(tuple(each for each in (rule.constraint, rule.refinement) if each is not None))
        for rule in policy.permissions
    ]
    if None in asked or not asked:
        return None
    parts = tuple(each for each in asked if each is not None)
    return parts[0] if len(parts) == 1 else Logical(Connective.OR, parts)


def _stated(constraint: Constraint | None) -> frozenset[str]:
    return frozenset(atom.left for atom in atoms(constraint))


def _overlap(first: Constraint | None, second: Constraint | None, world: Mapping[str, Taxonomy]) -> Finding:
    theory = Theory(world, (first, second))
    possible = [z3.Not(theory.rails(each, agreed=True)[1]) for each in (first, second) if each is not None]
    if theory.solution(*possible) is None:
        return Finding(Verdict.CONFLICT, _alone(first, world) or _alone(second, world))
    for named in Theory.namings(world, first, second):
        theory = Theory(world, (first, second), named)
        certain = [theory.rails(each, agreed=True)[0] for each in (first, second) if each is not None]
        witness = theory.solution(*certain)
        if witness is not None:
            return Finding(Verdict.COMPATIBLE, witness)
    return Finding(Verdict.UNKNOWN)


def _alone(constraint: Constraint | None, world: Mapping[str, Taxonomy]) -> Mapping[str, str] | None:
    """Return a use that certainly satisfies one side; None where nothing does."""
    for named in Theory.namings(world, constraint, None):
        theory = Theory(world, (constraint, None), named)
        witness = theory.solution(theory.rails(constraint, agreed=True)[0])
        if witness is not None:
            return witness
    return None


def _within(first: Constraint | None, second: Constraint | None, world: Mapping[str, Taxonomy]) -> Finding:
    theory = Theory(world, (first, second))
    inside, outside = theory.rails(first, agreed=True), theory.rails(second, agreed=True)
    if theory.solution(z3.Not(inside[1]), z3.Not(outside[0])) is None:
        return Finding(Verdict.COMPATIBLE)
    for named in Theory.namings(world, first, second):
        theory = Theory(world, (first, second), named)
        inside, outside = theory.rails(first, agreed=True), theory.rails(second, agreed=True)
        escape = theory.solution(inside[0], outside[1] if second is not None else NEVER)
        if escape is not None:
            return Finding(Verdict.CONFLICT, escape)
    return Finding(Verdict.UNKNOWN)


def _partly_within(
    first: Constraint | None, second: Constraint | None, shared: frozenset[str], world: Mapping[str, Taxonomy]
) -> Finding:
    """Ask only about the operands both speak of: what the first says nothing about is unknown, not unbounded."""
    parts = conjuncts_on(second, shared)
    return _within(first, conjunction(tuple(parts)), world) if parts else Finding(Verdict.UNKNOWN)


def conjuncts_on(constraint: Constraint | None, shared: frozenset[str]) -> list[Constraint]:
    """Return the conjuncts that speak of these operands alone."""
    return [each for each in conjuncts(constraint) if _stated(each) <= shared]


def _runtime(first: Constraint | None, second: Constraint | None, world: Mapping[str, Taxonomy]) -> Finding:
    """Use adds up: two caps that a first moment satisfies part ways as soon as the smaller one is used up."""
    static = _overlap(first, second, world)
    if static.verdict is not Verdict.COMPATIBLE or not _CUMULATIVE & _stated(first) & _stated(second):
        return static
    for narrow, wide in ((first, second), (second, first)):
        escape = _within(narrow, wide, world)
        if escape.verdict is Verdict.CONFLICT:
            return escape
    return static


class Theory(Encoder):
    """The axioms of ODRL's terms. `named` fixes a concept per taxonomy; without it a concept is anyone the axioms allow."""

    def __init__(
        self,
        world: Mapping[str, Taxonomy],
        pair: tuple[Constraint | None, Constraint | None],
        named: Mapping[str, str] | None = None,
    ) -> None:
        constants: dict[str, tuple[Value, ...]] = {}
        for atom in (*atoms(pair[0]), *atoms(pair[1])):
            constants[atom.left] = (*constants.get(atom.left, ()), *atom.right)
        super().__init__(constants)
        self.world = world
        self.named_concepts = named
        self.steps: list[Any] = []
        self.relations: dict[tuple[str, str, str], Any] = {}

    @staticmethod
    def namings(
        world: Mapping[str, Taxonomy], first: Constraint | None, second: Constraint | None
    ) -> Iterator[Mapping[str, str]]:
        """Yield assignments of known concepts near those mentioned, one per taxonomic operand."""
        near: dict[str, dict[str, None]] = {}
        for atom in (*atoms(first), *atoms(second)):
            row = operand(atom.left)
            if row and row.sort in _TAXONOMIC:
                taxonomy = world[row.sort]
                for value in map(str, atom.right):
                    mentioned = near.setdefault(atom.left, {})
                    mentioned.update(dict.fromkeys((value, *taxonomy.above(value), *taxonomy.below(value))))
                    mentioned.update(dict.fromkeys(taxonomy.concepts))
        for chosen in product(*near.values()):
            yield dict(zip(near, chosen, strict=True))

    def rails(self, constraint: Constraint | None, *, agreed: bool) -> Rails:
        """Return the rails; the steps of a sequence each take their own time."""
        if (
            isinstance(constraint, Atom)
            or constraint is None
            or constraint.connective is not Connective.AND_SEQUENCE
        ):
            return super().rails(constraint, agreed=agreed)
        parts = []
        for part in constraint.parts:
            if isinstance(part, Atom) and part.left == "delayPeriod":
                step = z3.Int(f"step {len(self.steps)}")
                self.steps.append(step)
                row = operand(part.left)
                constants = [as_number(row, each) for each in part.right] if row else []
                parts.append(settled(on_a_line(part.operator, step, constants), ALWAYS))
            else:
                parts.append(self.rails(part, agreed=agreed))
        return joined(Connective.AND, parts)

    def is_known(self, name: str) -> Any:  # noqa: ARG002 (the same question, another world)
        """Every fact is there; what is unknown here is how concepts relate."""
        return ALWAYS

    def quantity(self, row: Any, sort: str) -> tuple[Any, Any]:
        """Return one variable per operand."""
        if row.name not in self.scalars:
            self.scalars[row.name] = (z3.Real if sort == "number" else z3.Int)(row.name)
        return self.scalars[row.name], ALWAYS

    def chosen(self, row: Any, atom: Atom, sort: str) -> Rails:
        """Compare a concept by what the taxonomy asserts; other texts compare as themselves."""
        if sort not in _TAXONOMIC:
            return super().chosen(row, atom, sort)
        kind = (
            "under" if atom.operator in _TREE_UP else "over" if atom.operator is Operator.HAS_PART else "same"
        )
        each = [
            self.possibly(atom.left, kind, str(value))
            if self.named_concepts is None
            else self.certainly(self.named_concepts[atom.left], self.world[sort], kind, str(value))
            for value in atom.right
        ]
        true, false = joined(Connective.AND if atom.operator is Operator.IS_ALL_OF else Connective.OR, each)
        return (false, true) if atom.operator in {Operator.NEQ, Operator.IS_NONE_OF} else (true, false)

    @staticmethod
    def certainly(named: str, taxonomy: Taxonomy, kind: str, concept: str) -> Rails:
        """Return what the taxonomy asserts about the concept named for this operand."""
        lower, upper = (concept, named) if kind == "over" else (named, concept)
        if kind == "same":
            return z3.BoolVal(named == concept), z3.BoolVal(_disjoint(taxonomy, named, concept))
        return z3.BoolVal(upper in taxonomy.above(lower)), z3.BoolVal(_disjoint(taxonomy, lower, upper))

    def possibly(self, left: str, kind: str, concept: str) -> Rails:
        """Return a relation to a concept nobody named; the axioms that tie relations together come with `solution`."""
        variable = self.relations.setdefault((left, kind, concept), z3.Bool(f"{left} {kind} {concept}"))
        for other in ("under", "over"):
            self.relations.setdefault((left, other, concept), z3.Bool(f"{left} {other} {concept}"))
        return variable, z3.Not(variable)

    def solution(self, *conditions: Any) -> dict[str, str] | None:
        """Return values that satisfy the conditions and the axioms, by operand; None when there are none."""
        model = solve((*conditions, *self.axioms, *self._quantities(), *self._concepts()))
        if model is None:
            return None
        values = {
            name: str(model.eval(variable, model_completion=True)) for name, variable in self.scalars.items()
        }
        return values | dict(self.named_concepts or {})

    def _quantities(self) -> Iterator[Any]:
        """Durations are not negative, sizes are positive; metered time, delays and steps fit in elapsed time."""
        elapsed = self.scalars.setdefault("elapsedTime", z3.Int("elapsedTime"))
        yield elapsed >= 0
        for step in self.steps:
            yield step >= 0
        if self.steps:
            yield z3.Sum(self.steps) <= elapsed
        for name, variable in self.scalars.items():
            row = operand(name)
            if name in _POSITIVE:
                yield variable > 0
            elif row and row.sort == "duration":
                yield variable >= 0
                if name in {"meteredTime", "delayPeriod"}:
                    yield variable <= elapsed

    def _concepts(self) -> Iterator[Any]:
        """Being the same is being under and over; under is transitive; nothing is under two disjoint concepts."""
        for (left, kind, concept), variable in self.relations.items():
            row = operand(left)
            taxonomy = self.world[row.sort] if row else self.world["purpose"]
            if kind == "same":
                yield z3.Implies(variable, self.relations[left, "under", concept])
                yield z3.Implies(variable, self.relations[left, "over", concept])
            for (other_left, other_kind, other), related in self.relations.items():
                if other_left == left:
                    yield from _tied(taxonomy, (kind, concept, variable), (other_kind, other, related))


def _tied(taxonomy: Taxonomy, one: tuple[str, str, Any], two: tuple[str, str, Any]) -> Iterator[Any]:
    (kind, concept, variable), (other_kind, other, related) = one, two
    match kind, other_kind:
        case "under", "under":
            if other in taxonomy.above(concept):
                yield z3.Implies(variable, related)
            if _disjoint(taxonomy, concept, other):
                yield z3.Not(z3.And(variable, related))
        case "over", "over" if concept in taxonomy.above(other):
            yield z3.Implies(variable, related)
        case "over", "under" if _disjoint(taxonomy, concept, other):
            yield z3.Not(z3.And(variable, related))
        case "same", "same" if _disjoint(taxonomy, concept, other):
            yield z3.Not(z3.And(variable, related))
        case "same", "under" if other in taxonomy.above(concept):
            yield z3.Implies(variable, related)
        case "same", "over" if concept in taxonomy.above(other):
            yield z3.Implies(variable, related)


def _disjoint(taxonomy: Taxonomy, one: str, other: str) -> bool:
    """Whether something above one is disjoint with something above the other."""
    return any(
        frozenset({above, beyond}) in taxonomy.disjoint
        for above in taxonomy.above(one)
        for beyond in taxonomy.above(other)
        if above != beyond
    )
