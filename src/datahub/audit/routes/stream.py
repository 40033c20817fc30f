"""The log as it grows, over HTTP (WHATWG HTML, server-sent events): resumes exactly, and ends with the right to read."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from datahub.audit.errors import TooManyStreams
from datahub.audit.routes.entries import Reader, Reason, Wanted, entry_out
from datahub.audit.schemas.review import stream_event
from datahub.audit.store import EntryFilter
from datahub.audit.tail import AT_ONCE, Place, entries_after, follow_log
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Actor, Context
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door

router = APIRouter(prefix="/v1", tags=["log"])

EVENTS = "text/event-stream"
MOST_AT_ONCE, MOST_OF_ONE = 64, 8
LONGEST_S = 900
PAUSE_S, HEARTBEAT_S = 0.5, 15.0
_RETRY_MS = 1000
_SCOPE = "log:read"
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The entry's place, for Last-Event-ID."},
        "event": {"const": "entry"},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "The entry."},
        "retry": {"type": "integer", "minimum": 0},
    },
}
# Before OpenAPI 3.2 the schema of a stream of events describes each of them.
_AS_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {EVENTS: {"schema": _EVENT}}}}


@dataclass
class _Open:
    """Streams that this process has open, by organisation."""

    of: dict[str, int] = field(default_factory=dict)

    def must_have_room(self, owner: str) -> None:
        if sum(self.of.values()) >= MOST_AT_ONCE or self.of.get(owner, 0) >= MOST_OF_ONE:
            detail = "Too many streams of the log are open; close one, or try again later."
            raise TooManyStreams(detail, retryAfter=30)

    @contextmanager
    def one(self, owner: str) -> Iterator[None]:
        self.of[owner] = self.of.get(owner, 0) + 1
        try:
            yield
        finally:
            self.of[owner] -= 1
            if not self.of[owner]:
                del self.of[owner]


_streams = _Open()


@router.get("/log-entries/stream", response_class=Response, responses=_AS_EVENTS)
def stream_log(
    *,
    request: Request,
    ctx: Reader,
    wanted: Wanted,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="Go on after this event; from now on without it."),
    ] = None,
    seconds: Annotated[int, Query(ge=1, le=LONGEST_S, description="End after so long.")] = LONGEST_S,
    reason: Reason = None,
) -> Response:
    """Follow the entries that concern your organisation as they get their place in the log, as server-sent events.

    The id of an event is the entry's place; sent back as Last-Event-ID the stream goes on right after it.
    """
    owner = ctx.actor.participant_id or ""
    _streams.must_have_room(owner)
    start = follow_log(ctx, wanted, Place.parse(last), reason=reason)
    follow = _Follow(request.app.state.door, request.state.proven, ctx.actor, wanted, start, ctx.trace_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(follow, owner, seconds), headers=headers, media_type=EVENTS)


@dataclass
class _Follow:
    """Whoever follows, and how far they are."""

    door: Door
    proven: Any
    actor: Actor
    wanted: EntryFilter
    place: Place
    trace_id: str
    epoch: int | None = None

    def next(self) -> list[bytes] | None:
        """Return the next events; None once the follower may not read the log any more."""
        now = self.door.clock()
        if self.actor.token_expires_at is not None and self.actor.token_expires_at <= now:
            return None
        with db.transaction(self.door.engine, is_read=True) as session:
            epoch = db.read_epoch(session, db.AUTHORITY)
            if epoch != self.epoch:
                # Something about who may do what has changed since: it may be this.
                ctx = Context(session, ANONYMOUS, now, self.trace_id, self.door.settings)
                try:
                    self.actor = self.door.authenticate(ctx, self.proven)
                except Refusal:
                    return None
                self.epoch = epoch
            if _SCOPE not in self.actor.scopes:
                return None
            found = entries_after(session, self.actor, self.wanted, self.place)
        self.place = found[-1][0] if found else self.place
        return [stream_event(place, entry_out(self.actor, entry)) for place, entry in found]


async def _events(follow: _Follow, owner: str, seconds: int) -> AsyncIterator[bytes]:
    with _streams.one(owner):
        end = time.monotonic() + seconds
        spoken = time.monotonic()
        yield f"retry: {_RETRY_MS}\nid: {follow.place}\n\n".encode()
        while time.monotonic() < end:
            found = await run_in_threadpool(follow.next)
            if found is None:
                return
            for event in found:
                yield event
            if found:
                spoken = time.monotonic()
            elif time.monotonic() - spoken >= HEARTBEAT_S:
                yield b": heartbeat\n\n"
                spoken = time.monotonic()
            if len(found) < AT_ONCE:
                await anyio.sleep(PAUSE_S)
