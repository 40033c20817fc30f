"""Work that goes on in a thread beside the network: digests and disks need not wait for lines, nor lines for them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

GATHER_BYTES = 1024 * 1024
"""Small chunks are gathered to this size: one hop to the thread for each costs more than its work."""


class Beside:
    """Does `work` on all bytes given, in order, one gathering behind the giver: memory stays flat."""

    def __init__(self, work: Callable[[bytes], object]) -> None:
        """Take the work; its faults come out of `give`, or of leaving."""
        self._work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="datahub-beside")
        self._doing: Future[None] | None = None
        self._gathered: list[bytes] = []
        self._waiting = 0

    def give(self, chunk: bytes) -> None:
        """Hand bytes over; waits when the work is more than one gathering behind."""
        self._gathered.append(chunk)
        self._waiting += len(chunk)
        if self._waiting >= GATHER_BYTES:
            self._hand_over()

    def drain(self) -> None:
        """Wait until all that was given is done."""
        self._hand_over()
        if self._doing is not None:
            self._doing.result()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the work on what was given, whatever happened."""
        self.close()

    def close(self) -> None:
        """Finish the work on what was given, and let the thread go."""
        try:
            self.drain()
        finally:
            self._thread.shutdown()

    def _hand_over(self) -> None:
        if self._doing is not None:
            self._doing.result()
        taken, self._gathered, self._waiting = self._gathered, [], 0
        self._doing = self._thread.submit(self._do, taken)

    def _do(self, chunks: list[bytes]) -> None:
        self._work(chunks[0] if len(chunks) == 1 else b"".join(chunks))
