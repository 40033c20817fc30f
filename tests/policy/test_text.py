"""The plain-language text says everything and can be read back: `read_text(render(p)) == p`, in both languages."""

import pytest
from hypothesis import HealthCheck, given, settings

from datahub.policy import Policy, PolicyFaults, fill_template, read_policy, read_text, render, templates
from datahub.policy.registry import actions, operands
from datahub.policy.wording import noun
from tests.policy import strategies as make
from tests.policy.build import CITY, UNIVERSITY, a_constraint, a_document, a_policy

LANGS = ["nl", "en"]


def rich_policy() -> Policy:
    column = "urn:datahub:policy:column:"
    document = a_document(
        a_constraint(column + "a “b” \\ c\u2028", "isAnyOf", ["x”, “y”", "[legal text only]", " "]),
        a_constraint(column + "n", "isNoneOf", [1, -2, {"@value": "0.25", "@type": "xsd:decimal"}]),
        a_constraint(
            column + "t", "gteq", {"@value": "2026-03-29T01:00:00.000001+02:00", "@type": "xsd:dateTime"}
        ),
        a_constraint(column + "d", "eq", {"@value": "0999-12-31", "@type": "xsd:date"}),
        a_constraint(column + "b", "neq", {"@value": "true", "@type": "xsd:boolean"}),
        a_constraint("urn:datahub:policy:age:t", "lt", "P1DT2H3M4.5S"),
        a_constraint("elapsedTime", "lteq", "PT0S"),
        {**a_constraint("timeInterval", "eq", "P30D"), "urn:datahub:policy:anchor": "2026-01-01"},
        {**a_constraint("percentage", "lteq", 10), "unit": "http://dbpedia.org/resource/Percent"},
        a_constraint("recipient", "isNoneOf", []),
        a_constraint("spatial", "isPartOf", ["region:MRA", "region:BE"]),
        {
            "xone": [
                {"and": [a_constraint("language", "isPartOf", "nl")]},
                {"andSequence": [a_constraint("event", "eq", "urn:e")]},
            ]
        },
        profile=["urn:profile:1", "urn:profile:2"],
        target="urn:data:1",
        assigner=CITY,
        assignee=UNIVERSITY,
        timestamp="2026-01-01T12:00:00Z",
        obligation=[
            {"@id": "urn:o", "action": "attribute", "consequence": [{"action": "urn:datahub:policy:suspend"}]}
        ],
        prohibition=[
            {
                "@id": "urn:p",
                "action": {
                    "rdf:value": {"@id": "odrl:distribute"},
                    "refinement": [a_constraint("spatial", "neq", "region:NL")],
                },
                "remedy": [
                    {
                        "action": "delete",
                        "constraint": [a_constraint("urn:datahub:policy:deadline", "lteq", "P1D")],
                    }
                ],
            }
        ],
    )
    document["permission"][0]["duty"] = [
        {
            "action": "compensate",
            "constraint": [
                {**a_constraint("payAmount", "eq", 5), "unit": "http://dbpedia.org/resource/Euro"},
                a_constraint("urn:datahub:policy:timing", "eq", "post"),
                a_constraint("dateTime", "gt", "2026-01-01T00:00:00Z"),
            ],
        }
    ]
    return read_policy(document)


@pytest.mark.parametrize("lang", LANGS)
def test_a_policy_with_everything_in_it_is_read_back_from_its_text(lang: str) -> None:
    policy = rich_policy()
    assert read_text(render(policy, lang), lang) == policy  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", [each.name for each in templates()])
def test_every_template_is_read_back_from_its_text(name: str, lang: str) -> None:
    (chosen,) = [each for each in templates() if each.name == name]
    for example in chosen.examples:
        policy = read_policy(fill_template(name, example["parameters"]))
        assert read_text(render(policy, lang), lang) == policy  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies())
def test_any_policy_is_read_back_from_its_text(policy: Policy) -> None:
    assert read_text(render(policy, "nl"), "nl") == policy
    assert read_text(render(policy, "en"), "en") == policy


@pytest.mark.parametrize("lang", LANGS)
def test_no_two_terms_are_said_alike(lang: str) -> None:
    nouns = [noun(row, lang) for row in operands().values()]  # type: ignore[arg-type]
    verbs = [getattr(row, lang) for row in actions().values()]
    assert len(set(nouns)) == len(nouns)
    assert len(set(verbs)) == len(verbs)


def test_what_the_exchange_does_not_enforce_is_said_beside_it() -> None:
    assert "[legal text only]" in render(a_policy(prohibition=[{"action": "distribute"}]), "en")
    assert "[gecontroleerd met een verklaring]" in render(
        a_policy(a_constraint("spatial", "eq", "region:NL")), "nl"
    )
    assert "[" not in render(a_policy(a_constraint("purpose", "eq", "dpv:Marketing")), "en")


@pytest.mark.parametrize(
    ("line", "replacement"),
    [
        (0, ""),
        (0, "Recipe “urn:x”"),
        (0, "Offer urn:x"),
        (3, "1. It is permitted to fly the data"),
        (4, "  if and when"),
        (5, "    - the weather is “good”"),
        (5, "    - the purpose smells of “Marketing” (dpv:Marketing)"),
        (5, "    - the purpose is Marketing"),
        (5, "    - the purpose is “Marketing” (dpv:Marketing) sometimes"),
        (5, "    - all of these hold:"),
        (5, ""),
    ],
)
def test_a_text_that_was_changed_by_hand_is_refused_and_the_place_named(line: int, replacement: str) -> None:
    lines = render(a_policy(a_constraint("purpose", "eq", "dpv:Marketing")), "en").split("\n")
    lines[line] = replacement
    text = "\n".join(lines) if replacement or line else ""
    with pytest.raises(PolicyFaults) as refused:
        read_text(text, "en")
    assert [fault.code for fault in refused.value.faults] == ["not-a-text"]


@pytest.mark.parametrize("lang", LANGS)
def test_a_text_that_does_not_name_its_policy_is_refused(lang: str) -> None:
    text = render(a_policy(), lang)  # type: ignore[arg-type]
    nameless = text[: text.rindex("\n", 0, text.index("urn:test:policy"))]
    with pytest.raises(PolicyFaults, match=r"no line says|geen"):
        read_text(nameless, lang)  # type: ignore[arg-type]
    unquoted = text.replace("“urn:test:policy”", "urn:test:policy")
    with pytest.raises(PolicyFaults, match="is not quoted"):
        read_text(unquoted, lang)  # type: ignore[arg-type]
