"""The verbs on resumable uploads (tus 1.0): begin, take in, hand over whole, end.

What counts is what the row says: bytes are made durable first, and then the row moves from the position that this
writer knew. A writer that finds it elsewhere gives up; its bytes are in pieces of its own, so nothing is mixed.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from datahub.audit import About, record
from datahub.catalog.errors.uploads import (
    TooManyUploads,
    UploadExpired,
    UploadNotFound,
    UploadOffsetConflict,
    UploadUnfinished,
)
from datahub.catalog.errors.versions import StorageUnavailable
from datahub.catalog.models.uploads import Upload, UploadPiece
from datahub.catalog.objects import ObjectStore, StorageFailed
from datahub.catalog.objects.pieces import PIECES, Piece, PieceWriter, gather
from datahub.catalog.receive import ALGORITHMS, Digest, DigestMismatch, Received
from datahub.catalog.rules import resumable as rules
from datahub.catalog.rules.datasets import must_publish_for
from datahub.catalog.store import uploads as store
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id

SETTLE_BYTES = 16 << 20
"""What a power cut can cost at most: so much is taken in before it is made durable."""


class ChecksumDiffers(Exception):  # noqa: N818 — says what happened
    """The bytes of one request are not those its checksum was made of; none of them is kept."""


class _Running:
    """SHA-256 states of uploads that came through this process, so that finishing need not read all again."""

    KEPT = 64

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, hashlib._Hash]] = OrderedDict()
        self._lock = Lock()

    def take(self, upload_id: str, position: int) -> "hashlib._Hash | None":
        """Return the state at a position, and forget it."""
        with self._lock:
            at, state = self._kept.pop(upload_id, (-1, None))
        if at == position:
            return state
        return None if position else hashlib.sha256()

    def keep(self, upload_id: str, position: int, state: "hashlib._Hash") -> None:
        with self._lock:
            self._kept[upload_id] = (position, state)
            while len(self._kept) > self.KEPT:
                self._kept.popitem(last=False)


_RUNNING = _Running()


def begin_upload(ctx: Context, length: int, said: str | None) -> Upload:
    """Begin an upload of `length` bytes for the actor's organisation. Raises DatasetChangeNotAllowed, TooManyUploads."""
    provider_id = must_publish_for(ctx.actor, ctx.actor.participant_id)
    if store.open_uploads(ctx.session, provider_id) >= rules.MAX_OPEN:
        raise TooManyUploads(
            f"Your organisation has {rules.MAX_OPEN} uploads under way.",
            remedy="Finish or end some (DELETE); what nothing comes for is removed after a week.",
            limit=rules.MAX_OPEN,
        )
    upload = Upload(
        id=new_id(),
        provider_id=provider_id,
        by_client_id=ctx.actor.client_id,
        length=length,
        said=said,
        created_at=ctx.now,
        expires_at=ctx.now + rules.KEPT_FOR,
    )
    ctx.session.add(upload)
    ctx.session.flush()
    record(ctx, "upload.begin", About(thing_id=upload.id, provider_id=provider_id, bytes=length))
    return upload


def get_upload(ctx: Context, upload_id: str) -> Upload:
    """Return an upload of the actor's organisation. Raises DatasetChangeNotAllowed, UploadNotFound, UploadExpired."""
    provider_id = must_publish_for(ctx.actor, ctx.actor.participant_id)
    upload = store.upload_of(ctx.session, upload_id, provider_id)
    if upload is None:
        raise UploadNotFound("There is no such upload of your organisation.")
    if upload.expires_at <= ctx.now:
        raise UploadExpired("Nothing came for this upload in a week; begin a new one.")
    return upload


def take_up(ctx: Context, upload_id: str, position: int) -> Upload:
    """Return an upload to go on with at `position`. Raises as `get_upload`, and UploadOffsetConflict."""
    upload = get_upload(ctx, upload_id)
    if upload.position != position:
        raise _elsewhere(upload.position)
    return upload


def end_upload(ctx: Context, upload_id: str) -> None:
    """End an upload that is not wanted; its bytes go with `forget_bytes`. Raises as `get_upload`."""
    upload = get_upload(ctx, upload_id)
    store.remove_upload(ctx.session, upload.id)
    record(ctx, "upload.end", About(thing_id=upload.id, provider_id=upload.provider_id))


def used_up(ctx: Context, upload_id: str) -> None:
    """Forget an upload that became a version: a second version of it would need a second upload."""
    if not store.remove_upload(ctx.session, upload_id):
        raise UploadNotFound("This upload has become a version already.")


def forget_bytes(objects: ObjectStore, upload_id: str) -> None:
    """Remove the bytes of an upload that is no more; what cannot be removed now is swept later."""
    try:
        objects.remove_below(f"{PIECES}/{upload_id}")
    except StorageFailed:
        return


class Inflow:
    """One request's bytes on their way in; commits each time that some of them have become durable."""

    def __init__(
        self, ctx: Context, objects: ObjectStore, upload: Upload, checksum: rules.Checksum | None
    ) -> None:
        """Begin where the upload is."""
        ctx.session.expunge(upload)  # its row moves by `advance` only
        self._ctx, self.upload, self._checksum = ctx, upload, checksum
        self._writer = PieceWriter(objects, upload.id, upload.position)
        self._whole = _RUNNING.take(upload.id, upload.position)
        self._own = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._waiting: list[Piece] = []
        self._is_overtaken = False

    def take(self, chunks: Iterable[bytes]) -> None:
        """Write bytes, and settle them when there are many. Raises StorageUnavailable, UploadOffsetConflict."""
        try:
            for chunk in chunks:
                self._writer.write(chunk)
                for running in (self._whole, self._own):
                    if running is not None:
                        running.update(chunk)
            if self._writer.unsettled >= SETTLE_BYTES:
                self._settle()
                if self._checksum is None:
                    self._advance()
        except StorageFailed as fault:
            raise StorageUnavailable("The upload could not be kept while it came in.") from fault

    def finish(self) -> Upload:
        """Let the bytes count. Raises ChecksumDiffers, StorageUnavailable, UploadOffsetConflict."""
        if (
            self._checksum is not None
            and self._own is not None
            and not hmac.compare_digest(self._own.digest(), self._checksum.value)
        ):
            raise ChecksumDiffers
        try:
            self._settle()
            self._advance()
        except StorageFailed as fault:
            raise StorageUnavailable("The upload could not be kept while it came in.") from fault
        finally:
            self._writer.close()
        if self._whole is not None:
            _RUNNING.keep(self.upload.id, self.upload.position, self._whole)
        return self.upload

    def break_off(self) -> None:
        """Keep what came before the way broke, unless a checksum was to judge all of it, or another went on."""
        if self._checksum is not None:
            self._writer.discard()
        elif self._is_overtaken:
            self._writer.close()
        else:
            self.finish()

    def discard(self) -> None:
        """Remove what this request brought; only where nothing of it counts, which is under a checksum."""
        self._writer.discard()

    def _settle(self) -> None:
        piece = self._writer.settle()
        if piece is not None:
            self._waiting = [each for each in self._waiting if each.start != piece.start] + [piece]

    def _advance(self) -> None:
        if not self._waiting:
            return
        session, at = self._ctx.session, self.upload.position
        to = self._waiting[-1].start + self._waiting[-1].bytes
        if not store.advance(session, self.upload.id, at, to, self._ctx.now + rules.KEPT_FOR):
            session.rollback()
            self._is_overtaken = True
            raise _elsewhere(None)
        for piece in self._waiting:
            row = UploadPiece(upload_id=self.upload.id, start=piece.start, bytes=piece.bytes, name=piece.name)
            store.put_piece(session, row)
        session.commit()
        self.upload.position, self.upload.expires_at = to, self._ctx.now + rules.KEPT_FOR
        self._waiting = []


@contextmanager
def whole_upload(
    ctx: Context, objects: ObjectStore, upload_id: str, digests: Iterable[Digest]
) -> Iterator[tuple[Upload, Received]]:
    """Give a finished upload as a received body; its file is removed in the end, the upload is not.

    Raises as `get_upload`, and UploadUnfinished, DigestMismatch, StorageUnavailable.
    """
    upload = get_upload(ctx, upload_id)
    if upload.position != upload.length:
        raise UploadUnfinished(
            f"{upload.position} of {upload.length} bytes have come in.",
            remedy=f"Send the rest: PATCH /v1/uploads/{upload.id} with Upload-Offset: {upload.position}.",
            offset=upload.position,
            length=upload.length,
        )
    pieces = [Piece(each.start, each.bytes, each.name) for each in store.pieces_of(ctx.session, upload.id)]
    ctx.session.commit()
    try:
        path, seen = gather(objects, pieces, _RUNNING.take(upload.id, upload.length) if pieces else None)
    except StorageFailed as fault:
        raise StorageUnavailable("The upload could not be read back; nothing was changed.") from fault
    try:
        _RUNNING.keep(upload.id, upload.length, seen)
        for digest in digests:
            if not hmac.compare_digest(_digest_of(path, digest.algorithm, seen), digest.value):
                msg = (
                    f"{digest.field}: the {digest.algorithm} of the {upload.length} bytes received is another"
                )
                raise DigestMismatch(msg)
        yield upload, Received(path, upload.length, seen.hexdigest())
    finally:
        path.unlink(missing_ok=True)


def _digest_of(path: Path, algorithm: str, seen: "hashlib._Hash") -> bytes:
    if algorithm == "sha-256":
        return seen.digest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, ALGORITHMS[algorithm]).digest()


def _elsewhere(position: int | None) -> UploadOffsetConflict:
    return UploadOffsetConflict(
        "The upload is not at this offset."
        if position is not None
        else "Another request went on with this upload meanwhile.",
        remedy="Ask by HEAD how far it is, and go on from there.",
        offset=position,
    )
