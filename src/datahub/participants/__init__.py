"""Organisations of the exchange, their legal identifiers, and their people with roles.

An organisation applies, is admitted, may be suspended, leaves; its state is asked at every call.
"""

from datahub.participants.models import LegalIdentifier, Participant, ParticipantState, Person, Role, Scheme
from datahub.participants.rules import may_change
from datahub.participants.service import (
    Application,
    add_person,
    found_exchange,
    get_participant,
    get_person,
    identifiers_of,
    note_delivery,
    signed_headers,
    tell,
    webhook_message,
)
from datahub.participants.store import participant_by_id, the_exchange

__all__ = [
    "Application",
    "LegalIdentifier",
    "Participant",
    "ParticipantState",
    "Person",
    "Role",
    "Scheme",
    "add_person",
    "found_exchange",
    "get_participant",
    "get_person",
    "identifiers_of",
    "may_change",
    "note_delivery",
    "participant_by_id",
    "signed_headers",
    "tell",
    "the_exchange",
    "webhook_message",
]
