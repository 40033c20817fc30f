"""Leaves of the tree: what the log shows to everybody about an entry, which is nothing about anybody.

A leaf is JCS (RFC 8785) JSON of about 200 bytes: version `v`, kind `k`, instant `t` (POSIX seconds), nonce `n`,
commitment `c`, and tags: `st` of the persons the data is about, `pt` of the provider, `ct` of the consumer.

- commitment: SHA-256 over the JCS array of the entry's field digests, sorted; a field digest is
  SHA-256(base64url(JCS([salt, name, value]))), the form of RFC 9901 §4.2.4.1, in base64url. So any field can be shown,
  or erased, alone.
- tag: the first 16 bytes of HMAC-SHA-256(key, nonce), so that only who holds the key sees that two entries share it.
- salts and nonce: SHAKE-256 of one random key of the entry; a salt that is shown says nothing about the others.
"""

import hmac
from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256, shake_256
from typing import Any

import orjson

from datahub.kernel.clock import rfc3339

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = TAG_BYTES = 16
SALT_BYTES = 32
# An entry has at most 65,535 bytes (C2SP tlog-tiles), a tag takes 25 of them.
MAX_SUBJECTS = 2000

# field → the columns it holds, written together when there is more than one. The order gives each its salt: only
# ever add at the end.
FIELDS: Mapping[str, Sequence[str]] = {
    "event": ("id", "at", "action", "outcome", "code", "trace_id"),
    "actorClient": ("actor_client_id",),
    "actorParticipant": ("actor_participant_id",),
    "actorPerson": ("actor_person_id",),
    "thing": ("thing_id",),
    "provider": ("provider_id",),
    "consumer": ("consumer_id",),
    "dataset": ("dataset_id", "dataset_version"),
    "columns": ("columns",),
    "agreement": ("agreement_id",),
    "offer": ("offer_id", "offer_version"),
    "policyHash": ("policy_hash",),
    "purpose": ("purpose",),
    "decision": ("decision_id", "decision"),
    "ofEntry": ("of_entry_id",),
    "volume": ("rows", "bytes"),
    "details": ("details",),
    "subjects": ("subjects",),
}
NAMES = tuple(FIELDS)
# What stays of an entry as long as its record does.
LASTING = "event"
_KINDS = {"data": "access", "consent": "consent", "token": "decision"}


def fields_of(entry: Mapping[str, Any], decision: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields of an entry that have a value; `decision` is the whole of the decision it names."""
    found: dict[str, Any] = {}
    for name, columns in FIELDS.items():
        if len(columns) == 1:
            value = entry[columns[0]]
            if value not in _NOTHING:
                found[name] = value
        elif name == "decision":
            if entry["decision_id"] is not None:
                found[name] = {"decision_id": entry["decision_id"]} | (
                    {"decision": _plain(decision)} if decision else {}
                )
        elif held := {column: _cell(entry[column]) for column in columns if entry[column] is not None}:
            found[name] = held
    return found


_NOTHING: tuple[Any, ...] = (None, {}, [])


def _cell(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(value) for name, value in row.items() if value is not None}


def salts_of(key: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the nonce and the salt of every field, in base64url, that an entry's key gives."""
    stream = shake_256(key).digest(NONCE_BYTES + SALT_BYTES * len(NAMES))
    return stream[:NONCE_BYTES], {name: encode(stream[at:end]) for name, (at, end) in _SALTS.items()}


_SALTS = {
    name: (NONCE_BYTES + SALT_BYTES * at, NONCE_BYTES + SALT_BYTES * (at + 1))
    for at, name in enumerate(NAMES)
}


def digest(salt: str, name: str, value: Any) -> str:
    """Return the digest of one field (RFC 9901 §4.2.4.1)."""
    disclosure = orjson.dumps([salt, name, value], option=orjson.OPT_SORT_KEYS)
    return encode(sha256(encode(disclosure).encode()).digest())


def commitment(digests: Iterable[str]) -> str:
    """Return the commitment to field digests, whatever their order."""
    return encode(sha256(orjson.dumps(sorted(digests))).digest())


def tag(key: bytes, nonce: bytes) -> str:
    """Return the tag that the holder of a key finds an entry by."""
    return encode(hmac.digest(key, nonce, "sha256")[:TAG_BYTES])


def leaf(
    entry: Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    key: bytes,
    *,
    subject_keys: Sequence[bytes] = (),
    organisation_key: "OrganisationKey",
) -> bytes:
    """Return the leaf of an entry under its key."""
    nonce, salts = salts_of(key)
    values = fields_of(entry, decision)
    committed = commitment(digest(salts[name], name, value) for name, value in values.items())
    shown: dict[str, Any] = {
        "v": VERSION,
        "k": kind(entry["action"], entry["outcome"]),
        "t": int(entry["at"].timestamp()),
        "n": encode(nonce),
        "c": committed,
    }
    if subject_keys:
        shown["st"] = sorted(tag(each, nonce) for each in subject_keys)
    for name, column in (("pt", "provider_id"), ("ct", "consumer_id")):
        if entry[column] is not None:
            shown[name] = tag(organisation_key(entry[column]), nonce)
    return orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)


def kind(action: str, outcome: str) -> str:
    """Return which kind of entry everybody may see that this is."""
    thing, _, verb = action.partition(".")
    if thing == "log":
        return {"heartbeat": "heartbeat", "erase": "erasure"}.get(verb, "admin")
    if outcome == "deny":
        return "decision"
    return _KINDS.get(thing, "admin")


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return b2a_base64(data, newline=False).translate(_URL_SAFE, b"=").decode()


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class OrganisationKey:
    """Gives the key of each organisation's tags: derived, so that there is nothing to store."""

    def __init__(self, secret: bytes) -> None:
        """Keep what the keys are derived from."""
        self._secret = secret
        self._known: dict[str, bytes] = {}
        self._pads: dict[str, tuple[bytes, bytes]] = {}

    def __call__(self, participant_id: str) -> bytes:
        """Return an organisation's key; who holds it can tell that organisation's entries, and no others."""
        known = self._known.get(participant_id)
        if known is None:
            known = hmac.digest(self._secret, participant_id.encode(), "sha256")
            self._known[participant_id] = known
        return known

    def tag(self, participant_id: str, nonce: bytes) -> bytes:
        """Return `tag` of an organisation; the key's two blocks (RFC 2104 §2) are made once."""
        pads = self._pads.get(participant_id)
        if pads is None:
            block = self(participant_id).ljust(_BLOCK_BYTES, b"\0")
            pads = block.translate(_INNER), block.translate(_OUTER)
            self._pads[participant_id] = pads
        digest = sha256(pads[1] + sha256(pads[0] + nonce).digest()).digest()
        return b2a_base64(digest[:TAG_BYTES], newline=False).translate(_URL_SAFE, b"=")


_BLOCK_BYTES = 64
_INNER = bytes(each ^ 0x36 for each in range(256))
_OUTER = bytes(each ^ 0x5C for each in range(256))
