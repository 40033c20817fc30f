"""Access requests, the negotiations they are, and the agreements they end in.

States and steps follow the contract negotiation of the Dataspace Protocol 2025-1. Doors above ask `standing_of` an
agreement at every read: nothing here is true because it was true a moment ago.
"""

from datahub.contracts.errors import AccessRequestNotFound, AgreementNotFound
from datahub.contracts.models import (
    AccessRequest,
    Agreement,
    AgreementState,
    NegotiationEvent,
    NegotiationMove,
    NegotiationState,
    Party,
)
from datahub.contracts.rules.agreements import AgreementMove, Standing, is_in_force
from datahub.contracts.rules.permission import facts_of, purpose_of, recipient_names, ways_to_permit
from datahub.contracts.service.agreements import (
    agreements_in_force,
    get_agreement,
    hold_agreement,
    linked,
    list_agreements,
    move_agreement,
    release_agreement,
)
from datahub.contracts.service.requests import (
    Wishes,
    comment_on,
    get_request,
    list_requests,
    move_request,
    request_access,
    steps_of,
)
from datahub.contracts.service.upstream import (
    check_upstream,
    close_what_was_shared_on,
    standing_of,
)
from datahub.contracts.store import Filters, agreement_by_id, agreement_of, holders_of, line_of

__all__ = [
    "AccessRequest",
    "AccessRequestNotFound",
    "Agreement",
    "AgreementMove",
    "AgreementNotFound",
    "AgreementState",
    "Filters",
    "NegotiationEvent",
    "NegotiationMove",
    "NegotiationState",
    "Party",
    "Standing",
    "Wishes",
    "agreement_by_id",
    "agreement_of",
    "agreements_in_force",
    "check_upstream",
    "close_what_was_shared_on",
    "comment_on",
    "facts_of",
    "get_agreement",
    "get_request",
    "hold_agreement",
    "holders_of",
    "is_in_force",
    "line_of",
    "linked",
    "list_agreements",
    "list_requests",
    "move_agreement",
    "move_request",
    "purpose_of",
    "recipient_names",
    "release_agreement",
    "request_access",
    "standing_of",
    "steps_of",
    "ways_to_permit",
]
