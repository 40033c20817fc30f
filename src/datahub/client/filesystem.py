"""Datasets as files: `datahub://organisation/dataset/file`, for pandas, polars, dask, DuckDB and all that reads fsspec.

A dataset of files lists its files; a table is one file per format: `data.parquet`, `data.csv`, `data.jsonl`,
`data.arrows`. Reading only: what is published goes through `datasets.publish`, with its terms.
"""

import io
from collections.abc import Mapping
from datetime import datetime
from typing import IO, Any
from weakref import WeakValueDictionary

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from datahub.client import wire
from datahub.client._sync.datasets import Dataset
from datahub.client._sync.hub import Hub
from datahub.client.errors import NotFound

TABLE_FILES: Mapping[str, str] = {
    "data.parquet": "parquet",
    "data.csv": "csv",
    "data.jsonl": "jsonl",
    "data.arrows": "arrow",
}
_SHARE = 2  # organisation, dataset
_FILE = 3


class DatahubFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The exchange as a read-only file system. Options are those of `Hub`: url, profile, client_id and so on."""

    protocol = "datahub"
    root_marker = ""

    def __init__(self, *, hub: Hub | None = None, **options: Any) -> None:
        """Call through `hub`, or through one made of the options."""
        known = {"url", "profile", "client_id", "secret", "private_key", "token", "timeout_s"}
        super().__init__(**{name: value for name, value in options.items() if name not in known})
        self.hub = hub or Hub(**{name: value for name, value in options.items() if name in known})
        self._open_now: WeakValueDictionary[str, _WholeFile] = WeakValueDictionary()
        self._ahead: dict[str, _WholeFile] = {}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List organisations' datasets, a dataset's files, or one file."""
        parts = _parts(path)
        if len(parts) < _SHARE:
            publisher = parts[0] if parts else None
            found = [_folder(each.ref) for each in self.hub.datasets.search(publisher=publisher)]
            if not parts:
                found = [_folder(name) for name in sorted({each["name"].split("/")[0] for each in found})]
        else:
            files = self._files("/".join(parts[:_SHARE]))
            found = [each for each in files if len(parts) == _SHARE or each["name"] == "/".join(parts)]
        if not found and parts:
            raise FileNotFoundError(path)
        return found if detail else [each["name"] for each in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, size in bytes (None where it is computed) and type."""
        parts = _parts(path)
        if len(parts) < _FILE:
            self.ls(path)
            return _folder("/".join(parts))
        found: dict[str, Any] = self.ls(path)[0]
        return found

    def size(self, path: str) -> int:
        """Return a file's size in bytes. One that is computed is fetched for it, and given to whoever opens it next."""
        found = self.info(path)["size"]
        if found is not None:
            return int(found)
        name = "/".join(_parts(path))
        file = self._open_now.get(name)
        if file is None or file.closed:
            file = self._ahead[name] = self._whole(name)
        return file.size

    def modified(self, path: str) -> datetime:
        """Return when the newest version came; what is read of it is decided, and made, at the read."""
        dataset = self._dataset("/".join(_parts(path)[:_SHARE]))
        for version in dataset.versions()[:1]:
            return datetime.fromisoformat(str(version["createdAt"]))
        raise FileNotFoundError(path)

    def _whole(self, path: str) -> "_WholeFile":
        *ref, name = path.split("/")
        return _WholeFile(self._dataset("/".join(ref)).read(form=TABLE_FILES[name]))

    def _files(self, ref: str) -> list[dict[str, Any]]:
        dataset = self._dataset(ref)
        newest = dataset.versions()[:1]
        if dataset.data["kind"] != "files":
            return (
                [
                    {"name": f"{ref}/{name}", "size": None, "type": "file", "format": form}
                    for name, form in TABLE_FILES.items()
                ]
                if newest
                else []
            )
        return [
            {"name": f"{ref}/{each['name']}", "size": each["bytes"], "type": "file", "format": None}
            for version in newest
            for each in version.get("files") or ()
        ]

    def _dataset(self, ref: str) -> Dataset:
        try:
            return self.hub.datasets.get(ref)
        except NotFound as fault:
            raise FileNotFoundError(ref) from fault

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise NotImplementedError("datahub:// is read-only; publish with Hub().datasets.publish(…)")
        info, name = self.info(path), "/".join(_parts(path))
        if info["size"] is not None:
            return _RangedFile(
                self, path, self._dataset(name.rpartition("/")[0]), _parts(path)[-1], info["size"]
            )
        # What is computed has no ranges: it is fetched whole, to memory or a temporary file.
        file = self._open_now[name] = self._ahead.pop(name) if name in self._ahead else self._whole(name)
        return file


class _WholeFile(io.BufferedReader):
    """A table as it came, whole; its size is known now."""

    def __init__(self, came: IO[bytes]) -> None:
        self.size = came.seek(0, io.SEEK_END)
        came.seek(0)
        super().__init__(_Raw(came))


class _Raw(io.RawIOBase):
    """What a buffered reader asks of a spooled file."""

    def __init__(self, came: IO[bytes]) -> None:
        self._came = came

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._came.seek(offset, whence)

    def tell(self) -> int:
        return self._came.tell()

    def readinto(self, buffer: Any, /) -> int:
        block = self._came.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._came.close()
        super().close()


class _RangedFile(AbstractBufferedFile):  # type: ignore[misc]
    """A stored file, read by ranges."""

    def __init__(self, fs: DatahubFileSystem, path: str, dataset: Dataset, name: str, size: int) -> None:
        self._dataset, self._name = dataset, name
        self._details = dataset.authorization_details()
        super().__init__(fs, path, mode="rb", size=size)

    def _fetch_range(self, start: int, end: int) -> bytes:
        answer = self._dataset._transport.call(  # noqa: SLF001 — the file belongs to the dataset
            "GET",
            wire.path("datasets", self._dataset.id, "data"),
            params={"file": self._name},
            headers={"Range": f"bytes={start}-{end - 1}"},
            details=self._details,
        )
        return answer.content


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _parts(path: str) -> list[str]:
    stripped: str = DatahubFileSystem._strip_protocol(path)  # noqa: SLF001 — fsspec's own name for it
    return [part for part in stripped.split("/") if part]
