"""Token exchange (RFC 8693): a token for a narrower one, e.g. for one agreement, to be handed to one job.

Of nothing may there be more than before: scopes, details (RFC 9396), resources (RFC 8707), life, and a token that is bound
to a key stays bound to that key. A client exchanges its own tokens, and those of other clients of its organisation where
they are not bound to a key of theirs; then `act` tells who acts (§4.1). What ends the first token ends the second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import JsonValue
from datahub.oauth import access_tokens, rules
from datahub.oauth.client_authentication import ProvenClient
from datahub.oauth.errors import (
    InvalidAuthorizationDetails,
    InvalidDpopProof,
    InvalidRequest,
    InvalidTarget,
    JwtNotGood,
)
from datahub.oauth.forms import Form
from datahub.oauth.resources import is_covered

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 — the name of a type
_TYPES = (ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt")
MAX_DEPTH = 4


@dataclass(frozen=True)
class Subject:
    """A token that was shown to be exchanged, good now, and what its holder may."""

    claims: Mapping[str, Any]
    actor: Actor

    @property
    def key_id(self) -> str | None:
        """Return the thumbprint of the key it is bound to."""
        found: str | None = self.claims.get("cnf", {}).get("jkt")
        return found

    @property
    def expires_at(self) -> datetime:
        """Return when it ends; what it is exchanged for never outlives it."""
        assert self.actor.token_expires_at is not None  # noqa: S101 — every token ends
        return self.actor.token_expires_at

    def more_claims(self, proven: ProvenClient) -> dict[str, Any]:
        """Return the claims that tell where a new token comes from, and who acts (RFC 8693 §4.1)."""
        earlier = [*self.claims.get("exchanged_from", ()), self.claims["jti"]]
        more: dict[str, Any] = {"sub": self.claims["sub"], "exchanged_from": earlier}
        acting = self.claims.get("act")
        if proven.client.id != self.claims["client_id"]:
            acting = {"sub": proven.client.id, **({"act": acting} if acting else {})}
        if not acting:
            return more
        return more | {
            "act": acting,
            "subject_epoch": self.claims.get("subject_epoch", self.claims["client_epoch"]),
        }


def read_subject(ctx: Context, proven: ProvenClient, form: Form, key_id: str | None) -> Subject:
    """Return the token to be exchanged, for a client that may. `key_id`: of the proof that came.

    Raises InvalidRequest (RFC 8693 §2.2.2 wants no other for a token that is not good), InvalidDpopProof.
    """
    who = proven.client.id
    unverified_token = form.require("subject_token")
    _check_types(form, who)
    try:
        claims = access_tokens.verify(ctx, unverified_token)
        actor = access_tokens.actor_behind(ctx, claims)
    except JwtNotGood as fault:
        raise _not_good(f"subject-{fault.check}", who) from fault
    subject = Subject(claims, actor)
    if actor.participant_id != proven.actor.participant_id:
        raise _not_good("subject-foreign", who)
    if subject.key_id is not None and key_id != subject.key_id:
        detail = "A token that is bound to a key is exchanged with a proof of that key."
        raise InvalidDpopProof(detail, check="subject-key", clientId=who)
    if len(claims.get("exchanged_from", ())) >= MAX_DEPTH:
        detail = f"A token is exchanged at most {MAX_DEPTH} times."
        raise InvalidRequest(detail, check="subject-depth", clientId=who)
    return subject


def narrow_audience(subject: Subject, asked: Sequence[str], base_url: str) -> tuple[str, ...]:
    """Return where the new token is good: where the first is, or less. Raises InvalidTarget."""
    held = subject.claims["aud"]
    mine = (held,) if isinstance(held, str) else tuple(held)
    if not asked:
        return mine
    if not all(is_covered(mine, base_url, each) for each in asked):
        raise InvalidTarget(
            "The token is not good there, and none that is exchanged for it.", check="subject-aud"
        )
    return tuple(asked)


def narrow_details(
    subject: Subject, granted: Sequence[Mapping[str, JsonValue]]
) -> Sequence[Mapping[str, JsonValue]]:
    """Return the details, each within one of the first token's, if that has any. Raises InvalidAuthorizationDetails."""
    held = subject.actor.authorization_details
    if held and not all(any(rules.is_within(each, one) for one in held) for each in granted):
        detail = "These details are more than the token's that is exchanged."
        raise InvalidAuthorizationDetails(detail, check="subject-details")
    return granted


def _check_types(form: Form, who: str) -> None:
    if form.require("subject_token_type") not in _TYPES:
        raise InvalidRequest(
            "Only access tokens of this exchange are taken.", check="subject-type", clientId=who
        )
    if form.get("requested_token_type") not in (None, *_TYPES):
        raise InvalidRequest("Only access tokens are given.", check="requested-type", clientId=who)
    if form.get("actor_token") is not None or form.get("actor_token_type") is not None:
        detail = "The client that proves itself is who acts; actor_token is not taken."
        raise InvalidRequest(detail, check="actor-token", clientId=who)


def _not_good(check: str, who: str) -> InvalidRequest:
    return InvalidRequest(
        "The subject_token is not good, or not your organisation's.", check=check, clientId=who
    )
