"""Answers of the REST door: created, changed, read; with strong ETags and repeatable creation.

Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the first answer is stored in the verb's own transaction
and given again for the same key; work that was refused is not stored, so that it can be tried again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel
from sqlalchemy import Column, LargeBinary, String, delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col
from starlette.responses import Response

from datahub.kernel import db
from datahub.kernel.context import Context
from datahub.kernel.errors import Conflict, Fault, Invalid
from datahub.kernel.rest.problems import (
    IdempotencyKeyReused,
    InvalidBody,
    PreconditionFailed,
    PreconditionRequired,
)

KEY_LIFE = timedelta(days=1)
MAX_KEY_LENGTH = 255


class InvalidIdempotencyKey(Invalid):
    """The Idempotency-Key is empty or too long."""

    title = "Idempotency-Key not usable"


class RequestInProgress(Conflict):
    """A request with the same Idempotency-Key is being answered at this moment."""

    title = "Same request in progress"


class StoredReply(SQLModel, table=True):
    """The answer that one Idempotency-Key of one client has had."""

    __tablename__ = "stored_reply"

    key: str = Field(sa_column=Column(String(64), primary_key=True))
    fingerprint: str = Field(sa_column=Column(String(64), nullable=False))
    at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, index=True))
    status: int
    headers: dict[str, str] = Field(sa_column=Column(db.Json, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Replay(Exception):  # noqa: N818 — not an error: the answer is already there
    """The same request was answered before; here is that answer."""

    def __init__(self, stored: StoredReply) -> None:
        """Make the answer now: the row is gone once its transaction has rolled back."""
        super().__init__()
        headers = {**stored.headers, "Idempotent-Replayed": "true"}
        self.answer = Response(stored.body, stored.status, headers, "application/json")


@dataclass(frozen=True)
class Reply:
    """Makes the answer to one request."""

    request: Request
    body_digest: str

    def once(self, ctx: Context) -> None:
        """Stop here, with the first answer, when this Idempotency-Key has been answered before.

        Raises:
            InvalidIdempotencyKey: the key is empty or longer than 255 characters.
            IdempotencyKeyReused: the key came before with another request.
            Replay: the door answers with what was stored.

        """
        key = self._storage_key(ctx)
        if key is None:
            return
        stored = ctx.session.get(StoredReply, key)
        if stored is None or stored.at < ctx.now - KEY_LIFE:
            return
        if stored.fingerprint != self._fingerprint():
            raise IdempotencyKeyReused(
                "This Idempotency-Key came before with another request.",
                remedy="Use a new key for a new request.",
            )
        raise Replay(stored)

    def created(self, ctx: Context, message: BaseModel, location: str, etag: int | None = None) -> Response:
        """Answer 201 with the new thing and where it lives; remember the answer for a repeated request."""
        headers = {"Location": location, "Cache-Control": "no-store"}
        if etag is not None:
            headers["ETag"] = f'"{etag}"'
        body = _dump(message)
        key = self._storage_key(ctx)
        if key is not None:
            ctx.session.exec(delete(StoredReply).where(col(StoredReply.at) < ctx.now - KEY_LIFE))
            ctx.session.add(
                StoredReply(
                    key=key,
                    fingerprint=self._fingerprint(),
                    at=ctx.now,
                    status=201,
                    headers=headers,
                    body=body,
                )
            )
            try:
                ctx.session.flush()
            except IntegrityError as fault:
                detail = "The same request, with this Idempotency-Key, is being answered at this moment."
                raise RequestInProgress(detail, remedy="Send it again in a moment.") from fault
        return Response(body, 201, headers, "application/json")

    def read(self, message: BaseModel, etag: str | int | None = None, *, is_public: bool = False) -> Response:
        """Answer 200, or 304 when the caller already has this state.

        Public things may be kept by caches as long as they ask again (`no-cache`); all else is `no-store`.
        """
        headers = {"Cache-Control": "no-cache" if is_public else "no-store"}
        if etag is not None:
            headers["ETag"] = tag = f'"{etag}"'
            if tag in _etags(self.request.headers.get("if-none-match", "")):
                return Response(status_code=304, headers=headers)
        return Response(_dump(message), 200, headers, "application/json")

    def changing(self, etag: int) -> None:
        """Refuse a change that was not made against the present state.

        Raises:
            PreconditionRequired: there is no If-Match header.
            PreconditionFailed: it names another state.

        """
        sent = self.request.headers.get("if-match")
        if sent is None:
            raise PreconditionRequired(
                "A change must say which state it was made against.",
                remedy="Read it first, then send its ETag as If-Match.",
            )
        if sent.strip() != "*" and f'"{etag}"' not in _etags(sent):
            raise PreconditionFailed(
                "It has changed since you read it; nothing was changed now.",
                remedy="Read it again, redo your change on that state.",
                current=f'"{etag}"',
            )

    def _storage_key(self, ctx: Context) -> str | None:
        key = self.request.headers.get("idempotency-key")
        if key is None:
            return None
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            detail = f"must have 1 to {MAX_KEY_LENGTH} characters"
            raise InvalidIdempotencyKey(
                f"The Idempotency-Key {detail}.",
                faults=[Fault("/header/Idempotency-Key", detail, "invalid-key")],
            )
        owner = ctx.actor.client_id or "anonymous"
        return hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()

    def _fingerprint(self) -> str:
        line = f"{self.request.method}\n{self.request.url.path}\n{self.request.url.query}\n{self.body_digest}"
        return hashlib.sha256(line.encode()).hexdigest()


async def make_reply(request: Request) -> Reply:
    """Return the request's `Reply`; reads the (small, limited) body to fingerprint it. Raises InvalidBody."""
    body = await request.body()
    if "json" in request.headers.get("content-type", "").lower():
        _check_names(body)
    return Reply(request, hashlib.sha256(body).hexdigest())


def _check_names(body: bytes) -> None:
    """Refuse an object that has two members of one name: readers differ on which one counts (RFC 8259 §4)."""
    twice: list[str] = []

    def note(members: Sequence[tuple[str, Any]]) -> None:
        twice.extend(name for name, times in Counter(name for name, _ in members).items() if times > 1)

    try:
        json.loads(body, object_pairs_hook=note)
    except (ValueError, RecursionError):
        return  # the route's own reader says what is wrong with it
    if twice:
        faults = [
            Fault("", f"the name {name[:100]!a} comes twice in one object", "duplicate-name")
            for name in twice
        ]
        raise InvalidBody("A name comes twice in one object of the body.", faults=faults)


def make_streaming_reply(request: Request) -> Reply:
    """Return the `Reply` of an upload, whose body cannot be read ahead: its declared digest and length stand for it."""
    parts = [request.headers.get(h, "") for h in ("content-digest", "content-length", "content-type")]
    return Reply(request, hashlib.sha256("\n".join(parts).encode()).hexdigest())


Replies = Annotated[Reply, Depends(make_reply)]
StreamingReplies = Annotated[Reply, Depends(make_streaming_reply)]


def replay(request: Request, fault: Exception) -> Response:
    """Give the stored answer again, marked as such."""
    del request
    assert isinstance(fault, Replay)  # noqa: S101 — Starlette's handler type is wider than what it calls with
    return fault.answer


def _dump(message: BaseModel) -> bytes:
    return message.model_dump_json(by_alias=True).encode()


def _etags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


Problems = Mapping[int | str, dict[str, Any]]
