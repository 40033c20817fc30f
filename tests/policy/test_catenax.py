"""Terms of the Catena-X ODRL profile: each is placed with an honest label, read as it is meant, or refused."""

from typing import Any

import pytest

from datahub.policy import Facts, PolicyFaults, decide, labels, read_policy, to_jsonld
from tests.policy.build import NOW

CX = "https://w3id.org/catenax/2025/9/policy/"
ENFORCED = {
    "BusinessPartnerNumber": ("BPNL00000003CRHK", "recipient"),
    "BusinessPartnerGroup": ("gold", "dh:group"),
    "Membership": ("active", "dh:membership"),
    "DataUsageEndDate": ("2027-01-01T00:00:00Z", "dateTime"),
    "DataProvisioningEndDate": ("2027-01-01T00:00:00Z", "dateTime"),
    "DataUsageEndDurationDays": ("30", "elapsedTime"),
    "DataProvisioningEndDurationDays": ("30", "elapsedTime"),
}
ATTESTED = {
    "FrameworkAgreement": ("DataExchangeGovernance:1.0", "dh:framework"),
    "ContractReference": ("contract-7", "dh:contract"),
    "UsagePurpose": ("cx.core.qualityNotifications:1", "dh:usagePurpose"),
}
LEGAL = [
    "AffiliatesBpnl",
    "AffiliatesRegion",
    "ConfidentialInformationMeasures",
    "ConfidentialInformationSharing",
    "ContractTermination",
    "DataFrequency",
    "DataProvisioningEndDuration",
    "DataUsageEndDefinition",
    "DataUsageEndDuration",
    "ExclusiveUsage",
    "JurisdictionLocation",
    "JurisdictionLocationReference",
    "Liability",
    "ManagedLegalEntity",
    "ManagedLegalEntityBpnl",
    "ManagedLegalEntityRegion",
    "ParticipantEnd",
    "Precedence",
    "UsageRestriction",
    "VersionChanges",
    "Warranty",
    "WarrantyDefinition",
    "WarrantyDuration",
    "WarrantyDurationMonths",
]
TERMS = [
    *((name, value, placed, "enforced") for name, (value, placed) in ENFORCED.items()),
    *((name, value, placed, "attested") for name, (value, placed) in ATTESTED.items()),
    *((name, "cx.some.value:1", f"cx:{name}", "legal") for name in LEGAL),
]


def usage(*constraints: Any, context: Any = (CX + "odrl.jsonld", CX + "context.jsonld"), **more: Any) -> Any:
    rule = {"action": "use", "constraint": [{"and": list(constraints)}]}
    return {"@context": list(context), "@type": "Set", "@id": "urn:cx", "permission": [rule]} | more


def term(left: str, value: Any, operator: str = "eq") -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": value}


@pytest.mark.parametrize(("name", "value", "placed", "label"), TERMS, ids=[row[0] for row in TERMS])
@pytest.mark.parametrize("prefix", ["", CX, "cx-policy:", "https://w3id.org/catenax/policy/"])
def test_every_left_operand_has_its_place_and_its_label(
    name: str, value: str, placed: str, label: str, prefix: str
) -> None:
    policy = read_policy(usage(term(prefix + name, value)))
    assert labels(policy)[placed] == label
    assert read_policy(to_jsonld(policy)) == policy
    assert not decide(policy, Facts(action="use")).permit
    if label == "legal":
        assert decide(policy, Facts(action="use", agreed=True)).permit


def test_names_without_a_prefix_need_the_profile_s_own_context() -> None:
    with pytest.raises(PolicyFaults) as refused:
        read_policy(usage(term("FrameworkAgreement", "x:1"), context=()))
    assert [each.code for each in refused.value.faults] == ["unknown-left-operand"]


def test_a_term_that_nobody_knows_is_refused_with_its_place() -> None:
    with pytest.raises(PolicyFaults) as refused:
        read_policy(usage(term("Membership", "active"), term("MoonPhase", "full")))
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == (
        "/permission/0/constraint/0/and/1/leftOperand",
        "unknown-left-operand",
    )
    unknown = usage(term("Membership", "active"))
    unknown["permission"][0]["action"] = "ponder"
    with pytest.raises(PolicyFaults, match="ponder"):
        read_policy(unknown)


def test_until_is_written_as_equal_and_read_as_until() -> None:
    until = read_policy(usage(term("DataUsageEndDate", "2027-01-01T00:00:00Z")))
    assert decide(until, Facts(now=NOW)).permit
    assert not decide(until, Facts(now=NOW.replace(year=2028))).permit
    days = read_policy(usage(term("DataUsageEndDurationDays", {"@value": "30"})))
    assert decide(days, Facts(now=NOW, agreed_at=NOW)).permit
    assert not decide(days, Facts(now=NOW, agreed_at=NOW.replace(year=2025))).permit
    with pytest.raises(PolicyFaults, match="no duration"):
        read_policy(usage(term("DataUsageEndDurationDays", "a while")))


def test_an_access_policy_reads_with_bare_names_and_permits_members_only() -> None:
    policy = read_policy(
        {
            "@context": [CX + "context.jsonld"],
            "@type": "Set",
            "@id": "urn:access",
            "permission": [
                {
                    "action": "access",
                    "constraint": [
                        {
                            "and": [
                                term("Membership", "active"),
                                term("BusinessPartnerNumber", ["BPNL012345678910"]),
                            ]
                        }
                    ],
                }
            ],
        }
    )
    member = Facts(action="dh:access", membership=True, recipient="BPNL012345678910")
    assert decide(policy, member).permit
    assert decide(policy, Facts(action="dh:access", membership=True, recipient="BPNL0")).code == (
        "recipient-not-met"
    )
    assert not decide(policy, Facts(action="use", membership=True, recipient="BPNL012345678910")).permit


def test_a_prohibition_that_only_lawyers_can_judge_stops_everything_rather_than_nothing() -> None:
    restricted = usage(term("Membership", "active"))
    forbidden = {"action": "use", "constraint": [term("UsageRestriction", "cx.some.restriction:1")]}
    policy = read_policy(restricted | {"prohibition": [forbidden]})
    assert labels(policy)["cx:UsageRestriction"] == "legal"
    assert not decide(policy, Facts(membership=True, agreed=True)).permit
