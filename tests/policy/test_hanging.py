"""Which policies hang on consent, and for which purposes they could."""

from typing import Any

import pytest

from datahub.policy import consent_purposes, fill_template, read_policy

CONSENTED = {
    "leftOperand": "dh:consent",
    "operator": "eq",
    "rightOperand": {"@value": "true", "@type": "xsd:boolean"},
}


def a_policy(*rules: dict[str, Any], kind: str = "permission") -> Any:
    context = "http://www.w3.org/ns/odrl.jsonld"
    return read_policy({"@context": context, "@type": "Set", "uid": "urn:x:1", kind: list(rules)})


def about(operator: str, *purposes: str) -> dict[str, Any]:
    return {"leftOperand": "purpose", "operator": operator, "rightOperand": list(purposes)}


def test_a_policy_without_a_word_on_consent_wants_none() -> None:
    assert consent_purposes(read_policy(fill_template("open", {}))) is None


def test_the_purposes_are_those_named_with_all_that_fall_under_them() -> None:
    found = consent_purposes(
        read_policy(fill_template("consent", {"purposes": ["dpv:ResearchAndDevelopment"]}))
    )
    assert found
    assert {"dpv:ResearchAndDevelopment", "dpv:AcademicResearch"} <= found
    assert "dpv:Marketing" not in found
    one = a_policy({"action": "use", "constraint": [CONSENTED, about("eq", "dpv:ResearchAndDevelopment")]})
    assert consent_purposes(one) == frozenset({"dpv:ResearchAndDevelopment"})


@pytest.mark.parametrize("constraint", [[], [about("isNoneOf", "dpv:Marketing")]], ids=["none", "what-not"])
def test_terms_that_name_no_purpose_are_about_any(constraint: list[dict[str, Any]]) -> None:
    assert (
        consent_purposes(a_policy({"action": "use", "constraint": [CONSENTED, *constraint]})) == frozenset()
    )


def test_a_prohibition_without_consent_wants_it_for_any_purpose() -> None:
    refused = {**CONSENTED, "operator": "neq"}
    policy = a_policy({"action": "use", "constraint": [refused]}, kind="prohibition")
    assert consent_purposes(policy) == frozenset()


def test_a_purpose_that_is_an_alternative_to_consent_does_not_narrow_it() -> None:
    either = {"or": [CONSENTED, about("eq", "dpv:Marketing")]}
    assert consent_purposes(a_policy({"action": "use", "constraint": [either]})) == frozenset()


def test_a_rule_without_consent_beside_one_with_it_adds_nothing() -> None:
    plain = {"action": "use", "constraint": [about("eq", "dpv:Marketing")]}
    asked = {"action": "use", "constraint": [CONSENTED, about("eq", "dpv:ResearchAndDevelopment")]}
    assert consent_purposes(a_policy(plain, asked)) == frozenset({"dpv:ResearchAndDevelopment"})


def test_a_prohibition_beside_a_permission_is_about_any_purpose() -> None:
    asked = {"action": "use", "constraint": [CONSENTED, about("eq", "dpv:ResearchAndDevelopment")]}
    policy = read_policy(
        {
            "@context": "http://www.w3.org/ns/odrl.jsonld",
            "@type": "Set",
            "uid": "urn:x:1",
            "permission": [asked],
            "prohibition": [{"action": "use", "constraint": [{**CONSENTED, "operator": "neq"}]}],
        }
    )
    assert consent_purposes(policy) == frozenset()
