"""The hot path: a bare ASGI door in front of the app that gives again, in microseconds, what the plain path once permitted.

Token, agreement and policy of a call are known by heart under its token's SHA-256; the decision and its entry become
durable by the journal's group commit, and only then the first byte leaves. That commit reads the authority epoch: when
it has moved, all that was known is forgotten and the call takes the plain path. So does every call that is not known
by heart: a denial, a table computed while it is sent, a range, a body in another shape. Both paths answer alike.
A DPoP proof is checked at each call, and used up in the very commit that makes the call's decision durable.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import FastAPI, Request
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from datahub.audit import Journal, Line, LogUnavailable, UsedBefore
from datahub.catalog import ObjectMissing, StorageFailed, storage
from datahub.dataplane.formats import TableFormat
from datahub.dataplane.routes.fetch import Permit, shape_of, stored_head
from datahub.dataplane.schemas import CsvFormulas, read_writing
from datahub.dataplane.service import Stored
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context, Credential
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door, Envelope, Head, again, give, head_of, refusing, trace_id_of
from datahub.transfers import (
    Answer,
    ByHeart,
    DecisionAnswerOut,
    DecisionQuestionIn,
    ReadRequest,
    learn_question,
    learn_read,
    with_delivery,
)

# A body up to here is kept in memory with its permit; together they take no more than that.
SMALL_BYTES = 64 << 10
KEPT_BYTES = 64 << 20
KNOWN = 20_000
LONGEST_QUESTION = 32 << 10
TICK = timedelta(milliseconds=1)

_DATA = re.compile(r"/v1/datasets/([^/]+)/data")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,80}")
_QUERIED = frozenset({"format", "file", "agreement"})
# With these a read is not of the whole, or not for sure.
_CONDITIONS = frozenset(
    {b"range", b"if-range", b"if-none-match", b"if-modified-since", b"if-match", b"idempotency-key"}
)
_ZERO, _ONE = "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"
_log = logging.getLogger(__name__)
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Known:
    """A permit known by heart, and the answer that goes with it: `body` in the pieces between the two ids."""

    by_heart: ByHeart
    head: Head
    body: tuple[bytes, ...]
    held_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Tell whether it still permits; calls of one instant share the answer."""
        if self.held_at is not now:
            if not self.by_heart.holds(now):
                return False
            self.held_at = now
        return True

    def answer(self, given: Line) -> tuple[Headers, bytes]:
        """Return what one use has of its own in its headers, and its body."""
        entry, decision = given.id.encode(), (given.decision_id or "").encode()
        own = (
            (b"x-request-id", given.trace_id.encode()),
            (b"datahub-log-entry", entry),
            (b"datahub-decision", decision),
        )
        if len(self.body) == 1:
            return own, self.body[0]
        before, between, after = self.body
        return own, b"".join((before, decision, between, entry, after))


@dataclass(frozen=True)
class Snapshot:
    """What is known under one value of the authority epoch; never taken over into another."""

    epoch: int
    known: dict[bytes, Known | None] = field(default_factory=dict)

    def keep(self, key: bytes, known: Known | None) -> None:
        """Remember; of too many, the older half is forgotten."""
        if len(self.known) >= KNOWN:
            for old in list(self.known)[: KNOWN // 2]:
                del self.known[old]
        self.known[key] = known


@dataclass(frozen=True)
class Call:
    """One call that may be known by heart: its key, how to find out, and what proves a bound token this once."""

    key: bytes
    learn: Callable[[], Awaitable[tuple[int, Known | None]]]
    proof: Credential | None = None


class HotDoor:
    """The ASGI app around the app."""

    def __init__(self, app: FastAPI, journal: Journal, envelope: Envelope) -> None:
        """Stand in front of `app`, which `envelope` wraps."""
        self._app = app
        self._envelope = envelope
        self._now = datetime.min.replace(tzinfo=UTC)
        self._door: Door = app.state.door
        self._journal = journal
        self._snapshot = Snapshot(-1)
        self._kept_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is known by heart; pass on everything else."""
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            call: Call | None = None
            if method == "GET" and path.endswith("/data"):
                call = self._read(scope)
            elif method == "POST" and path == "/v1/decisions":
                call, receive = await self._question(scope, receive)
            if call is not None and await self._answered(call, scope, receive, send):
                return
        await self._envelope(scope, receive, send)

    async def _answered(self, call: Call, scope: Scope, receive: Receive, send: Send) -> bool:
        try:
            found = await self._given(call, trace_id_of(scope))
        except LogUnavailable as fault:
            await self._envelope.around(refusing(self._app, fault))(scope, receive, send)
            return True
        if found is None:
            return False
        known, given, more = found
        own, body = known.answer(given)
        await give(scope, send, known.head, own + more, body)
        ending = known.by_heart.ending(given, self._door.clock())
        if ending is not None:
            try:
                await self._journal.written(ending)
            except LogUnavailable:
                _log.exception("no outcome recorded for entry %s", given.id)
        return True

    async def _given(self, call: Call, trace_id: str) -> tuple[Known, Line, Headers] | None:
        """Return one use of a permit, durable, and what its caller has to know; None: the plain path must answer.

        Raises LogUnavailable.
        """
        snapshot = self._snapshot
        try:
            known = snapshot.known[call.key]
        except KeyError:
            snapshot, known = await self._learn(call)
        now = self._instant()
        if known is None or not known.holds(now):
            return None
        try:
            uses, more = ((), ()) if call.proof is None else self._proven(call.proof, now)
            given = known.by_heart.give(now, trace_id)
            epoch = await self._journal.written(given, snapshot.epoch, uses)
        except LogUnavailable:
            raise
        except (Refusal, UsedBefore):
            return None  # a proof that is not good: the plain path says why
        if epoch == snapshot.epoch:
            return known, given, more
        # Authority has changed between the weighing and the commit: nothing was written, this permit is void.
        if self._snapshot.epoch < epoch:
            self._snapshot, self._kept_bytes = Snapshot(epoch), 0
        return None

    def _proven(self, shown: Credential, now: datetime) -> tuple[Sequence[Any], Headers]:
        """Return the uses of a proof that is good for this call, and the nonce for the next one. Raises Unauthenticated."""
        proven = self._door.check(self._door.engine, self._door.settings, shown, now)
        uses = () if proven.use is None else (proven.use,)
        return uses, tuple((k.lower().encode(), v.encode()) for k, v in proven.headers.items())

    def _instant(self) -> datetime:
        """Return the instant of a decision: calls of one tick share one, and with it what the clock says about it."""
        now = self._door.clock()
        if not timedelta() <= now - self._now < TICK:
            self._now = now
        return self._now

    async def _learn(self, call: Call) -> tuple[Snapshot, Known | None]:
        """Work a permit out by the plain path's own weighing, and remember it under the epoch it was read at."""
        epoch, known = await call.learn()
        if epoch > self._snapshot.epoch:
            self._snapshot, self._kept_bytes = Snapshot(epoch), 0
        if epoch == self._snapshot.epoch:
            self._snapshot.keep(call.key, known)
            return self._snapshot, known
        return Snapshot(epoch), known

    # --- what can be known by heart -----------------------------------------------------------------------------------

    def _read(self, scope: Scope) -> Call | None:
        """Return the call when it reads the whole of something, asked for in a plain way."""
        match = _DATA.fullmatch(scope["path"])
        sent = _plain_headers(scope, _CONDITIONS)
        if match is None or sent is None:
            return None
        credential, accept = sent.get(b"authorization"), sent.get(b"accept", b"")
        key = _digest(credential or b"", accept, _raw_path(scope), scope["query_string"])

        async def learn() -> tuple[int, Known | None]:
            query = _query(scope["query_string"])
            shown = _shown(sent, scope)
            if query is None or (credential is not None and shown is None):
                return self._snapshot.epoch, None
            scope["app"] = self._app
            form = TableFormat(query["format"]) if "format" in query else None
            writing = read_writing(None, CsvFormulas.KEEP, accept.decode("latin-1") or None)
            named = query.get("file")
            shape = shape_of(Request(scope), fields=(), filters=(), form=form, file=named, writing=writing)
            request = ReadRequest(match[1], shape, None, query.get("agreement"))
            epoch, found = await run_in_threadpool(self._look, shown, lambda ctx: learn_read(ctx, request))
            return epoch, None if found is None else await self._whole(*found)

        return Call(key, learn, _shown(sent, scope) if b"dpop" in sent else None)

    async def _whole(self, by_heart: ByHeart, permit: Permit) -> Known | None:
        """Return a small stored object with its headers, read once; anything else is not for this door."""
        plan = permit.plan
        if not isinstance(plan, Stored) or plan.size > min(SMALL_BYTES, KEPT_BYTES - self._kept_bytes):
            return None
        chosen, headers = stored_head(permit, plan, {})
        del headers["Datahub-Log-Entry"], headers["Datahub-Decision"]
        try:
            blocks = await storage(self._door.settings).open(plan.key, start=chosen.start, end=chosen.end)
            body = b"".join([block async for block in blocks])
        except (ObjectMissing, StorageFailed):
            return None
        if len(body) != plan.size:
            return None
        self._kept_bytes += len(body)
        raw = StreamingResponse(iter((b"",)), 200, headers, plan.media_type).raw_headers
        whole = with_delivery(by_heart, permit, rows=plan.row_count, size=len(body))
        return Known(whole, head_of(self._envelope.complete(raw)), (body,))

    async def _question(self, scope: Scope, receive: Receive) -> tuple[Call | None, Receive]:
        """Return the call when it is a small question in JSON, and a `receive` that gives the body once more."""
        sent = _plain_headers(scope, frozenset({b"transfer-encoding", b"content-encoding"}))
        if sent is None or scope["query_string"] or sent.get(b"content-type") != b"application/json":
            return None, receive
        length = sent.get(b"content-length", b"")
        if not length.isdigit() or int(length) > LONGEST_QUESTION:
            return None, receive
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body", False):
            return None, again(message, receive)
        body: bytes = message.get("body", b"")
        credential = sent.get(b"authorization")

        async def learn() -> tuple[int, Known | None]:
            shown, asked = _shown(sent, scope), _asked(body)
            if shown is None or asked is None:
                return self._snapshot.epoch, None
            question = asked.question()
            complete = self._envelope.complete
            return await run_in_threadpool(self._look, shown, lambda ctx: _learned(ctx, question, complete))

        proof = _shown(sent, scope) if b"dpop" in sent else None
        return Call(_digest(credential or b"", body), learn, proof), again(message, receive)

    def _look(self, shown: Credential | None, look: Callable[[Context], Any]) -> tuple[int, Any]:
        """Weigh in a reading transaction; what the plain path refuses is left for it to refuse. Blocks."""
        door = self._door
        try:
            proven = None if shown is None else door.check(door.engine, door.settings, shown, door.clock())
        except Refusal:
            return self._snapshot.epoch, None
        with db.transaction(door.engine, is_read=True) as session:
            epoch = db.read_epoch(session, db.AUTHORITY)
            ctx = Context(session, ANONYMOUS, door.clock(), "", door.settings)
            try:
                actor = ANONYMOUS if proven is None else door.authenticate(ctx, proven)
                return epoch, look(replace(ctx, actor=actor))
            except (Refusal, SQLAlchemyError):
                return epoch, None


def _learned(ctx: Context, question: Any, complete: Callable[[Headers], Headers]) -> Known | None:
    if "decisions:write" not in ctx.actor.scopes:
        return None
    found = learn_question(ctx, question)
    if found is None:
        return None
    by_heart, weighed = found
    text = DecisionAnswerOut.of(Answer(_ONE, _ZERO, weighed)).model_dump_json(by_alias=True)
    before, _, rest = text.partition(_ZERO)
    between, _, after = rest.partition(_ONE)
    headers = (
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(text.encode())).encode()),
        (b"content-type", b"application/json"),
    )
    return Known(by_heart, head_of(complete(headers)), (before.encode(), between.encode(), after.encode()))


def _asked(body: bytes) -> DecisionQuestionIn | None:
    def once(members: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
        if max(Counter(name for name, _ in members).values(), default=1) > 1:
            raise ValueError
        return dict(members)

    try:
        return DecisionQuestionIn.model_validate(json.loads(body, object_pairs_hook=once))
    except (ValueError, RecursionError, ValidationError):
        return None


def _plain_headers(scope: Scope, unwanted: frozenset[bytes]) -> dict[bytes, bytes] | None:
    """Return the headers, each of which came once and none of which is unwanted; else None.

    A proof comes with a token that is shown as bound, and only with one.
    """
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    sent = dict(headers)
    is_plain = len(sent) == len(headers) and unwanted.isdisjoint(sent)
    is_bound = sent.get(b"authorization", b"")[:5].lower() == b"dpop "
    return sent if is_plain and is_bound == (b"dpop" in sent) else None


def _shown(sent: Mapping[bytes, bytes], scope: Scope) -> Credential | None:
    """Return the token as it was shown, with its proof if it came with one; None for what is neither."""
    scheme, _, token = sent.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() not in {"bearer", "dpop"} or not token.strip():
        return None
    proofs = (sent[b"dpop"].decode("latin-1"),) if b"dpop" in sent else ()
    return Credential(
        scheme.lower(), token.strip(), proofs, scope["method"], _raw_path(scope).decode("latin-1")
    )


def _raw_path(scope: Scope) -> bytes:
    sent: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return sent.partition(b"?")[0]


def _query(sent: bytes) -> dict[str, str] | None:
    pairs = parse_qsl(sent.decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    is_plain = len(query) == len(pairs) and query.keys() <= _QUERIED
    if not is_plain or not all(_WORD.fullmatch(value) for value in query.values()):
        return None
    return query if query.get("format", "csv") in {form.value for form in TableFormat} else None


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(parts)).digest()
