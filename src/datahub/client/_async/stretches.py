"""Large files out: in stretches (tus 1.0), taken up where the line broke, by this call or by a later one.

https://tus.io/protocols/resumable-upload (1.0.0). What the exchange has is what it says; nothing is assumed.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from datahub.client._async.files import PATIENCE_S
from datahub.client._async.transport import AsyncTransport
from datahub.client._async.waiting import pause
from datahub.client.beside import Beside
from datahub.client.errors import (
    Conflict,
    DatahubError,
    Invalid,
    NotFound,
    NotReachable,
    ServerFailed,
    TransferBroken,
)
from datahub.client.memory import Memory

Progress = Callable[[int, int | None], None] | None
FROM_BYTES = 16 * 1024 * 1024
"""From here on a file goes in stretches; below, one body is quicker."""
BLOCK_BYTES = 1024 * 1024
TRIES = 12
"""How often in a row nothing may come through before the call gives up; what came stays for the next call."""
BEGINNINGS = 3
_UPLOADS = "/v1/uploads"
_UPLOAD_GONE = ("upload-not-found", "upload-expired")
_TUS = {"Tus-Resumable": "1.0.0"}
# What is over by the time of the next try; all else is the exchange's answer.
_PASSING = (NotReachable, TransferBroken, ServerFailed, httpx2.TransportError)


class _File:
    """The file, with the SHA-256 of what was read of it so far."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size
        self.at, self._seen = 0, hashlib.sha256()
        self._beside = Beside(self._see)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.close()

    def _see(self, block: bytes) -> None:
        self._seen.update(block)

    async def blocks(self, start: int, progress: Progress) -> AsyncIterator[bytes]:
        """Give what follows `start`; what comes before is read for the digest alone."""
        self._beside.drain()
        if start != self.at:
            self.at, self._seen = 0, hashlib.sha256()
        with self.path.open("rb") as file:
            file.seek(self.at)
            while block := file.read(BLOCK_BYTES if self.at >= start else min(BLOCK_BYTES, start - self.at)):
                self._beside.give(block)
                is_new = self.at >= start
                self.at += len(block)
                if is_new:
                    yield block
                    if progress:
                        progress(self.at, self.size)

    async def digest(self) -> bytes:
        """Return the SHA-256 of the whole, as far as it was not read yet."""
        async for _ in self.blocks(self.size, None):
            raise AssertionError
        self._beside.drain()
        return self._seen.digest()


async def upload_in_stretches(
    transport: AsyncTransport,
    address: str,
    path: Path,
    media_type: str,
    params: Mapping[str, Any],
    progress: Progress,
) -> Mapping[str, Any]:
    """Send a file and make it the version that `address` adds; the exchange checks the digest of the whole.

    Raises TransferBroken or NotReachable when the line stays broken; the same call goes on where it was.
    """
    memory = Memory.of(transport.profile.url, address, path)
    answer: Mapping[str, Any] | None = None
    try:
        with _File(path) as file:
            where = memory.read() or await _begin(transport, file, media_type, memory)
            for _ in range(BEGINNINGS):
                await _send_all(transport, where, file, progress)
                answer = await _finish(transport, address, where, params, await file.digest())
                if answer is not None:
                    break
                where = await _begin(transport, file, media_type, memory)
    except (Invalid, Conflict):
        memory.forget()  # what is there is not what this file is, or is no table: begin anew next time
        raise
    memory.forget()
    if answer is None:
        raise TransferBroken(f"The exchange forgot the upload of {path.name} again and again.")
    return answer


async def _finish(
    transport: AsyncTransport, address: str, where: str, params: Mapping[str, Any], digest: bytes
) -> Mapping[str, Any] | None:
    """Make the upload a version; None when the exchange does not know it.

    One that became a version before this program heard of it is answered as it was then, by its Idempotency-Key.
    """
    headers = {
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Idempotency-Key": f"{where}#{digest.hex()}"[-200:],
    }
    whole = {**params, "upload": where.rpartition("/")[2]}
    try:
        stored: Mapping[str, Any] = await transport.json(
            "POST", address, params=whole, headers=headers, timeout_s=PATIENCE_S
        )
    except NotFound as unknown:
        if unknown.code not in _UPLOAD_GONE:
            raise
        return None
    return stored


async def _begin(transport: AsyncTransport, file: _File, media_type: str, memory: Memory) -> str:
    said = {"filename": file.path.name, "filetype": media_type}
    pairs = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    headers = {**_TUS, "Upload-Length": str(file.size), "Upload-Metadata": ",".join(pairs)}
    answer = await transport.call("POST", _UPLOADS, headers=headers)
    where = str(answer.headers["location"])
    memory.write(where)
    return where


async def _send_all(transport: AsyncTransport, where: str, file: _File, progress: Progress) -> None:
    """Send what is missing, however often the line breaks; nothing when the exchange knows the upload no more."""
    failed, reached = 0, -1
    while True:
        try:
            at = int((await transport.call("HEAD", where, headers=_TUS)).headers["upload-offset"])
            if at > reached:
                failed, reached = 0, at
            if at == file.size:
                if progress:
                    progress(at, file.size)
                return
            await _send(transport, where, file, at, progress)
        except NotFound:
            return
        except (*_PASSING, Conflict) as fault:
            failed += 1
            if failed >= TRIES:
                broken = fault if isinstance(fault, DatahubError) else TransferBroken(str(fault))
                raise broken from fault
            await pause(min(0.1 * 2**failed, 5.0))


async def _send(transport: AsyncTransport, where: str, file: _File, at: int, progress: Progress) -> None:
    headers = {
        **_TUS,
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(file.size - at),
        "Upload-Offset": str(at),
    }

    def body() -> AsyncIterator[bytes]:
        return file.blocks(at, progress)

    async with transport.stream("PATCH", where, content=body, headers=headers) as answer:
        await answer.aread()
