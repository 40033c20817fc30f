"""The journal: many calls' entries made durable by one writer thread per process, in one commit (group commit).

Use it where an entry must be durable before the first byte leaves and calls are many; control-plane verbs keep `record`.

    line = line_of(entry_values(actor, now, trace_id, "data.read", about, outcome=Outcome.PERMIT), decision)
    epoch = await journal.written(line, under)   # on an event loop
    epoch = journal.write(line, under)           # in a thread

Both return after COMMIT, with the `authority` epoch read in that very transaction: when it differs from `under`, the
one the decision was made at, nothing was written and the decision must be made anew. Both raise LogUnavailable when the
queue is full or the database cannot do it; whether the line is in the log is then unknown, so nothing may be sent.
A line may name things that can be used once, a proof for instance: they are used up in the same transaction, and when
somebody was first with any of them, `UsedBefore` is raised and nothing is written.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy import Engine

from datahub.audit.errors import LogUnavailable
from datahub.audit.rows import Line
from datahub.audit.spool import Entrusted, Use, UseUp, Writer, writer_of

# Rows of one commit at most, how many may wait, and how long a commit waits for company once calls come in crowds.
BATCH = 500
CAPACITY = 10_000
LINGER_S = 0.001
RETRY_AFTER_S = 1
# How far the tree may lag behind before nothing more is taken: a log without a sequencer proves nothing.
BACKLOG_S = 300.0
LAG_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class UsedBefore(Exception):  # noqa: N818 — it says what happened
    """What the line would use up was used up before."""


@dataclass(slots=True)
class _Wait:
    """One call that waits for its commit: on an event loop, or in a thread."""

    what: Entrusted
    waiter: "asyncio.Future[int] | Future[int]"
    loop: asyncio.AbstractEventLoop | None = None


@dataclass
class Journal:
    """One per process, on its engine; the thread starts with the first call. `close` writes what waits, then ends."""

    engine: Engine
    use_up: UseUp | None = None
    capacity: int = CAPACITY
    backlog_s: float = BACKLOG_S
    _lag_s: float = field(init=False, default=0.0)
    _lag_known_at: float = field(init=False, default=0.0)
    _waiting: "queue.SimpleQueue[_Wait | None]" = field(init=False, default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = field(init=False, default=None)
    _start: threading.Lock = field(init=False, default_factory=threading.Lock)
    _is_closed: bool = field(init=False, default=False)

    async def written(self, line: Line, under: int | None = None, uses: Sequence[Use] = ()) -> int:
        """Return the authority epoch once the line is durable. Raises LogUnavailable, UsedBefore."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[int] = loop.create_future()
        self._put(_Wait(Entrusted(line, under, uses), waiter, loop))
        return await waiter

    def write(self, line: Line, under: int | None = None, uses: Sequence[Use] = ()) -> int:
        """Do as `written`, in a thread that may block."""
        waiter: Future[int] = Future()
        self._put(_Wait(Entrusted(line, under, uses), waiter))
        return waiter.result()

    def close(self) -> None:
        """Write what waits, then end the thread; later calls are refused."""
        with self._start:
            self._is_closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _put(self, wait: _Wait) -> None:
        if self._thread is None:
            self._begin()
        # Once a second one call goes on all the same, to find out whether the tree has caught up.
        is_fresh = time.monotonic() - self._lag_known_at < LAG_EVERY_S
        if is_fresh and self._lag_s > self.backlog_s:
            raise _unavailable()
        if self._waiting.qsize() >= self.capacity:
            raise _unavailable()
        self._waiting.put(wait)

    def _begin(self) -> None:
        with self._start:
            if self._is_closed:
                raise _unavailable()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        writer, is_crowded, is_open = writer_of(self.engine, self.use_up), False, True
        while is_open:
            batch, is_open = self._next_batch(linger_s=LINGER_S if is_crowded else 0)
            is_crowded = len(batch) > 1
            if batch:
                self._commit(writer, batch)
        while late := self._next_batch(linger_s=0)[0]:  # put while the journal was being closed
            self._commit(writer, late)
        writer.close()

    def _next_batch(self, *, linger_s: float) -> tuple[list[_Wait], bool]:
        """Return what waits, up to a batch, and whether more may come."""
        batch: list[_Wait] = []
        is_lingering = linger_s > 0
        try:
            wait = self._waiting.get(block=not self._is_closed)
            while wait is not None:
                batch.append(wait)
                if len(batch) >= BATCH:
                    return batch, True
                if is_lingering and self._waiting.empty():
                    time.sleep(linger_s)
                    is_lingering = False
                wait = self._waiting.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, writer: Writer, batch: Sequence[_Wait]) -> None:
        try:
            epoch, late = writer.commit([wait.what for wait in batch])
        except Exception:  # noqa: BLE001 — whatever it is, all who wait must be told
            _log.exception("the journal cannot write %d lines", len(batch))
            _resolve(batch, lambda _: _unavailable())
        else:
            lost = {id(what) for what in late}
            _resolve(batch, lambda what: UsedBefore() if id(what) in lost else epoch)
            if time.monotonic() - self._lag_known_at >= LAG_EVERY_S:
                self._look_at_lag(writer)

    def _look_at_lag(self, writer: Writer) -> None:
        """Ask how far the tree is behind; a fault of that is nobody's answer, and must not end the thread."""
        try:
            self._lag_s = writer.lag_s()
        except Exception:  # noqa: BLE001 — whatever it is, the next commit asks again
            _log.exception("the journal cannot tell how far the tree is behind")
        self._lag_known_at = time.monotonic()


Result = int | LogUnavailable | UsedBefore


def _resolve(batch: Sequence[_Wait], outcome: "Callable[[Entrusted], Result]") -> None:
    """Wake all who wait: threads one by one, event loops once each."""
    on_loops: dict[asyncio.AbstractEventLoop, list[tuple[_Wait, Result]]] = defaultdict(list)
    for wait in batch:
        result = outcome(wait.what)
        if wait.loop is not None:
            on_loops[wait.loop].append((wait, result))
        elif isinstance(result, Exception):
            wait.waiter.set_exception(result)
        else:
            wait.waiter.set_result(result)
    for loop, waits in on_loops.items():
        try:
            loop.call_soon_threadsafe(_wake, waits)
        except RuntimeError:  # the loop was closed while its calls waited: nobody is left to tell
            _log.warning("%d calls went away before their lines were durable", len(waits))


def _wake(waits: "Sequence[tuple[_Wait, Result]]") -> None:
    for wait, result in waits:
        if wait.waiter.done():  # the call was cancelled; its line stays
            continue
        if isinstance(result, Exception):
            wait.waiter.set_exception(result)
        else:
            wait.waiter.set_result(result)


def _unavailable() -> LogUnavailable:
    detail = "The access log cannot keep up or cannot be written now, so nothing was sent."
    return LogUnavailable(detail, remedy="Try again in a moment.", retryAfter=RETRY_AFTER_S)
