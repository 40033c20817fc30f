"""Attempts and examples written as JSON: read with every fault at once, and held against a policy."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from datahub.policy import (
    Facts,
    PolicyFaults,
    broken_examples,
    fill_template,
    read_attempt,
    read_examples,
    read_policy,
)

RESEARCH = read_policy(fill_template("purpose", {"purposes": ["dpv:ResearchAndDevelopment"]}))
NOORD = read_policy(fill_template("rows-where", {"column": "area", "values": ["Noord"]}))


def test_an_attempt_names_its_facts_in_plain_words() -> None:
    facts = read_attempt(
        {
            "who": "did:web:university.example",
            "purpose": "https://w3id.org/dpv#AcademicResearch",
            "when": "2026-06-01T14:00:00+02:00",
            "roles": ["requester"],
            "membership": True,
            "counts": {"reads": 3},
            "duties": {"attribute": "fulfilled"},
            "row": {
                "area": "Noord",
                "born": {"@value": "2001-02-03", "@type": "xsd:date"},
                "n": 3,
                "note": "",
                "gone": None,
            },
            "location": None,
        }
    )
    assert facts.recipient == {"did:web:university.example"}
    assert (facts.action, facts.agreed, facts.location) == ("read", True, None)
    assert facts.purpose == "dpv:AcademicResearch"
    assert facts.now == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert facts.row == {"area": "Noord", "born": date(2001, 2, 3), "n": 3, "note": "", "gone": None}
    assert (facts.counts, facts.duties) == ({"reads": 3}, {"attribute": "fulfilled"})
    assert read_attempt({"membership": "inactive", "agreed": False}) == Facts(
        action="read", membership="inactive"
    )


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([], {("", "wrong-type")}),
        ({"shoe/size": 40}, {("/shoe~1size", "unknown-fact")}),
        (
            {"purpose": "WorldPeace", "when": "later"},
            {("/purpose", "unknown-concept"), ("/when", "wrong-type")},
        ),
        ({"who": [1]}, {("/who", "wrong-type")}),
        ({"row": []}, {("/row", "wrong-type")}),
        ({"row": {"a": []}}, {("/row", "wrong-type")}),
        ({"row": {str(n): n for n in range(1001)}}, {("/row", "too-large")}),
        ({"counts": {"reads": True}}, {("/counts", "wrong-type")}),
        ({"duties": {"delete": "maybe"}}, {("/duties", "unknown-choice")}),
    ],
)
def test_everything_wrong_with_an_attempt_is_said_at_once(document: Any, found: set[tuple[str, str]]) -> None:
    with pytest.raises(PolicyFaults) as faults:
        read_attempt(document)
    assert {(each.pointer, each.code) for each in faults.value.faults} == found


def test_examples_say_what_must_come_of_them() -> None:
    wrong = [{"purpose": "x", "expect": "perhaps", "title": 1}, "no", {"expect": ["deny"]}]
    with pytest.raises(PolicyFaults) as faults:
        read_examples(wrong, "/examples")
    assert [(each.pointer, each.code) for each in faults.value.faults] == [
        ("/examples/0/purpose", "unknown-concept"),
        ("/examples/0/expect", "unknown-choice"),
        ("/examples/0/title", "wrong-type"),
        ("/examples/1", "wrong-type"),
        ("/examples/2/expect", "unknown-choice"),
    ]
    with pytest.raises(PolicyFaults):
        read_examples({})


def test_a_broken_example_is_found_with_the_decision() -> None:
    examples = read_examples(
        [
            {"purpose": "dpv:AcademicResearch", "expect": "allow"},
            {"title": "No selling", "purpose": "dpv:Marketing", "expect": "deny"},
            {"title": "Not this", "purpose": "dpv:Marketing", "expect": "allow"},
        ]
    )
    assert [each.title for each in examples] == ["example 1", "No selling", "Not this"]
    broken = broken_examples(RESEARCH, examples)
    assert [(each.title, decision.code) for each, decision in broken] == [("Not this", "purpose-not-met")]


def test_rows_are_examples_too() -> None:
    examples = read_examples(
        [
            {"expect": "allow"},
            {"row": {"area": "Noord"}, "expect": "allow"},
            {"row": {"area": "Zuid"}, "expect": "deny"},
            {"row": {"area": None}, "expect": "deny"},
        ]
    )
    assert broken_examples(NOORD, examples) == ()
