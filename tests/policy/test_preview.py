"""Before a change is saved: who gains, who loses, who stays; and which prohibitions nobody can judge."""

from datetime import timedelta

import pytest

from datahub.policy import Facts, Policy, cautions, fill_template, plan, preview, read_policy
from tests.policy.build import CITY, NOW, UNIVERSITY, a_constraint, a_policy, some_facts

DH = "urn:datahub:policy:"
CX = "https://w3id.org/catenax/policy/"


def filled(name: str, **parameters: object) -> Policy:
    return read_policy(fill_template(name, parameters))


def test_each_attempt_gains_loses_or_stays() -> None:
    before = a_policy(a_constraint("recipient", "isAnyOf", [UNIVERSITY, "urn:both"]))
    after = a_policy(a_constraint("recipient", "isAnyOf", [CITY, "urn:both"]))
    attempts = [some_facts(recipient=[name]) for name in (CITY, UNIVERSITY, "urn:both", "urn:neither")]
    changes = preview(before, after, attempts)
    assert [(change.effect, change.before, change.after) for change in changes] == [
        ("gains", False, True),
        ("loses", True, False),
        ("stays", True, True),
        ("stays", False, False),
    ]
    assert [change.facts for change in changes] == attempts


def test_use_through_a_plan_is_use_and_a_row_that_is_given_is_judged() -> None:
    whole, north = filled("open"), filled("rows-where", column="area", values=["Noord"])
    somebody = some_facts()
    south = some_facts(row={"area": "Zuid"})
    assert [change.effect for change in preview(whole, north, [somebody, south])] == ["stays", "loses"]
    masked = filled("columns-masked", columns=["name"], method="hash")
    assert [change.effect for change in preview(whole, masked, [somebody])] == ["stays"]
    ended = filled("until-date", until=(NOW - timedelta(days=1)).isoformat())
    assert [change.effect for change in preview(north, ended, [somebody])] == ["loses"]


def test_a_prohibition_on_legal_text_is_told_with_its_place_and_words() -> None:
    restriction = a_constraint(CX + "UsageRestriction", "eq", "cx.some.restriction:1")
    purpose = a_constraint("purpose", "isA", "dpv:Marketing")
    policy = a_policy(
        prohibition=[
            {"action": "use", "constraint": [purpose]},
            {"action": "use", "constraint": [{"or": [purpose, restriction]}]},
            {"action": {"rdf:value": "use", "refinement": [restriction]}},
        ]
    )
    found = cautions(policy)
    assert [(each.pointer, each.code) for each in found] == [
        ("/prohibition/1", "legal-prohibition"),
        ("/prohibition/2", "legal-prohibition"),
    ]
    assert all("“the usage restriction”" in each.message and each.remedy for each in found)


@pytest.mark.parametrize("operator", ["isAllOf", "isNoneOf"])
def test_a_comparison_with_nothing_that_always_holds_is_told(operator: str) -> None:
    (found,) = cautions(a_policy(a_constraint("purpose", operator, [])))
    assert (found.pointer, found.code) == ("/permission/0", "empty-list")
    assert operator in found.message


def test_of_several_duties_to_release_groups_only_the_largest_counts_and_is_told() -> None:
    def groups(least: int) -> dict[str, object]:
        return {
            "action": DH + "aggregateOnly",
            "constraint": [a_constraint(DH + "minimumGroup", "gteq", least)],
        }

    policy = a_policy(permission=[{"action": "use", "duty": [groups(5), groups(20)]}])
    (found,) = cautions(policy)
    assert (found.pointer, found.code) == ("/permission/0", "several-groupings")
    assert [each.minimum for each in plan(policy, Facts(action="read"), {}).groups] == [20]
    alone = a_policy(
        permission=[{"action": "use", "duty": [groups(5)]}, {"action": "use", "duty": [groups(9)]}]
    )
    assert cautions(alone) == ()


def test_legal_text_in_a_permission_is_no_finding() -> None:
    assert cautions(a_policy(a_constraint(CX + "UsageRestriction", "eq", "cx.some.restriction:1"))) == ()
    assert preview(a_policy(), a_policy(), [Facts(action="read")])[0].effect == "stays"
