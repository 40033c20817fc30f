"""One delivery on the wire: send block by block, look now and then whether it may go on, record how it ended.

The outcome is recorded whatever happens: the last byte sent, the client gone, the engine failed, the server stopping.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from datahub.audit import LogUnavailable, own_transaction
from datahub.consent import Admission, ConsentMoved
from datahub.dataplane.formats import StreamAborted
from datahub.kernel import db
from datahub.kernel.context import Context
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door
from datahub.transfers import ReadPermit, may_go_on, record_outcome, reserve_leaving

LOOK_EVERY_S = 1.0
BATCH_LOOK_S = 0.1
_log = logging.getLogger(__name__)


class Source(Protocol):
    """Blocks to send; closing lets go of the file or the engine."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the blocks, once."""

    async def aclose(self) -> None:
        """Let go."""


class NoLongerPermitted(Exception):  # noqa: N818 — says what happened
    """The token was revoked, the agreement stopped, or the data was withdrawn, while it was being sent."""


@dataclass(frozen=True)
class Visit:
    """What a delivery needs of the call it answers: the door, the permit in the log, what the caller proved, its gate."""

    door: Door
    permit: ReadPermit[Any]
    proven: Any = None
    admission: Admission | None = None

    def reserved(self, admission: Admission | None) -> "Visit":
        """Return the visit behind its gate, once whose rows could leave is durable. Blocks. Raises LogUnavailable."""
        door, permit = self.door, self.permit
        if admission is not None:
            with own_transaction(
                door.engine, door.settings, permit.actor, door.clock(), permit.trace_id
            ) as ctx:
                reserve_leaving(ctx, permit.entry_id, permit.agreement, admission)
        return replace(self, admission=admission)

    def may_go_on(self) -> bool:
        """Tell whether token and client still count, the agreement is in force and the data not withdrawn. Blocks.

        A token that merely expires does not end what it began: long tables take longer than tokens live.
        """
        door, permit = self.door, self.permit
        with db.transaction(door.engine, is_read=True) as session:
            ctx = Context(session, permit.actor, door.clock(), permit.trace_id, door.settings)
            if self.proven is not None:
                try:
                    door.authenticate(ctx, self.proven)
                except Refusal:
                    return False
            return may_go_on(ctx, permit)

    def checkpoint(self) -> Callable[[], None]:
        """Return what the engine calls between two batches: it raises NoLongerPermitted. Blocks.

        The decision is fresh when the engine starts, so a small table is not looked at again.
        """
        looked_at = time.monotonic()

        def look() -> None:
            nonlocal looked_at
            if time.monotonic() - looked_at >= BATCH_LOOK_S:
                if not self.may_go_on():
                    raise NoLongerPermitted
                looked_at = time.monotonic()

        return look

    def end(self, *, is_finished: bool, rows: int | None, size: int, code: str = "ok") -> None:
        """Record the outcome. Blocks. A log that fails now is reported to the operators: the bytes are out."""
        door = self.door
        try:
            record_outcome(
                door.engine,
                door.settings,
                door.clock(),
                self.permit,
                is_finished=is_finished,
                rows=rows,
                size=size,
                code=code,
                admission=self.admission,
            )
        except LogUnavailable:
            _log.exception("no outcome recorded for entry %s", self.permit.entry_id)

    async def ended(self, *, is_finished: bool, rows: int | None, size: int, code: str = "ok") -> None:
        """Record the outcome, even while this task is being cancelled."""
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(
                lambda: self.end(is_finished=is_finished, rows=rows, size=size, code=code)
            )


class Delivery(StreamingResponse):
    """A streamed answer that counts what the network took."""

    def __init__(
        self,
        visit: Visit,
        source: Source,
        *,
        status: int,
        headers: Mapping[str, str],
        media_type: str,
        rows: Callable[[], int | None],
    ) -> None:
        """Send `source`; `rows` tells how many rows went into what was sent so far."""
        super().__init__(source, status, headers, media_type)
        self._visit, self._source, self._rows = visit, source, rows
        self._sent = 0
        self._code = "client-gone"  # until something else is known

    async def stream_response(self, send: Send) -> None:
        """Send everything. Raises StreamAborted when the read is no longer permitted, which cuts the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        looked_at = time.monotonic()
        try:
            async for block in self._source:
                if time.monotonic() - looked_at >= LOOK_EVERY_S:
                    await self._look()
                    looked_at = time.monotonic()
                await send({"type": "http.response.body", "body": block, "more_body": True})
                self._sent += len(block)
        except (OSError, anyio.get_cancelled_exc_class()):
            raise
        except Exception as fault:
            if isinstance(fault.__cause__, NoLongerPermitted | ConsentMoved):
                self._code = "no-longer-permitted"
            elif self._code == "client-gone":
                self._code = "delivery-failed"
            raise
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._code = "ok"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then let go of the source and record the outcome, whatever happened."""
        try:
            await super().__call__(scope, receive, send)
        except ClientDisconnect:
            _log.info("the client of entry %s went away", self._visit.permit.entry_id)
        finally:
            with anyio.CancelScope(shield=True):
                await self._source.aclose()
                is_finished = self._code == "ok"
                await self._visit.ended(
                    is_finished=is_finished, rows=self._rows(), size=self._sent, code=self._code
                )

    async def _look(self) -> None:
        if not await run_in_threadpool(self._visit.may_go_on):
            self._code = "no-longer-permitted"
            raise StreamAborted(self._code)
