"""What the engine answers: closed by default, prohibitions win, and what is unknown permits nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from datahub.policy import Facts, decide, read_policy
from datahub.policy.model import conjuncts, duties_of
from tests.policy.build import CITY, NOW, UNIVERSITY, a_constraint, a_document, a_policy, some_facts


def test_a_policy_without_conditions_permits_use_and_what_use_includes() -> None:
    policy = a_policy()
    assert decide(policy, some_facts(action="use")).permit
    assert decide(policy, some_facts(action="read")).permit
    assert not decide(policy, some_facts(action="sell")).permit


def test_what_no_rule_permits_is_denied() -> None:
    policy = read_policy({"@id": "urn:x", "@type": "Set", "prohibition": [{"action": "distribute"}]})
    decision = decide(policy, some_facts())
    assert not decision.permit
    assert decision.code == "no-permission"


def test_a_prohibition_wins_over_a_permission() -> None:
    policy = a_policy(prohibition=[{"action": "distribute"}])
    assert decide(policy, some_facts(action="read")).permit
    decision = decide(policy, some_facts(action="distribute"))
    assert decision.code == "prohibited"


def test_a_prohibition_bites_on_unknown_facts() -> None:
    policy = a_policy(
        prohibition=[{"action": "use", "constraint": [a_constraint("purpose", "isA", "dpv:Marketing")]}]
    )
    assert decide(policy, some_facts(purpose="dpv:AcademicResearch")).permit
    assert not decide(policy, some_facts(purpose="dpv:DirectMarketing")).permit
    assert not decide(policy, some_facts(purpose=None)).permit
    assert not decide(policy, some_facts(purpose="https://example.org/own-purpose")).permit


@pytest.mark.parametrize(
    ("operator", "purpose", "permitted"),
    [
        ("isA", "dpv:AcademicResearch", True),
        ("isA", "https://w3id.org/dpv#ResearchAndDevelopment", True),
        ("isA", "dpv:Marketing", False),
        ("isA", "urn:unheard-of", False),
        ("eq", "dpv:ResearchAndDevelopment", True),
        ("eq", "dpv:AcademicResearch", False),
        ("neq", "dpv:AcademicResearch", True),
        ("hasPart", "dpv:Purpose", True),
        ("hasPart", "dpv:AcademicResearch", False),
    ],
)
def test_purposes_compare_along_the_taxonomy(operator: str, purpose: str, permitted: bool) -> None:
    policy = a_policy(a_constraint("purpose", operator, "https://w3id.org/dpv#ResearchAndDevelopment"))
    assert decide(policy, some_facts(purpose=purpose)).permit is permitted


def test_a_purpose_with_two_parents_falls_under_both() -> None:
    for parent in ("dpv:CommercialPurpose", "dpv:ResearchAndDevelopment"):
        policy = a_policy(a_constraint("purpose", "isA", parent))
        assert decide(policy, some_facts(purpose="dpv:CommercialResearch")).permit


def test_any_name_of_an_organisation_identifies_it() -> None:
    policy = a_policy(a_constraint("recipient", "eq", "nl:kvk:12345678"))
    assert decide(policy, some_facts(recipient=[UNIVERSITY, "nl:kvk:12345678"])).permit
    assert not decide(policy, some_facts(recipient=[CITY])).permit


def test_an_agreement_is_for_its_assignee_only() -> None:
    policy = a_policy(
        **{"@type": "Agreement", "assigner": CITY, "assignee": UNIVERSITY, "target": "urn:data:1"}
    )
    assert decide(policy, some_facts(target="urn:data:1")).permit
    assert decide(policy, some_facts(target="urn:data:2")).code == "target-not-covered"
    assert decide(policy, some_facts(target="urn:data:1", recipient=[CITY])).code == "party-not-permitted"
    assert not decide(policy, some_facts(target=None)).permit
    assert not decide(policy, Facts(target="urn:data:1", now=NOW)).permit


def test_the_limits_of_an_interval_are_exact() -> None:
    policy = a_policy(
        a_constraint("dateTime", "gteq", "2026-01-01T00:00:00Z"),
        a_constraint("dateTime", "lt", "2027-01-01T01:00:00+01:00"),
    )
    answers = {
        "2025-12-31T23:59:59.999999Z": False,
        "2026-01-01T00:00:00Z": True,
        "2026-12-31T23:59:59.999999Z": True,
        "2027-01-01T00:00:00Z": False,
    }
    for now, permitted in answers.items():
        assert decide(policy, some_facts(now=now)).permit is permitted
    assert not decide(policy, some_facts(now=None)).permit


def test_membership_and_roles_are_conditions() -> None:
    policy = a_policy(
        a_constraint("urn:datahub:policy:membership", "eq", "active"),
        a_constraint("urn:datahub:policy:role", "isAnyOf", ["requester", "approver"]),
    )
    assert decide(policy, some_facts(membership=True, roles=["requester"])).permit
    assert not decide(policy, some_facts(membership=False, roles=["requester"])).permit
    assert not decide(policy, some_facts(membership=None, roles=["requester"])).permit
    assert not decide(policy, some_facts(membership=True, roles=[])).permit


def test_facts_without_a_time_zone_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Facts(now=datetime(2026, 1, 1))  # noqa: DTZ001 (the point of the test)


@pytest.mark.parametrize(
    ("connective", "values", "permitted"),
    [
        ("and", [True, True], True),
        ("and", [True, None], False),
        ("or", [False, True], True),
        ("or", [False, None], False),
        ("or", [None, True], True),
        ("xone", [True, False], True),
        ("xone", [True, True], False),
        ("xone", [False, False], False),
        ("xone", [True, None], False),
        ("andSequence", [True, True], True),
        ("andSequence", [True, False], False),
    ],
)
def test_connectives_follow_kleene(connective: str, values: list[bool | None], permitted: bool) -> None:
    parts = [
        a_constraint(f"urn:datahub:policy:column:c{at}", "eq", {"@value": True}) for at in range(len(values))
    ]
    row = {f"c{at}": value for at, value in enumerate(values)}
    assert decide(a_policy({connective: parts}), some_facts(row=row)).permit is permitted


def test_a_duty_before_use_blocks_until_it_is_fulfilled() -> None:
    document = a_document()
    document["permission"][0]["duty"] = [{"@id": "urn:duty:pay", "action": "compensate"}]
    policy = read_policy(document)
    assert decide(policy, some_facts()).code == "duty-open"
    assert decide(policy, some_facts(duties={"urn:duty:pay": "fulfilled"})).permit
    assert decide(policy, some_facts(duties={"compensate": "fulfilled"})).permit
    assert decide(policy, some_facts(duties={"urn:duty:pay": "violated"})).code == "duty-violated"


def test_a_duty_after_use_is_owed_and_only_its_breach_blocks() -> None:
    document = a_document()
    document["permission"][0]["duty"] = [{"action": "delete"}]
    policy = read_policy(document)
    decision = decide(policy, some_facts())
    assert decision.permit
    assert [key for key, _ in decision.duties] == ["/permission/0/duty/0"]
    assert not decide(policy, some_facts(duties={"/permission/0/duty/0": "violated"})).permit


def test_a_broken_obligation_of_the_policy_stops_everything() -> None:
    policy = a_policy(obligation=[{"@id": "urn:duty:report", "action": "urn:datahub:policy:reportUse"}])
    assert [key for key, _ in decide(policy, some_facts()).duties] == ["urn:duty:report"]
    assert decide(policy, some_facts(duties={"urn:duty:report": "violated"})).code == "duty-violated"


def test_a_false_constraint_makes_a_rule_inactive_and_a_false_refinement_leaves_it_active() -> None:
    refined = a_document()
    refined["permission"][0]["action"] = [
        {"rdf:value": {"@id": "odrl:print"}, "refinement": [a_constraint("resolution", "lteq", 1200)]}
    ]
    constrained = a_document(a_constraint("resolution", "lteq", 1200))
    facts = some_facts(action="print", more={"resolution": 1300})
    for document, active in ((refined, True), (constrained, False)):
        decision = decide(read_policy(document), facts)
        assert not decision.permit
        assert [report.active for report in decision.rules] == [active]


def test_a_prohibition_reports_its_activity_apart_from_its_bite() -> None:
    refined = {"action": {"rdf:value": "print", "refinement": [a_constraint("resolution", "gt", 1200)]}}
    constrained = {"action": "print", "constraint": [a_constraint("resolution", "gt", 1200)]}
    policy = a_policy(prohibition=[refined, constrained])
    for resolution, reports in (
        (1300, [(True, True), (True, True)]),
        (1200, [(True, False), (False, False)]),
    ):
        decision = decide(policy, some_facts(action="print", more={"resolution": resolution}))
        assert [(each.active, each.applied) for each in decision.rules[1:]] == reports
        assert decision.permit is not reports[0][1]


def test_a_row_policy_permits_the_table_through_its_plan_only() -> None:
    policy = a_policy(a_constraint("urn:datahub:policy:column:region", "eq", "Amsterdam"))
    whole = decide(policy, some_facts())
    assert (whole.permit, whole.permit_with_plan) == (False, True)
    assert whole.code == "permitted-with-plan"
    assert decide(policy, some_facts(row={"region": "Amsterdam"})).permit
    assert not decide(policy, some_facts(row={"region": None})).permit
    assert not decide(policy, some_facts(row={})).permit_with_plan


def test_durations_run_from_the_agreement() -> None:
    policy = a_policy(a_constraint("elapsedTime", "lteq", "P30D"))
    agreed = datetime(2026, 1, 1, tzinfo=UTC)
    assert decide(policy, some_facts(agreed_at=agreed, now=agreed + timedelta(days=30))).permit
    assert not decide(policy, some_facts(agreed_at=agreed, now=agreed + timedelta(days=30, seconds=1))).permit
    assert not decide(policy, some_facts(agreed_at=None)).permit


def test_the_denial_names_the_smallest_cause_and_the_nearest_change() -> None:
    policy = a_policy(
        {
            "or": [
                {
                    "and": [
                        a_constraint("purpose", "isA", "dpv:Marketing"),
                        a_constraint("dateTime", "lt", "2020-01-01T00:00:00Z"),
                    ]
                },
                a_constraint("purpose", "isA", "dpv:ResearchAndDevelopment"),
            ]
        }
    )
    decision = decide(policy, some_facts(purpose="dpv:PublicBenefit"))
    assert [reason.code for reason in decision.changes] == ["purpose-not-met"]
    assert decision.changes[0].remedy == "change-purpose"
    assert len(decision.reasons) == 2
    assert "Research and Development" in decision.explanation("en")
    assert "Onderzoek en ontwikkeling" in decision.explanation("nl")


def test_the_requester_does_not_learn_who_else_is_allowed() -> None:
    policy = a_policy(a_constraint("recipient", "isAnyOf", [CITY, "did:web:secret.example"]))
    decision = decide(policy, some_facts())
    assert "secret" not in decision.explanation("en", "requester")
    assert "secret" in decision.explanation("en", "provider")


CX = "https://w3id.org/catenax/policy/"
LEGAL = a_constraint(CX + "Liability", "eq", "cx.liability:1")


def test_what_is_unknown_in_a_choice_stays_unknown_in_a_conjunction() -> None:
    unknown = {"or": [a_constraint("purpose", "eq", "dpv:Marketing"), a_constraint("count", "lt", 0)]}
    always = a_constraint("dateTime", "gt", "2020-01-01T00:00:00Z")
    policy = a_policy({"and": [unknown, always]})
    assert not decide(policy, some_facts(counts={"reads": 3})).permit
    assert decide(policy, some_facts(counts={"reads": 3}, purpose="dpv:Marketing")).permit


@pytest.mark.parametrize(("connective", "permitted"), [("and", True), ("or", True), ("xone", False)])
def test_accepted_legal_text_holds_wherever_it_is_not_one_of_exclusive_choices(
    connective: str, permitted: bool
) -> None:
    always = a_constraint("dateTime", "gt", "2020-01-01T00:00:00Z")
    never = a_constraint("dateTime", "gt", "2040-01-01T00:00:00Z")
    policy = a_policy({connective: [LEGAL, always if connective == "and" else never]})
    assert decide(policy, some_facts(agreed=True)).permit is permitted
    assert not decide(policy, some_facts()).permit


def test_a_broken_obligation_stops_use_only_where_it_exists() -> None:
    late = [a_constraint("dateTime", "gt", "2030-01-01T00:00:00Z")]
    policy = a_policy(obligation=[{"@id": "urn:o", "action": "inform", "constraint": late}])
    broken = some_facts(duties={"urn:o": "violated"})
    assert decide(policy, broken).permit
    assert decide(policy, some_facts(duties={"urn:o": "violated"}, now="2031-01-01T00:00:00Z")).code == (
        "duty-violated"
    )


def test_a_duty_that_only_some_rows_bring_is_left_to_the_rows() -> None:
    document = a_document()
    some = [a_constraint("urn:datahub:policy:column:area", "eq", "Noord")]
    timing = a_constraint("urn:datahub:policy:timing", "eq", "pre")
    document["permission"][0]["duty"] = [{"action": "compensate", "constraint": [timing, *some]}]
    document["permission"][0]["constraint"] = [a_constraint("urn:datahub:policy:column:id", "gt", 0)]
    policy = read_policy(document)
    assert decide(policy, some_facts()).permit_with_plan
    assert not decide(policy, some_facts(row={"id": 1, "area": "Noord"})).permit
    assert decide(policy, some_facts(row={"id": 1, "area": "Zuid"})).permit


def test_duties_go_by_their_own_name_or_by_their_place() -> None:
    document = a_document(obligation=[{"action": "inform"}, {"@id": "urn:o", "action": "inform"}])
    document["permission"][0]["duty"] = [{"action": "attribute"}, {"@id": "urn:d", "action": "attribute"}]
    policy = read_policy(document)
    keys = ["/permission/0/duty/0", "urn:d", "/obligation/0", "urn:o"]
    assert [key for key, _ in decide(policy, some_facts()).duties] == keys
    assert [key for key, _ in duties_of(policy)] == keys


def test_a_decision_through_a_plan_knows_its_facts_and_its_duties() -> None:
    document = a_document(a_constraint("urn:datahub:policy:column:area", "eq", "Noord"))
    document["permission"][0]["duty"] = [{"@id": "urn:d", "action": "attribute"}]
    facts = some_facts()
    decision = decide(read_policy(document), facts)
    assert (decision.permit_with_plan, decision.facts) == (True, facts)
    assert [key for key, _ in decision.duties] == ["urn:d"]


def test_the_provider_is_told_every_reason_and_the_requester_the_nearest_way() -> None:
    document = a_document(a_constraint("purpose", "eq", "dpv:Marketing"))
    document["permission"].append({"action": "sell"})
    decision = decide(read_policy(document), some_facts(action="read", purpose="dpv:AcademicResearch"))
    asked, told = decision.explanation(), decision.explanation(view="provider")
    assert asked == decision.explanation("en", "requester") != told
    assert "the purpose is “Marketing” (dpv:Marketing)" in told
    assert "“Academic Research” (dpv:AcademicResearch)" in told


def test_a_duty_and_values_are_said_in_the_reader_s_language() -> None:
    document = a_document()
    document["permission"][0]["duty"] = [
        {"action": "compensate", "constraint": [a_constraint("urn:datahub:policy:timing", "eq", "pre")]}
    ]
    said = decide(read_policy(document), some_facts()).explanation("nl")
    assert "betalen" in said
    roles = a_policy(a_constraint("urn:datahub:policy:role", "eq", "researcher"))
    for seen, shown in ((frozenset(), "“”"), (frozenset({"b", "a"}), "“a”, “b”")):
        assert shown in decide(roles, some_facts(roles=seen)).explanation("en", "provider")
    reads = a_policy(a_constraint("count", "lteq", 3))
    assert "4" in decide(reads, some_facts(counts={"reads": 3})).explanation("en")
    recurring = {**a_constraint("timeInterval", "eq", "P7D"), "urn:datahub:policy:anchor": "2026-01-01"}
    (reason,) = decide(a_policy(recurring), some_facts(now="2026-01-04T00:00:00Z")).reasons
    assert getattr(reason.wanted, "left", None) == "timeInterval"


def test_a_policy_is_told_from_another_and_a_choice_is_one_condition() -> None:
    marketing, research = (
        a_constraint("purpose", "eq", f"dpv:{name}") for name in ("Marketing", "AcademicResearch")
    )
    one, other = a_policy(marketing), a_policy(research)
    assert hash(one) == hash(a_policy(marketing)) != hash(other)
    choice = a_policy({"or": [marketing, research]}).permissions[0].constraint
    both = a_policy(marketing, research).permissions[0].constraint
    assert conjuncts(choice) == (choice,)
    assert len(conjuncts(both)) == 2
    assert conjuncts(None) == ()


def test_whoever_does_not_ask_as_the_provider_is_not_told_who_may() -> None:
    decision = decide(a_policy(a_constraint("recipient", "eq", CITY)), some_facts(recipient=[UNIVERSITY]))
    assert CITY not in decision.explanation()
    assert CITY in decision.explanation(view="provider")
