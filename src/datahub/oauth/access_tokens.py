"""Access tokens: stateless JWTs signed by the exchange (RFC 9068), bound to a key (RFC 9449), and the actor behind one.

In two steps. `prove` verifies what a caller shows: the token's signature (once; then it is kept in memory), where it is
good (`aud`), and the DPoP proof, which it uses up. `authenticate` asks the database whether the token still counts
(revocation, client, organisation, person, roles), so that a change bites at the very next call.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Actor, Context, Credential
from datahub.kernel.errors import JsonValue, Unauthenticated
from datahub.kernel.settings import Settings
from datahub.oauth import dpop, jose, keys, nonces, replay, resources, store
from datahub.oauth.client_authentication import ProvenClient, actor_of
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.models import ClientState
from datahub.oauth.profiles import rules_of

_JTI_BYTES = 16


class IssuedToken(NamedTuple):
    """An access token just made, and what it carries; `key_id` is the key it is bound to (RFC 9449 §6.1)."""

    token: str
    token_id: str
    lifetime_s: int
    scopes: frozenset[str]
    details: Sequence[Mapping[str, JsonValue]]
    key_id: str | None
    exchanged_from: str | None = None

    @property
    def token_type(self) -> str:
        """Return how it has to be shown."""
        return "DPoP" if self.key_id is not None else "Bearer"


@dataclass(frozen=True)
class VerifiedToken:
    """A token that is ours and has not expired, the digest that a proof for it must bear, and the key it is bound to."""

    claims: jose.VerifiedClaims
    ath: str
    key_id: str | None


class ProvenToken(NamedTuple):
    """A credential that was verified for this call; `use` is its proof's, to be used up; `headers` go with the answer."""

    claims: jose.VerifiedClaims
    use: replay.Use | None
    headers: Mapping[str, str]


# By token, database and issuer: a process may serve several exchanges in tests
_verified: dict[tuple[str, str, str], VerifiedToken] = {}
_MAX_VERIFIED = 10_000


def issue(
    settings: Settings,
    signer: keys.Signer,
    proven: ProvenClient,
    scopes: frozenset[str],
    details: Sequence[Mapping[str, JsonValue]],
    *,
    now: datetime,
    audiences: Sequence[str],
    key_id: str | None,
    not_after: datetime | None = None,
    more_claims: Mapping[str, Any] | None = None,
) -> IssuedToken:
    """Make an access token (RFC 9068 §2.2), that ends by `not_after`."""
    issued_at = int(now.timestamp())
    lifetime_s = min(settings.token_lifetime_s, proven.profile.max_token_life_s)
    if not_after is not None:
        lifetime_s = min(lifetime_s, int(not_after.timestamp()) - issued_at)
    claims: dict[str, Any] = {
        "iss": settings.base_url,
        "sub": proven.client.id,
        "client_id": proven.client.id,
        "aud": audiences[0] if len(audiences) == 1 else list(audiences),
        "iat": issued_at,
        "exp": issued_at + lifetime_s,
        "jti": secrets.token_urlsafe(_JTI_BYTES),
        "scope": " ".join(sorted(scopes)),
        "participant_id": proven.client.participant_id,
        "client_epoch": proven.client.epoch,
        **(more_claims or {}),
    }
    if key_id is not None:
        claims["cnf"] = {"jkt": key_id}
    if details:
        claims["authorization_details"] = list(details)
    earlier = claims.get("exchanged_from") or [None]
    signed = signer.sign_token(claims)
    return IssuedToken(signed, claims["jti"], lifetime_s, scopes, details, key_id, earlier[-1])


def prove(engine: Engine, settings: Settings, shown: Credential, now: datetime) -> ProvenToken:
    """Return what a caller shows, verified and its proof used up; to be called before a transaction is open.

    Raises Unauthenticated, whose fact `error` is OAuth's: `invalid_token`, `invalid_dpop_proof`, `use_dpop_nonce`.
    """
    proven = check(engine, settings, shown, now)
    if proven.use is not None:
        with engine.begin() as connection:
            is_first = replay.use_up(connection, [proven.use])
        if not is_first:
            raise _proof_refused("jti")
    return proven


def check(engine: Engine, settings: Settings, shown: Credential, now: datetime) -> ProvenToken:
    """Do as `prove`, but leave the proof's single use to the caller; touches the database for a token never seen only.

    Raises Unauthenticated.
    """
    try:
        token = _verify(settings, shown.token, now, lambda: _keys(engine, settings, now))
        resources.check_covered(token.claims["aud"], settings.base_url, shown.path)
    except JwtNotGood as fault:
        raise _token_refused() from fault
    if token.key_id is None and shown.scheme == "bearer":
        return ProvenToken(token.claims, None, {})
    if token.key_id is None or shown.scheme != "dpop":
        # RFC 9449 §7.2: a bound token is never good as Bearer, and a Bearer token proves no key
        raise _token_refused()
    try:
        proof = dpop.check_proof(
            settings, shown.proofs, method=shown.method, path=shown.path, now=now, ath=token.ath
        )
    except JwtNotGood as fault:
        raise _proof_refused(fault.check) from fault
    if proof.key_id != token.key_id:
        raise _proof_refused("key")
    fresh = {"DPoP-Nonce": nonces.nonce_now(settings, now)} if proof.is_nonce_old else {}
    return ProvenToken(token.claims, proof.use, fresh)


def authenticate(ctx: Context, proven: ProvenToken) -> Actor:
    """Return who calls, as things are now: scopes are the token's that the client's roles still carry.

    Raises Unauthenticated: the token was revoked, or client, organisation or person is not active.
    """
    try:
        return actor_behind(ctx, proven.claims)
    except JwtNotGood as fault:
        raise _token_refused() from fault


def holder_of(ctx: Context, unverified_token: str) -> Actor:
    """Return who holds a token that somebody else was shown and asks about, e.g. a gateway; its proof is theirs to check.

    Raises Unauthenticated.
    """
    try:
        return actor_behind(ctx, verify(ctx, unverified_token))
    except JwtNotGood as fault:
        raise _token_refused() from fault


def verify(ctx: Context, unverified_token: str) -> jose.VerifiedClaims:
    """Return the claims of a token that is ours and has not expired. Raises JwtNotGood."""
    return _verify(ctx.settings, unverified_token, ctx.now, lambda: keys.verifying_keys(ctx)).claims


def actor_behind(ctx: Context, claims: jose.VerifiedClaims) -> Actor:
    """Return the actor of verified claims, as things are now. Raises JwtNotGood when the token no longer counts."""
    if store.is_revoked(ctx.session, _subjects(claims), datetime.fromtimestamp(claims["iat"], UTC)):
        raise JwtNotGood("revoked")
    row = store.client_with_owner(ctx.session, claims["client_id"])
    if row is None or row[0].state != ClientState.ACTIVE or row[0].epoch != claims["client_epoch"]:
        raise JwtNotGood("client")
    if (rules_of(row[0].profile).is_bound or row[0].is_dpop_bound) and "cnf" not in claims:
        raise JwtNotGood("not-bound")
    if claims["sub"] != claims["client_id"]:
        _check_subject(ctx, claims)
    actor = actor_of(row[0], row[1], row[2], JwtNotGood)
    return replace(
        actor,
        scopes=actor.scopes & frozenset(claims["scope"].split(" ")),
        token_id=claims["jti"],
        token_expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        authorization_details=tuple(claims.get("authorization_details", ())),
    )


def _check_subject(ctx: Context, claims: jose.VerifiedClaims) -> None:
    """Hold a token that was exchanged for another client's to that client's life too (RFC 8693). Raises JwtNotGood."""
    subject = store.client_by_id(ctx.session, claims["sub"])
    if subject is None or subject.state != ClientState.ACTIVE or subject.epoch != claims["subject_epoch"]:
        raise JwtNotGood("subject")


def _verify(
    settings: Settings, unverified_token: str, now: datetime, find_keys: Callable[[], jose.PublicKeys]
) -> VerifiedToken:
    ath = dpop.digest_of_token(unverified_token)
    name = (ath, settings.database_url, settings.base_url)
    known = _verified.get(name)
    if known is None:
        claims = jose.verify_access_token(unverified_token, find_keys(), issuer=settings.base_url, now=now)
        known = VerifiedToken(claims, ath, claims.get("cnf", {}).get("jkt"))
        if len(_verified) >= _MAX_VERIFIED:
            _verified.clear()
        _verified[name] = known
    elif known.claims["exp"] <= now.timestamp():
        _verified.pop(name, None)
        raise JwtNotGood("expired")
    return known


def _keys(engine: Engine, settings: Settings, now: datetime) -> jose.PublicKeys:
    with db.transaction(engine, is_read=True) as session:
        return keys.verifying_keys(Context(session, ANONYMOUS, now, "", settings))


def _token_refused() -> Unauthenticated:
    detail = "The access token is not good."
    return Unauthenticated(detail, remedy="Get a new one at /oauth/token.", error="invalid_token")


def _proof_refused(check_name: str) -> Unauthenticated:
    if check_name == "nonce":
        return Unauthenticated(
            "The DPoP proof must carry a nonce of this server.",
            remedy="Send the same again with the nonce of the DPoP-Nonce header in the proof.",
            error="use_dpop_nonce",
        )
    return Unauthenticated(
        f"The DPoP proof is not good: {check_name}.",
        remedy="Make a proof for each call: method, address, token, nonce and an id of its own (RFC 9449 §4.2).",
        error="invalid_dpop_proof",
        check=check_name,
    )


def _subjects(claims: jose.VerifiedClaims) -> list[str]:
    details = claims.get("authorization_details", ())
    agreements = [f"agreement:{detail['agreement']}" for detail in details if "agreement" in detail]
    earlier = [f"token:{each}" for each in claims.get("exchanged_from", ())]
    bound = [f"key:{claims['cnf']['jkt']}"] if "cnf" in claims else []
    return [f"token:{claims['jti']}", f"key:{claims['kid']}", *bound, *earlier, *agreements]
