"""The public ODRL conflict benchmark: every given problem is answered as its manifest says, by class and not by name.

The question of a problem follows from its relation; the worlds are the benchmark's own taxonomy slices. The one pair
given twice (`sort-ablation`) asks the second time what an engine without sorts would say, which `ONE_LINE` reproduces.
"""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from datahub.policy import Facts, Policy, Taxonomy, decide, read_policy

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


def question(problem: dict[str, Any]) -> Question:
    ablated = problem["relation"] == "sort-ablation" and problem["english"].startswith("WITHOUT")
    return Question.ONE_LINE if ablated else QUESTIONS[problem["relation"]]


def test_all_120_problems_are_here() -> None:
    assert len(PROBLEMS) == 120
    assert {problem["relation"] for problem in PROBLEMS} == set(QUESTIONS)


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem["id"] for problem in PROBLEMS])
def test_the_verdict_is_the_benchmark_s(problem: dict[str, Any], world: dict[str, Taxonomy]) -> None:
    found = judge(*pair(problem), question(problem), world)
    assert found.verdict == SAID.get(problem["verdict"], problem["verdict"])


@pytest.mark.parametrize(
    "problem",
    [each for each in PROBLEMS if each["verdict"] == "NotRefines" or each["relation"] == "subsumption"],
    ids=lambda problem: problem["id"],
)
def test_what_is_not_contained_is_shown_by_a_witness_that_decide_confirms(
    problem: dict[str, Any], world: dict[str, Taxonomy]
) -> None:
    first, second = pair(problem)
    found = judge(first, second, question(problem), world)
    assert (found.witness is not None) == (found.verdict is Verdict.CONFLICT)
    if found.witness is not None:
        facts = the_facts(found.witness)
        assert decide(first, facts).permit
        assert not decide(second, facts).permit


def the_facts(witness: Mapping[str, str]) -> Facts:
    numbers = {name: Fraction(value) for name, value in witness.items()}
    now = EPOCH + timedelta(microseconds=int(numbers.pop("dateTime", Fraction(0))))
    more = {name: Decimal(value.numerator) / value.denominator for name, value in numbers.items()}
    return Facts(action="use", now=now, more=more)


def test_all_problems_together_take_seconds(world: dict[str, Taxonomy]) -> None:
    pairs = [(*pair(problem), question(problem)) for problem in PROBLEMS]
    started = time.perf_counter()
    for first, second, asked in pairs:
        judge(first, second, asked, world)
    taken = time.perf_counter() - started
    print(f"conflict benchmark: {len(pairs)} problems compared in {taken:.2f} s")
    assert taken < 15
