"""Where a log is read from: a folder with its files, or its address."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx2

from datahub.audit.tlog.verification import Fetch

MAX_FILE_BYTES = 32 * 1024 * 1024  # a bundle of 256 entries of 64 KiB is half of it
_TIMEOUT_S = 30.0


class SourceFailed(Exception):  # noqa: N818 — the source failed, not the log
    """The source could not be read, so nothing is known about what it holds."""


@contextmanager
def opened(source: str) -> Iterator[Fetch]:
    """Give what reads a path of the log at `source`. Reading raises SourceFailed."""
    if source.startswith(("http://", "https://")):
        with httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=True) as client:
            yield lambda path: _get(client, f"{source.rstrip('/')}/{path}")
    else:
        folder = Path(source)
        if not folder.is_dir():
            raise SourceFailed(f"{source} is not a folder and not an http(s) address")
        yield lambda path: _read(folder / path)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise SourceFailed(f"{path}: {fault.strerror}") from fault


def _get(client: httpx2.Client, url: str) -> bytes | None:
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            if answer.status_code != HTTPStatus.OK:
                raise SourceFailed(f"{url} answered {answer.status_code}")
            data = b""
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise SourceFailed(f"{url} gives more than {MAX_FILE_BYTES} bytes")
            return data
    except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
        raise SourceFailed(f"{url}: {type(fault).__name__}") from fault
