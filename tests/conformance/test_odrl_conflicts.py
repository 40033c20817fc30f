"""The public ODRL conflict benchmark: every given problem is answered as its manifest says, by class and not by name.

The question of a problem follows from its relation; the worlds are the benchmark's own taxonomy slices. An ablation
(`sort-ablation`) gives one pair of policies twice, with two answers: what is right, and what an engine that does not tell
moments from durations would say. Nothing in the policies tells the two problems apart, so they are held as a pair: the
engine gives the right answer, and, asked about the same policies robbed of their sorts, the other one.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from datahub.policy import Facts, Policy, Taxonomy, decide, read_policy
from datahub.policy.model import Constraint, Logical
from datahub.policy.registry import operand

z3 = pytest.importorskip("z3")
from datahub.policy.open_world import Question, Verdict, judge  # noqa: E402 (needs z3)
from datahub.policy.smt import EPOCH  # noqa: E402 (needs z3)
from datahub.policy.vocabulary import Concept  # noqa: E402

SUITE = Path(__file__).parents[3] / "shared" / "vectors" / "odrl" / "conflict-benchmark"
PROBLEMS: list[dict[str, Any]] = json.loads((SUITE / "manifest.json").read_text()) if SUITE.is_dir() else []
RESOURCES = SUITE / "Problems" / "ODRL" / "KGConstraints" / "Resources"

pytestmark = pytest.mark.skipif(not PROBLEMS, reason="the conflict benchmark is not at hand")

QUESTIONS = {
    "conflict": Question.OVERLAP,
    "compatible": Question.OVERLAP,
    None: Question.OVERLAP,
    "subsumption": Question.WITHIN,
    "refinement": Question.WITHIN,
    "verdict": Question.EACH_OVERLAP,
    "verdict_algebra": Question.EACH_WITHIN,
    "runtime": Question.RUNTIME,
    "sort-ablation": Question.OVERLAP,
}
DAY = timedelta(days=1)
SAID = {"Refines": Verdict.COMPATIBLE, "NotRefines": Verdict.CONFLICT}


@pytest.fixture(scope="module")
def world() -> dict[str, Taxonomy]:
    return the_world()


def the_world() -> dict[str, Taxonomy]:
    from rdflib import OWL, RDF, Graph, URIRef
    from rdflib.collection import Collection

    from datahub.policy.registry import compact

    def slice_of(name: str, broader: str) -> Taxonomy:
        graph = Graph().parse(RESOURCES / f"{name}.ttl")
        edges = list(graph.subject_objects(URIRef(broader)))
        typed = {str(each) for each in graph.subjects(RDF.type)} | {
            str(each) for pair in edges for each in pair
        }
        short = {each: compact(each).removeprefix("https://tools.ietf.org/html/bcp47#") for each in typed}
        concepts = {
            short[each]: Concept(tuple(short[str(above)] for below, above in edges if str(below) == each))
            for each in typed
        }
        apart = {
            frozenset({short[str(one)], short[str(other)]})
            for group in graph.objects(None, OWL.distinctMembers)
            for one in Collection(graph, group)
            for other in Collection(graph, group)
            if one != other
        }
        return Taxonomy(name, concepts, frozenset(apart))

    skos = "http://www.w3.org/2004/02/skos/core#broader"
    return {
        "purpose": slice_of("dpv", skos),
        "region": slice_of("geonames", "https://www.geonames.org/ontology#parentFeature"),
        "language": slice_of("bcp47", skos),
    }


def pair(problem: dict[str, Any]) -> tuple[Policy, Policy]:
    from rdflib import Graph, URIRef

    graph = Graph().parse(SUITE / problem["policy_ttl"])
    found = []
    for name in problem["policies"]:
        alone, waiting = Graph(), [URIRef(name)]
        while waiting:
            for triple in graph.triples((waiting.pop(), None, None)):
                if triple not in alone:
                    alone.add(triple)
                    waiting.append(triple[2])  # type: ignore[arg-type]
        found.append(read_policy(alone.serialize(format="turtle"), foreign=True))
    return found[0], found[1]


def asked(problem: dict[str, Any]) -> tuple[Policy, Policy, Question]:
    """Return the two policies of a problem and what is asked of them."""
    return *pair(problem), QUESTIONS[problem["relation"]]


def without_sorts(policy: Policy) -> Policy:
    """Put moments and durations on one line, as days: what an engine that does not tell them apart reads."""

    def flat(constraint: Constraint | None) -> Constraint | None:
        if constraint is None:
            return None
        if isinstance(constraint, Logical):
            parts = tuple(part for each in constraint.parts if (part := flat(each)) is not None)
            return replace(constraint, parts=parts)
        days = tuple(
            (value - EPOCH) // DAY if isinstance(value, datetime) else value // DAY
            for value in constraint.right
            if isinstance(value, datetime | timedelta)
        )
        return replace(constraint, left="absolutePosition", right=days) if days else constraint

    rules = tuple(replace(rule, constraint=flat(rule.constraint)) for rule in policy.permissions)
    return replace(policy, permissions=rules)


def test_every_problem_asks_something_known() -> None:
    assert {problem["relation"] for problem in PROBLEMS} <= set(QUESTIONS)


ABLATED = [problem for problem in PROBLEMS if problem["relation"] == "sort-ablation"]
AS_WRITTEN = [problem for problem in PROBLEMS if problem not in ABLATED]


@pytest.mark.parametrize("problem", AS_WRITTEN, ids=[problem["id"] for problem in AS_WRITTEN])
def test_the_verdict_is_the_benchmark_s(problem: dict[str, Any], world: dict[str, Taxonomy]) -> None:
    found = judge(*asked(problem), world)
    assert found.verdict == SAID.get(problem["verdict"], problem["verdict"])


def test_only_who_takes_the_sorts_away_finds_the_spurious_verdict(world: dict[str, Taxonomy]) -> None:
    verdicts: dict[tuple[Policy, Policy], set[str]] = {}
    for problem in ABLATED:
        verdicts.setdefault(pair(problem), set()).add(problem["verdict"])
    for (first, second), expected in verdicts.items():
        right = judge(first, second, Question.OVERLAP, world).verdict
        naive = judge(without_sorts(first), without_sorts(second), Question.OVERLAP, world).verdict
        assert right is Verdict.COMPATIBLE
        assert {right, naive} == expected


@pytest.mark.parametrize(
    "problem",
    [each for each in PROBLEMS if each["verdict"] == "NotRefines" or each["relation"] == "subsumption"],
    ids=lambda problem: problem["id"],
)
def test_what_is_not_contained_is_shown_by_a_witness_that_decide_confirms(
    problem: dict[str, Any], world: dict[str, Taxonomy]
) -> None:
    first, second, question = asked(problem)
    found = judge(first, second, question, world)
    assert (found.witness is not None) == (found.verdict is Verdict.CONFLICT)
    if found.witness is not None:
        facts = the_facts(found.witness)
        assert decide(first, facts).permit
        assert not decide(second, facts).permit


@pytest.mark.parametrize(
    "problem",
    [each for each in PROBLEMS if each["verdict"] == "Conflict" and each not in ABLATED],
    ids=lambda problem: problem["id"],
)
def test_a_conflict_is_shown_by_a_use_that_decide_permits_on_one_side_only(
    problem: dict[str, Any], world: dict[str, Taxonomy]
) -> None:
    first, second, question = asked(problem)
    found = judge(first, second, question, world)
    assert found.witness is not None
    facts = the_facts(found.witness)
    permits = [decide(policy, facts).permit for policy in (first, second)]
    # One fact cannot say how long each step of a sequence took: there decide knows of no use at all.
    assert permits.count(True) == (0 if "andSequence" in str(first) + str(second) else 1)


def the_facts(witness: Mapping[str, str]) -> Facts:
    """Return the facts of a use with these values; what passes since a moment is told by that moment."""
    moment = int(Fraction(witness.get("dateTime", "0")))
    now = EPOCH + timedelta(microseconds=moment)
    found: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, text in witness.items():
        row = operand(name)
        assert row is not None
        if row.fact in _SINCE:
            found[_SINCE[row.fact]] = now - timedelta(microseconds=int(text))
        elif row.fact in ("purpose", "location"):
            found[row.fact] = text
        elif row.sort == "duration":
            more[name] = timedelta(microseconds=int(text))
        elif row.sort == "number":
            value = Fraction(text)
            more[name] = Decimal(value.numerator) / value.denominator
        elif row.fact != "now":
            more[name] = text
    return Facts(action="use", now=now, more=more, **found)


_SINCE = {"elapsed": "agreed_at", "delay": "published_at", "since_first_use": "first_used_at"}
