"""The classes of the conflict benchmark on problems of our own: random bounds, operators, orders and trees.

Each verdict is held against an oracle that knows no logic: a grid of points, a greatest common divisor, a sum.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from math import gcd
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.policy import Policy, Taxonomy
from datahub.policy.model import Atom, Connective, Constraint, Kind, Logical, Operator, Rule
from datahub.policy.vocabulary import Concept

pytest.importorskip("z3")
from datahub.policy.open_world import Question, Verdict, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
BOUND = 5
GRID = [Fraction(half, 2) for half in range(1, 2 * BOUND + 3)]
ORDERS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda a, b: a == b,
    Operator.NEQ: lambda a, b: a != b,
    Operator.GT: lambda a, b: a > b,
    Operator.GTEQ: lambda a, b: a >= b,
    Operator.LT: lambda a, b: a < b,
    Operator.LTEQ: lambda a, b: a <= b,
}
AXES = ["absoluteSizeWidth", "absoluteSizeHeight", "spatialCoordinatesAltitude", "dateTime", "elapsedTime"]
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def a_policy(constraint: Constraint | None) -> Policy:
    return Policy("urn:x", Kind.SET, (Rule("use", constraint),))


def an_atom(axis: str, operator: Operator, bound: int) -> Atom:
    value: Any = {"dateTime": START + timedelta(days=bound), "elapsedTime": timedelta(days=bound)}
    return Atom(axis, operator, (value.get(axis, bound),))


def holds(constraint: Constraint, point: dict[str, Fraction], bounds: dict[Atom, int]) -> bool:
    if isinstance(constraint, Atom):
        return ORDERS[constraint.operator](point[constraint.left], bounds[constraint])
    found = [holds(part, point, bounds) for part in constraint.parts]
    if constraint.connective is Connective.XONE:
        return found.count(True) == 1
    return any(found) if constraint.connective is Connective.OR else all(found)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Constraint, Constraint, dict[Atom, int]]:
    axes = draw(st.lists(st.sampled_from(AXES), min_size=1, max_size=2, unique=True))
    bounds: dict[Atom, int] = {}

    def leaf() -> Constraint:
        bound = draw(st.integers(1, BOUND))
        atom = an_atom(draw(st.sampled_from(axes)), draw(st.sampled_from(list(ORDERS))), bound)
        bounds[atom] = bound
        return atom

    def tree(depth: int) -> Constraint:
        if not depth or draw(st.booleans()):
            return leaf()
        joined = draw(st.sampled_from([Connective.AND, Connective.OR, Connective.XONE]))
        return Logical(joined, tuple(tree(depth - 1) for _ in range(draw(st.integers(2, 3)))))

    return tree(2), tree(2), bounds


@FEW
@given(problems())
def test_boxes_unions_and_exclusive_choices_are_judged_as_a_grid_of_points_shows(
    problem: tuple[Constraint, Constraint, dict[Atom, int]],
) -> None:
    first, second, bounds = problem
    axes = sorted({atom.left for atom in bounds})
    points = [dict(zip(axes, each, strict=True)) for each in product(GRID, repeat=len(axes))]
    mine = [holds(first, point, bounds) for point in points]
    theirs = [holds(second, point, bounds) for point in points]
    overlap = any(a and b for a, b in zip(mine, theirs, strict=True))
    within = all(b or not a for a, b in zip(mine, theirs, strict=True))
    for question, expected in ((Question.OVERLAP, overlap), (Question.WITHIN, within)):
        found = judge(a_policy(first), a_policy(second), question)
        assert found.verdict is (Verdict.COMPATIBLE if expected else Verdict.CONFLICT)
    turned = judge(a_policy(second), a_policy(first), Question.OVERLAP)
    assert turned.verdict is (Verdict.COMPATIBLE if overlap else Verdict.CONFLICT)


@FEW
@given(
    st.dictionaries(st.sampled_from(AXES[:4]), st.tuples(st.booleans(), st.integers(1, BOUND)), max_size=4),
    st.dictionaries(st.sampled_from(AXES[:4]), st.tuples(st.booleans(), st.integers(1, BOUND)), max_size=4),
)
def test_what_only_one_side_speaks_of_leaves_the_verdict_open_unless_another_axis_conflicts(
    one: dict[str, tuple[bool, int]], other: dict[str, tuple[bool, int]]
) -> None:
    def boxed(box: dict[str, tuple[bool, int]]) -> Policy:
        atoms = tuple(
            an_atom(axis, Operator.GTEQ if lower else Operator.LTEQ, at) for axis, (lower, at) in box.items()
        )
        return a_policy(Logical(Connective.AND, atoms) if atoms else None)

    def clash(axis: str) -> bool:
        (lower, at), (its_lower, its) = one[axis], other[axis]
        return lower != its_lower and (at > its if lower else its > at)

    found = judge(boxed(one), boxed(other), Question.EACH_OVERLAP).verdict
    if any(clash(axis) for axis in one.keys() & other.keys()):
        assert found is Verdict.CONFLICT
    elif one.keys() == other.keys() and one:
        assert found is Verdict.COMPATIBLE
    else:
        assert found is Verdict.UNKNOWN


@FEW
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 400), st.integers(0, 400))
def test_two_rhythms_meet_when_their_offset_divides(p: int, q: int, a: int, b: int) -> None:
    def every(days: int, offset: int) -> Policy:
        anchor = START + timedelta(days=offset)
        return a_policy(Atom("timeInterval", Operator.EQ, (timedelta(days=days),), anchor=anchor))

    meets = (a - b) % gcd(p, q) == 0
    found = judge(every(p, a), every(q, b), Question.OVERLAP)
    assert found.verdict is (Verdict.COMPATIBLE if meets else Verdict.CONFLICT)


@FEW
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 30))
def test_steps_one_after_another_fit_within_a_deadline_or_do_not(steps: list[int], deadline: int) -> None:
    parts = tuple(Atom("delayPeriod", Operator.GTEQ, (timedelta(days=each),)) for each in steps)
    sequence = a_policy(Logical(Connective.AND_SEQUENCE, parts))
    short = a_policy(Atom("elapsedTime", Operator.LTEQ, (timedelta(days=deadline),)))
    fits = sum(steps) <= deadline
    assert judge(sequence, short, Question.OVERLAP).verdict is (
        Verdict.COMPATIBLE if fits else Verdict.CONFLICT
    )


@FEW
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(["meteredTime", "count"]))
def test_unequal_caps_on_what_adds_up_part_ways_at_run_time(one: int, other: int, left: str) -> None:
    def cap(most: int) -> Policy:
        return a_policy(Atom(left, Operator.LTEQ, (timedelta(days=most) if left == "meteredTime" else most,)))

    assert judge(cap(one), cap(other), Question.OVERLAP).verdict is Verdict.COMPATIBLE
    assert judge(cap(one), cap(other), Question.RUNTIME).verdict is (
        Verdict.COMPATIBLE if one == other else Verdict.CONFLICT
    )


TREE = {"all": (), "a": ("all",), "b": ("all",), "a1": ("a",), "a2": ("a",), "b1": ("b",)}
APART = frozenset(map(frozenset, [("a", "b"), ("a1", "a2")]))
UNDER = {
    name: {name} | {up for parent in parents for up in (parent, *TREE[parent])}
    for name, parents in TREE.items()
}
SEEN: dict[Operator, Callable[[str, tuple[str, ...]], bool]] = {
    Operator.EQ: lambda c, right: c == right[0],
    Operator.NEQ: lambda c, right: c != right[0],
    Operator.IS_A: lambda c, right: right[0] in UNDER[c],
    Operator.IS_PART_OF: lambda c, right: right[0] in UNDER[c],
    Operator.HAS_PART: lambda c, right: c in UNDER[right[0]],
    Operator.IS_ANY_OF: lambda c, right: c in right,
    Operator.IS_NONE_OF: lambda c, right: c not in right,
}
SINGLE = {Operator.EQ, Operator.NEQ, Operator.IS_A, Operator.IS_PART_OF, Operator.HAS_PART}
CONSTRAINTS = st.sampled_from(list(SEEN)).flatmap(
    lambda operator: st.tuples(
        st.just(operator),
        st.lists(
            st.sampled_from(list(TREE)), min_size=1, max_size=1 if operator in SINGLE else 3, unique=True
        ).map(tuple),
    )
)


@settings(FEW, max_examples=150)
@given(CONSTRAINTS, CONSTRAINTS, st.sampled_from([("purpose", "purpose"), ("spatial", "region")]))
def test_concepts_are_judged_as_their_tree_shows_and_silence_is_unknown(
    one: tuple[Operator, tuple[str, ...]], other: tuple[Operator, tuple[str, ...]], field: tuple[str, str]
) -> None:
    left, sort = field
    concepts = {name: Concept(parents) for name, parents in TREE.items()}
    closed, silent = Taxonomy("tree", concepts, APART), Taxonomy("tree", concepts)
    first, second = (a_policy(Atom(left, operator, right)) for operator, right in (one, other))
    named = [c for c in TREE if SEEN[one[0]](c, one[1]) and SEEN[other[0]](c, other[1])]
    verdicts = {
        world: judge(first, second, Question.OVERLAP, {sort: taxonomy}).verdict
        for world, taxonomy in (("closed", closed), ("silent", silent))
    }
    # Saying more can settle what was open, and takes back nothing that was proved.
    assert verdicts["silent"] in {verdicts["closed"], Verdict.UNKNOWN}
    if verdicts["closed"] is Verdict.COMPATIBLE:
        assert named
    if verdicts["closed"] is Verdict.CONFLICT:
        assert not named
    exact = {Operator.EQ, Operator.IS_A, Operator.IS_PART_OF}
    if named and {one[0], other[0]} <= exact:
        assert verdicts["silent"] is Verdict.COMPATIBLE
    tops = {one[1][0], other[1][0]}
    if {one[0], other[0]} <= exact and any(
        frozenset({x, y}) in APART for x in UNDER[one[1][0]] for y in UNDER[other[1][0]]
    ):
        assert verdicts["closed"] is Verdict.CONFLICT
        assert verdicts["silent"] is Verdict.UNKNOWN, tops
