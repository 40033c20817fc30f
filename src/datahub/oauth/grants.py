"""The token endpoint's grants: an access token for a client that acts for itself, and a narrower one for a token.

RFC 6749 §4.4 (client credentials), §3.3 (scope), §5 (answers); RFC 8693 (exchange), RFC 9396 (authorization details),
RFC 8707 (resources), RFC 9449 §5 (tokens bound to a key), RFC 9126 (pushed requests).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from datahub.audit import About, Outcome, record
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import JsonValue
from datahub.kernel.settings import Settings
from datahub.oauth import access_tokens, dpop, exchange, keys, pushed, resources, rules
from datahub.oauth.access_tokens import IssuedToken
from datahub.oauth.client_authentication import ProvenClient, authenticate_client, use_up
from datahub.oauth.errors import (
    InvalidAuthorizationDetails,
    InvalidDpopProof,
    InvalidRequest,
    JwtNotGood,
    UnsupportedGrantType,
    UseDpopNonce,
)
from datahub.oauth.forms import Form
from datahub.oauth.pushed import Wish

GrantCheck = Callable[[Context, str, Mapping[str, JsonValue]], Mapping[str, JsonValue]]
"""(context, participant id, one detail) → the detail as it is granted, or raises InvalidAuthorizationDetails."""


@dataclass(frozen=True, slots=True)
class GrantByHeart:
    """A detail as granted, good again while no authority has moved (ADR 15) and `holds` at the instant."""

    granted: Mapping[str, JsonValue]
    holds: Callable[[datetime], bool]


GrantLearner = Callable[[Context, str, Mapping[str, JsonValue]], GrantByHeart | None]
"""Does as the check of grants; None: this one has to be checked each time."""
DetailCheck = Callable[[Actor, Mapping[str, JsonValue]], Mapping[str, JsonValue]]
"""(actor, one detail) → the detail as it is granted to the actor's organisation; raises InvalidAuthorizationDetails."""

ACTION = "oauth.token"
GRANT_TYPE = "client_credentials"
GRANT_TYPES = (GRANT_TYPE, exchange.GRANT_TYPE)
_DETAILS_SCOPE = "data:read"
# A token has to fit the header limits of servers and proxies.
MAX_TOKEN_LENGTH = 6144


@dataclass(frozen=True)
class World:
    """What the grant asks of the rest of the exchange: whether details are covered, and whether an address exists."""

    check_grant: GrantCheck | None
    is_address: Callable[[str], bool]


def grant_token(ctx: Context, form: Form, world: World) -> IssuedToken:
    """Return an access token for the client that proved itself; recorded with what it carries.

    Verifies everything first and uses up the client's assertion and proof last, so that a refused request can be
    repaired, or answer the challenge for a nonce, and be sent again. Raises OAuthRefusal, NoSigningKey.
    """
    proven = authenticate_client(ctx, form.credential)
    grant = _GRANTS.get(form.require("grant_type"))
    if grant is None:
        raise UnsupportedGrantType(f"Only {GRANT_TYPE} is given here.", clientId=proven.client.id)
    proof = proof_of(ctx.settings, ctx.now, proven, form)
    ctx, issued = grant(ctx, proven, form, world, proof.key_id if proof is not None else None)
    if len(issued.token) > MAX_TOKEN_LENGTH:
        raise InvalidAuthorizationDetails(
            "These are more details than one token can carry.", check="details-size"
        )
    use_up(ctx, proven, proof.use if proof is not None else None)
    record(ctx, ACTION, about(proven, issued), outcome=Outcome.PERMIT)
    return issued


def _for_itself(
    ctx: Context, proven: ProvenClient, form: Form, world: World, key_id: str | None
) -> tuple[Context, IssuedToken]:
    is_pushed = form.get("request_uri") is not None
    wish = pushed.take(ctx, proven, form, key_id) if is_pushed else pushed.wish_of(form)
    bundle = decide(ctx.settings, proven, wish, world.is_address, _check(ctx, world))
    signer = keys.signer_at(keys.signers(ctx), ctx.now)
    return replace(ctx, actor=bundle.actor), bundle.issue(ctx.settings, signer, ctx.now, proven, key_id)


def _for_a_token(
    ctx: Context, proven: ProvenClient, form: Form, world: World, key_id: str | None
) -> tuple[Context, IssuedToken]:
    subject = exchange.read_subject(ctx, proven, form, key_id)
    wish = pushed.wish_of(form)
    audience = form.get("audience")
    asked = (*wish.resources, *([audience] if audience else ()))
    named = resources.read_resources(asked, ctx.settings.base_url, world.is_address) if asked else ()
    audiences = exchange.narrow_audience(subject, named, ctx.settings.base_url)
    held = subject.actor.scopes & proven.actor.scopes
    scopes = rules.narrow_scopes(held, wish.scope)
    ctx = replace(ctx, actor=replace(proven.actor, scopes=scopes))
    before = subject.actor.authorization_details
    wanted = wish.authorization_details or (orjson.dumps(before).decode() if before else None)
    granted = _granted(ctx.actor, wanted, _check(ctx, world))
    details = exchange.narrow_details(subject, granted)
    return ctx, access_tokens.issue(
        ctx.settings,
        keys.signer_at(keys.signers(ctx), ctx.now),
        proven,
        scopes,
        details,
        now=ctx.now,
        audiences=audiences,
        key_id=key_id,
        not_after=subject.expires_at,
        more_claims=subject.more_claims(proven),
    )


_GRANTS = {GRANT_TYPE: _for_itself, exchange.GRANT_TYPE: _for_a_token}


def answer_of(issued: IssuedToken) -> dict[str, Any]:
    """Return what the client is told of its token (RFC 6749 §5.1, RFC 8693 §2.2.1, RFC 9396 §7)."""
    details = [dict(detail) for detail in issued.details]
    return {
        "access_token": issued.token,
        "token_type": issued.token_type,
        "expires_in": issued.lifetime_s,
        "scope": " ".join(sorted(issued.scopes)),
        **({"issued_token_type": exchange.ACCESS_TOKEN} if issued.exchanged_from else {}),
        **({"authorization_details": details} if details else {}),
    }


def push_request(ctx: Context, form: Form, world: World) -> Mapping[str, Any]:
    """Keep a token request for later and return its name; refused now if it would be refused now (RFC 9126 §2).

    Raises OAuthRefusal.
    """
    proven = authenticate_client(ctx, form.credential)
    pushed.refuse_unpushable(form)
    proof = proof_of(ctx.settings, ctx.now, proven, form, is_needed=False)
    wish = pushed.wish_of(form)
    ctx = replace(ctx, actor=decide(ctx.settings, proven, wish, world.is_address, _check(ctx, world)).actor)
    use_up(ctx, proven, proof.use if proof is not None else None)
    return pushed.keep(ctx, proven, wish, proof.key_id if proof is not None else None)


def proof_of(
    settings: Settings, now: datetime, proven: ProvenClient, form: Form, *, is_needed: bool = True
) -> dpop.Proof | None:
    """Return the proof that came with the form; None when none came and none is needed.

    Raises InvalidDpopProof, UseDpopNonce.
    """
    if not form.proofs and not (proven.is_bound and is_needed):
        return None
    try:
        return dpop.check_proof(settings, form.proofs, method="POST", path=form.path, now=now)
    except JwtNotGood as fault:
        who = proven.client.id
        if fault.check == "nonce":
            detail = "Send the same again with the nonce of the DPoP-Nonce header in the proof."
            raise UseDpopNonce(detail, check="proof-nonce", clientId=who) from fault
        detail = f"The DPoP proof is not good: {fault.check}."
        raise InvalidDpopProof(detail, check=f"proof-{fault.check}", clientId=who, **fault.facts) from fault


class Bundle(NamedTuple):
    """What a token will carry: scopes (in the actor), details and resources."""

    actor: Actor
    details: Sequence[Mapping[str, JsonValue]]
    audiences: Sequence[str]

    def issue(
        self, settings: Settings, signer: keys.Signer, now: datetime, proven: ProvenClient, key_id: str | None
    ) -> IssuedToken:
        """Make the token."""
        return access_tokens.issue(
            settings,
            signer,
            proven,
            self.actor.scopes,
            self.details,
            now=now,
            audiences=self.audiences,
            key_id=key_id,
        )


def decide(
    settings: Settings,
    proven: ProvenClient,
    wish: Wish,
    is_address: Callable[[str], bool],
    check: DetailCheck | None,
) -> Bundle:
    """Return what a client gets of what it wishes; pure, but for what `check` does. Raises OAuthRefusal."""
    audiences = resources.read_resources(wish.resources, settings.base_url, is_address)
    actor = replace(proven.actor, scopes=rules.narrow_scopes(proven.actor.scopes, wish.scope))
    return Bundle(actor, _granted(actor, wish.authorization_details, check), audiences)


def _granted(actor: Actor, asked: str | None, check: DetailCheck | None) -> Sequence[Mapping[str, JsonValue]]:
    if asked is None:
        return ()
    try:
        found = orjson.loads(asked)
    except ValueError as fault:
        raise InvalidRequest("authorization_details is not JSON.", check="details-json") from fault
    details = rules.read_details(found)
    if _DETAILS_SCOPE not in actor.scopes:
        raise InvalidAuthorizationDetails(f"They need the scope {_DETAILS_SCOPE}.", check="details-scope")
    if check is None:
        raise InvalidAuthorizationDetails("No agreement covers them.", check="details-not-granted")
    return [check(actor, detail) for detail in details]


def _check(ctx: Context, world: World) -> DetailCheck | None:
    """Return the check of details in the transaction at hand."""
    check_grant = world.check_grant
    if check_grant is None:
        return None
    return lambda actor, detail: check_grant(replace(ctx, actor=actor), actor.participant_id or "", detail)


def about(proven: ProvenClient, issued: IssuedToken) -> About:
    """Return what the log is to tell about a token."""
    only = issued.details[0] if len(issued.details) == 1 else {}
    return About(
        thing_id=proven.client.id,
        consumer_id=proven.client.participant_id,
        agreement_id=_text(only.get("agreement")),
        purpose=_text(only.get("purpose")),
        details={
            "tokenId": issued.token_id,
            "scope": " ".join(sorted(issued.scopes)),
            "lifetimeS": issued.lifetime_s,
            "keyId": issued.key_id,
            **({"clockSkewS": proven.skew_s} if proven.skew_s is not None else {}),
            **({"exchangedFrom": issued.exchanged_from} if issued.exchanged_from else {}),
            "authorizationDetails": [dict(detail) for detail in issued.details],
        },
    )


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
