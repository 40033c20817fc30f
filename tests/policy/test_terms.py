"""The registry, the taxonomies and the constants: what can be placed, compared and written back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from datahub.policy import Facts, decide, read_policy, taxonomies
from datahub.policy.evaluate import check_of
from datahub.policy.model import Atom, Operator
from datahub.policy.registry import OPERATORS, actions, compact, covering, expand, find, operand, operands
from datahub.policy.values import sort_of, write_value
from datahub.policy.vocabulary import CyclicTaxonomyError, taxonomy
from tests.policy.build import NOW, a_constraint, a_policy, some_facts

DH = "urn:datahub:policy:"


def test_every_operand_has_a_sort_with_operators_and_words_in_both_languages() -> None:
    for row in operands().values():
        assert OPERATORS[row.sort]
        assert row.en
        assert row.nl
        assert row.missing in {"unknown", "agreed"}
        assert row.smt in {"Real", "Bool", "Concept"}
        assert row.sql is None


def test_a_column_is_an_operand_with_its_name_in_sql() -> None:
    row = operand("dh:column:a:b")
    assert row is not None
    assert row.sql == "a:b"


def test_every_action_ends_at_the_top_of_the_tree() -> None:
    for name in actions():
        assert covering(name)[-1] in {"use", "transfer"}
    assert covering("display") == ("display", "play", "use")
    assert covering("sell") == ("sell", "transfer")
    assert covering("urn:unheard-of") == ("urn:unheard-of",)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("http://www.w3.org/ns/odrl/2/purpose", "purpose"),
        ("https://w3id.org/idsa/code/PURPOSE", "purpose"),
        ("https://w3id.org/catenax/2025/9/policy/Membership", "dh:membership"),
        ("cx-policy:FrameworkAgreement", "dh:framework"),
        ("idsc:state", "dh:state"),
        ("urn:datahub:policy:rowsPerDay", "dh:rowsPerDay"),
        ("nonsense", None),
    ],
)
def test_names_of_other_vocabularies_lead_to_the_registered_term(written: str, name: str | None) -> None:
    assert find("operand", written) == name


def test_a_term_is_written_as_it_was_read() -> None:
    for iri in ("https://w3id.org/dpv#Marketing", "urn:datahub:policy:role", "purpose"):
        assert expand(compact(iri)) == iri


def test_a_taxonomy_that_runs_in_circles_is_refused() -> None:
    with pytest.raises(CyclicTaxonomyError, match="a, b"):
        taxonomy("circle", {"a": ["b"], "b": ["a"], "c": []})


def test_a_taxonomy_answers_upward_downward_and_by_name() -> None:
    purposes = taxonomies()["purpose"]
    assert "dpv:ResearchAndDevelopment" in purposes.above("dpv:AcademicResearch")
    assert "dpv:AcademicResearch" in purposes.below("dpv:ResearchAndDevelopment")
    assert purposes.falls_under("dpv:AcademicResearch", "dpv:Marketing") is False
    assert purposes.falls_under("urn:own", "dpv:Marketing") is None
    assert purposes.falls_under("dpv:Marketing", "urn:own") is None
    assert purposes.label("dpv:Marketing", "nl") == "Marketing"
    assert purposes.label("urn:own", "nl") == "urn:own"
    assert len(purposes.concepts) > 120
    assert taxonomies()["region"].falls_under("region:GM0034", "region:NL-FL")
    assert taxonomies()["region"].falls_under("region:GM0034", "region:MRA")


def test_a_language_falls_under_its_prefixes() -> None:
    languages = taxonomies()["language"]
    assert "nl-NL" in languages
    assert languages.above("nl-Latn-NL") == {"nl", "nl-Latn", "nl-Latn-NL"}
    policy = a_policy(a_constraint("language", "isPartOf", "nl"))
    assert decide(policy, some_facts(more={"language": "nl-BE"})).permit
    assert not decide(policy, some_facts(more={"language": "nlx"})).permit


@pytest.mark.parametrize(
    ("value", "sort", "written"),
    [
        (True, "boolean", {"@value": "true", "@type": "xsd:boolean"}),
        (3, "number", {"@value": "3", "@type": "xsd:integer"}),
        (Decimal("0.5"), "number", {"@value": "0.5", "@type": "xsd:decimal"}),
        (NOW, "instant", {"@value": "2026-06-01T12:00:00Z", "@type": "xsd:dateTime"}),
        (date(2026, 6, 1), "date", {"@value": "2026-06-01", "@type": "xsd:date"}),
        (timedelta(days=1, hours=2), "duration", {"@value": "P1DT7200S", "@type": "xsd:duration"}),
        (timedelta(milliseconds=1500), "duration", {"@value": "PT1.5S", "@type": "xsd:duration"}),
        (timedelta(), "duration", {"@value": "P0D", "@type": "xsd:duration"}),
        ("dpv:Marketing", "purpose", "https://w3id.org/dpv#Marketing"),
        ("dpv:Marketing", "text", "dpv:Marketing"),
    ],
)
def test_a_constant_is_written_with_its_datatype(value: Any, sort: str, written: object) -> None:
    assert write_value(value, sort) == written
    assert sort_of(value) == (sort if sort != "purpose" else "text")


@pytest.mark.parametrize(
    ("left", "operator", "right", "facts", "permitted"),
    [
        ("spatial", "isPartOf", "region:EU", {"location": "region:GM0363"}, True),
        ("spatial", "isPartOf", "region:EU", {"location": "region:US"}, False),
        (
            DH + "securityLevel",
            "gteq",
            "idsc:TRUST_SECURITY_PROFILE",
            {"more": {"dh:securityLevel": "idsc:TRUST_PLUS_SECURITY_PROFILE"}},
            True,
        ),
        (
            DH + "securityLevel",
            "gteq",
            "idsc:TRUST_SECURITY_PROFILE",
            {"more": {"dh:securityLevel": "idsc:BASE_SECURITY_PROFILE"}},
            False,
        ),
        (
            DH + "securityLevel",
            "isPartOf",
            ["idsc:BASE_SECURITY_PROFILE"],
            {"more": {"dh:securityLevel": "idsc:BASE_SECURITY_PROFILE"}},
            True,
        ),
        (
            DH + "securityLevel",
            "gteq",
            "idsc:TRUST_SECURITY_PROFILE",
            {"more": {"dh:securityLevel": 7}},
            False,
        ),
        (DH + "dayOfWeek", "isNoneOf", ["Saturday", "Sunday"], {}, True),
        (DH + "dayOfWeek", "eq", "Sunday", {"now": "2026-05-30T22:30:00Z"}, True),
        (DH + "hourOfDay", "lt", 9, {"now": "2026-06-01T06:59:00Z"}, True),
        (DH + "hourOfDay", "lt", 9, {"now": "2026-06-01T07:00:00Z"}, False),
        (DH + "credential", "isAllOf", ["a", "b"], {"credentials": ["a", "b", "c"]}, True),
        (DH + "credential", "isAllOf", ["a", "b"], {"credentials": "a"}, False),
        (DH + "credential", "isAllOf", [], {"credentials": []}, True),
        (DH + "project", "eq", "p1", {"more": {"dh:project": "p1"}}, True),
        (DH + "project", "eq", "p1", {"more": {"dh:project": 1}}, False),
        (DH + "columnsTogether", "isAllOf", ["name", "income"], {"columns": ["name", "income", "x"]}, True),
        (DH + "membership", "eq", "active", {"membership": "active"}, True),
        (DH + "sinceFirstUse", "lteq", "P7D", {"first_used_at": "2026-05-30T00:00:00Z"}, True),
        ("delayPeriod", "gteq", "P7D", {"published_at": "2026-05-30T00:00:00Z"}, False),
        ("recipient", "isPartOf", "urn:group", {"groups": ["urn:group"]}, True),
        ("recipient", "isPartOf", "urn:group", {"groups": ["urn:group"], "recipient": None}, False),
        ("purpose", "hasPart", "dpv:AcademicResearch", {"purpose": "urn:own"}, False),
        ("purpose", "isA", "dpv:Marketing", {"purpose": 3}, False),
        ("event", "eq", "urn:emergency", {"events": ["urn:emergency"]}, True),
        ("event", "lt", "urn:emergency", {"events": ["urn:emergency"]}, False),
        ("payAmount", "gteq", 5, {"more": {"payAmount": Decimal("5.00")}}, True),
        ("count", "lteq", 3, {"counts": {"reads": 2}}, True),
        (
            DH + "securityLevel",
            "isAnyOf",
            [],
            {"more": {"dh:securityLevel": "idsc:BASE_SECURITY_PROFILE"}},
            False,
        ),
        ("meteredTime", "lt", "P1D", {"more": {"meteredTime": 3}}, False),
        ("fileFormat", "eq", "text/csv", {"more": {"fileFormat": 3}}, False),
        (DH + "column:x", "eq", {"@value": True}, {"row": {"x": "true"}}, False),
        (DH + "column:x", "eq", {"@value": "2026-01-01", "@type": "xsd:date"}, {"row": {"x": NOW}}, False),
        (DH + "column:x", "lt", 3, {"row": {"x": float("nan")}}, False),
        (DH + "age:x", "lt", "P1D", {"row": {"x": datetime(2026, 6, 1)}}, True),  # noqa: DTZ001 (as a table holds it)
        (DH + "age:x", "lt", "P1D", {"row": {"x": "2026-06-01"}}, False),
        (
            DH + "column:x",
            "gt",
            {"@value": "2026-01-01T00:00:00Z", "@type": "xsd:dateTime"},
            {"row": {"x": 3}},
            False,
        ),
    ],
)
def test_each_kind_of_term_decides(
    left: str, operator: str, right: object, facts: dict[str, Any], permitted: bool
) -> None:
    assert decide(a_policy(a_constraint(left, operator, right)), some_facts(**facts)).permit is permitted


def test_a_recurring_interval_permits_on_its_days_only() -> None:
    policy = a_policy({**a_constraint("timeInterval", "eq", "P14D"), DH + "anchor": "2026-01-01"})
    assert decide(policy, some_facts(now="2026-01-15T23:59:59Z")).permit
    assert decide(policy, some_facts(now="2025-12-18T00:00:00Z")).permit
    assert not decide(policy, some_facts(now="2026-01-16T00:00:00Z")).permit
    assert not decide(policy, some_facts(now=None)).permit
    hourly = a_policy({**a_constraint("timeInterval", "eq", "PT1H"), DH + "anchor": "2026-01-01"})
    assert decide(hourly, some_facts(now="2026-01-01T05:00:00Z")).permit
    assert not decide(hourly, some_facts(now="2026-01-01T05:00:01Z")).permit


def test_an_empty_period_recurs_never() -> None:
    check = check_of(Atom("timeInterval", Operator.EQ, (timedelta(),), None, NOW), positive=True)
    assert check is not None
    assert check.test(some_facts()) is None


def test_an_open_row_is_taken_at_its_best_even_where_exactly_one_may_hold() -> None:
    column = DH + "column:"
    either = {"xone": [a_constraint(column + "a", "eq", "x"), a_constraint(column + "b", "eq", "y")]}
    assert decide(a_policy(either), some_facts()).permit_with_plan
    forbidden = a_policy(prohibition=[{"action": "use", "constraint": [either]}])
    assert decide(forbidden, some_facts()).permit_with_plan
    assert not decide(forbidden, some_facts(row={"a": "x", "b": "n"})).permit


def test_a_legal_term_is_met_by_accepting_it_but_settles_no_exclusive_choice() -> None:
    liability = a_constraint("https://w3id.org/catenax/policy/Liability", "eq", "cx.liability:1")
    assert decide(a_policy(liability), some_facts(agreed=True)).permit
    assert not decide(a_policy({"xone": [liability]}), some_facts(agreed=True)).permit
    stopped = a_policy(prohibition=[{"action": "use", "constraint": [liability]}])
    assert not decide(stopped, some_facts(agreed=True)).permit


def test_a_duty_that_does_not_exist_now_blocks_nothing() -> None:
    sunday = a_constraint(DH + "dayOfWeek", "eq", "Sunday")
    policy = a_policy(
        permission=[{"action": "use", "duty": [{"action": "compensate", "constraint": [sunday]}]}]
    )
    assert decide(policy, some_facts(now="2026-06-01T12:00:00Z")).permit
    assert not decide(policy, some_facts(now="2026-05-31T12:00:00Z")).permit
    assert not decide(policy, some_facts(now=None)).permit


def test_the_requester_reads_what_to_do_and_the_provider_what_was_compared() -> None:
    agreement = a_policy(
        **{"@type": "Agreement", "target": "urn:d", "assigner": "urn:p", "assignee": "did:web:a"}
    )
    denied = decide(agreement, some_facts(target="urn:d"))
    assert denied.changes[0].remedy == "ask-provider"
    assert "did:web:a" not in denied.explanation("en")
    assert "did:web:a" in denied.explanation("nl", "provider")
    assert denied.duties == ()
    duty = a_policy(permission=[{"action": "use", "duty": [{"action": "compensate"}]}])
    assert "pay" in decide(duty, some_facts()).explanation("en")
    assert decide(duty, some_facts()).changes[0].remedy == "fulfil-duty"
    place = decide(a_policy(a_constraint("spatial", "eq", "region:NL")), some_facts(location="region:BE"))
    assert place.changes[0].remedy == "present-credential"
    party = decide(a_policy(a_constraint("recipient", "eq", "did:web:a")), some_facts())
    assert party.changes[0].remedy == "ask-provider"
    other = decide(
        a_policy(a_constraint(DH + "queryTemplate", "eq", "sha256:1")), some_facts(query="sha256:2")
    )
    assert other.changes[0].remedy == "change-value"
    action = decide(a_policy(permission=[{"action": "read"}]), some_facts(action="print"))
    assert (action.code, action.changes[0].remedy) == ("action-not-permitted", "change-action")
    nothing = decide(read_policy({"@id": "urn:x", "prohibition": [{"action": "sell"}]}), some_facts())
    assert "ask the provider" in nothing.explanation("en")


def test_the_way_out_of_a_prohibition_is_named() -> None:
    policy = a_policy(
        prohibition=[
            {"action": "use", "constraint": [{"xone": [a_constraint("purpose", "isA", "dpv:Marketing")]}]}
        ]
    )
    denied = decide(policy, some_facts(purpose="dpv:DirectMarketing"))
    assert denied.code == "prohibited"
    assert [change.code for change in denied.changes] == ["purpose-prohibited"]
    assert "Prohibited when the purpose" in denied.explanation("en")
    unconditional = decide(a_policy(prohibition=[{"action": "use"}]), some_facts())
    assert "prohibits to use" in unconditional.explanation("en")
    two = {
        "xone": [
            a_constraint("purpose", "isA", "dpv:Marketing"),
            a_constraint("recipient", "eq", "did:web:a"),
        ]
    }
    exclusive = decide(a_policy(two), some_facts(purpose="dpv:Marketing", recipient="did:web:a"))
    assert {reason.code for reason in exclusive.reasons} == {"purpose-prohibited", "recipient-prohibited"}
    assert len(exclusive.changes) == 1
    broken = decide(a_policy(obligation=[{"action": "delete"}]), some_facts(duties={"delete": "violated"}))
    assert [change.code for change in broken.changes] == ["duty-violated"]


def test_what_was_seen_is_shown_in_the_readers_language() -> None:
    seen = decide(a_policy(a_constraint(DH + "role", "eq", "x")), some_facts(roles=[])).explanation(
        "nl", "provider"
    )
    assert "Gezien: “”" in seen
    number = decide(a_policy(a_constraint(DH + "column:n", "eq", 1)), some_facts(row={"n": 2.5})).explanation(
        "en"
    )
    assert "“2.5”" in number


def test_facts_compare_by_value() -> None:
    assert Facts(recipient=["a", "b"]) == Facts(recipient=frozenset({"b", "a"}))
    assert Facts(now=NOW.astimezone(UTC)).now == NOW


def test_spans_are_counted_in_time_and_not_in_clock_readings() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    before, after = datetime(2026, 3, 29, 1, tzinfo=amsterdam), datetime(2026, 3, 29, 4, tzinfo=amsterdam)
    policy = a_policy(a_constraint("elapsedTime", "lteq", "PT2H"))
    assert decide(policy, some_facts(agreed_at=before, now=after)).permit
    row = {"x": datetime(2026, 3, 29, 0, 30)}  # noqa: DTZ001 (as a table holds it: UTC)
    young = a_policy(a_constraint(DH + "age:x", "lteq", "PT90M"))
    assert decide(young, some_facts(now=after, row=row)).permit
    assert not decide(young, some_facts(now=after, row={"x": datetime(2026, 3, 29, 0, 29)})).permit  # noqa: DTZ001
