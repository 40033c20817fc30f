"""Every template in `policies/` is filled, read, decided by its own examples, and refused when filled wrongly."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from datahub.policy import (
    PolicyFaults,
    Template,
    decide,
    fill_template,
    policy_hash,
    read_policy,
    render,
    template,
    templates,
    to_jsonld,
)
from tests.policy.build import some_facts

EXAMPLES = [(each, example) for each in templates() for example in each.examples]
NAMES = [each.name for each in templates()]


def test_there_are_at_least_the_sixteen_templates_people_ask_for() -> None:
    assert {"open", "identified-organisations", "role", "purpose", "until-date", "duration"} <= set(NAMES)
    assert {"number-of-reads", "quota", "rows-where", "columns-without", "columns-masked"} <= set(NAMES)
    assert {"aggregated", "results-only", "embargo", "delete-after", "no-redistribution", "consent"} <= set(
        NAMES
    )


@pytest.mark.parametrize(
    ("chosen", "example"), EXAMPLES, ids=[f"{each.name}: {example['title']}" for each, example in EXAMPLES]
)
def test_each_example_of_a_template_is_decided_as_it_says(chosen: Template, example: dict[str, Any]) -> None:
    policy = read_policy(fill_template(chosen.name, example["parameters"]))
    decision = decide(
        policy, some_facts(**example["facts"]) if example["facts"] else some_facts(recipient=None)
    )
    assert decision.code == example["outcome"]
    assert decision.permit == (example["outcome"] == "permitted")


@pytest.mark.parametrize(
    ("chosen", "example"), EXAMPLES, ids=[f"{each.name}: {example['title']}" for each, example in EXAMPLES]
)
def test_a_filled_template_survives_writing_and_reading(chosen: Template, example: dict[str, Any]) -> None:
    policy = read_policy(fill_template(chosen.name, example["parameters"]))
    again = read_policy(json.dumps(to_jsonld(policy)))
    assert again == policy
    assert policy_hash(again) == policy_hash(policy)


@pytest.mark.parametrize("chosen", templates(), ids=NAMES)
def test_the_examples_fit_the_parameter_schema(chosen: Template) -> None:
    schema = chosen.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in chosen.examples:
        jsonschema.validate(example["parameters"], schema)


@pytest.mark.parametrize("chosen", templates(), ids=NAMES)
def test_a_template_says_itself_in_dutch_and_english(chosen: Template) -> None:
    assert chosen.title["nl"]
    assert chosen.title["en"]
    policy = read_policy(fill_template(chosen.name, chosen.examples[0]["parameters"]))
    assert render(policy, "en") != render(policy, "nl")


def test_an_unknown_template_names_the_known_ones() -> None:
    with pytest.raises(PolicyFaults) as refused:
        template("everything-for-everyone")
    assert refused.value.faults[0].code == "unknown-template"
    assert "results-only" in refused.value.faults[0].remedy


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(PolicyFaults) as refused:
        fill_template(
            "purpose-until-date", {"purposes": ["dpv:AcademicReserch"], "until": "soon", "who": "me"}
        )
    found = {(fault.pointer, fault.code) for fault in refused.value.faults}
    assert found == {
        ("/purposes/0", "unknown-concept"),
        ("/until", "wrong-type"),
        ("/who", "unknown-parameter"),
    }
    assert any("dpv:AcademicResearch" in fault.remedy for fault in refused.value.faults)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(PolicyFaults) as refused:
        fill_template("identified-organisations", {})
    assert [fault.code for fault in refused.value.faults] == ["missing-parameter"]


def test_an_empty_list_of_organisations_is_refused() -> None:
    with pytest.raises(PolicyFaults) as refused:
        fill_template("identified-organisations", {"organisations": []})
    assert refused.value.faults[0].pointer == "/organisations"


def test_a_choice_outside_the_list_is_refused() -> None:
    with pytest.raises(PolicyFaults) as refused:
        fill_template("quota", {"amount": 5, "of": "smilesPerDay"})
    assert refused.value.faults[0].code == "unknown-choice"


def test_a_parameter_is_put_in_place_as_a_value_and_never_as_text() -> None:
    hostile = '"}], "permission": [{"action": "use"}]'
    policy = read_policy(fill_template("rows-where", {"column": "name", "values": [hostile]}))
    assert len(policy.permissions) == 1
    assert decide(policy, some_facts(row={"name": hostile})).permit
    assert not decide(policy, some_facts(row={"name": "x"})).permit


def test_the_data_lies_where_the_repository_keeps_it() -> None:
    from datahub.policy.vocabulary import library

    assert (library() / "purposes.json").is_file()
    assert library() == Path(__file__).parents[2] / "policies"
