"""From a request to received files: media types, names and digests checked, bytes streamed to staging.

RFC 9110 (content), RFC 9530 (digests), RFC 6266 (names), RFC 7578 (several files at once).
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from datahub.catalog.errors.versions import InvalidUpload, StorageUnavailable
from datahub.catalog.models import DatasetKind
from datahub.catalog.objects import ObjectStore
from datahub.catalog.receive import (
    ALGORITHMS,
    BodyFault,
    BodyTooLarge,
    Digest,
    DigestMismatch,
    Received,
    read_digests,
    receive,
)
from datahub.catalog.routes.multipart import MultipartBody
from datahub.catalog.rules import versions as rules
from datahub.catalog.rules.resumable import metadata_of
from datahub.catalog.service.resumable import whole_upload
from datahub.catalog.service.uploads import TABLE_FORMS, NamedFile, Plan
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.rest import TooLarge, UnsupportedMediaType

MULTIPART = "multipart/form-data"
OCTETS = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*utf-8'[a-z0-9-]*'([^;\s]+)", re.IGNORECASE)
# What can go wrong while a body comes in: its own fault, the caller goes away, the disk is full.
_BROKEN = (BodyFault, ClientDisconnect, OSError)
_DIGEST_FIELDS = ("Content-Digest", "Repr-Digest")

# Reading a table takes a core and the engine's memory: two at a time, the others wait their turn.
_HEAVY = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ingest")
Result = TypeVar("Result")


async def in_turn(work: Callable[[], Result]) -> Result:
    """Do heavy work in a thread of the few that there are for it."""
    return await asyncio.get_running_loop().run_in_executor(_HEAVY, work)


def media_type_for(request: Request, plan: Plan, said: str | None = None) -> str:
    """Return the media type of the body. Raises UnsupportedMediaType when the dataset does not take it.

    `said`: what the upload says of itself, which wins over the request that hands it over.
    """
    media_type, parameters = _content_type(said or request.headers.get("content-type"))
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(
            "A body with a content coding is not read here.", remedy="Send it without Content-Encoding."
        )
    if plan.kind is DatasetKind.FILES:
        return media_type or OCTETS
    charset = parameters.get("charset", "utf-8").lower()
    if media_type not in TABLE_FORMS or charset not in ("utf-8", "us-ascii"):
        raise UnsupportedMediaType(
            f"A table cannot be read from {media_type or 'a body without Content-Type'} here.",
            remedy=f"Send one of {', '.join(TABLE_FORMS)}; text in UTF-8.",
            accepted=list(TABLE_FORMS),
        )
    return media_type


@asynccontextmanager
async def received_table(request: Request, store: ObjectStore, limit_bytes: int) -> AsyncIterator[Received]:
    """Stream the body to staging; give it complete and verified; remove it in the end. Raises InvalidUpload, TooLarge."""
    received = await _receive_one(request, store, limit_bytes)
    try:
        yield received
    finally:
        received.path.unlink(missing_ok=True)


@asynccontextmanager
async def received_files(
    request: Request, store: ObjectStore, limit_bytes: int, asked_name: str | None
) -> AsyncIterator[Sequence[NamedFile]]:
    """Stream one file, or all files of a multipart body, to staging; remove in the end what was not stored.

    Raises InvalidUpload, TooLarge.
    """
    files: list[NamedFile] = []
    try:
        media_type, parameters = _content_type(request.headers.get("content-type"))
        if media_type == MULTIPART:
            await _receive_parts(request, store, limit_bytes, parameters.get("boundary", ""), files)
        else:
            name = name_of(request, asked_name)
            received = await _receive_one(request, store, limit_bytes)
            files.append(NamedFile(name, media_type or OCTETS, received))
        yield files
    finally:
        for file in files:
            file.received.path.unlink(missing_ok=True)


@contextmanager
def handed_over(
    request: Request, ctx: Context, store: ObjectStore, upload_id: str
) -> Iterator[tuple[Mapping[str, str], Received]]:
    """Give a finished upload as a received body, with what its Upload-Metadata says. Raises as `whole_upload`."""
    try:
        digests = [
            digest
            for field in _DIGEST_FIELDS[1:]
            for digest in read_digests(field, request.headers.get(field))
        ]
        with whole_upload(ctx, store, upload_id, digests) as (upload, received):
            yield metadata_of(upload.said), received
    except BodyFault as fault:
        raise _refused(fault) from fault


async def _receive_one(request: Request, store: ObjectStore, limit_bytes: int) -> Received:
    headers = request.headers
    length = headers.get("content-length", "")
    try:
        return await receive(
            request.stream(),
            store.staging,
            limit_bytes=limit_bytes,
            content_length=int(length) if length.isdecimal() else None,
            content_digest=headers.get("content-digest"),
            repr_digest=headers.get("repr-digest"),
        )
    except _BROKEN as fault:
        raise _refused(fault) from fault


async def _receive_parts(
    request: Request, store: ObjectStore, limit_bytes: int, boundary: str, files: list[NamedFile]
) -> None:
    """Stream each part to a file of its own; all of them, or the caller removes what came."""
    faults: list[Fault] = []
    whole = _Whole(request, limit_bytes)
    try:
        async for part in MultipartBody(whole.chunks(), boundary.encode("latin-1", "replace")):
            pointer = f"/files/{len(files)}"
            if len(files) >= rules.MAX_FILES:
                raise InvalidUpload(
                    f"A version has at most {rules.MAX_FILES} files.", faults=[Fault("", "too many", "files")]
                )
            received = await receive(part.body, store.staging, limit_bytes=limit_bytes)
            name = rules.file_name(part.file_name or "")
            files.append(NamedFile(name, _content_type(part.media_type)[0] or OCTETS, received))
            fault = rules.file_name_fault(name, pointer)
            faults += [fault] if fault else []
        whole.verify()
    except _BROKEN as fault:
        raise _refused(fault) from fault
    if faults:
        raise InvalidUpload("A file's name cannot be used.", faults=faults)


class _Whole:
    """A body that is counted and, where a digest was announced, hashed while its parts are taken out."""

    def __init__(self, request: Request, limit_bytes: int) -> None:
        self._stream = request.stream()
        self._limit = limit_bytes
        self._digests: list[Digest] = []
        for field in _DIGEST_FIELDS:
            self._digests += read_digests(field, request.headers.get(field))
        self._hashes: dict[str, Any] = {
            d.algorithm: hashlib.new(ALGORITHMS[d.algorithm]) for d in self._digests
        }

    async def chunks(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise BodyTooLarge(self._limit)
            for running in self._hashes.values():
                running.update(chunk)
            yield chunk

    def verify(self) -> None:
        for digest in self._digests:
            if not hmac.compare_digest(self._hashes[digest.algorithm].digest(), digest.value):
                msg = f"{digest.field}: the {digest.algorithm} of the bytes received is another"
                raise DigestMismatch(msg)


def name_of(request: Request, asked: str | None) -> str:
    """Return a file's name from `filename=`, or else from Content-Disposition. Raises InvalidUpload."""
    pointer = "/query/filename"
    sent = asked
    if sent is None and (disposition := request.headers.get("content-disposition")):
        pointer = "/header/Content-Disposition"
        extended = _EXTENDED_NAME.search(disposition)
        plain = parse_options_header(disposition)[1].get(b"filename", b"").decode("latin-1")
        sent = unquote(extended[1]) if extended else plain
    name = rules.file_name(sent or "")
    if fault := rules.file_name_fault(name, pointer):
        raise InvalidUpload(
            "The file needs a name that can be used.",
            remedy="Give ?filename=… or a Content-Disposition header, or send multipart/form-data.",
            faults=[fault],
        )
    return name


def _content_type(header: str | None) -> tuple[str, dict[str, str]]:
    raw, options = parse_options_header(header)
    media_type = raw.decode("latin-1").strip().lower()
    if media_type and not _MEDIA_TYPE.fullmatch(media_type):
        raise UnsupportedMediaType("The Content-Type is not a media type.")
    return media_type, {k.decode("latin-1"): v.decode("latin-1") for k, v in options.items()}


def _refused(fault: Exception) -> InvalidUpload | TooLarge | StorageUnavailable:
    if isinstance(fault, BodyTooLarge):
        return TooLarge(
            f"The upload has more than {fault.limit_bytes} bytes; nothing of it was kept.",
            limitBytes=fault.limit_bytes,
        )
    if isinstance(fault, ClientDisconnect):
        return InvalidUpload("The upload broke off; nothing of it was kept.")
    if not isinstance(fault, BodyFault):
        return StorageUnavailable("The upload could not be kept while it came in; nothing was changed.")
    field = str(fault).partition(":")[0]
    pointer = f"/header/{field}" if field in _DIGEST_FIELDS else ""
    return InvalidUpload(
        f"The body cannot be accepted: {fault}; nothing of it was kept.",
        faults=[Fault(pointer, str(fault), fault.code)],
    )
