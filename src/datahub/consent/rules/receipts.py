"""A consent as a record and receipt: ISO/IEC TS 27560:2023 as JSON, and in DPV's terms as JSON-LD. Pure.

W3C DPVCG guide "Consent Records and Receipts" (DPV-27560): profiles `record-eu-gdpr` and `receipt-eu-gdpr`. The person
is named by the record's own id only: a receipt may be shown around without telling whose key it is about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datahub.consent.models import Basis, Collector, ConsentState
from datahub.consent.rules.lives import Entry

SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#"
CONTEXT: Mapping[str, Any] = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dct:conformsTo": {"@type": "@id"},
    "dpv:isIndicatedAtTime": {"@type": "xsd:dateTime"},
    **{
        f"dpv:{name}": {"@type": "@id"}
        for name in (
            "hasApplicableLaw", "hasAuthority", "hasConsentControl", "hasDataController", "hasDataSubject",
            "hasJurisdiction", "hasLegalBasis", "hasLocation", "hasPurpose", "hasRecipient", "hasRight",
            "isIndicatedBy",
        )
    },
}  # fmt: skip
# state → DPV consent status
STATUS: Mapping[str, str] = {
    ConsentState.REQUESTED: "dpv:ConsentRequested",
    ConsentState.GIVEN: "dpv:ConsentGiven",
    ConsentState.RENEWED: "dpv:RenewedConsentGiven",
    ConsentState.WITHDRAWN: "dpv:ConsentWithdrawn",
    ConsentState.REFUSED: "dpv:ConsentRefused",
    ConsentState.EXPIRED: "dpv:ConsentExpired",
    ConsentState.INVALIDATED: "dpv:ConsentInvalidated",
}
# basis → DPV legal basis, and the article it stands in
BASES: Mapping[str, tuple[str, str]] = {
    Basis.CONSENT: ("dpv:ExpressedConsent", "eu-gdpr:A6-1-a"),
    Basis.CONTRACT: ("dpv:ContractPerformance", "eu-gdpr:A6-1-b"),
    Basis.LEGAL_OBLIGATION: ("dpv:LegalObligation", "eu-gdpr:A6-1-c"),
    Basis.VITAL_INTEREST: ("dpv:VitalInterest", "eu-gdpr:A6-1-d"),
    Basis.PUBLIC_TASK: ("dpv:PublicInterest", "eu-gdpr:A6-1-e"),
    Basis.LEGITIMATE_INTEREST: ("dpv:LegitimateInterest", "eu-gdpr:A6-1-f"),
}
EXPLICIT = ("dpv:ExplicitlyExpressedConsent", "eu-gdpr:A9-2-a")
SENSITIVITY: Mapping[str, str] = {
    "personal": "dpv:PersonalData",
    "sensitive": "dpv:SensitivePersonalData",
    "special-category": "dpv:SpecialCategoryPersonalData",
}
# Right to withdraw, to access, to erasure, to object.
RIGHTS = ("eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A17", "eu-gdpr:A21")
AUTHORITY = {"id": "https://autoriteitpersoonsgegevens.nl/", "name": "Autoriteit Persoonsgegevens"}
_INDICATED_BY: Mapping[str, str] = {
    Collector.PERSON: "dpv:DataSubject",
    Collector.GUARDIAN: "dpv:GuardianOfDataSubject",
    Collector.PUBLISHER: "dpv:DataSubject",
}


@dataclass(frozen=True)
class Party:
    """An organisation, as a receipt names it."""

    id: str
    name: str
    address: str
    contact: str
    url: str | None
    role: str


@dataclass(frozen=True)
class EventFacts:
    """One event, as a receipt tells it; instants as RFC 3339."""

    number: int
    move: str
    state: str
    at: str
    recorded_at: str
    until: str | None
    is_explicit: bool
    rule_number: int
    language: str
    collector: str
    channel: str
    evidence: str | None
    relation: str | None
    digest: str


@dataclass(frozen=True)
class Facts:
    """Everything a receipt is made of. `columns` are {name, sensitivity}; `about`: the dataset's address and title."""

    record_id: str
    base_url: str
    dataset_url: str
    dataset_title: str
    rule_number: int
    rule_hash: str
    notice: Mapping[str, str]
    notice_hash: str
    entry: Entry
    handling: Mapping[str, Any]
    columns: Sequence[Mapping[str, Any]]
    controller: Party
    recipients: Sequence[Party]
    events: Sequence[EventFacts]

    @property
    def notice_url(self) -> str:
        """Return where the notice can be read."""
        return f"{self.dataset_url}/consent-rules/{self.rule_number}"

    @property
    def withdrawal(self) -> str:
        """Return where the person withdraws: the same call that a consent is given by."""
        return f"{self.base_url}/v1/me/consents"

    @property
    def basis(self) -> tuple[str, str]:
        """Return the legal basis in DPV and in the GDPR."""
        return EXPLICIT if self.entry.is_explicit else BASES[self.entry.basis]


def as_json(facts: Facts) -> dict[str, Any]:
    """Return the receipt with the field names of ISO/IEC TS 27560:2023 §6.3 and §6.4."""
    processing = {
        "privacy_notice": facts.notice_url,
        "language": facts.events[-1].language,
        "purposes": [
            {
                "purpose": facts.entry.purpose,
                "purpose_type": facts.entry.purpose,
                "lawful_basis": facts.basis[0],
                "lawful_basis_article": facts.basis[1],
                "pii_information": [
                    {
                        "pii_type": each["name"],
                        "pii_attribute_id": each["name"],
                        "pii_optional": False,
                        "sensitive_pii_category": each["sensitivity"] in ("sensitive", "special-category"),
                        "special_pii_category": each["sensitivity"] == "special-category",
                    }
                    for each in facts.columns
                ],
                "pii_controllers": [facts.controller.id],
                "collection_method": facts.events[-1].channel,
                "processing_method": "dpv:MakeAvailable",
                "storage_locations": list(facts.handling["storageLocations"]),
                "retention_period": facts.handling["retention"],
                "processing_locations": list(facts.handling["storageLocations"]),
                "geographic_restrictions": [facts.handling["jurisdiction"]],
                "services": facts.dataset_title,
                "jurisdiction": facts.handling["jurisdiction"],
                "recipient_third_parties": [each.id for each in facts.recipients],
                "withdrawal_method": facts.withdrawal,
                "privacy_rights": list(RIGHTS),
                "authority_party": AUTHORITY["id"],
            }
        ],
    }
    return {
        "schema_version": f"{SCHEMA}receipt-eu-gdpr",
        "receipt_id": f"{facts.record_id}.{facts.events[-1].number}",
        "consent_record": {
            "schema_version": f"{SCHEMA}record-eu-gdpr",
            "record_id": facts.record_id,
            "pii_principal_id": f"urn:uuid:{facts.record_id}",
            "rule_hash": facts.rule_hash,
            "notice_text": dict(facts.notice),
            "notice_hash": facts.notice_hash,
            "pii_processing": processing,
            "party_identification": [_party(each) for each in (facts.controller, *facts.recipients)],
            "consent_events": [_event(each) for each in facts.events],
        },
    }


def _party(party: Party) -> dict[str, Any]:
    return {
        "party_id": party.id,
        "party_name": party.name,
        "party_address": party.address,
        "party_contact": party.contact,
        "party_url": party.url,
        "party_role": party.role,
        "party_type": party.role,
    }


def _event(event: EventFacts) -> dict[str, Any]:
    return {
        "event_number": event.number,
        "event_time": event.at,
        "recorded_time": event.recorded_at,
        "validity_duration": event.until,
        "entity_id": _INDICATED_BY.get(event.collector, "dpv:DataController"),
        "event_type": EXPLICIT[0] if event.is_explicit else "dpv:ExpressedConsent",
        "event_state": STATUS[event.state],
        "move": event.move,
        "collector": event.collector,
        "channel": event.channel,
        "evidence": event.evidence,
        "guardian_relation": event.relation,
        "notice_version": event.rule_number,
        "digest": event.digest,
    }


def as_linked(facts: Facts) -> dict[str, Any]:
    """Return the receipt in DPV's terms, as JSON-LD."""
    record_url = f"{facts.base_url}/v1/consents/{facts.record_id}"
    number = facts.events[-1].number
    controller = facts.controller.id
    process = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": facts.entry.purpose,
        "dpv:hasLegalBasis": list(facts.basis),
        "dpv:hasPersonalData": [
            {"@type": SENSITIVITY[each["sensitivity"]], "dct:identifier": each["name"], "dpv:hasNecessity": {"@id": "dpv:Required"}}
            for each in facts.columns
        ],
        "dpv:hasProcessing": {"@id": "dpv:MakeAvailable"},
        "dpv:hasStorageCondition": [
            {
                "@type": "dpv:StorageLocation",
                "dpv:hasLocation": [f"loc:{each}" for each in facts.handling["storageLocations"]],
            },
            {"@type": "dpv:StorageDuration", "dpv:hasDuration": facts.handling["retention"]},
        ],
        "dpv:hasDataController": controller,
        "dpv:hasRecipient": [each.id for each in facts.recipients],
        "dpv:hasJurisdiction": f"loc:{facts.handling['jurisdiction']}",
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasConsentControl": [
            {"@id": facts.withdrawal, "@type": "dpv:WithdrawConsent"},
        ],
        "dpv:hasRight": list(RIGHTS),
        "dpv:hasService": {"@id": facts.dataset_url, "dct:title": facts.dataset_title},
        "dpv:hasAuthority": AUTHORITY["id"],
    }  # fmt: skip
    record = {
        "@id": record_url,
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": f"{SCHEMA}record-eu-gdpr",
        "dct:identifier": facts.record_id,
        "dpv:hasIdentifier": facts.record_id,
        "dpv:hasDataSubject": {"@id": f"urn:uuid:{facts.record_id}", "@type": "dpv:DataSubject"},
        "dpv:hasNotice": {
            "@id": facts.notice_url,
            "@type": "dpv:ConsentNotice",
            "dct:language": sorted(facts.notice),
            "dct:identifier": facts.notice_hash,
        },
        "dpv:hasProcess": process,
        "dpv:hasEntity": [
            *(_linked_party(each) for each in (facts.controller, *facts.recipients)),
            {
                "@id": AUTHORITY["id"],
                "@type": "dpv:Authority",
                "dpv:hasName": AUTHORITY["name"],
                "dpv:hasIdentifier": AUTHORITY["id"],
            },
        ],
        "dpv:hasConsentStatus": [_linked_event(record_url, controller, each) for each in facts.events],
    }
    return {
        "@context": dict(CONTEXT),
        "@id": f"{record_url}/receipt#{number}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": f"{SCHEMA}receipt-eu-gdpr",
        "dct:identifier": f"{facts.record_id}.{number}",
        "dpv:hasIdentifier": f"{facts.record_id}.{number}",
        "dct:hasPart": record,
    }


def _linked_party(party: Party) -> dict[str, Any]:
    return {
        "@id": party.id,
        "@type": [party.role, "dpv:LegalEntity"],
        "dpv:hasIdentifier": party.id,
        "dpv:hasName": party.name,
        "dpv:hasAddress": party.address,
        "dpv:hasContact": party.contact,
        **({"schema:url": party.url} if party.url else {}),
    }


def _linked_event(record_url: str, controller: str, event: EventFacts) -> dict[str, Any]:
    duration = (
        {"@type": "dpv:UntilTimeDuration", "rdf:value": event.until}
        if event.until
        else {"@type": "dpv:UntilEventDuration", "rdf:value": "the next event"}
    )
    return {
        "@id": f"{record_url}#event-{event.number}",
        "@type": [
            STATUS[event.state],
            EXPLICIT[0] if event.is_explicit else "dpv:ExpressedConsent",
        ],
        "dpv:isIndicatedAtTime": event.at,
        "dpv:hasDuration": duration,
        "dpv:isIndicatedBy": _INDICATED_BY.get(event.collector, controller),
        "dpv:hasIndicationMethod": event.channel,
        "dct:identifier": event.digest,
    }
