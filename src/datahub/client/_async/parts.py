"""A large file in several parts at once: for long lines, where one connection does not fill the way.

RFC 9110 §14 (Range, If-Range). What has come is noted stretch by stretch, so that the next call fetches only the rest.
"""

import base64
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any

import httpx2

from datahub.client._async.transport import AsyncTransport
from datahub.client._async.waiting import together
from datahub.client.errors import NotReachable, TransferBroken

Progress = Callable[[int, int | None], None] | None
STRETCH_BYTES = 16 * 1024 * 1024
"""What is fetched by one call, and fetched again when a program is killed in the middle of it."""
TRIES = 5
"""How often in a row one stretch may break off before the download is given up; what came stays for the next call."""


@dataclass(frozen=True)
class Whole:
    """What is to be fetched: its validator, its size in bytes, and the SHA-256 that it must have, if that is told."""

    etag: str
    size: int
    sha256: bytes | None

    @property
    def stretches(self) -> range:
        """Return the numbers of its stretches."""
        return range(-(-self.size // STRETCH_BYTES))


@dataclass
class Part:
    """What has come: the file beside the target, and a note of the stretches that are whole."""

    file: Path
    note: Path
    whole: Whole
    done: set[int] = field(default_factory=set)
    came: int = 0
    is_stopped: bool = False
    lock: Lock = field(default_factory=Lock)

    def take_up(self) -> None:
        """Go on with what an earlier call left of the same whole; begin anew otherwise."""
        try:
            said = json.loads(self.note.read_text(encoding="utf-8"))
            is_same = (said["etag"], said["stretchBytes"]) == (self.whole.etag, STRETCH_BYTES)
            self.done = set(said["stretches"]) if is_same and self.file.exists() else set()
        except (OSError, ValueError, KeyError, TypeError):
            self.done = set()
        self.came = sum(self.size_of(number) for number in self.done)
        with self.file.open("r+b" if self.done else "wb") as file:
            file.truncate(self.whole.size)
        self._write()

    def stop(self) -> None:
        """Let all who fetch stretches end."""
        self.is_stopped = True

    def count(self, block: bytes, progress: Progress) -> None:
        """Count what came. Raises TransferBroken where another has ended all."""
        if self.is_stopped:
            raise TransferBroken("Another part of the file broke off.")
        with self.lock:
            self.came += len(block)
            if progress:
                progress(self.came, self.whole.size)

    def size_of(self, number: int) -> int:
        """Return the size of a stretch in bytes."""
        return min(STRETCH_BYTES, self.whole.size - number * STRETCH_BYTES)

    def finish(self, number: int) -> None:
        """Note that a stretch is whole."""
        with self.lock:
            self.done.add(number)
            self._write()

    def _write(self) -> None:
        said = {"etag": self.whole.etag, "stretchBytes": STRETCH_BYTES, "stretches": sorted(self.done)}
        beside = self.note.with_name(f"{self.note.name}.{os.getpid()}")
        beside.write_text(json.dumps(said), encoding="utf-8")
        beside.replace(self.note)


async def fetch_parts(
    transport: AsyncTransport,
    address: str,
    part: Part,
    params: Mapping[str, Any],
    details: Sequence[Mapping[str, Any]],
    progress: Progress,
    parts: int,
) -> None:
    """Fetch what is missing, `parts` stretches at once, and check the digest of the whole. Raises TransferBroken."""
    part.take_up()
    missing = deque(number for number in part.whole.stretches if number not in part.done)

    async def work() -> None:
        while True:
            try:
                number = missing.popleft()
            except IndexError:
                return
            with part.file.open("r+b") as file:
                await _fetch(transport, address, part, params, details, progress, number, file)
            part.finish(number)

    await together(work, min(parts, len(missing)), part.stop)
    with part.file.open("rb") as file:
        if part.whole.sha256 not in (None, hashlib.file_digest(file, "sha256").digest()):
            part.file.unlink()
            part.note.unlink()
            raise TransferBroken("The digest is another than the exchange promised; nothing was kept.")


async def _fetch(
    transport: AsyncTransport,
    address: str,
    part: Part,
    params: Mapping[str, Any],
    details: Sequence[Mapping[str, Any]],
    progress: Progress,
    number: int,
    file: IO[bytes],
) -> None:
    """Fetch one stretch, however often it breaks off."""
    at, end = number * STRETCH_BYTES, number * STRETCH_BYTES + part.size_of(number)
    failed = 0
    file.seek(at)
    while at < end:
        headers = {"Range": f"bytes={at}-{end - 1}", "If-Range": part.whole.etag}
        began = at
        try:
            async with transport.stream(
                "GET", address, params=params, headers=headers, details=details
            ) as answer:
                if answer.status_code != httpx2.codes.PARTIAL_CONTENT:
                    part.note.unlink(missing_ok=True)
                    raise TransferBroken("The file changed while it was fetched; begin anew.")
                async for block in answer.aiter_raw():
                    file.write(block)
                    at += len(block)
                    part.count(block, progress)
        except (TransferBroken, NotReachable):
            failed = failed + 1 if at == began else 1
            if failed >= TRIES or part.is_stopped or not part.note.exists():
                raise


def whole_of(headers: Mapping[str, str]) -> Whole | None:
    """Return what an answer to HEAD promises; None where it cannot be fetched in parts."""
    etag, size = headers.get("etag", ""), headers.get("content-length", "")
    # Only a strong validator of something with ranges can be put together of parts (RFC 9110 §13.1.5).
    if not etag or etag.startswith("W/") or headers.get("accept-ranges") != "bytes" or not size.isdecimal():
        return None
    return Whole(etag, int(size), promised(headers.get("repr-digest")))


def promised(digests: str | None) -> bytes | None:
    """Return the SHA-256 that Repr-Digest tells (RFC 9530 §3), if it tells one."""
    for member in (digests or "").split(","):
        name, _, value = member.strip().partition("=:")
        if name == "sha-256" and value.endswith(":"):
            try:
                return base64.b64decode(value[:-1], validate=True)
            except ValueError:
                return None
    return None
