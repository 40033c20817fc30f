"""What an event commits to: one text of all its fields, and the SHA-256 of it. Pure."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Fields = tuple[
    str,
    int,
    str,
    str,
    datetime,
    datetime,
    datetime | None,
    bool,
    int,
    str,
    str,
    str,
    bool,
    str | None,
    str | None,
]


@lru_cache(maxsize=1 << 16)
def instant(at: datetime | None) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds; nothing for none."""
    return (
        "" if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    )


Frame = tuple[str, str]
"""What of an event's text stands before the instant it was expressed at, and after it: few, for millions of events."""


def frame_of(
    said: tuple[str, str], rest: Sequence[Any], written: Callable[[datetime | None], str] = instant
) -> Frame:
    """Return the frame of events: `said` is move and state, `rest` all fields from `recorded_at` on."""
    recorded_at, until, is_explicit, rule, language, collector, channel, is_conditional, *by = rest
    source_id, client_id = by
    after = (
        f"\n{written(recorded_at)}\n{written(until)}\n{int(is_explicit)}\n{rule}\n{language}\n{collector}\n{channel}\n"
        f"{int(bool(is_conditional))}\n{source_id or ''}\n{client_id or ''}"
    )
    return f"{said[0]}\n{said[1]}\n", after


def digest_in(frame: Frame, record_id: str, number: int, at: str) -> bytes:
    """Return what commits to one event of a frame; `at` as `instant` writes it."""
    return hashlib.sha256(f"{record_id}\n{number}\n{frame[0]}{at}{frame[1]}".encode()).digest()


def event_digest(fields: Fields, written: Callable[[datetime | None], str] = instant) -> bytes:
    r"""Return what commits to an event: SHA-256 of its fields in the order of the table, each on a line of its own.

    Instants in UTC with microseconds, `1` or `0` for yes or no, an empty line for nothing.
    """
    record_id, number, move, state, at, *rest = fields
    return digest_in(frame_of((move, state), rest, written), record_id, number, written(at))
