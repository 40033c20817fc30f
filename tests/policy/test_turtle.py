"""Turtle is read into the same policies as JSON, and refused as plainly."""

import pytest

from datahub.policy import Fault, PolicyFaults, policy_hash, read_policy

pytest.importorskip("rdflib")
PREFIXES = """
# a comment first
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix dpv: <https://w3id.org/dpv#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
POLICY = """
<urn:p> a odrl:Offer ; odrl:uid <urn:p> ;
  odrl:permission [ odrl:action odrl:use ; odrl:constraint
    [ odrl:leftOperand odrl:purpose ; odrl:operator odrl:isAnyOf ; odrl:rightOperand dpv:Marketing, dpv:Advertising ],
    [ odrl:or ( [ odrl:leftOperand odrl:dateTime ; odrl:operator odrl:lt ; odrl:rightOperand "2027-01-01T00:00:00Z"^^xsd:dateTime ]
                [ odrl:leftOperand odrl:count ; odrl:operator odrl:lteq ; odrl:rightOperand 3 ] ) ] ] .
"""


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(PolicyFaults) as refused:
        read_policy(text)
    return refused.value.faults


def test_turtle_and_json_give_the_same_policy() -> None:
    policy = read_policy(PREFIXES + POLICY)
    same = read_policy(
        {
            "@id": "urn:p",
            "@type": "Offer",
            "permission": {
                "action": "use",
                "constraint": {
                    "@list": [
                        {
                            "leftOperand": "purpose",
                            "operator": "isAnyOf",
                            "rightOperand": {"@list": ["dpv:Advertising", "dpv:Marketing"]},
                        },
                        {
                            "or": {
                                "@list": [
                                    {
                                        "leftOperand": "dateTime",
                                        "operator": "lt",
                                        "rightOperand": "2027-01-01T00:00:00Z",
                                    },
                                    {"leftOperand": "count", "operator": "lteq", "rightOperand": 3},
                                ]
                            }
                        },
                    ]
                },
            },
        }
    )
    assert policy == same


def test_the_order_that_turtle_leaves_open_is_always_the_same() -> None:
    assert len({policy_hash(read_policy(PREFIXES + POLICY)) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PREFIXES + "<urn:p> a odrl:Offer ; odrl:permission [", "not-turtle"),
        (PREFIXES + "<urn:p> a <urn:recipe> .", "not-a-policy"),
        (PREFIXES + "<urn:p> a odrl:Set . <urn:q> a odrl:Set .", "not-a-policy"),
        (PREFIXES + '<urn:p> a odrl:Set ; odrl:permission "yes" .', "unknown-property"),
        (PREFIXES + "<urn:p> a odrl:Set ; odrl:permission [ odrl:target [] ] .", "wrong-type"),
        (
            PREFIXES
            + "<urn:p> a odrl:Set ; odrl:permission "
            + "[ odrl:duty " * 900
            + "[]"
            + " ]" * 900
            + " .",
            "too-deep",
        ),
        (PREFIXES + "<urn:p> a odrl:Set ; odrl:permission ( 1 2 ) .", "unknown-property"),
        ("@prefix " + "x" * 1_000_001, "too-large"),
    ],
)
def test_turtle_that_states_no_policy_is_refused(text: str, code: str) -> None:
    assert code in {fault.code for fault in faults_of(text)}


def test_a_policy_that_contains_itself_ends() -> None:
    text = (
        PREFIXES
        + "<urn:p> a odrl:Set ; odrl:permission <urn:r> . <urn:r> odrl:duty <urn:r> ; odrl:action odrl:use ."
    )
    assert faults_of(text)
