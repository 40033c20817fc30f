"""What is written is strictly DSP-valid, complete, and reads back as the same policy."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from datahub.policy import (
    Policy,
    PolicyFaults,
    canonical,
    compliance_report,
    decide,
    policy_hash,
    read_policy,
    to_jsonld,
)
from tests.policy import strategies as make
from tests.policy.build import CITY, NOW, UNIVERSITY, a_constraint, a_document, a_policy, some_facts
from tests.policy.test_text import rich_policy

DSP = Path(__file__).parents[3] / "shared" / "vectors" / "dsp-2025-1"
SCHEMA = DSP / "schema" / "negotiation" / "contract-schema.json"


def is_valid(document: dict[str, Any], form: str = "MessageOffer") -> bool:
    """Judge by the definition of one place: an offer without a target fits two of the schema's three, which it forbids."""
    if not SCHEMA.is_file():
        pytest.skip("the DSP schemas are not at hand")
    schema = json.loads(SCHEMA.read_text())
    place = {"$ref": f"#/definitions/{form}", "definitions": schema["definitions"]}
    return bool(jsonschema.Draft201909Validator(place).is_valid(document))


def test_a_policy_with_everything_in_it_is_written_and_read_back() -> None:
    policy = rich_policy()
    written = to_jsonld(policy)
    assert read_policy(json.dumps(written)) == policy
    assert is_valid(written)
    assert {*_types(written["permission"])} <= {"dict", "list", "str"}


def _types(node: object) -> set[str]:
    """Name the types of all values: DSP allows no bare number or boolean as a right operand."""
    if isinstance(node, dict):
        return {"dict"}.union(*(_types(value) for value in node.values()))
    if isinstance(node, list):
        return {"list"}.union(*(_types(value) for value in node))
    return {type(node).__name__}


@pytest.mark.parametrize("kind", ["catalog-offer", "message-offer", "agreement"])
def test_each_place_of_the_protocol_has_its_form(kind: Any) -> None:
    policy = a_policy(target="urn:d", assigner=CITY, assignee=UNIVERSITY, timestamp="2026-01-01T00:00:00Z")
    written = to_jsonld(policy, kind)
    assert is_valid(written, {"catalog-offer": "Offer", "agreement": "Agreement"}.get(kind, "MessageOffer"))
    assert ("target" in written) == (kind != "catalog-offer")
    assert written["@type"] == ("Agreement" if kind == "agreement" else "Offer")


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        ("message-offer", {"/target"}),
        ("agreement", {"/target", "/assigner", "/assignee"}),
        ("catalog-offer", set()),
    ],
)
def test_what_a_place_requires_and_the_policy_lacks_is_named(kind: Any, lacking: set[str]) -> None:
    found: set[str] = set()
    try:
        to_jsonld(a_policy(), kind)
    except PolicyFaults as refused:
        found = {fault.pointer for fault in refused.faults}
    assert found == lacking


def test_a_policy_of_obligations_alone_is_read_but_not_written() -> None:
    policy = read_policy({"@id": "urn:x", "obligation": [{"action": "delete"}]})
    assert not decide(policy, some_facts()).permit
    with pytest.raises(PolicyFaults) as refused:
        to_jsonld(policy)
    assert [fault.code for fault in refused.value.faults] == ["no-rule"]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies())
def test_any_policy_is_written_valid_and_read_back_with_the_same_hash(policy: Policy) -> None:
    written = to_jsonld(policy, "catalog-offer")
    assert is_valid(written, "Offer")
    again = read_policy(json.dumps(to_jsonld(policy)))
    assert again == policy
    assert canonical(again) == canonical(policy)
    assert hash(again) == hash(policy)


def test_the_hash_tells_policies_apart_and_formatting_does_not() -> None:
    document = a_document(a_constraint("purpose", "isA", "dpv:Marketing"))
    pretty = json.dumps(document, indent=4, sort_keys=True)
    assert policy_hash(read_policy(pretty)) == policy_hash(read_policy(document))
    assert policy_hash(a_policy()) != policy_hash(read_policy(document))
    assert len(policy_hash(a_policy())) == 64


@pytest.mark.parametrize("path", sorted(DSP.rglob("example/**/*.json")), ids=lambda path: path.stem)
def test_the_protocol_s_own_examples_are_read_or_refused_by_name(path: Path) -> None:
    refused: set[str] = set()
    for offer in _policies(json.loads(path.read_text())):
        try:
            read_policy(offer)
        except PolicyFaults as found:
            refused |= {fault.code for fault in found.faults}
    assert refused <= {"unknown-left-operand", "unknown-concept", "no-rule", "no-identifier"}


def _policies(node: object) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [each for item in node for each in _policies(item)]
    if not isinstance(node, dict):
        return []
    here = [node] if node.get("@type") in {"Offer", "Agreement"} else []
    return here + [each for value in node.values() for each in _policies(value)]


def test_the_report_of_an_offer_considers_no_rule() -> None:
    assert compliance_report(decide(a_policy(), some_facts()))["report:ruleReport"] == []


def test_the_report_shows_what_was_seen_and_what_was_owed() -> None:
    seen = [
        a_constraint("recipient", "isAnyOf", [UNIVERSITY]),
        a_constraint("elapsedTime", "lt", "P1D"),
        {"or": [a_constraint("purpose", "isA", "dpv:Marketing"), a_constraint("count", "lteq", 3)]},
    ]
    sunday = a_constraint("urn:datahub:policy:dayOfWeek", "eq", "Sunday")
    document = a_document(*seen, **{"@type": "Set", "obligation": [{"action": "delete"}]})
    document["permission"][0]["duty"] = [{"action": "compensate", "constraint": [sunday]}]
    facts = some_facts(agreed_at=NOW, counts={"reads": 0}, duties={"delete": "violated"})
    report: Any = compliance_report(decide(read_policy(document), facts))
    permission, obligation = report["report:ruleReport"]
    assert report["dct:created"]["@value"] == "2026-06-01T12:00:00Z"
    assert obligation["report:deonticState"] == {"@id": "report:Violated"}
    (conjunction,) = [each for each in permission["report:premiseReport"] if "report:premiseReport" in each]
    first, second, third = conjunction["report:premiseReport"]
    assert first["report:constraintLeftOperand"] == [UNIVERSITY]
    assert second["report:constraintLeftOperand"] == "0:00:00"
    assert third["report:satisfactionState"] == {"@id": "report:Satisfied"}
    assert third["report:premiseReport"][1]["report:constraintLeftOperand"] == 1
    (duty,) = permission["report:conditionReport"]
    assert duty["report:activationState"] == {"@id": "report:Inactive"}
    assert duty["report:premiseReport"][0]["report:satisfactionState"] == {"@id": "report:Unsatisfied"}
    timeless = compliance_report(decide(read_policy(document), some_facts(now=None)))
    assert "dct:created" not in timeless
