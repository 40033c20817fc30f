"""Other spellings of the same terms, as tables: IDS code lists, Catena-X samples, a slip in the DSP schema.

IDS-G policy classes; DSP 2025-1 `contract-schema.json` (`term-lteq`). Read, never written.
"""

from collections.abc import Mapping

from datahub.policy.model import Kind, Operator

TYPE_NAMES: Mapping[str, Kind] = {
    "Set": Kind.SET,
    "Policy": Kind.SET,
    "Offer": Kind.OFFER,
    "Agreement": Kind.AGREEMENT,
    "ids:ContractOffer": Kind.OFFER,
    "ids:ContractRequest": Kind.SET,
    "ids:ContractAgreement": Kind.AGREEMENT,
}

OPERATOR_NAMES: Mapping[str, Operator] = {
    **{each.value: each for each in Operator},
    "term-lteq": Operator.LTEQ,
    "anyOf": Operator.IS_ANY_OF,
    "idsc:EQ": Operator.EQ,
    "idsc:EQUALS": Operator.EQ,
    "idsc:SAME_AS": Operator.EQ,
    "idsc:DEFINES_AS": Operator.EQ,
    "idsc:NEQ": Operator.NEQ,
    "idsc:GT": Operator.GT,
    "idsc:GTEQ": Operator.GTEQ,
    "idsc:LT": Operator.LT,
    "idsc:LTEQ": Operator.LTEQ,
    "idsc:BEFORE": Operator.LT,
    "idsc:AFTER": Operator.GT,
    "idsc:SHORTER": Operator.LT,
    "idsc:SHORTER_EQ": Operator.LTEQ,
    "idsc:LONGER": Operator.GT,
    "idsc:LONGER_EQ": Operator.GTEQ,
    "idsc:IN": Operator.IS_ANY_OF,
    "idsc:PART_OF": Operator.IS_PART_OF,
}

PROPERTY_NAMES: Mapping[str, str] = {
    "@value": "value",
    "rdf:value": "value",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#value": "value",
    "http://w3id.org/drk/ontology/anchor": "dh:anchor",
    "ids:provider": "assigner",
    "ids:consumer": "assignee",
    "ids:informedParty": "informedParty",
    **{
        f"ids:{name}": name
        for name in [
            "permission",
            "prohibition",
            "obligation",
            "target",
            "assigner",
            "assignee",
            "action",
            "constraint",
            "refinement",
            "preDuty",
            "postDuty",
            "leftOperand",
            "operator",
            "rightOperand",
            "unit",
            "and",
            "or",
            "xone",
        ]
    },
}

BESIDE_PAYMENT: Mapping[str, str] = {"ids:contract": "dh:contractType", "ids:frequency": "dh:frequency"}
"""What IDS says beside a payment, and the operands that say it here."""

ANNOTATIONS = (
    "dc:",
    "dct:",
    "dcterms:",
    "rdfs:",
    "skos:",
    "schema:",
    "http://purl.org/dc/",
    "http://www.w3.org/2000/01/rdf-schema#",
)
"""Members under these say something about the policy, and nothing about what it permits."""

ENDS = frozenset(
    {
        "cx:DataUsageEndDate",
        "cx:DataProvisioningEndDate",
        "cx:DataUsageEndDurationDays",
        "cx:DataProvisioningEndDurationDays",
    }
)
"""Catena-X says “eq” where it means “until”: equal to the last moment, or to the last day, of a period."""
IN_DAYS = frozenset({"cx:DataUsageEndDurationDays", "cx:DataProvisioningEndDurationDays"})
"""Durations that Catena-X writes as a bare number of days."""
IMPLIED: Mapping[str, str] = {"https://w3id.org/catenax/": "cx:"}
"""Contexts by address whose terms stand in a document without a prefix."""
IGNORED = frozenset(
    {"@context", "title", "description", "name", "comment", "ids:pipEndpoint", "ids:pxpEndpoint"}
)
"""Members without weight in a decision: labels, and where an IDS connector finds its decision points."""
