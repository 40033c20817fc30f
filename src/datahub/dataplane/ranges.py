"""Conditional and range requests decided over plain values: no request, no response, no file.

RFC 9110 §8.8.3 (ETag), §13.1 (preconditions), §14 (range requests).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True)
class Selection:
    """Which bytes to send and how: status, the half-open interval [start, end), and the headers that go with it."""

    status: Literal[200, 206, 304, 416]
    start: int
    end: int
    headers: tuple[tuple[str, str], ...]

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        return self.end - self.start


def strong_etag(sha256: str) -> str:
    """Return the strong entity tag of content known by its hash."""
    return f'"{sha256}"'


def select(
    *,
    size: int,
    etag: str,
    modified_at: datetime | None = None,
    range_field: str | None = None,
    if_range: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
) -> Selection:
    """Decide a GET or HEAD over `size` bytes in the order of RFC 9110 §13.2.2.

    Several ranges in one field are ignored and the whole is sent (§14.2 leaves that to the server).
    """
    headers: list[tuple[str, str]] = [("ETag", etag), ("Accept-Ranges", "bytes")]
    if modified_at is not None:
        headers.append(("Last-Modified", format_datetime(modified_at.astimezone(UTC), usegmt=True)))
    if unchanged(etag, modified_at, if_none_match=if_none_match, if_modified_since=if_modified_since):
        return Selection(304, 0, 0, tuple(headers))
    whole = Selection(200, 0, size, (*headers, ("Content-Length", str(size))))
    if range_field is None or not _same_as(if_range, etag, modified_at):
        return whole
    match = _RANGE.fullmatch(range_field.strip())
    if match is None or not (match[1] or match[2]):
        return whole
    start, end = _interval(match[1], match[2], size)
    if match[1] and match[2] and int(match[1]) > int(match[2]):
        return whole  # §14.1.1: last-pos below first-pos makes the field invalid, so it is ignored
    if start >= end:
        return Selection(416, 0, 0, (*headers, ("Content-Range", f"bytes */{size}")))
    content_range = ("Content-Range", f"bytes {start}-{end - 1}/{size}")
    return Selection(206, start, end, (*headers, content_range, ("Content-Length", str(end - start))))


def unchanged(
    etag: str, modified_at: datetime | None, *, if_none_match: str | None, if_modified_since: str | None
) -> bool:
    """Tell whether the client's copy is still good; If-None-Match wins over If-Modified-Since (§13.1.3)."""
    if if_none_match is not None:
        return if_none_match.strip() == "*" or _opaque(etag) in {
            tag for _, tag in _TAG.findall(if_none_match)
        }
    since = _date(if_modified_since)
    return since is not None and modified_at is not None and modified_at.replace(microsecond=0) <= since


def _same_as(if_range: str | None, etag: str, modified_at: datetime | None) -> bool:
    """Tell whether If-Range lets the range through: strong comparison only (§13.1.5)."""
    if if_range is None:
        return True
    text = if_range.strip()
    if text.startswith(('"', "W/")):
        return text == etag and not etag.startswith("W/")
    since = _date(text)
    return since is not None and modified_at is not None and modified_at.replace(microsecond=0) == since


def _interval(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _opaque(etag: str) -> str:
    match = _TAG.fullmatch(etag)
    return match[2] if match else etag


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
