# Made from _async/files.py by tests/client/unasync.py; change it there.
"""Files in and out: streamed, with progress, digests checked; a download goes on where it broke off.

RFC 9110 §14 (Range, If-Range), RFC 9530 (Repr-Digest).
"""

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx2

from datahub.client._sync.parts import (
    STRETCH_BYTES,
    Part,
    Whole,
    fetch_parts,
    promised,
    whole_of,
)
from datahub.client._sync.transport import Transport
from datahub.client.beside import Beside
from datahub.client.errors import Invalid, NotReachable, Refused, TransferBroken

Progress = Callable[[int, int | None], None] | None
BLOCK_BYTES = 1024 * 1024
PATIENCE_S = 3600.0
"""How long the exchange may take to read a table that came whole, before the call is given up."""
# How often a download takes up a broken stream again before it gives up; what came stays for the next call.
RESUMES = 5


def upload(
    transport: Transport,
    address: str,
    content: Path | bytes,
    media_type: str,
    params: Mapping[str, Any],
    progress: Progress,
) -> Mapping[str, Any]:
    """Send a file or bytes as one body; the exchange checks the digest before it keeps anything."""
    digest, size = _digest(content)
    headers = {
        "Content-Type": media_type,
        "Content-Length": str(size),
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "Idempotency-Key": digest.hex() + os.urandom(8).hex(),
    }

    def body() -> Iterator[bytes]:
        return _blocks(content, size, progress)

    with transport.stream(
        "POST", address, params=params, content=body, headers=headers, timeout_s=PATIENCE_S
    ) as answer:
        answer.read()
        stored: Mapping[str, Any] = answer.json()
        return stored


def download(
    transport: Transport,
    address: str,
    to: Path,
    params: Mapping[str, Any],
    details: Sequence[Mapping[str, Any]],
    progress: Progress,
    parts: int = 1,
) -> Path:
    """Fetch to `to`, by way of `to`.part, which stays when the way breaks and is taken up by the next call.

    `parts`: so many stretches at once, where the file is large and the exchange gives ranges of it.
    """
    part, note = _beside(to)
    if parts > 1 or "stretches" in _note(note):
        whole = _whole(transport, address, params, details)
        if whole is not None and whole.size > STRETCH_BYTES:
            coming = Part(part, note, whole)
            fetch_parts(transport, address, coming, params, details, progress, parts)
            part.replace(to)
            note.unlink(missing_ok=True)
            return to
    for attempt in range(RESUMES + 1):
        try:
            promised, came = _take_up(transport, address, part, note, params, details, progress)
        except (TransferBroken, NotReachable):
            if attempt == RESUMES or not _noted(part, note)[0]:
                raise
            continue
        if promised is not None and came != promised:
            _forget(part, note)
            raise TransferBroken(
                f"The digest of {to.name} is another than the exchange promised; nothing was kept."
            )
        part.replace(to)
        note.unlink(missing_ok=True)
        return to
    raise AssertionError  # the loop returns or raises


def _take_up(
    transport: Transport,
    address: str,
    part: Path,
    note: Path,
    params: Mapping[str, Any],
    details: Sequence[Mapping[str, Any]],
    progress: Progress,
) -> tuple[bytes | None, bytes]:
    """Fetch what is missing; return the digest that the whole must have, if the exchange names one, and that it has."""
    etag, have = _noted(part, note)
    headers = {"Range": f"bytes={have}-", "If-Range": etag} if etag and have else {}
    try:
        with transport.stream("GET", address, params=params, headers=headers, details=details) as answer:
            is_rest = answer.status_code == httpx2.codes.PARTIAL_CONTENT
            begun = have if is_rest else 0
            _write_note(note, answer.headers.get("etag"), answer.headers.get("accept-ranges"))
            total = (
                int(answer.headers["content-length"]) + begun if "content-length" in answer.headers else None
            )
            seen = _seen(part) if is_rest else hashlib.sha256()
            with part.open("ab" if is_rest else "wb", buffering=0) as file, Beside(_keep(file, seen)) as kept:
                for block in answer.iter_raw():
                    kept.give(block)
                    begun += len(block)
                    if progress:
                        progress(begun, total)
            if total is not None and begun != total:
                raise TransferBroken(f"The stream ended after {begun} of {total} bytes.")
            return promised(answer.headers.get("repr-digest")), seen.digest()
    except Invalid as refused:
        if refused.status != httpx2.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # What is here is as long as the file, or longer: begin anew.
        _forget(part, note)
        raise TransferBroken("What had come before does not fit the file any more.") from refused


def _keep(file: IO[bytes], seen: "hashlib._Hash") -> Callable[[bytes], None]:
    """Return what writes bytes and lets the digest see them."""

    def keep(block: bytes) -> None:
        left = memoryview(block)
        while left:
            left = left[file.write(left) :]
        seen.update(block)

    return keep


def _whole(
    transport: Transport, address: str, params: Mapping[str, Any], details: Sequence[Mapping[str, Any]]
) -> Whole | None:
    """Return what is to be fetched in parts; None where it cannot be, or is refused: the read itself says why."""
    try:
        return whole_of((transport.call("HEAD", address, params=params, details=details)).headers)
    except Refused:
        return None


def _note(note: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _noted(part: Path, note: Path) -> tuple[str | None, int]:
    """Return the validator and the length of what has come in one stretch."""
    said = _note(note)
    if not said.get("etag") or "stretches" in said or not part.exists():
        return None, 0
    return str(said["etag"]), part.stat().st_size


def can_resume(to: Path) -> bool:
    """Tell whether a part of `to` has come that a download would go on from."""
    part, note = _beside(to)
    return bool(_noted(part, note)[1] or _note(note).get("stretches"))


def _beside(to: Path) -> tuple[Path, Path]:
    """Return where what has come is kept, and the note about it."""
    return to.with_name(f"{to.name}.part"), to.with_name(f"{to.name}.part.json")


def _write_note(note: Path, etag: str | None, ranges: str | None) -> None:
    # Only a strong validator of something with ranges can be gone on with (RFC 9110 §13.1.5).
    is_good = etag and not etag.startswith("W/") and ranges != "none"
    note.write_text(json.dumps({"etag": etag if is_good else None}), encoding="utf-8")


def _forget(part: Path, note: Path) -> None:
    part.unlink(missing_ok=True)
    note.unlink(missing_ok=True)


def _seen(part: Path) -> "hashlib._Hash":
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _digest(content: Path | bytes) -> tuple[bytes, int]:
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest(), len(content)
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), content.stat().st_size


def _blocks(content: Path | bytes, size: int, progress: Progress) -> Iterator[bytes]:
    sent = 0
    with contextlib.ExitStack() as stack:
        file: IO[bytes] | None = (
            stack.enter_context(content.open("rb")) if isinstance(content, Path) else None
        )
        while sent < size:
            block = file.read(BLOCK_BYTES) if file else content[sent : sent + BLOCK_BYTES]  # type: ignore[index]
            if not block:
                return
            sent += len(block)
            yield block
            if progress:
                progress(sent, size)
