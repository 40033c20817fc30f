"""Which duties of a policy a party has to see to itself, so that somebody has to keep track of them.

ODRL 2.2 §2.6; deadlines are parameters of the exchange's profile. What the exchange does by itself (log, inform, mask)
and what holds by agreeing to it (legal text) is owed by nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from datahub.policy.model import Policy, Timing, duties_of
from datahub.policy.registry import Enforcement, actions

_KEPT = frozenset({Enforcement.TRACKED, Enforcement.ATTESTED})


@dataclass(frozen=True, slots=True)
class Owed:
    """One duty to be kept track of. `key`: as `Facts.duties` names it. `term` counts from when it has to be done.

    `evidence`: what settles it, as the policy or else the action says.
    """

    key: str
    action: str
    timing: Timing
    term: timedelta | None
    due_by: datetime | None
    evidence: str


@lru_cache(maxsize=1024)
def owed(policy: Policy) -> tuple[Owed, ...]:
    """Return the duties that the policy leaves to a party: tracked, attested, or standing in the way of any use."""
    found = []
    for key, duty in duties_of(policy):
        action = actions()[duty.action]
        if action.auto or not (action.label in _KEPT or duty.timing is Timing.PRE):
            continue
        terms = [value for value in duty.parameter("dh:deadline") if isinstance(value, timedelta)]
        ends = [value for value in duty.parameter("dh:dueBy") if isinstance(value, datetime)]
        stated = (str(value) for value in duty.parameter("dh:evidence"))
        found.append(
            Owed(
                key=key,
                action=duty.action,
                timing=duty.timing,
                term=min(terms, default=None),
                due_by=min(ends, default=None),
                evidence=next(stated, action.evidence),
            )
        )
    return tuple(found)


def action_words(name: str) -> Mapping[str, str]:
    """Return the verb phrase of an action by language; of one that has no place here, its name."""
    action = actions().get(name)
    return {"en": name, "nl": name} if action is None else {"en": action.en, "nl": action.nl}
