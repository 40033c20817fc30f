"""The ledger of duties: who owes what to whom, until when, what shows that it was done, and what follows if not.

ODRL 2.2 §2.6 (duties), DSP 2025-1 (agreements), GDPR art. 12, 15, 17, 19, 21. Duties come from the policies of agreements,
from people who say no, and from their rights. The clock moves them; both sides see them; what is overdue suspends.
"""

from datahub.duties.models import Duty, DutyState, Ground
from datahub.duties.service.agreements import owe_what_was_agreed, settle_what_is_over
from datahub.duties.service.ledger import duty_states
from datahub.duties.service.recall import Eyes

__all__ = [
    "Duty",
    "DutyState",
    "Eyes",
    "Ground",
    "duty_states",
    "owe_what_was_agreed",
    "settle_what_is_over",
]
