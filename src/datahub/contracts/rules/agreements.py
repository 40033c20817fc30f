"""When an agreement is in force, who may change that, and what the exchange signs. Pure.

Nothing here trusts the worker: the clock is asked at every read, so an agreement past its end is expired whether or
not anybody has written so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import ndiff
from enum import StrEnum
from typing import Any

import orjson

from datahub.contracts.errors import AgreementMoveNotAllowed, AgreementMoveNotPossible, InvalidMove
from datahub.contracts.models import Agreement, AgreementState, Party
from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants import ParticipantState, Role

A = AgreementState


class Standing(StrEnum):
    """Whether an agreement is in force at one instant, and if not, the first reason why not: a stable code."""

    IN_FORCE = "in-force"
    NOT_YET = "agreement-not-yet-valid"
    SUSPENDED = "agreement-suspended"
    ENDED = "agreement-ended"
    REVOKED = "agreement-revoked"
    EXPIRED = "agreement-expired"
    PROVIDER_INACTIVE = "provider-not-active"
    CONSUMER_INACTIVE = "consumer-not-active"
    UPSTREAM = "upstream-agreement-not-in-force"


class AgreementMove(StrEnum):
    """What somebody or the clock does to an agreement."""

    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"
    REVOKE = "revoke"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"


M = AgreementMove
# (state, move) → state. What is not here cannot be done.
AGREEMENT_MOVES: Mapping[tuple[A, M], A] = {
    (A.ACTIVE, M.SUSPEND): A.SUSPENDED,
    (A.SUSPENDED, M.RESUME): A.ACTIVE,
    (A.ACTIVE, M.END): A.ENDED,
    (A.SUSPENDED, M.END): A.ENDED,
    (A.ACTIVE, M.REVOKE): A.REVOKED,
    (A.SUSPENDED, M.REVOKE): A.REVOKED,
    (A.ACTIVE, M.EXPIRE): A.EXPIRED,
    (A.SUSPENDED, M.EXPIRE): A.EXPIRED,
    (A.ACTIVE, M.SUPERSEDE): A.ENDED,
    (A.SUSPENDED, M.SUPERSEDE): A.ENDED,
}


@dataclass(frozen=True)
class Makers:
    """Who may make a move: roles on the provider's side, on the consumer's, and at the exchange."""

    provider: frozenset[Role] = frozenset()
    consumer: frozenset[Role] = frozenset()
    exchange: frozenset[Role] = frozenset()


_GUARDS = frozenset({Role.APPROVER, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})
# Expiry is the clock's, superseding comes with the next agreement: nobody asks for those.
MAKERS: Mapping[M, Makers] = {
    M.SUSPEND: Makers(provider=_GUARDS, exchange=_ADMIN),
    M.RESUME: Makers(provider=_GUARDS, exchange=_ADMIN),
    M.END: Makers(provider=_GUARDS, consumer=_GUARDS | {Role.REQUESTER}),
    M.REVOKE: Makers(provider=_GUARDS),
}
NEEDS_REASON = frozenset({M.REVOKE, M.SUSPEND})
STOPS = frozenset({A.SUSPENDED, A.ENDED, A.REVOKED, A.EXPIRED})
_STANDING: Mapping[A, Standing] = {
    A.ACTIVE: Standing.IN_FORCE,
    A.SUSPENDED: Standing.SUSPENDED,
    A.ENDED: Standing.ENDED,
    A.REVOKED: Standing.REVOKED,
    A.EXPIRED: Standing.EXPIRED,
}


def state_at(agreement: Agreement, now: datetime) -> A:
    """Return the state an agreement is in now; the end of its validity is exclusive."""
    state = A(agreement.state)
    is_past = agreement.valid_until is not None and agreement.valid_until <= now
    return A.EXPIRED if is_past and state in (A.ACTIVE, A.SUSPENDED) else state


def is_in_force(agreement: Agreement, now: datetime) -> bool:
    """Tell whether an agreement itself is in force; `standing` also asks after the two organisations."""
    return state_at(agreement, now) is A.ACTIVE and agreement.valid_from <= now


def standing(agreement: Agreement, now: datetime, provider: str | None, consumer: str | None) -> Standing:
    """Return whether an agreement is in force, given the states of its two organisations, and if not why not."""
    own = _STANDING[state_at(agreement, now)]
    if own is not Standing.IN_FORCE:
        return own
    if agreement.valid_from > now:
        return Standing.NOT_YET
    if provider != ParticipantState.ADMITTED:
        return Standing.PROVIDER_INACTIVE
    if consumer != ParticipantState.ADMITTED:
        return Standing.CONSUMER_INACTIVE
    return Standing.IN_FORCE


def party_of(actor: Actor, agreement: Agreement) -> Party | None:
    """Tell which side of an agreement the actor belongs to, if any."""
    sides = {agreement.consumer_id: Party.CONSUMER, agreement.provider_id: Party.PROVIDER}
    return sides.get(actor.participant_id or "")


def may_see(actor: Actor, agreement: Agreement) -> bool:
    """Tell whether the actor may see an agreement: both sides may, and those who oversee the exchange."""
    return party_of(actor, agreement) is not None or actor.oversees(Role.ADMIN, Role.AUDITOR)


def decide_move(actor: Actor, agreement: Agreement, move: M, reason: str | None, now: datetime) -> A:
    """Return the state after a move.

    Raises AgreementMoveNotAllowed, AgreementMoveNotPossible, InvalidMove (a reason is missing), in this order.
    """
    _must_be_maker(actor, agreement, move)
    state = state_at(agreement, now)
    after = AGREEMENT_MOVES.get((state, move))
    if after is None:
        possible = [m for (s, m) in AGREEMENT_MOVES if s is state and m in MAKERS]
        raise AgreementMoveNotPossible(
            f"An agreement that is {state} allows no {move}.",
            remedy=f"Possible now: {', '.join(possible) or 'nothing'}.",
            state=state.value,
            possible=[*possible],
        )
    if move in NEEDS_REASON and not reason:
        detail = f"To {move} an agreement takes a reason; the other side reads it."
        raise InvalidMove(detail, faults=[Fault("/reason", f"{move} needs this", "missing")])
    return after


def _must_be_maker(actor: Actor, agreement: Agreement, move: M) -> None:
    makers = MAKERS.get(move, Makers())
    party = party_of(actor, agreement)
    own = {Party.PROVIDER: makers.provider, Party.CONSUMER: makers.consumer}
    is_side = party is not None and actor.has_role(*own[party])
    is_exchange = actor.oversees(*makers.exchange)
    if not is_side and not is_exchange:
        raise AgreementMoveNotAllowed(
            f"You may not {move} this agreement.",
            provider=sorted(makers.provider),
            consumer=sorted(makers.consumer),
            exchange=sorted(makers.exchange),
        )
    # What the exchange suspended, a party cannot lift.
    if move is M.RESUME and agreement.suspended_by_id not in (None, actor.participant_id) and not is_exchange:
        detail = "The exchange suspended this agreement, and only the exchange can lift that."
        raise AgreementMoveNotAllowed(detail)


def sha256_of(text: str) -> str:
    """Return the digest of a text in UTF-8, as `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def canonical(document: object) -> bytes:
    """Return JSON with sorted keys and no blanks: the bytes that are hashed and signed."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def statement(agreement: Agreement) -> dict[str, Any]:
    """Return what the exchange signs: who agreed to which policy on which dataset, and for how long."""
    return {
        "agreement": agreement.id,
        "request": agreement.request_id,
        "provider": agreement.provider_id,
        "consumer": agreement.consumer_id,
        "dataset": agreement.dataset_id,
        "offer": agreement.offer_id,
        "offerVersion": agreement.offer_version,
        "purpose": agreement.purpose,
        "policyHash": agreement.policy_hash,
        "textHash": {"nl": agreement.text_nl_hash, "en": agreement.text_en_hash},
        "validFrom": written(agreement.valid_from),
        "validUntil": written(agreement.valid_until) if agreement.valid_until else None,
        "supersedes": agreement.supersedes_id,
    }


@dataclass(frozen=True)
class Covenant:
    """What the words of an agreement need, beside its policy in words."""

    provider: str
    consumer: str
    dataset: Mapping[str, str]
    purpose: Mapping[str, str]
    valid_from: datetime
    valid_until: datetime | None
    policy_text: Mapping[str, str] = field(default_factory=dict)


_WORDS: Mapping[str, tuple[str, ...]] = {
    "nl": (
        "Aanbieder",
        "Afnemer",
        "Dataset",
        "Doel",
        "Geldig vanaf",
        "Geldig tot",
        "onbepaalde tijd",
        "niet genoemd",
    ),
    "en": (
        "Provider",
        "Consumer",
        "Dataset",
        "Purpose",
        "Valid from",
        "Valid until",
        "further notice",
        "not stated",
    ),
}


def words_of(covenant: Covenant, language: str) -> str:
    """Return an agreement in plain language: who, what, why, how long, and then the policy's own words."""
    provider, consumer, dataset, purpose, since, until, endless, unstated = _WORDS[language]
    end = written(covenant.valid_until) if covenant.valid_until else endless
    lines = (
        f"{provider}: {covenant.provider}",
        f"{consumer}: {covenant.consumer}",
        f"{dataset}: {covenant.dataset.get(language) or next(iter(covenant.dataset.values()), '')}",
        f"{purpose}: {covenant.purpose.get(language) or unstated}",
        f"{since}: {written(covenant.valid_from)}",
        f"{until}: {end}",
    )
    return "\n".join(lines) + "\n\n" + covenant.policy_text[language].strip() + "\n"


def changes_between(old: Agreement, new: Agreement) -> list[dict[str, Any]]:
    """Return what differs between an agreement and the one it replaces; lines of text by language."""
    terms: Sequence[tuple[str, Any, Any]] = (
        ("purpose", old.purpose, new.purpose),
        ("validUntil", _instant(old.valid_until), _instant(new.valid_until)),
        ("policyHash", old.policy_hash, new.policy_hash),
        ("offerVersion", f"{old.offer_id}/{old.offer_version}", f"{new.offer_id}/{new.offer_version}"),
    )
    differing: list[dict[str, Any]] = [{"term": t, "from": a, "to": b} for t, a, b in terms if a != b]
    for language, before, after in (("nl", old.text_nl, new.text_nl), ("en", old.text_en, new.text_en)):
        lines = list(ndiff(before.splitlines(), after.splitlines()))
        removed = [line[2:] for line in lines if line.startswith("- ")]
        added = [line[2:] for line in lines if line.startswith("+ ")]
        differing.append({"term": "text", "language": language, "removed": removed, "added": added})
    return differing


def written(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with `Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _instant(instant: datetime | None) -> str | None:
    return written(instant) if instant else None
