"""The exchange's own signing keys: made, sealed, published before use, replaced on time, kept for old signatures.

A key's place follows from the instants alone: published (JWKS) → in use (`active_from`) → only verifying (successor in
use) → retired (private part erased). RFC 7517, 7638; FAPI 2.0 §5.4.2; AES-256-GCM (NIST SP 800-38D).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datahub.audit import About, record
from datahub.kernel.context import Context
from datahub.oauth import jose, store
from datahub.oauth.errors import JwtNotGood, NoSigningKey, SignatureNotValid
from datahub.oauth.models import SigningKey

JWKS_MAX_AGE_S = 600
# Published this long before use: more than any cache may keep the JWKS.
AHEAD = timedelta(hours=1)
# Verifies this long after its successor came into use: more than the longest life of a token (3600 s).
BEHIND = timedelta(hours=2)
_NONCE_BYTES = 12


@dataclass(frozen=True)
class Signer:
    """A signing key ready for use: from when on, and its private part."""

    kid: str
    active_from: datetime
    key: jose.PrivateKey

    def sign_token(self, claims: Mapping[str, Any]) -> str:
        """Sign an access token."""
        return jose.sign_access_token(self.key, self.kid, claims)


# What was unsealed, by kid and sealed form: a private key is imported once per process, never per token.
_unsealed: dict[tuple[str, bytes], jose.PrivateKey] = {}
_MAX_UNSEALED = 64


def rotate_keys(ctx: Context) -> SigningKey:
    """Publish the next signing key, to be used an hour from now; the very first is used at once.

    Idempotent while a next key waits: that one is returned.
    """
    keys = store.usable_keys(ctx.session)
    waiting = [key for key in keys if key.active_from > ctx.now]
    if waiting:
        return waiting[-1]
    kid, public_jwk, private_jwk = jose.make_private_key()
    key = SigningKey(
        kid=kid,
        public_jwk=public_jwk,
        sealed=_seal(ctx, kid, private_jwk),
        created_at=ctx.now,
        active_from=ctx.now + AHEAD if keys else ctx.now,
    )
    ctx.session.add(key)
    record(ctx, "signing-key.make", About(details={"kid": kid, "activeFrom": key.active_from.isoformat()}))
    return key


def rotate_keys_when_due(ctx: Context) -> int:
    """Publish the next key when the present one grows old, erase the private part of retired ones; return how many."""
    keys = store.usable_keys(ctx.session)
    done = 0
    age = timedelta(days=ctx.settings.key_rotation_days) - AHEAD
    if not keys or keys[-1].active_from + age <= ctx.now:
        rotate_keys(ctx)
        done += 1
    for key in _retired(keys, ctx.now):
        key.sealed = None
        record(ctx, "signing-key.retire", About(details={"kid": key.kid}))
        done += 1
    return done


def published_jwks(ctx: Context) -> dict[str, list[dict[str, Any]]]:
    """Return the JWK set for verifying tokens: the next key, the one in use, and those that tokens may still bear."""
    return {"keys": [key.public_jwk for key in _verifying(ctx)]}


def signing_keys(ctx: Context) -> Sequence[SigningKey]:
    """Return every key there ever was, oldest first, for verifying what was signed long ago."""
    return store.all_keys(ctx.session)


def verifying_keys(ctx: Context) -> jose.PublicKeys:
    """Return the loaded public keys that a token may be signed with now."""
    return jose.public_keys(published_jwks(ctx))


def signers(ctx: Context) -> tuple[Signer, ...]:
    """Return the keys that sign now or will, in the order of their use, loaded."""
    return tuple(
        Signer(key.kid, key.active_from, _unseal(ctx, key)) for key in store.usable_keys(ctx.session)
    )


def signer_at(known: Sequence[Signer], now: datetime) -> Signer:
    """Return the key in use at an instant. Raises NoSigningKey."""
    in_use = [signer for signer in known if signer.active_from <= now]
    if not in_use:
        raise NoSigningKey("The exchange has no signing key yet.", remedy="Run `datahub init`.")
    return in_use[-1]


def sign_text(ctx: Context, payload: bytes, typ: str) -> str:
    """Return the payload as a compact JWS of the exchange, e.g. with typ `agreement+jws`.

    Raises NoSigningKey; ValueError for a `typ` of another kind of JWT, or more than 1 MiB.
    """
    signer = signer_at(signers(ctx), ctx.now)
    return jose.sign_text(signer.key, signer.kid, typ, payload)


def verify_text(ctx: Context, unverified_text: str, typ: str) -> bytes:
    """Return the payload of what `sign_text` made, however long ago. Raises SignatureNotValid."""
    known = jose.public_keys({"keys": [key.public_jwk for key in store.all_keys(ctx.session)]})
    try:
        return jose.verify_text(unverified_text, known, typ)
    except JwtNotGood as fault:
        detail = "This text does not bear a valid signature of this exchange."
        raise SignatureNotValid(detail, check=fault.check) from fault


def _verifying(ctx: Context) -> list[SigningKey]:
    keys = store.usable_keys(ctx.session)
    retired = {key.kid for key in _retired(keys, ctx.now)}
    return [key for key in keys if key.kid not in retired]


def _retired(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    return [key for key, successor in pairwise(keys) if successor.active_from + BEHIND <= now]


def _aad(kid: str) -> bytes:
    # table|row|column: a sealed value moved to another place does not open there
    return f"oauth_signing_key|{kid}|sealed".encode()


def _seal(ctx: Context, kid: str, private_jwk: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(ctx.settings.derive_key("signing-keys")).encrypt(nonce, private_jwk, _aad(kid))


def _unseal(ctx: Context, key: SigningKey) -> jose.PrivateKey:
    sealed = key.sealed or b""
    loaded = _unsealed.get((key.kid, sealed))
    if loaded is None:
        cipher = AESGCM(ctx.settings.derive_key("signing-keys"))
        try:
            private_jwk = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _aad(key.kid))
        except InvalidTag as fault:
            msg = "a signing key does not open: is this the master key it was sealed under?"
            raise RuntimeError(msg) from fault
        if len(_unsealed) >= _MAX_UNSEALED:
            _unsealed.clear()
        loaded = _unsealed.setdefault((key.kid, sealed), jose.load_private_key(private_jwk))
    return loaded
