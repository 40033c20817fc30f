"""Who sees what of the access log. Pure: no database, no clock."""

from collections.abc import Mapping
from typing import Any

from datahub.audit.models import OVERSEERS, Decision, Entry
from datahub.kernel.context import Actor

GROUPINGS = ("dataset", "provider", "consumer", "agreement", "purpose", "day")


def sees_all(actor: Actor) -> bool:
    """Tell whether the actor reviews the log for the whole exchange."""
    return actor.oversees(*OVERSEERS)


def may_see(actor: Actor, entry: Entry) -> bool:
    """Tell whether an entry concerns the actor's organisation: as provider, as consumer, or as who acted."""
    concerned = (entry.provider_id, entry.consumer_id, entry.actor_participant_id)
    return sees_all(actor) or (actor.participant_id is not None and actor.participant_id in concerned)


def may_see_person(actor: Actor, entry: Entry) -> bool:
    """Tell whether the actor may learn which person acted: of the own organisation only, unless they review all."""
    return sees_all(actor) or actor.participant_id == entry.actor_participant_id


def explanation_for(actor: Actor, decision: Decision) -> Mapping[str, Any] | None:
    """Return the explanation of a decision that the actor may read, or None when it is none of their business.

    The provider's own reading of its own data is explained as to a provider.
    """
    if sees_all(actor):
        return {
            "requester": decision.for_requester,
            "provider": decision.for_provider,
            "facts": decision.facts,
        }
    if actor.participant_id is None:
        return None
    if actor.participant_id == decision.provider_id:
        return {"provider": decision.for_provider}
    if actor.participant_id == decision.consumer_id:
        return {"requester": decision.for_requester}
    return None
