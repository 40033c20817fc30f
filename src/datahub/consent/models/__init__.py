"""Tables of consent, one module per concept; importing the package knows them all."""

from datahub.consent.models.disclosures import (
    DisclosedBlock,
    DisclosedPerson,
    Disclosure,
    DisclosureReserved,
    ReservedPeople,
)
from datahub.consent.models.imports import ConsentImport, ConsentImportFault, ImportForm, ImportState
from datahub.consent.models.links import ConsentLink
from datahub.consent.models.records import (
    Channel,
    Collector,
    ConsentDetail,
    ConsentEvent,
    ConsentRecord,
    ConsentState,
    ConsentTopic,
    Move,
)
from datahub.consent.models.rules import Basis, Choice, ConsentRule, Nobody, Several

APPEND_ONLY = (ConsentEvent.__tablename__, ConsentRule.__tablename__)

__all__ = [
    "APPEND_ONLY",
    "Basis",
    "Channel",
    "Choice",
    "Collector",
    "ConsentDetail",
    "ConsentEvent",
    "ConsentImport",
    "ConsentImportFault",
    "ConsentLink",
    "ConsentRecord",
    "ConsentRule",
    "ConsentState",
    "ConsentTopic",
    "DisclosedBlock",
    "DisclosedPerson",
    "Disclosure",
    "DisclosureReserved",
    "ImportForm",
    "ImportState",
    "Move",
    "Nobody",
    "ReservedPeople",
    "Several",
]
