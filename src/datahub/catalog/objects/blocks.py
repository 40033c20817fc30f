"""The bytes of one stored object as they are read: blocks for a response, a seekable view for pyarrow."""

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

BLOCK_BYTES = 1 << 20
"""One block of a streamed object: under 1 MiB the event loop, not the disk, sets the pace."""


class ObjectExists(Exception):  # noqa: N818 — says what happened, as the refusals do
    """Something is already stored under this key."""


class ObjectMissing(Exception):  # noqa: N818 — says what happened
    """Nothing is stored under this key."""


class StorageFailed(Exception):  # noqa: N818 — says what happened
    """The store did not do what was asked: disk full, bucket unreachable, credentials refused."""


class Blocks:
    """The bytes of one object from `start` up to `end`, in blocks of about 1 MiB, memory flat.

    Opened before the first byte is sent, so a missing object is known in time; closed by exhaustion, `aclose()`
    or `async with`.
    """

    def __init__(self, *, size: int, start: int, end: int) -> None:
        """Cover the half-open byte interval [start, end) of an object of `size` bytes."""
        self.size, self.start, self.end = size, start, end

    def __aiter__(self) -> Self:
        """Iterate over itself; one pass only."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next block."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Let go of the file or connection."""

    async def __aenter__(self) -> Self:
        """Use as `async with await store.open(key) as blocks`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close whatever happened."""
        await self.aclose()


class FileBlocks(Blocks):
    """Blocks by pread: no seek state, no thread hop (a hop per block costs a quarter of the throughput)."""

    def __init__(self, handle: int, *, size: int, start: int, end: int) -> None:
        super().__init__(size=size, start=start, end=end)
        self._handle = handle
        self._at = start

    async def __anext__(self) -> bytes:
        wanted = min(BLOCK_BYTES, self.end - self._at)
        if wanted <= 0 or self._handle < 0:
            await self.aclose()
            raise StopAsyncIteration
        block = os.pread(self._handle, wanted, self._at)
        if not block:
            await self.aclose()
            msg = f"object ended at byte {self._at}, expected {self.end}"
            raise StorageFailed(msg)
        self._at += len(block)
        return block

    async def aclose(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        """Close a stream that was opened and never read."""
        if self._handle >= 0:
            os.close(self._handle)


class BucketBlocks(Blocks):
    """Blocks of one ranged GET."""

    def __init__(self, chunks: AsyncIterator[bytes] | None, *, size: int, start: int, end: int) -> None:
        super().__init__(size=size, start=start, end=end)
        self._chunks = chunks
        self._left = end - start

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            raise StopAsyncIteration
        try:
            block = bytes(await anext(self._chunks))
        except StopAsyncIteration:
            self._chunks = None
            if self._left:
                msg = f"object ended {self._left} bytes early"
                raise StorageFailed(msg) from None
            raise
        except (BaseError, OSError) as error:
            raise StorageFailed(brief(error)) from error
        self._left -= len(block)
        return block

    async def aclose(self) -> None:
        """Let go of it."""
        self._chunks = None


class BucketFile:
    """A readable, seekable view of an object in a bucket for pyarrow: each read is one ranged GET."""

    closed = False

    def __init__(self, bucket: S3Store, key: str, size: int) -> None:
        self._bucket, self._key, self._size, self._at = bucket, key, size, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def writable(self) -> bool:
        """Say that it cannot be written."""
        return False

    def tell(self) -> int:
        """Return where the next read starts."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another byte and return which."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, count: int | None = None) -> bytes:
        """Return up to `count` bytes, or all that is left."""
        end = self._size if count is None or count < 0 else min(self._size, self._at + count)
        if end <= self._at:
            return b""
        block = bytes(obstore.get_range(self._bucket, self._key, start=self._at, end=end))
        self._at = end
        return block

    def close(self) -> None:
        """Mark as closed; there is nothing to let go of."""
        self.closed = True


def brief(error: Exception) -> str:
    """Return the first line of an engine's message: obstore appends a debug dump with paths."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
