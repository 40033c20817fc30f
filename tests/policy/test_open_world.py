"""Open-world verdicts beyond the public benchmark: what is silent stays unknown, in every kind of question."""

import pytest

from datahub.policy import Policy, read_policy, taxonomies
from tests.policy.build import a_constraint, a_policy

pytest.importorskip("z3")
from datahub.policy.open_world import Question, Verdict, judge


def asked(first: Policy, second: Policy, question: Question = Question.OVERLAP) -> Verdict:
    return judge(first, second, question).verdict


def purpose(operator: str, *values: str) -> Policy:
    return a_policy(a_constraint("purpose", operator, list(values) if len(values) > 1 else values[0]))


def test_sibling_purposes_may_overlap_until_somebody_says_they_do_not() -> None:
    assert asked(purpose("isA", "dpv:Marketing"), purpose("isA", "dpv:Personalisation")) is Verdict.COMPATIBLE
    assert asked(purpose("isA", "dpv:Marketing"), purpose("eq", "dpv:AcademicResearch")) is Verdict.UNKNOWN
    assert asked(purpose("eq", "dpv:Marketing"), purpose("eq", "dpv:AcademicResearch")) is Verdict.UNKNOWN
    assert asked(purpose("neq", "dpv:Marketing"), purpose("eq", "dpv:Marketing")) is Verdict.CONFLICT


def test_to_fall_under_a_purpose_is_not_said_to_differ_from_it() -> None:
    """Only the taxonomy can tell two concepts apart (SKOS does not say that narrower is other)."""
    assert asked(purpose("eq", "dpv:DirectMarketing"), purpose("eq", "dpv:Marketing")) is Verdict.UNKNOWN
    assert asked(purpose("neq", "dpv:Marketing"), purpose("eq", "dpv:DirectMarketing")) is Verdict.UNKNOWN


def test_containment_of_purposes_follows_the_graph_and_is_unknown_beside_it() -> None:
    academic, research = purpose("eq", "dpv:AcademicResearch"), purpose("isA", "dpv:ResearchAndDevelopment")
    assert asked(academic, research, Question.WITHIN) is Verdict.COMPATIBLE
    assert asked(academic, purpose("isA", "dpv:Marketing"), Question.WITHIN) is Verdict.UNKNOWN


def test_what_asks_nothing_overlaps_and_contains() -> None:
    size = a_policy(a_constraint("absoluteSizeWidth", "lteq", 600))
    assert asked(a_policy(), size) is Verdict.COMPATIBLE
    assert asked(size, a_policy(), Question.WITHIN) is Verdict.COMPATIBLE
    assert asked(a_policy(), size, Question.WITHIN) is Verdict.CONFLICT
    assert asked(a_policy(), size, Question.EACH_WITHIN) is Verdict.UNKNOWN
    assert asked(a_policy(), a_policy(), Question.EACH_OVERLAP) is Verdict.UNKNOWN


def test_sizes_are_positive() -> None:
    assert asked(a_policy(a_constraint("absoluteSizeWidth", "lteq", 0)), a_policy()) is Verdict.CONFLICT


def test_equal_caps_never_part_ways_and_unequal_ones_do() -> None:
    ten, eight = (a_policy(a_constraint("meteredTime", "lteq", f"P{days}D")) for days in (10, 8))
    assert asked(ten, ten, Question.RUNTIME) is Verdict.COMPATIBLE
    assert asked(ten, eight, Question.RUNTIME) is Verdict.CONFLICT
    assert asked(eight, ten, Question.RUNTIME) is Verdict.CONFLICT


def test_what_does_not_add_up_over_time_never_parts_ways() -> None:
    wide, narrow = (a_policy(a_constraint("absoluteSizeWidth", "lteq", size)) for size in (600, 400))
    assert asked(wide, narrow, Question.RUNTIME) is Verdict.COMPATIBLE
    beyond = a_policy(a_constraint("absoluteSizeWidth", "gt", 600))
    assert asked(beyond, narrow, Question.RUNTIME) is Verdict.CONFLICT


def test_metered_time_and_delays_fit_within_elapsed_time() -> None:
    short = a_policy(a_constraint("elapsedTime", "lteq", "P3D"))
    assert asked(a_policy(a_constraint("meteredTime", "gteq", "P4D")), short) is Verdict.CONFLICT
    assert asked(a_policy(a_constraint("delayPeriod", "gteq", "P4D")), short) is Verdict.CONFLICT
    steps = [a_constraint("delayPeriod", "gteq", "P2D"), a_constraint("delayPeriod", "gteq", "P2D")]
    assert asked(a_policy({"andSequence": steps}), short) is Verdict.CONFLICT
    mixed = {"andSequence": [steps[0], a_constraint("count", "lteq", 3)]}
    assert asked(a_policy(mixed), short) is Verdict.COMPATIBLE


def test_other_texts_compare_as_themselves() -> None:
    csv = a_policy(a_constraint("fileFormat", "eq", "text/csv"))
    json = a_policy(a_constraint("fileFormat", "eq", "application/json"))
    assert asked(csv, json) is Verdict.CONFLICT
    assert asked(csv, a_policy(a_constraint("fileFormat", "neq", "application/json"))) is Verdict.COMPATIBLE


def test_several_permissions_are_alternatives() -> None:
    either = a_policy(
        permission=[
            {"action": "use", "constraint": [a_constraint("absoluteSizeWidth", "eq", width)]}
            for width in (1, 2)
        ]
    )
    assert asked(either, a_policy(a_constraint("absoluteSizeWidth", "eq", 2))) is Verdict.COMPATIBLE
    assert asked(either, a_policy(a_constraint("absoluteSizeWidth", "eq", 3))) is Verdict.CONFLICT


def test_two_taxonomies_in_one_policy_are_judged_each_by_its_own() -> None:
    world = taxonomies()
    here = a_policy(
        a_constraint("purpose", "isA", "dpv:Marketing"), a_constraint("language", "isPartOf", "nl")
    )
    there = a_policy(
        a_constraint("purpose", "eq", "dpv:DirectMarketing"), a_constraint("language", "eq", "nl")
    )
    assert judge(here, there, Question.OVERLAP, world).verdict is Verdict.COMPATIBLE


def test_a_refinement_counts_with_the_constraint() -> None:
    document = {
        "@id": "urn:x",
        "permission": [
            {
                "action": [
                    {
                        "rdf:value": {"@id": "odrl:print"},
                        "refinement": [a_constraint("resolution", "lteq", 600)],
                    }
                ],
                "constraint": [a_constraint("absoluteSizeWidth", "lteq", 5)],
            }
        ],
    }
    assert asked(read_policy(document), a_policy(a_constraint("resolution", "gt", 600))) is Verdict.CONFLICT
