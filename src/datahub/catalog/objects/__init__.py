"""The object store: a folder (`/path`, `file:///path`) or a bucket (`s3://bucket/prefix`), written atomically.

Reads, sizes and deletions go through obstore for both. Only publishing differs: obstore's LocalStore copies the file
and renames it without any fsync (observed with strace), so in a folder the finished file is linked into place here.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from re import compile as pattern
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from datahub.catalog.objects.blocks import (
    BLOCK_BYTES,
    Blocks,
    BucketBlocks,
    BucketFile,
    FileBlocks,
    ObjectExists,
    ObjectMissing,
    StorageFailed,
    brief,
)
from datahub.catalog.objects.folders import make_folder, put_in_folder, sync_folder
from datahub.kernel.settings import s3_endpoint

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

__all__ = ["Blocks", "ObjectExists", "ObjectMissing", "ObjectStore", "StorageFailed", "open_store"]

WHOLE_PUT_BYTES = 16 << 20
"""Up to here S3 takes the object in one conditional PUT; above it, in parts that appear at once when completed."""

_KEY = pattern(r"[a-z0-9][a-z0-9._-]{0,199}(?:/[a-z0-9][a-z0-9._-]{0,199}){0,7}")
_STAGED = "part-"
_LISTED = 500


@dataclass(frozen=True)
class ObjectStore:
    """Finished objects under keys the caller derives from ids or hashes; user-given names never get here."""

    url: str
    staging: Path
    _folder: Path | None
    _store: LocalStore | S3Store

    def staged(self, suffix: str = "") -> Path:
        """Make an empty temporary file in the staging folder and return its path; the caller removes or puts it."""
        handle, name = tempfile.mkstemp(prefix=_STAGED, suffix=suffix, dir=self.staging)
        os.close(handle)
        return Path(name)

    def must_work(self) -> None:
        """Raise StorageFailed unless a file can be staged and the folder or bucket answers."""
        try:
            self.staged().unlink()
        except OSError as error:
            raise StorageFailed(brief(error)) from error
        self.exists("probe")

    def put(self, key: str, finished: Path, *, replace: bool = False) -> int:
        """Store a finished local file under `key` and return its size; the file itself is consumed.

        Nothing is visible under `key` before it is complete and durable. Raises ObjectExists unless `replace`.
        """
        _check(key)
        try:
            size = finished.stat().st_size
            if self._folder is None:
                self._put_in_bucket(key, finished, size, replace=replace)
            else:
                put_in_folder(self._folder, key, finished, replace=replace)
        except (FileExistsError, AlreadyExistsError):
            raise ObjectExists(key) from None
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error
        finished.unlink(missing_ok=True)
        return size

    def _put_in_bucket(self, key: str, finished: Path, size: int, *, replace: bool) -> None:
        if size <= WHOLE_PUT_BYTES:
            obstore.put(
                self._store, key, finished, mode="overwrite" if replace else "create", use_multipart=False
            )
            return
        # A multipart upload cannot be conditional in obstore. Keys name one version or one content, so two writers
        # racing past this look would store the same bytes.
        if not replace and self.exists(key):
            raise FileExistsError(key)
        obstore.put(self._store, key, finished, use_multipart=True, chunk_size=16 << 20, max_concurrency=4)

    def size(self, key: str) -> int:
        """Return the object's size in bytes; raises ObjectMissing."""
        _check(key)
        try:
            return int(obstore.head(self._store, key)["size"])
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under `key`."""
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove the object durably; removing what is not there is no fault."""
        _check(key)
        with suppress(FileNotFoundError):
            try:
                obstore.delete(self._store, key)
                if self._folder is not None:
                    sync_folder((self._folder / key).parent)
            except FileNotFoundError:
                raise
            except (BaseError, OSError) as error:
                raise StorageFailed(brief(error)) from error

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> Blocks:
        """Open the bytes [start, end) of an object for streaming; raises ObjectMissing at once, not later."""
        _check(key)
        try:
            if self._folder is not None:
                return _open_file(self._folder / key, start, end)
            size = int((await obstore.head_async(self._store, key))["size"])
            end = size if end is None else min(end, size)
            chunks = None
            if start < end:
                found = await obstore.get_async(self._store, key, options={"range": (start, end)})
                chunks = aiter(found.stream(min_chunk_size=BLOCK_BYTES))
            return BucketBlocks(chunks, size=size, start=start, end=max(start, end))
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error

    def local_path(self, key: str) -> Path | None:
        """Return where the object lies when the store is a folder, else None; raises ObjectMissing."""
        if self._folder is None:
            return None
        self.size(key)
        return self._folder / key

    def table_source(self, key: str) -> "Path | pa.NativeFile":
        """Return what pyarrow and the data plane can read Parquet from: a path, or a seekable handle on S3."""
        path = self.local_path(key)
        if path is not None:
            return path
        handle: Any = BucketFile(self._bucket(), key, self.size(key))
        return pa.PythonFile(handle, mode="r")

    def reader(self, key: str) -> "BinaryIO | BucketFile":
        """Open an object to read it from its beginning; raises ObjectMissing."""
        path = self.local_path(key)
        return path.open("rb") if path is not None else BucketFile(self._bucket(), key, self.size(key))

    def new_path(self, key: str) -> Path | None:
        """Return where a file that grows under `key` lies when the store is a folder, its folder made; else None."""
        _check(key)
        if self._folder is None:
            return None
        path = self._folder / key
        make_folder(path.parent)
        return path

    def remove_below(self, folder: str) -> None:
        """Remove all objects below a folder."""
        _check(folder)
        try:
            if self._folder is not None:
                shutil.rmtree(self._folder / folder, ignore_errors=True)
                return
            for found in obstore.list(self._store, prefix=folder, chunk_size=_LISTED):
                obstore.delete(self._store, [each["path"] for each in found])
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error

    def _bucket(self) -> S3Store:
        if isinstance(self._store, S3Store):
            return self._store
        msg = "not a bucket"
        raise TypeError(msg)

    def aged(self, folder: str, older_than: timedelta, *, now: datetime) -> Iterator[Sequence[str]]:
        """Give the keys below a folder that were stored longer ago than `older_than`, some hundreds at a time."""
        _check(folder)
        try:
            for found in obstore.list(self._store, prefix=folder, chunk_size=_LISTED):
                yield [each["path"] for each in found if each["last_modified"] < now - older_than]
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error

    def sweep_staging(self, older_than: timedelta, *, now: datetime) -> int:
        """Remove what killed uploads and ingests left behind longer ago than `older_than`; return how many."""
        limit = (now - older_than).timestamp()
        removed = 0
        for left in self.staging.iterdir():
            with suppress(FileNotFoundError):
                if left.name.startswith(_STAGED) and left.lstat().st_mtime < limit:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                    removed += 1
        return removed


def open_store(
    url: str | Path, *, staging: Path | None = None, s3: Mapping[str, str] | None = None
) -> ObjectStore:
    """Open a folder or a bucket by its URL; `s3` overrides the AWS_* environment (endpoint, region, keys).

    A folder keeps its staging beside the objects, on the same file system; a bucket needs a local `staging` folder.
    """
    text = str(url)
    if text.startswith("s3://"):
        if staging is None:
            msg = "a bucket needs a local staging folder"
            raise ValueError(msg)
        staging.mkdir(parents=True, exist_ok=True)
        config: S3Config = dict(s3 or {})  # type: ignore[assignment]
        plain = (config.get("endpoint") or s3_endpoint()).startswith("http://")
        options: ClientConfig = {"allow_http": True} if plain else {}
        bucket = S3Store.from_url(text, config=config, client_options=options)
        return ObjectStore(text, staging.resolve(), None, bucket)
    folder = Path(unquote(urlsplit(text).path)) if text.startswith("file://") else Path(text)
    if "://" in text and not text.startswith("file://"):
        msg = f"not a folder and not an s3:// URL: {text}"
        raise ValueError(msg)
    folder = folder.resolve()
    staging = (staging or folder / ".staging").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    staging.mkdir(parents=True, exist_ok=True)
    if staging.stat().st_dev != folder.stat().st_dev:
        msg = "the staging folder must be on the file system of the objects: a finished file is linked, not copied"
        raise ValueError(msg)
    return ObjectStore(text, staging, folder, LocalStore(folder))


def _check(key: str) -> None:
    if not _KEY.fullmatch(key):
        msg = f"not an object key: {key!r}"
        raise ValueError(msg)


def _open_file(path: Path, start: int, end: int | None) -> Blocks:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    size = os.fstat(handle).st_size
    end = size if end is None else min(end, size)
    return FileBlocks(handle, size=size, start=start, end=max(start, end))
