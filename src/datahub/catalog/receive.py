"""Reception of one request body: streamed to a staged file, hashed while it passes, verified, made durable.

RFC 9530 (Digest Fields) for `Content-Digest` and `Repr-Digest`; the body is taken as sent, without content coding.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

GATHER_BYTES = 4 << 20
"""Small network chunks are gathered to this size before one hop to a thread hashes and writes them."""

ALGORITHMS: Mapping[str, str] = MappingProxyType({"sha-256": "sha256", "sha-512": "sha512"})
"""RFC 9530 §5: the algorithms with status Active; the insecure ones are ignored."""

Result = TypeVar("Result")
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_\-.*]*)=:([A-Za-z0-9+/=]*):\s*")


class BodyFault(Exception):  # noqa: N818 — a fault of what was sent, not a bug
    """The body cannot be accepted; nothing of it is kept."""

    code: ClassVar[str] = "body-invalid"


class BodyTooLarge(BodyFault):
    """The body has more bytes than allowed."""

    code = "body-too-large"

    def __init__(self, limit_bytes: int) -> None:
        """Keep the limit, in bytes."""
        super().__init__(f"the body has more than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class BodyIncomplete(BodyFault):
    """The body has another length than announced."""

    code = "body-incomplete"


class DigestMalformed(BodyFault):
    """A digest field does not follow RFC 9530 §2, or names no algorithm that can be verified."""

    code = "digest-malformed"


class DigestMismatch(BodyFault):
    """The bytes received are not the bytes the digest was made of."""

    code = "digest-mismatch"


@dataclass(frozen=True)
class Digest:
    """One announced digest: field name, algorithm (`sha-256`, `sha-512`) and the raw value."""

    field: str
    algorithm: str
    value: bytes


@dataclass(frozen=True)
class Received:
    """A complete, verified, durable body in the staging folder; the caller puts it away or removes it."""

    path: Path
    size_bytes: int
    sha256: str
    """Lower-case hex."""

    @property
    def digest_field(self) -> str:
        """The value for a `Repr-Digest` or `Content-Digest` field: `sha-256=:…:`."""
        return digest_field(self.sha256)


def digest_field(sha256_hex: str) -> str:
    """Return `sha-256=:<base64>:` (RFC 9530 §2) of a hex SHA-256."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256_hex)).decode()}:"


def read_digests(field: str, value: str | None) -> tuple[Digest, ...]:
    """Parse one digest field; unknown algorithms are passed over, but one that can be verified must be there.

    Raises DigestMalformed.
    """
    if value is None:
        return ()
    found: dict[str, Digest] = {}
    for member in value.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            msg = f"{field}: expected sha-256=:<base64>: and found {member.strip()[:80]!r}"
            raise DigestMalformed(msg)
        algorithm = match[1]
        if algorithm not in ALGORITHMS:
            continue
        try:
            raw = base64.b64decode(match[2], validate=True)
        except binascii.Error:
            raw = b""
        wanted = hashlib.new(ALGORITHMS[algorithm]).digest_size
        if len(raw) != wanted:
            msg = f"{field}: {algorithm} needs {wanted} bytes in base64"
            raise DigestMalformed(msg)
        found[algorithm] = Digest(field, algorithm, raw)
    if not found:
        msg = f"{field}: names none of {', '.join(ALGORITHMS)}"
        raise DigestMalformed(msg)
    return tuple(found.values())


async def receive(
    body: AsyncIterable[bytes],
    staging: Path,
    *,
    limit_bytes: int,
    content_length: int | None = None,
    content_digest: str | None = None,
    repr_digest: str | None = None,
) -> Received:
    """Write the body to a staged file and return it complete, verified and fsynced; memory stays flat.

    Raises BodyTooLarge, BodyIncomplete, DigestMalformed, DigestMismatch. On these, on a client that goes away and on
    cancellation the staged file is removed.
    """
    digests = read_digests("Content-Digest", content_digest) + read_digests("Repr-Digest", repr_digest)
    if content_length is not None and content_length > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    handle, name = tempfile.mkstemp(prefix="part-", dir=staging)
    path = Path(name)
    try:
        hashes = {
            algorithm: hashlib.new(ALGORITHMS[algorithm])
            for algorithm in {"sha-256", *(d.algorithm for d in digests)}
        }
        size = await _pour(body, handle, list(hashes.values()), limit_bytes)
        if content_length is not None and size != content_length:
            msg = f"Content-Length announced {content_length} bytes and {size} arrived"
            raise BodyIncomplete(msg)
        for digest in digests:
            if not hmac.compare_digest(hashes[digest.algorithm].digest(), digest.value):
                msg = f"{digest.field}: the {digest.algorithm} of the {size} bytes received is another"
                raise DigestMismatch(msg)
        await asyncio.to_thread(os.fsync, handle)
    except BaseException:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 — one fast call; awaiting while cancelled could skip it
        raise
    finally:
        os.close(handle)
    return Received(path, size, hashes["sha-256"].hexdigest())


async def _pour(
    body: AsyncIterable[bytes], handle: int, hashes: "list[hashlib._Hash]", limit_bytes: int
) -> int:
    size = 0
    gathered: list[bytes] = []
    waiting = 0
    async for chunk in body:
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        gathered.append(chunk)
        waiting += len(chunk)
        if waiting >= GATHER_BYTES:
            await _settle(handle, hashes, gathered)
            gathered, waiting = [], 0
    await _settle(handle, hashes, gathered)
    return size


async def _settle(handle: int, hashes: "list[hashlib._Hash]", chunks: list[bytes]) -> None:
    await to_its_end(_write, handle, hashes, chunks)


async def to_its_end(work: Callable[..., Result], *args: Any) -> Result:
    """Work in a thread, and wait for it even when cancelled: no handle is closed under it."""
    doing = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


def _write(handle: int, hashes: "list[hashlib._Hash]", chunks: list[bytes]) -> None:
    for chunk in chunks:
        for running in hashes:
            running.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(handle, view) :]
