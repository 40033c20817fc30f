"""Secrets of the log: the keys that sign its heads, and those that make a person's tags; sealed under the master key.

Apart from the token keys: whoever holds one of those signs no log, and the other way round.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, text
from sqlmodel import Session, col, select

from datahub.audit.leaves import KEY_BYTES, OrganisationKey
from datahub.audit.models import Log, LogKey, SubjectKey
from datahub.audit.tlog.keys import SEED_BYTES, KeyType, Signer, VerifierKey
from datahub.kernel import db
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings

# A log signs its heads with both: Ed25519 for every verifier there is, ML-DSA-44 for the time after it.
SIGNING_TYPES = (KeyType.ED25519, KeyType.ML_DSA_44)
_NONCE_BYTES = 12
_AT_ONCE = 500


def make_signing_keys(session: Session, settings: Settings, log: Log) -> None:
    """Make the keys of a log that is being opened."""
    for key_type in SIGNING_TYPES:
        seed = secrets.token_bytes(SEED_BYTES)
        signer = Signer(log.origin, key_type, seed)
        sealed = _seal(settings, seed, f"log_key|{log.origin}|{key_type.value}")
        session.add(LogKey(log=log.number, type=key_type.value, vkey=signer.key.vkey, sealed=sealed))


def signers(session: Session, settings: Settings, log: Log) -> list[Signer]:
    """Return what signs the heads of a log. Raises RuntimeError when it was sealed under another master key."""
    rows = session.exec(select(LogKey).where(LogKey.log == log.number).order_by(col(LogKey.type))).all()
    return [
        Signer(log.origin, KeyType(row.type), _open(settings, row.sealed, f"log_key|{log.origin}|{row.type}"))
        for row in rows
    ]


def verifier_keys(session: Session, log: Log) -> list[VerifierKey]:
    """Return the public keys of a log, as its trust policy names them."""
    rows = session.exec(select(LogKey).where(LogKey.log == log.number).order_by(col(LogKey.type))).all()
    return [VerifierKey.parse(row.vkey) for row in rows]


def organisation_key(settings: Settings) -> OrganisationKey:
    """Return what gives an organisation's tag key."""
    return _organisations(settings.derive_key("log-organisations"))


@lru_cache(maxsize=4)
def _organisations(secret: bytes) -> OrganisationKey:
    return OrganisationKey(secret)  # kept, because it keeps what it derived


def subject_ids(ctx: Context, references: Iterable[str]) -> list[str]:
    """Return the ids under which entries name persons (`About.subjects`), each once, made for those that are new.

    A reference is how the exchange knows a person, such as a pseudonym in a consent record. It is not stored: only a
    keyed hash of it, so that the same person has the same id.
    """
    asked = {_lookup(ctx.settings, reference): None for reference in references}
    lookups = list(asked)
    found: dict[str, str] = {}
    for start in range(0, len(lookups), _AT_ONCE):
        part = lookups[start : start + _AT_ONCE]
        known = _ids_of(ctx.session, part)
        new = [each for each in part if each not in known]
        if new:
            rows = [_new_key(ctx, each) for each in new]
            # Another transaction may be naming the same person at this moment: then theirs is the key.
            ctx.session.execute(_PUT_KEY, rows)
            known |= _ids_of(ctx.session, new)
        found |= known
    return [found[each] for each in lookups]


def _ids_of(session: Session, lookups: Sequence[str]) -> dict[str, str]:
    rows = select(SubjectKey.lookup, SubjectKey.id).where(col(SubjectKey.lookup).in_(lookups))
    return {lookup: key_id for lookup, key_id in session.exec(rows).all() if lookup is not None}


def _new_key(ctx: Context, lookup: str) -> dict[str, Any]:
    key_id = new_id()
    seed = secrets.token_bytes(KEY_BYTES)
    sealed = _seal(ctx.settings, seed, f"log_subject_key|{key_id}")
    return {"id": key_id, "lookup": lookup, "sealed": sealed, "created_at": ctx.now}


_PUT_KEY = text(
    "insert into log_subject_key (id, lookup, sealed, created_at) values (:id, :lookup, :sealed, :created_at) "
    "on conflict (lookup) do nothing"
).bindparams(bindparam("created_at", type_=db.UtcDateTime()))


def subject_of(session: Session, settings: Settings, reference: str) -> SubjectKey | None:
    """Return the key row of a person, or None when no entry was ever about them (or it was shredded)."""
    return session.exec(select(SubjectKey).where(SubjectKey.lookup == _lookup(settings, reference))).first()


def subject_key(settings: Settings, row: SubjectKey) -> bytes | None:
    """Return the key by which a person finds all leaves about them; None once it was shredded."""
    return None if row.sealed is None else _open(settings, row.sealed, f"log_subject_key|{row.id}")


def subject_keys(session: Session, settings: Settings, ids: Iterable[str]) -> Mapping[str, bytes]:
    """Return the keys of these persons that still exist."""
    rows = session.exec(select(SubjectKey).where(col(SubjectKey.id).in_(set(ids)))).all()
    return {row.id: key for row in rows if (key := subject_key(settings, row)) is not None}


def _lookup(settings: Settings, reference: str) -> str:
    return hmac.digest(settings.derive_key("log-subject-lookup"), reference.encode(), "sha256").hex()


def _seal(settings: Settings, secret: bytes, place: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(settings.derive_key("log-keys")).encrypt(nonce, secret, place.encode())


def _open(settings: Settings, sealed: bytes, place: str) -> bytes:
    try:
        cipher = AESGCM(settings.derive_key("log-keys"))
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
    except InvalidTag as fault:
        msg = "a key of the log does not open: is this the master key it was sealed under?"
        raise RuntimeError(msg) from fault
