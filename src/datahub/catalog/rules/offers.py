"""What may happen to an offer, and who may see it. Pure: no database, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datahub.catalog.errors.offers import OfferMoveNotPossible, OfferNotYours
from datahub.catalog.models.datasets import DatasetState
from datahub.catalog.models.offers import Offer, OfferState
from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants import Role
from datahub.policy import Policy, canonical

S = OfferState
# (state, move) → state. A closed offer takes no new requests; agreements made under it go on.
OFFER_MOVES: Mapping[tuple[S, str], S] = {
    (S.DRAFT, "open"): S.OPEN,
    (S.DRAFT, "close"): S.CLOSED,
    (S.OPEN, "close"): S.CLOSED,
    (S.CLOSED, "reopen"): S.OPEN,
}
MOVES = tuple(dict.fromkeys(move for _, move in OFFER_MOVES))
_CHANGERS = (Role.PUBLISHER, Role.ADMIN)


@dataclass(frozen=True)
class OfferTerms:
    """What a publisher says an offer is: a template with parameters or a policy, and how requests are handled.

    `automatic`: ODRL constraints; a request for which all hold needs no person. None: a person decides.
    `deadline_days`: how long the provider has to answer a request. `examples`: attempts, each with the answer it must
    get; None: those of the version before.
    """

    title: Mapping[str, str]
    template: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    questions: Sequence[Mapping[str, Any]] = ()
    automatic: Sequence[Mapping[str, Any]] | None = None
    deadline_days: int = 14
    examples: Sequence[Mapping[str, Any]] | None = None


def may_see_offer(actor: Actor, offer: Offer) -> bool:
    """Tell whether the actor may see an offer: open ones are for everybody, others for their provider."""
    is_own = actor.participant_id == offer.provider_id
    return offer.state == S.OPEN or is_own or actor.oversees(Role.ADMIN, Role.AUDITOR)


def must_offer_for(actor: Actor, provider_id: str) -> None:
    """Let only publishers and administrators of the provider itself pass. Raises OfferNotYours."""
    if actor.participant_id != provider_id or not actor.has_role(*_CHANGERS):
        detail = "Only a publisher of the organisation that provides the dataset may do this."
        raise OfferNotYours(detail, roles=sorted(_CHANGERS))


def decide_offer_move(offer: Offer, dataset_state: str, move: str) -> OfferState:
    """Return the state after a move. Raises OfferMoveNotPossible."""
    state = S(offer.state)
    after = OFFER_MOVES.get((state, move))
    if after is None:
        possible = [m for (s, m) in OFFER_MOVES if s is state]
        raise OfferMoveNotPossible(
            f"An offer that is {state} allows no {move}.",
            remedy=f"Possible now: {', '.join(possible)}.",
            state=state.value,
            possible=[*possible],
        )
    if after is S.OPEN and dataset_state == DatasetState.WITHDRAWN:
        detail = "The dataset has been withdrawn; nobody can be given it any more."
        raise OfferMoveNotPossible(detail, state=state.value, possible=[])
    return after


def question_faults(questions: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return a fault for each question whose id was used before it."""
    ids = [question["id"] for question in questions]
    return [
        Fault(f"/questions/{at}/id", f"{each!r} is the id of an earlier question", "duplicate")
        for at, each in enumerate(ids)
        if each in ids[:at]
    ]


def automatic_policy(constraints: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return "automatic if all of these hold" as a policy, so that one engine decides it too."""
    rule: dict[str, Any] = {"action": "use"}
    parts = [dict(each) for each in constraints]
    return {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Set",
        "uid": "urn:datahub:automatic",
        "permission": [rule | ({"constraint": parts} if parts else {})],
    }


def is_analysable(policy: Policy) -> bool:
    """Tell whether a policy is small enough to be analysed while somebody waits: about a second, at most."""
    written = canonical(policy)
    is_short = len(written) <= MOST_BYTES_ANALYSED and written.count(b'"leftOperand"') <= MOST_TERMS_ANALYSED
    return is_short and len(policy.permissions) + len(policy.prohibitions) <= MOST_RULES_ANALYSED


MOST_BYTES_ANALYSED = 200_000
MOST_TERMS_ANALYSED = 800
MOST_RULES_ANALYSED = 50

AUTOMATIC_AT = "/permission/0/constraint"

_MAX_DEPTH = 48
_MAX_NUMBER = 1 << 63


def json_fault(value: object, depth: int = 0) -> str | None:
    """Return why a value cannot be kept and given again as JSON (RFC 7493: I-JSON), or None."""
    match value:
        case _ if depth > _MAX_DEPTH:
            return "is nested too deeply"
        case str():
            odd = any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) <= 0xDFFF for c in value)  # noqa: PLR2004
            return "holds control characters or unpaired surrogates" if odd else None
        case int() | float():
            return None if abs(value) < _MAX_NUMBER else "holds a number that is not finite or too large"
        case Mapping():
            parts: Iterable[object] = (*value.keys(), *value.values())
        case list():
            parts = value
        case _:
            return None
    return next((fault for part in parts if (fault := json_fault(part, depth + 1))), None)
