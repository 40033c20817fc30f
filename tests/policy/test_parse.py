"""What the reader takes and what it refuses: every fault at once, in bounded time, and never a permit."""

import json
import time
from typing import Any

import pytest

from datahub.policy import Fault, PolicyFaults, read_policy, to_jsonld
from tests.policy.build import a_constraint, a_document, a_policy


def faults_of(document: object) -> tuple[Fault, ...]:
    with pytest.raises(PolicyFaults) as refused:
        read_policy(document)
    for fault in refused.value.faults:
        assert fault.message
        assert fault.remedy
    return refused.value.faults


def codes(document: object) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults_of(document)]


def test_all_faults_are_named_at_once_with_their_pointers() -> None:
    document = a_document(
        a_constraint("purpos", "eq", "dpv:Marketing"),
        a_constraint("purpose", "equals", "dpv:Marketing"),
        a_constraint("purpose", "isA", "dpv:Nothing"),
        {"leftOperand": "dateTime", "operator": "lt"},
        prohibition=[{"action": "teleport"}],
        colour="blue",
    )
    assert set(codes(document)) == {
        ("/permission/0/constraint/0/leftOperand", "unknown-left-operand"),
        ("/permission/0/constraint/1/operator", "unknown-operator"),
        ("/permission/0/constraint/2/rightOperand", "unknown-concept"),
        ("/permission/0/constraint/3", "incomplete-constraint"),
        ("/prohibition/0/action", "unknown-action"),
        ("/colour", "unknown-property"),
    }


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", "not-json"),
        ("not json", "not-json"),
        (b"\xff\xfe", "not-json"),
        ('{"@id": NaN}', "not-json"),
        ('{"@id": 1e999999999999999999999}', "not-json"),
        ('{"@id": "urn:a", "@id": "urn:b"}', "duplicate-key"),
        ("[]", "not-a-policy"),
        ("3", "not-a-policy"),
        (None, "not-a-policy"),
        ({}, "no-identifier"),
        ({"@id": "urn:x"}, "no-rule"),
        ({"@id": "urn:x", "@type": "Recipe", "permission": [{"action": "use"}]}, "unknown-kind"),
        ({"@id": "urn:x", "permission": "use"}, "wrong-type"),
        ({"@id": "urn:x", "permission": [{}]}, "no-action"),
        ({"@id": "urn:x", "permission": [{"action": "use"}], "conflict": "perm"}, "conflict-strategy"),
        ({"@id": "urn:x", "permission": [{"action": "use"}], "inheritFrom": "urn:y"}, "unknown-property"),
        ({"@id": "urn:x y", "permission": [{"action": "use"}]}, "wrong-type"),
        ({"@id": "urn:x", "permission": [{"action": "use", "duty": [{"action": "fly"}]}]}, "unknown-action"),
        ({"@id": "urn:x", "permission": [{"action": "use"}], "profile": [3]}, "wrong-type"),
        ({"@id": "urn:x", "permission": [{"action": "use"}], "timestamp": "yesterday"}, "wrong-type"),
    ],
)
def test_what_is_not_a_policy_is_refused(document: object, code: str) -> None:
    assert code in [fault.code for fault in faults_of(document)]


@pytest.mark.parametrize(
    ("constraint", "code"),
    [
        (a_constraint("dateTime", "isA", "2027-01-01T00:00:00Z"), "operator-not-allowed"),
        (a_constraint("dateTime", "lt", "soon"), "wrong-type"),
        (
            a_constraint("dateTime", "lt", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
            "one-value-expected",
        ),
        (a_constraint("elapsedTime", "lteq", "a month"), "wrong-type"),
        (a_constraint("elapsedTime", "lteq", "P9999Y"), "too-large"),
        (a_constraint("count", "lteq", "many"), "wrong-type"),
        (a_constraint("count", "lteq", 2**63), "too-large"),
        (a_constraint("count", "lteq", {"@value": [1]}), "wrong-type"),
        (a_constraint("language", "eq", "not a tag!"), "wrong-type"),
        (a_constraint("recipient", "eq", 'did:web:x"><script>'), "wrong-type"),
        (a_constraint("recipient", "eq", "did:web:x\u0000"), "wrong-type"),
        (a_constraint("recipient", "eq", "x" * 5000), "too-large"),
        (a_constraint("recipient", "eq", {"@set": []}), "wrong-type"),
        (a_constraint("spatial", "eq", "region:Atlantis"), "unknown-concept"),
        (a_constraint("urn:datahub:policy:securityLevel", "gteq", "high"), "unknown-choice"),
        (a_constraint("urn:datahub:policy:dayOfWeek", "eq", "Someday"), "unknown-choice"),
        (a_constraint("urn:datahub:policy:consent", "eq", "maybe"), "wrong-type"),
        (a_constraint("urn:datahub:policy:column:x", "lt", "abc"), "operator-not-allowed"),
        (a_constraint("urn:datahub:policy:column:x", "isAnyOf", ["a", 3]), "mixed-values"),
        (a_constraint("urn:datahub:policy:column:", "eq", "a"), "unknown-left-operand"),
        ({**a_constraint("purpose", "eq", "dpv:Marketing"), "unit": "urn:unit"}, "unit-not-allowed"),
        ({"and": []}, "empty-constraint"),
        ({"and": [], "or": []}, "mixed-constraint"),
        ({"and": ["x"]}, "wrong-type"),
        ("x", "wrong-type"),
    ],
)
def test_a_constraint_that_means_nothing_is_refused(constraint: object, code: str) -> None:
    assert code in [fault.code for fault in faults_of(a_document(constraint))]


def deep(levels: int) -> dict[str, Any]:
    constraint: dict[str, Any] = a_constraint("purpose", "eq", "dpv:Marketing")
    for _ in range(levels):
        constraint = {"and": [constraint]}
    return a_document(constraint)


def test_nesting_a_thousand_deep_is_refused_and_not_a_crash() -> None:
    assert [code for _, code in codes(deep(1000))] == ["too-deep"]
    text = '{"@id": "urn:x", "permission": ' + "[" * 1000 + "]" * 1000 + "}"
    assert [code for _, code in codes(text)] == ["too-deep"]


def test_constraints_may_nest_but_not_without_end() -> None:
    read_policy(deep(15))
    document = deep(15)
    for _ in range(15):
        document["permission"][0]["constraint"] = [{"or": document["permission"][0]["constraint"]}]
    assert "too-deep" in [code for _, code in codes(document)]


def test_an_object_that_contains_itself_is_refused() -> None:
    document = a_document()
    document["permission"].append(document)
    assert [code for _, code in codes(document)] == ["too-deep"]


def test_ten_megabytes_are_refused_quickly() -> None:
    rules = [{"action": "use", "constraint": [a_constraint("purpose", "eq", "dpv:Marketing")]}] * 100_000
    text = json.dumps(a_document(permission=rules))
    assert len(text) > 10_000_000
    started = time.perf_counter()
    assert [code for _, code in codes(text)] == ["too-large"]
    assert [code for _, code in codes(text.encode())] == ["too-large"]
    assert [code for _, code in codes(a_document(permission=rules))] == ["too-large"]
    assert time.perf_counter() - started < 2


def test_one_million_characters_of_rules_are_read_in_bounded_time() -> None:
    rules = [{"action": "use", "constraint": [a_constraint("purpose", "eq", "dpv:Nothing")]}] * 6_000
    started = time.perf_counter()
    assert len(codes(json.dumps(a_document(permission=rules)))) == 100
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "spelling", ["purpose", "odrl:purpose", "http://www.w3.org/ns/odrl/2/purpose", {"@id": "odrl:purpose"}]
)
def test_the_same_term_may_be_spelled_in_several_ways(spelling: object) -> None:
    assert a_policy(
        {**a_constraint("", "odrl:isA", {"@id": "dpv:Marketing"}), "leftOperand": spelling}
    ) == a_policy(a_constraint("purpose", "isA", "https://w3id.org/dpv#Marketing"))


def test_a_context_may_bring_its_own_prefixes() -> None:
    document = a_document(a_constraint("o:purpose", "o:eq", "https://w3id.org/dpv#Marketing"))
    document["@context"] = ["http://www.w3.org/ns/odrl.jsonld", {"o": "http://www.w3.org/ns/odrl/2/"}]
    assert read_policy(document) == a_policy(a_constraint("purpose", "eq", "dpv:Marketing"))


def test_several_actions_make_several_rules() -> None:
    document = a_document()
    document["permission"][0]["action"] = ["read", "print"]
    assert [rule.action for rule in read_policy(document).permissions] == ["read", "print"]


def test_a_target_that_all_rules_share_moves_to_the_policy() -> None:
    document = a_document()
    document["permission"][0]["target"] = "urn:data:1"
    policy = read_policy(document)
    assert policy.target == "urn:data:1"
    assert policy.permissions[0].target is None


def test_rules_with_targets_of_their_own_are_read_but_not_written_for_others() -> None:
    policy = a_policy(
        permission=[{"action": "use", "target": "urn:a"}, {"action": "read", "target": "urn:b"}]
    )
    with pytest.raises(PolicyFaults) as refused:
        to_jsonld(policy)
    assert [fault.pointer for fault in refused.value.faults] == [
        "/permission/0/target",
        "/permission/1/target",
    ]
    assert read_policy(to_jsonld(policy, "set")).permissions == policy.permissions


def test_a_timing_stated_in_the_duty_comes_before_any_default() -> None:
    timing = a_constraint("urn:datahub:policy:timing", "eq", "pre")
    policy = a_policy(obligation=[{"action": "delete", "constraint": [timing]}])
    assert policy.obligations[0].timing == "pre"
    assert read_policy(to_jsonld(policy)) == policy


@pytest.mark.parametrize(
    ("constraint", "code"),
    [
        (
            {
                **a_constraint("dateTime", "eq", "2027-01-01T00:00:00Z"),
                "urn:datahub:policy:anchor": "2026-01-01",
            },
            "anchor-not-allowed",
        ),
        ({"leftOperand": 3, "operator": "eq", "rightOperand": "x"}, "unknown-left-operand"),
        ({"xone": []}, "empty-constraint"),
        (a_constraint("dateTime", "eq", 7), "wrong-type"),
        (
            a_constraint("urn:datahub:policy:column:d", "eq", {"@value": "soon", "@type": "xsd:date"}),
            "wrong-type",
        ),
        (a_constraint("urn:datahub:policy:column:d", "eq", {"@value": 3, "@type": "xsd:date"}), "wrong-type"),
        (a_constraint("recipient", "eq", "?who"), "unresolved-constant"),
    ],
)
def test_the_rarer_mistakes_have_their_codes_too(constraint: object, code: str) -> None:
    assert code in [fault.code for fault in faults_of(a_document(constraint))]


def test_a_context_that_is_no_namespace_changes_nothing() -> None:
    document = a_document(a_constraint("purpose", "eq", "dpv:Marketing"))
    document["@context"] = {"purpose": "odrl:purpose", "x": {"@id": 3}}
    assert read_policy(document) == a_policy(a_constraint("purpose", "eq", "dpv:Marketing"))


def test_the_address_of_a_value_is_imported_as_something_to_be_filled_in() -> None:
    for address in ("urn:list", {"@id": "urn:list"}, {"@value": "?urn:list"}):
        constraint = {"leftOperand": "spatial", "operator": "eq", "rightOperandReference": address}
        policy = read_policy(a_document(constraint), foreign=True)
        assert policy == read_policy(a_document(a_constraint("spatial", "eq", "?urn:list")), foreign=True)


def test_one_identifier_may_stand_in_a_list_or_an_object() -> None:
    for target in (
        ["urn:d"],
        {"@id": "urn:d"},
        {"uid": "urn:d"},
        {"@type": "AssetCollection", "source": "urn:d"},
    ):
        assert a_policy(target=target).target == "urn:d"


def test_constraints_that_nest_too_deep_are_named_by_their_pointer() -> None:
    (fault,) = faults_of(deep(18))
    assert (fault.code, fault.pointer.count("/and/0")) == ("too-deep", 17)


def test_a_prohibition_alone_is_a_policy_that_permits_nothing() -> None:
    policy = read_policy({"@id": "urn:x", "prohibition": [{"action": "use"}]})
    assert read_policy(to_jsonld(policy)) == policy


def test_a_rule_under_a_second_spelling_is_not_dropped() -> None:
    twice = a_document(prohibition=[{"action": "use"}]) | {"odrl:prohibition": []}
    assert codes(twice) == [("/odrl:prohibition", "stated-twice")]
    rule = {"action": "use", "constraint": [], "http://www.w3.org/ns/odrl/2/constraint": []}
    assert codes({"@id": "urn:x", "permission": [rule]}) == [
        ("/permission/0/http:~1~1www.w3.org~1ns~1odrl~12~1constraint", "stated-twice")
    ]


@pytest.mark.parametrize("address", ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x"])
def test_an_address_that_runs_something_names_nothing(address: str) -> None:
    assert ("/target", "wrong-type") in codes(a_document(target=address))


def test_lists_without_rules_are_no_rules() -> None:
    assert codes({"@id": "urn:x", "permission": [], "prohibition": []}) == [("", "no-rule")]


def test_a_fault_is_told_once() -> None:
    assert codes({"@id": "urn:x", "permission": [{"action": "use", "constraint": "no"}]}) == [
        ("/permission/0/constraint", "wrong-type")
    ]


DH = "urn:datahub:policy:"


@pytest.mark.parametrize(
    ("action", "constraint", "code"),
    [
        (
            "inform",
            [a_constraint(DH + "timing", "eq", "pre"), a_constraint(DH + "timing", "eq", "post")],
            "mixed-timing",
        ),
        ("inform", [a_constraint(DH + "timing", "neq", "pre")], "operator-not-allowed"),
        (DH + "mask", [a_constraint(DH + "maskedColumn", "isNoneOf", ["name"])], "operator-not-allowed"),
        (DH + "aggregateOnly", [a_constraint(DH + "minimumGroup", "gt", 5)], "operator-not-allowed"),
        (
            DH + "mask",
            [{"xone": [a_constraint(DH + "method", "eq", each) for each in ("hash", "null")]}],
            "operator-not-allowed",
        ),
        (DH + "mask", [a_constraint(DH + "method", "eq", "bucket")], "no-buckets"),
        (DH + "mask", [a_constraint(DH + "step", "eq", 0)], "no-buckets"),
        (DH + "mask", [a_constraint(DH + "step", "eq", -3)], "no-buckets"),
        (DH + "mask", [a_constraint(DH + "step", "isAnyOf", [5, 5])], "no-buckets"),
        (DH + "mask", [a_constraint(DH + "step", "isAnyOf", [0, 2**53 + 1])], "no-buckets"),
    ],
)
def test_a_duty_that_cannot_be_carried_out_as_it_stands_is_refused(
    action: str, constraint: list[object], code: str
) -> None:
    document = a_document()
    document["permission"][0]["duty"] = [{"action": action, "constraint": constraint}]
    assert ("/permission/0/duty/0", code) in codes(document)


def test_a_fault_quotes_nothing_that_people_would_not_see_as_it_is() -> None:
    document = a_document(permission=[{"action": "http://a.example/\u202e\x00\ud800use"}])
    with pytest.raises(PolicyFaults) as refused:
        read_policy(document)
    (fault,) = refused.value.faults
    assert "a.example/\\u202e\\u0000\\ud800use" in fault.message
    assert fault.message.isprintable()
