"""Tables as the caller likes them; each library is loaded when it is asked for, and named when it is missing."""

import contextlib
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from datahub.client.errors import DatahubError, TransferBroken

# What is held in memory before a stream goes on in a temporary file.
SPOOL_BYTES = 64 * 1024 * 1024
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".feather": "application/vnd.apache.arrow.file",
}
ARROW_STREAM = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


class LibraryMissing(DatahubError, ImportError):
    """A library that this needs is not installed."""

    code = "library-missing"


def library(name: str, extra: str = "") -> Any:
    """Return a library. Raises LibraryMissing with what to install."""
    try:
        return import_module(name)
    except ImportError as fault:
        package = extra or name.partition(".")[0]
        raise LibraryMissing(f"This needs {package}: pip install {package}") from fault


def spool() -> IO[bytes]:
    """Return a place for a stream: memory at first, a temporary file when it grows."""
    return tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)


def batches(file: IO[bytes]) -> Iterator[Any]:
    """Give the record batches of an Arrow stream. Raises TransferBroken when it is not whole."""
    ipc, pa = library("pyarrow.ipc", "pyarrow"), library("pyarrow")
    file.seek(0)
    with contextlib.closing(file):
        try:
            with ipc.open_stream(file) as reader:
                yield from reader
        except pa.ArrowInvalid as fault:
            raise TransferBroken(f"The table came broken: {fault}") from fault


def table(file: IO[bytes]) -> Any:
    """Return the whole table of an Arrow stream."""
    ipc = library("pyarrow.ipc", "pyarrow")
    file.seek(0)
    with contextlib.closing(file), ipc.open_stream(file) as reader:
        return reader.read_all()


def body_of(source: Any) -> tuple[Path | bytes, str]:
    """Return what to send for a path, bytes or a data frame of pandas, polars or pyarrow, with its media type."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}")
        return path, MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
    if isinstance(source, bytes):
        return source, "application/octet-stream"
    pa = library("pyarrow")
    if hasattr(source, "__arrow_c_stream__"):
        found = pa.table(source)
    elif hasattr(source, "to_arrow"):
        found = source.to_arrow()
    else:
        raise TypeError(f"A path or a data frame is needed, not {type(source).__name__}")
    sink = pa.BufferOutputStream()
    library("pyarrow.parquet", "pyarrow").write_table(found, sink, compression="zstd")
    return sink.getvalue().to_pybytes(), PARQUET
