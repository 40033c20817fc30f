"""The bytes of an upload that comes in stretches: each writer has pieces of its own, so that two never mix.

In a folder a piece is a file that grows; in a bucket it is an object, put when it is full.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from datahub.catalog.objects import ObjectStore
from datahub.catalog.objects.blocks import ObjectMissing, StorageFailed, brief
from datahub.catalog.objects.folders import sync_folder
from datahub.kernel.ids import new_id

PIECES = "uploads"  # the first segment of every key
COPY_BYTES = 8 << 20


@dataclass(frozen=True)
class Piece:
    """Where a stretch of an upload lies: its first `bytes` bytes count, whatever follows."""

    start: int
    bytes: int
    name: str


class PieceWriter:
    """Writes from `start` on; nothing counts before `settle` has given it back as a piece."""

    def __init__(self, store: ObjectStore, upload_id: str, start: int) -> None:
        """Open nothing yet."""
        self._store, self._upload_id = store, upload_id
        self._start, self._size, self._synced = start, 0, 0
        self._name, self._path = "", Path()
        self._file: BinaryIO | None = None
        self._is_folder = False
        self._names: list[str] = []

    @property
    def unsettled(self) -> int:
        """Return how many bytes are not durable yet."""
        return self._size - self._synced

    def write(self, chunk: bytes) -> None:
        """Add bytes. Raises StorageFailed."""
        try:
            file = self._file or self._open()
            file.write(chunk)
        except OSError as error:
            raise StorageFailed(brief(error)) from error
        self._size += len(chunk)

    def _open(self) -> BinaryIO:
        self._name = f"{PIECES}/{self._upload_id}/{new_id()}"
        path = self._store.new_path(self._name)
        self._is_folder, self._path = path is not None, path or self._store.staged()
        self._file = self._path.open("wb")
        self._names.append(self._name)
        return self._file

    def settle(self) -> Piece | None:
        """Make what was written durable and say where it is; None when there is nothing new. Raises StorageFailed."""
        if self._file is None or not self.unsettled:
            return None
        piece = Piece(self._start, self._size, self._name)
        try:
            self._file.flush()
            if not self._is_folder:
                self.close()
                self._store.put(self._name, self._path)
                self._start, self._size, self._synced = self._start + self._size, 0, 0
                return piece
            os.fsync(self._file.fileno())
            if not self._synced:
                sync_folder(self._path.parent)
        except OSError as error:
            raise StorageFailed(brief(error)) from error
        self._synced = self._size
        return piece

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def discard(self) -> None:
        """Remove all that this writer wrote."""
        self.close()
        for name in self._names:
            self._store.delete(name)
        if self._names and not self._is_folder:
            self._path.unlink(missing_ok=True)


def gather(
    store: ObjectStore, pieces: Sequence[Piece], seen: "hashlib._Hash | None"
) -> tuple[Path, "hashlib._Hash"]:
    """Put the pieces together in a staged file, and return it with a SHA-256 that has seen all of it.

    `seen`: one that has already. A single piece in a folder is linked, not copied. Raises StorageFailed.
    """
    target = store.staged()
    running = hashlib.sha256()
    try:
        only = store.local_path(pieces[0].name) if len(pieces) == 1 else None
        if only is not None and only.stat().st_size == pieces[0].bytes:
            target.unlink()
            target.hardlink_to(only)
            if seen is None:
                with target.open("rb") as file:
                    seen = hashlib.file_digest(file, "sha256")
            return target, seen
        with target.open("wb") as whole:
            for piece in pieces:
                _copy(store, piece, whole, running)
    except (OSError, ObjectMissing) as error:
        target.unlink(missing_ok=True)
        raise StorageFailed(brief(error)) from error
    return target, running


def _copy(store: ObjectStore, piece: Piece, whole: BinaryIO, running: "hashlib._Hash") -> None:
    left = piece.bytes
    with closing(store.reader(piece.name)) as source:
        while left:
            block = source.read(min(left, COPY_BYTES))
            if not block:
                msg = f"piece {piece.name} ended {left} bytes early"
                raise StorageFailed(msg)
            running.update(block)
            whole.write(block)
            left -= len(block)
