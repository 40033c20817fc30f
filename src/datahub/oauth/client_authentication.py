"""Who a client is, as it proves itself at the token, introspection and revocation endpoints.

RFC 6749 §2.3.1 (secret), RFC 7523 §2.2 and §3 (signed assertion), FAPI 2.0 §5.3.2.1. What is asked of a client stands in
its profile. An unknown client costs the same work as a known one. Everything is verified first; an assertion is used up
last, by `use_up`.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from datahub.kernel.context import Actor, Context
from datahub.kernel.settings import Settings
from datahub.oauth import client_keys, jose, profiles, replay, rules, store
from datahub.oauth.errors import InvalidClient, InvalidDpopProof, JwtNotGood, UnauthorizedClient
from datahub.oauth.forms import AssertionShown, Credential, SecretShown
from datahub.oauth.models import Client, ClientSecret, ClientState, Profile
from datahub.oauth.profiles import AssertionRules, Audience, Method, SecurityProfile
from datahub.participants import Participant, ParticipantState, Person

_FAILED = "Client authentication failed. The access log of the client's organisation tells why."
# A secret's last use is noted once a minute at most, so that busy clients do not queue for one row.
_NOTE_USE_EVERY = timedelta(minutes=1)
# An unknown client is judged by the strictest.
_NOBODYS_RULES = profiles.PROFILES[Profile.FAPI2].assertion

KeyFinder = Callable[[Mapping[str, Any]], jose.PublicKey]


@dataclass(frozen=True)
class KnownClient:
    """A client as it stands in the database, with all that its proof is judged by; `find_key` where it has keys.

    `actor`: what it is once proven, where that is known already.
    """

    client: Client
    participant: Participant
    person: Person | None
    secrets: Sequence[ClientSecret] = ()
    find_key: KeyFinder | None = None
    actor: Actor | None = None


class ProvenClient(NamedTuple):
    """A client that has proved who it is, with what it holds now, and its assertion still to be used up."""

    client: Client
    actor: Actor
    assertion: replay.Use | None
    # How far its clock is ahead of ours, as far as its assertion tells
    skew_s: int | None = None
    secret: ClientSecret | None = None

    @property
    def profile(self) -> SecurityProfile:
        """Return the rules it keeps."""
        return profiles.rules_of(self.client.profile)

    @property
    def is_bound(self) -> bool:
        """Tell whether it gets only tokens bound to a key: its profile asks for that, or it did itself."""
        return self.profile.is_bound or self.client.is_dpop_bound

    def is_use_to_be_noted(self, now: datetime) -> bool:
        """Tell whether the secret it showed was last noted as used long enough ago."""
        if self.secret is None:
            return False
        noted_at = self.secret.last_used_at
        return noted_at is None or now - noted_at >= _NOTE_USE_EVERY


def digest_of(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate_client(ctx: Context, credential: Credential) -> ProvenClient:
    """Return the client behind a credential, for one that may act now; its assertion is not yet used up.

    Raises:
        InvalidClient: the client is unknown, disabled, or did not prove itself; `check` and facts say why.
        UnauthorizedClient: it did, but its organisation is not admitted, or its person no longer active.

    """
    known = _load(ctx, claimed_name(credential), credential)
    proven = prove_client(ctx.settings, ctx.now, credential, known)
    if proven.secret is not None and proven.is_use_to_be_noted(ctx.now):
        proven.secret.last_used_at = ctx.now
    return proven


def prove_client(
    settings: Settings, now: datetime, credential: Credential, known: KnownClient | None
) -> ProvenClient:
    """Judge a credential by what is known of the client it names. Pure, but for what `find_key` does.

    Raises InvalidClient, UnauthorizedClient.
    """
    client = known.client if known is not None else None
    assertion: replay.Use | None = None
    secret: ClientSecret | None = None
    skew_s: int | None = None
    if isinstance(credential, SecretShown):
        secret = _check_secret(now, known, credential)
    else:
        name = claimed_name(credential)
        assertion, skew_s = _check_assertion(settings, now, known, name, credential)
    if client is None or known is None:
        raise _failed("unknown-client", None)
    if client.state != ClientState.ACTIVE:
        raise _failed("client-disabled", client)
    actor = known.actor or actor_of(client, known.participant, known.person, not_authorised(client))
    return ProvenClient(client, actor, assertion, skew_s, secret)


def claimed_name(credential: Credential) -> str:
    """Return the name of the client that a credential claims to be of. Raises InvalidClient."""
    if isinstance(credential, SecretShown):
        return credential.client_id
    claimed = credential.unverified_subject
    if claimed is None:
        raise _failed("assertion-unreadable", None)
    if credential.client_id not in (None, claimed):
        raise _failed("client-id-differs", None)
    return claimed


def use_up(ctx: Context, proven: ProvenClient, proof: replay.Use | None) -> None:
    """Use assertion and proof up, as the last thing before the answer. Raises InvalidClient, InvalidDpopProof: used before."""
    uses = [use for use in (proof, proven.assertion) if use is not None]
    used = replay.used_before(ctx.session, uses)
    if proof is not None and proof in used:
        detail = "The DPoP proof was used before."
        raise InvalidDpopProof(detail, check="proof-replayed", clientId=proven.client.id)
    if used:
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


def _load(ctx: Context, name: str, credential: Credential) -> KnownClient | None:
    row = store.client_with_owner(ctx.session, name)
    # Asked for an unknown client too: it costs the same
    secrets = store.secrets_of(ctx.session, name) if isinstance(credential, SecretShown) else ()
    if row is None:
        return None
    asked = profiles.rules_of(row[0].profile).assertion
    finder = client_keys.key_finder(ctx, row[0], asked) if asked is not None else None
    return KnownClient(*row, secrets, finder)


def _check_secret(now: datetime, known: KnownClient | None, credential: SecretShown) -> ClientSecret:
    digest = digest_of(credential.unverified_secret)
    found = None
    expired = False
    for secret in known.secrets if known is not None else ():
        if hmac.compare_digest(secret.digest, digest):
            expired = secret.expires_at is not None and secret.expires_at <= now
            found = None if expired else secret
    if known is None:
        raise _failed("unknown-client", None)
    if profiles.rules_of(known.client.profile).method is not Method.SECRET_BASIC:
        raise _failed("wrong-method", known.client)
    if found is None:
        raise _failed("secret-expired" if expired else "secret-wrong", known.client)
    return found


def _check_assertion(
    settings: Settings,
    now: datetime,
    known: KnownClient | None,
    name: str,
    credential: AssertionShown,
) -> tuple[replay.Use, int | None]:
    client = known.client if known is not None else None
    rules = profiles.rules_of(client.profile).assertion if client is not None else None
    asked = rules or _NOBODYS_RULES
    assert asked is not None  # noqa: S101 — FAPI 2.0 is about keys
    finder = known.find_key if known is not None else None
    try:
        claims = jose.verify_client_assertion(
            credential.unverified_assertion,
            finder or _nobody,
            asked,
            # The one name it goes by: an alias or an address, and an id, are never both good
            client_id=name if client is None else client.metadata_uri or client.alias or client.id,
            audience=_audience(settings, asked),
            now=now,
        )
    except JwtNotGood as fault:
        check = f"assertion-{fault.check}" if rules else ("wrong-method" if client else "unknown-client")
        raise InvalidClient(
            _FAILED, check=check, clientId=client.id if client else None, **fault.facts
        ) from fault
    skew_s = int(claims["iat"]) - int(now.timestamp()) if "iat" in claims else None
    return replay.use_of("client_assertion", name, claims["jti"], int(claims["exp"])), skew_s


def _nobody(header: Mapping[str, Any]) -> jose.PublicKey:
    del header
    return jose.nobodys_keys()[0]


def _audience(settings: Settings, asked: AssertionRules) -> str:
    return settings.base_url if asked.audience is Audience.ISSUER else settings.ishare_id


def _failed(check: str, client: Client | None) -> InvalidClient:
    return InvalidClient(_FAILED, check=check, clientId=client.id if client is not None else None)


def not_authorised(client: Client) -> Callable[[str], Exception]:
    """Return what makes the refusal of a client that is proven, but may not act now."""
    sentence = "The client's organisation, or the person it acts for, is not active in this exchange."
    return lambda check: UnauthorizedClient(sentence, check=check, clientId=client.id)
