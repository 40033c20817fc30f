"""Who a client is, as it proves itself at the token, introspection and revocation endpoints.

RFC 6749 §2.3.1 (secret), RFC 7523 §2.2 and §3 (signed assertion), FAPI 2.0 §5.3.2.1. An unknown client costs the same
work as a known one. Everything is verified first; an assertion is used up last, by `use_up_assertion`.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from datahub.kernel.context import Actor, Context
from datahub.oauth import jose, rules, store
from datahub.oauth.errors import InvalidClient, JwtNotGood, UnauthorizedClient
from datahub.oauth.forms import AssertionShown, Credential, SecretShown
from datahub.oauth.models import Client, ClientState, Profile
from datahub.participants import Participant, ParticipantState, Person

_FAILED = "Client authentication failed. The access log of the client's organisation tells why."
# A secret's last use is noted once a minute at most, so that busy clients do not queue for one row.
_NOTE_USE_EVERY = timedelta(minutes=1)
# Longer than any accepted assertion can live, clock skew included.
_KEEP_USED = timedelta(seconds=60)


@dataclass(frozen=True)
class ProvenClient:
    """A client that has proved who it is, with what it holds now, and the assertion still to be used up."""

    client: Client
    actor: Actor
    assertion: jose.VerifiedClaims | None


def digest_of(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate_client(ctx: Context, credential: Credential) -> ProvenClient:
    """Return the client behind a credential, for one that may act now; its assertion is not yet used up.

    Raises:
        InvalidClient: the client is unknown, disabled, or did not prove itself; `check` and facts say why.
        UnauthorizedClient: it did, but its organisation is not admitted, or its person no longer active.

    """
    claims: jose.VerifiedClaims | None = None
    if isinstance(credential, SecretShown):
        client, participant, person = _owner(ctx, credential.client_id)
        _check_secret(ctx, client, credential)
    else:
        client_id = _claimed(credential)
        client, participant, person = _owner(ctx, client_id)
        claims = _check_assertion(ctx, client, client_id, credential)
    if client is None or participant is None:
        raise _failed("unknown-client", None)
    if client.state != ClientState.ACTIVE:
        raise _failed("client-disabled", client)
    return ProvenClient(client, actor_of(client, participant, person, _not_authorised(client)), claims)


def use_up_assertion(ctx: Context, proven: ProvenClient) -> None:
    """Use the assertion up, as the last thing before the answer. Raises InvalidClient when it was used before."""
    if proven.assertion is None:
        return
    # Named with its client, so that no other client can use up its ids
    name = f"client_assertion\n{proven.client.id}\n{proven.assertion['jti']}"
    expires_at = datetime.fromtimestamp(int(proven.assertion["exp"]), UTC) + _KEEP_USED
    if not store.use_up(ctx.session, hashlib.sha256(name.encode()).hexdigest(), expires_at):
        raise _failed("assertion-replayed", proven.client)


def actor_of(
    client: Client, participant: Participant, person: Person | None, refuse: Callable[[str], Exception]
) -> Actor:
    """Return what a client is now, with all scopes of the roles it holds now; `refuse` makes the refusal to raise."""
    if participant.state != ParticipantState.ADMITTED:
        raise refuse("participant-not-admitted")
    if person is not None and not person.is_active:
        raise refuse("person-not-active")
    roles = rules.live_roles(client.roles, person.roles if person is not None else None)
    return Actor(
        client_id=client.id,
        participant_id=participant.id,
        person_id=client.person_id,
        roles=roles,
        scopes=rules.scopes_of(roles),
        is_exchange=participant.is_exchange,
    )


def _owner(ctx: Context, client_id: str) -> tuple[Client | None, Participant | None, Person | None]:
    row = store.client_with_owner(ctx.session, client_id)
    return (None, None, None) if row is None else (row[0], row[1], row[2])


def _check_secret(ctx: Context, client: Client | None, credential: SecretShown) -> None:
    digest = digest_of(credential.unverified_secret)
    found = None
    expired = False
    for secret in store.secrets_of(ctx.session, credential.client_id):
        if hmac.compare_digest(secret.digest, digest):
            expired = secret.expires_at is not None and secret.expires_at <= ctx.now
            found = None if expired else secret
    if client is None:
        raise _failed("unknown-client", None)
    if client.profile != Profile.BASIC:
        raise _failed("wrong-method", client)
    if found is None:
        raise _failed("secret-expired" if expired else "secret-wrong", client)
    if found.last_used_at is None or ctx.now - found.last_used_at >= _NOTE_USE_EVERY:
        found.last_used_at = ctx.now


def _claimed(credential: AssertionShown) -> str:
    claimed = jose.unverified_claims(credential.unverified_assertion).get("sub")
    if not isinstance(claimed, str):
        raise _failed("assertion-unreadable", None)
    if credential.client_id not in (None, claimed):
        raise _failed("client-id-differs", None)
    return claimed


def _check_assertion(
    ctx: Context, client: Client | None, client_id: str, credential: AssertionShown
) -> jose.VerifiedClaims:
    keys = jose.nobodys_keys() if client is None or client.jwks is None else jose.public_keys(client.jwks)
    try:
        claims = jose.verify_client_assertion(
            credential.unverified_assertion,
            keys,
            client_id=client_id,
            issuer=ctx.settings.base_url,
            now=ctx.now,
        )
    except JwtNotGood as fault:
        is_known = client is not None and client.profile == Profile.PRIVATE_KEY_JWT
        check = f"assertion-{fault.check}" if is_known else ("wrong-method" if client else "unknown-client")
        raise InvalidClient(
            _FAILED, check=check, clientId=client.id if client else None, **fault.facts
        ) from fault
    return claims


def _failed(check: str, client: Client | None) -> InvalidClient:
    return InvalidClient(_FAILED, check=check, clientId=client.id if client is not None else None)


def _not_authorised(client: Client) -> Callable[[str], Exception]:
    sentence = "The client's organisation, or the person it acts for, is not active in this exchange."
    return lambda check: UnauthorizedClient(sentence, check=check, clientId=client.id)
