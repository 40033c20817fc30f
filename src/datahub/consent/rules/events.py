"""What an event commits to: one text of all its fields, and the SHA-256 of it. Pure."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

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


def event_digest(fields: Fields, written: Callable[[datetime | None], str] = instant) -> bytes:
    r"""Return what commits to an event: SHA-256 of its fields in the order of the table, each on a line of its own.

    Instants in UTC with microseconds, `1` or `0` for yes or no, an empty line for nothing.
    """
    (record_id, number, move, state, at, recorded_at, until, is_explicit, rule, language, *rest) = fields
    collector, channel, is_conditional, source_id, client_id = rest
    text = (
        f"{record_id}\n{number}\n{move}\n{state}\n{written(at)}\n{written(recorded_at)}\n{written(until)}\n"
        f"{int(is_explicit)}\n{rule}\n{language}\n{collector}\n{channel}\n{int(bool(is_conditional))}\n"
        f"{source_id or ''}\n{client_id or ''}"
    )
    return hashlib.sha256(text.encode()).digest()
