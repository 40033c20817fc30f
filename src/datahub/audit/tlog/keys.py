"""Keys that sign heads of a log: Ed25519, Ed25519 cosignatures and ML-DSA-44 cosignatures.

C2SP signed-note v1.0 §Verifier keys and §Signature types, tlog-cosignature v1.1: what each type signs is a table.
An ML-DSA-44 signature is timestamped and covers origin, size and root; a log signs its own checkpoints so, too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.text import decode_base64, encode_base64

ID_BYTES = 4
SEED_BYTES = 32
TIMESTAMP_BYTES = 8
MAX_TIMESTAMP = 2**63 - 1  # tlog-cosignature §Format
MAX_NAME_BYTES = 255  # what the one-byte length before a name in an ML-DSA message can say
_PRIVATE = "PRIVATE+KEY+"
_HEX_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)


class KeyType(IntEnum):
    """The byte before a public key: what algorithm, and what is signed with it."""

    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    ML_DSA_44 = 0x06


@dataclass(frozen=True)
class _Algorithm:
    public_bytes: int
    signature_bytes: int
    time_bytes: int  # before the signature proper
    message: Callable[[str, str, int], bytes]  # of the key's name, the signed text, the time
    public: Callable[[bytes], Ed25519PublicKey | MLDSA44PublicKey]
    private: Callable[[bytes], Ed25519PrivateKey | MLDSA44PrivateKey]


def _note_message(_name: str, text: str, _timestamp: int) -> bytes:
    return text.encode()


def _cosignature_message(_name: str, text: str, timestamp: int) -> bytes:
    Checkpoint.parse(text)  # a cosignature is about a head of a log and nothing else
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _subtree_message(name: str, text: str, timestamp: int) -> bytes:
    head = Checkpoint.parse(text)
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(name),
            timestamp.to_bytes(8, "big"),
            _short(head.origin),
            (0).to_bytes(8, "big"),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


def _short(text: str) -> bytes:
    data = text.encode()
    if len(data) > MAX_NAME_BYTES:
        raise TlogFault(f"a name in an ML-DSA-44 signature has at most {MAX_NAME_BYTES} bytes")
    return len(data).to_bytes(1, "big") + data


_ED25519 = (Ed25519PublicKey.from_public_bytes, Ed25519PrivateKey.from_private_bytes)
_ML_DSA_44 = (MLDSA44PublicKey.from_public_bytes, MLDSA44PrivateKey.from_seed_bytes)
_ALGORITHMS: Mapping[KeyType, _Algorithm] = {
    KeyType.ED25519: _Algorithm(32, 64, 0, _note_message, *_ED25519),
    KeyType.ED25519_COSIGNATURE: _Algorithm(32, 64, TIMESTAMP_BYTES, _cosignature_message, *_ED25519),
    KeyType.ML_DSA_44: _Algorithm(1312, 2420, TIMESTAMP_BYTES, _subtree_message, *_ML_DSA_44),
}


@dataclass(frozen=True)
class VerifierKey:
    """A named public key. Its text form is the vkey that configurations and trust policies hold."""

    name: str
    type: KeyType
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes by which a signature line names this key."""
        return sha256(self.name.encode() + b"\n" + bytes((self.type,)) + self.public).digest()[:ID_BYTES]

    @property
    def vkey(self) -> str:
        """Return `name+id+base64(type ‖ key)`."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(bytes((self.type,)) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Return the key of a vkey. Raises TlogFault: form, unknown type, wrong length, or an id that is not its own."""
        name, _, rest = vkey.partition("+")
        hex_id, _, encoded = rest.partition("+")
        key_type, public = _typed(name, hex_id, encoded)
        key = cls(name, key_type, public)
        if len(public) != _ALGORITHMS[key_type].public_bytes:
            raise TlogFault("the key of this vkey has the wrong length")
        if key.id.hex() != hex_id:
            raise TlogFault("the id in this vkey is not that of its key")
        return key

    def verify(self, text: str, value: bytes) -> int | None:
        """Return the time in a signature value, or None for a type that has none. Raises TlogFault when it is false."""
        algorithm = _ALGORITHMS[self.type]
        timestamp = int.from_bytes(value[: algorithm.time_bytes], "big")
        signature = value[algorithm.time_bytes :]
        if len(signature) != algorithm.signature_bytes or timestamp > MAX_TIMESTAMP:
            raise TlogFault(f"the signature of {self.name} has the wrong form")
        message = algorithm.message(self.name, text, timestamp)
        try:
            algorithm.public(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise TlogFault(f"the signature of {self.name} is not valid") from None
        return timestamp if algorithm.time_bytes else None


@dataclass(frozen=True)
class Signer:
    """A named private key: 32 bytes from which every type makes its key pair."""

    name: str
    type: KeyType
    seed: bytes

    def __post_init__(self) -> None:
        """Hold name and seed to their form. Raises TlogFault."""
        check_name(self.name)
        if len(self.seed) != SEED_BYTES:
            raise TlogFault(f"a signing key is made from {SEED_BYTES} bytes")

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, {self.type!r})"  # the seed is a secret

    @cached_property
    def key(self) -> VerifierKey:
        """Return the public side."""
        return VerifierKey(self.name, self.type, self._private.public_key().public_bytes_raw())

    @cached_property
    def _private(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        return _ALGORITHMS[self.type].private(self.seed)

    @classmethod
    def parse(cls, skey: str) -> "Signer":
        """Return the signer of a `PRIVATE+KEY+name+id+base64` line. Raises TlogFault."""
        name, _, rest = skey.removeprefix(_PRIVATE).partition("+")
        hex_id, _, encoded = rest.partition("+")
        signer = cls(name, *_typed(name, hex_id, encoded))
        if not skey.startswith(_PRIVATE) or signer.key.id.hex() != hex_id:
            raise TlogFault("this is not a signing key, or its id is not its own")
        return signer

    def sign(self, text: str, timestamp: int = 0) -> bytes:
        """Return the signature value over a note's text at a POSIX time. Raises TlogFault when it cannot be signed so."""
        algorithm = _ALGORITHMS[self.type]
        made = self._private.sign(algorithm.message(self.name, text, timestamp))
        return timestamp.to_bytes(TIMESTAMP_BYTES, "big")[: algorithm.time_bytes] + made


def check_name(name: str) -> None:
    """Pass when a key may have this name (signed-note §Format). Raises TlogFault."""
    if not name or "+" in name or any(each.isspace() or each < " " for each in name):
        raise TlogFault("the name of a key has neither spaces nor '+', and is not empty")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise TlogFault(f"the name of a key has at most {MAX_NAME_BYTES} bytes")


def _typed(name: str, hex_id: str, encoded: str) -> tuple[KeyType, bytes]:
    check_name(name)
    if not _HEX_ID.fullmatch(hex_id):
        raise TlogFault("a key is written name+8 hex digits+base64")
    data = decode_base64(encoded, "key")
    if not data or data[0] not in set(KeyType):
        raise TlogFault("the type of this key is not known")
    return KeyType(data[0]), data[1:]
