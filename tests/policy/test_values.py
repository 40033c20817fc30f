"""Constants: what each sort takes, and what is said about what it does not take."""

from datetime import timedelta
from decimal import Decimal

import pytest

from datahub.policy import PolicyFaults, read_policy
from datahub.policy.registry import operand
from datahub.policy.values import NotAValueError, read_value
from tests.policy.build import a_constraint, a_document

TAKEN = [
    ("language", "https://tools.ietf.org/html/bcp47#nl", "nl"),
    ("count", "1e3", 1000),
    ("resolution", "0.50", Decimal("0.5")),
    ("elapsedTime", "P365000D", timedelta(days=365_000)),
    ("dh:column:x", {"@value": "1", "@type": "xsd:boolean"}, True),
    ("dh:column:x", {"@value": "0", "@type": "xsd:boolean"}, False),
]
NUMBER = "Write a finite number."
REFUSED = [
    ("recipient", "", "wrong-type", "recipient takes a text.", "Write a non-empty string."),
    ("purpose", 5, "wrong-type", "purpose takes a text.", "Write a non-empty string."),
    ("dh:securityLevel", 5, "wrong-type", "dh:securityLevel takes a text.", "Write a non-empty string."),
    ("elapsedTime", 5, "wrong-type", "elapsedTime takes a text.", "Write a non-empty string."),
    ("elapsedTime", "P365001D", "too-large", "", ""),
    ("elapsedTime", "soon", "wrong-type", "“soon” is no duration.", "Write it like P30D or PT12H."),
    ("dateTime", "soon", "wrong-type", "“soon” is no date and time.", "Write it like 2027-01-01T00:00:00Z."),
    ("recipient", "a b", "wrong-type", "", "Write the participant's id, DID or legal identifier."),
    ("count", True, "wrong-type", "count takes a number.", NUMBER),
    ("count", "NaN", "wrong-type", "count takes a number.", NUMBER),
    ("count", None, "wrong-type", "count takes a number.", NUMBER),
    ("count", [1], "wrong-type", "count takes a number.", NUMBER),
    ("count", 2**63, "too-large", "The number does not fit 64 bits.", "Write a smaller or shorter number."),
    (
        "recipient",
        "?who",
        "unresolved-constant",
        "“?who” is still to be filled in.",
        "Write the value itself.",
    ),
]


@pytest.mark.parametrize(("name", "raw", "value"), TAKEN)
def test_a_constant_is_read_by_its_sort(name: str, raw: object, value: object) -> None:
    row = operand(name)
    assert row is not None
    assert read_value(row, raw) == value


@pytest.mark.parametrize(("name", "raw", "code", "message", "remedy"), REFUSED)
def test_a_constant_that_does_not_fit_is_refused_with_what_to_do(
    name: str, raw: object, code: str, message: str, remedy: str
) -> None:
    row = operand(name)
    assert row is not None
    with pytest.raises(NotAValueError) as refused:
        read_value(row, raw)
    assert refused.value.code == code
    assert message in ("", str(refused.value))
    assert remedy in ("", refused.value.remedy)


def test_the_fault_names_the_place_of_one_value_among_several() -> None:
    wrong = a_constraint("purpose", "isAnyOf", ["dpv:Marketing", 5, "dpv:AcademicResearch"])
    with pytest.raises(PolicyFaults) as refused:
        read_policy(a_document(wrong))
    assert [each.pointer for each in refused.value.faults] == ["/permission/0/constraint/0/rightOperand/1"]
