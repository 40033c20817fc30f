"""Keyset paging: pages stay right while rows are added, and page 10,000 costs what page 1 costs.

The cursor is opaque, signed (HMAC-SHA-256), bound to the filters it was made for, and ages out.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from datahub.kernel.context import Context
from datahub.kernel.errors import Fault, Invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
CURSOR_LIFE = timedelta(days=1)
_TAG_BYTES = 16

Row = TypeVar("Row")


class InvalidCursor(Invalid):
    """The page cursor was not made here, is too old, or belongs to other filters."""

    title = "Page cursor not usable"


@dataclass(frozen=True)
class PageRequest:
    """Which page is wanted: how many rows, from which cursor, under which filters (their canonical form)."""

    size: int = DEFAULT_PAGE_SIZE
    cursor: str | None = None
    filters: str = ""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows in the order asked for, with cursors to its neighbours where there are any."""

    items: Sequence[Row]
    next_cursor: str | None = None
    prev_cursor: str | None = None


@dataclass(frozen=True)
class SortKey:
    """A column of the order, which must be not null; the last key of an order must be unique."""

    column: Any
    attribute: str
    is_descending: bool = False


def read_page(
    ctx: Context, statement: SelectOfScalar[Row], keys: Sequence[SortKey], request: PageRequest
) -> Page[Row]:
    """Return one page of the statement's rows. Raises InvalidCursor."""
    secret = ctx.settings.derive_key("page-cursor")
    position = _open(secret, request, ctx.now) if request.cursor else None
    is_back = position is not None and position[0]
    if position is not None:
        statement = statement.where(_beyond(keys, position[1], is_back=is_back))
    for key in keys:
        statement = statement.order_by(
            key.column.desc() if key.is_descending != is_back else key.column.asc()
        )
    rows = _fetch(ctx.session, statement, request.size + 1)
    has_more = len(rows) > request.size
    rows = rows[: request.size]
    if is_back:
        rows.reverse()
    if not rows:
        return Page(rows)
    has_next = is_back or has_more
    has_prev = has_more if is_back else position is not None
    return Page(
        rows,
        _seal(secret, request, ctx.now, _values(rows[-1], keys), is_back=False) if has_next else None,
        _seal(secret, request, ctx.now, _values(rows[0], keys), is_back=True) if has_prev else None,
    )


def _fetch(session: Session, statement: SelectOfScalar[Row], limit: int) -> list[Row]:
    return list(session.exec(statement.limit(limit)).all())


def _beyond(keys: Sequence[SortKey], values: Sequence[Any], *, is_back: bool) -> ColumnElement[bool]:
    # (a, b) > (x, y) spelled out, because a mixed order has no row-value comparison
    options: list[ColumnElement[bool]] = []
    for index, key in enumerate(keys):
        equal = [k.column == v for k, v in zip(keys[:index], values[:index], strict=True)]
        is_less = key.is_descending != is_back
        step = key.column < values[index] if is_less else key.column > values[index]
        options.append(and_(*equal, step))
    return or_(*options)


def _values(row: Any, keys: Sequence[SortKey]) -> list[Any]:
    return [getattr(row, key.attribute) for key in keys]


def _tag(secret: bytes, body: bytes, filters: str) -> bytes:
    return hmac.new(secret, body + hashlib.sha256(filters.encode()).digest(), hashlib.sha256).digest()[
        :_TAG_BYTES
    ]


def _seal(secret: bytes, request: PageRequest, now: datetime, values: Sequence[Any], *, is_back: bool) -> str:
    marked = [{"t": v.isoformat()} if isinstance(v, datetime) else v for v in values]
    body = orjson.dumps([int(is_back), int((now + CURSOR_LIFE).timestamp()), marked])
    return base64.urlsafe_b64encode(_tag(secret, body, request.filters) + body).rstrip(b"=").decode()


def _open(secret: bytes, request: PageRequest, now: datetime) -> tuple[bool, list[Any]]:
    text = request.cursor or ""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(secret, body, request.filters)):
        raise InvalidCursor(
            "This page cursor was not made here, or it was made for other filters.",
            remedy="Use nextCursor or prevCursor as it came, with the same filters.",
            faults=[Fault("/query/cursor", "not a cursor for these filters", "invalid-cursor")],
        )
    is_back, expires, marked = orjson.loads(body)
    if now.timestamp() > expires:
        raise InvalidCursor(
            "This page cursor is too old.",
            remedy="Start again from the first page.",
            faults=[Fault("/query/cursor", "older than a day", "expired-cursor")],
        )
    return bool(is_back), [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in marked]
