"""Ranges and preconditions, RFC 9110 §13 and §14."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.dataplane.ranges import select, strong_etag

ETAG = strong_etag("ab" * 32)
MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, (200, 0, 100)),
        ("bytes=0-0", (206, 0, 1)),
        ("bytes=10-19", (206, 10, 20)),
        ("bytes=90-", (206, 90, 100)),
        ("bytes=90-500", (206, 90, 100)),
        ("bytes=-5", (206, 95, 100)),
        ("bytes=-500", (206, 0, 100)),
        ("BYTES=1-2", (206, 1, 3)),
        ("bytes=100-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", (200, 0, 100)),
        ("bytes=-", (200, 0, 100)),
        ("bytes=0-1,5-6", (200, 0, 100)),
        ("items=0-1", (200, 0, 100)),
        ("bytes=a-b", (200, 0, 100)),
        ("bytes=²-", (200, 0, 100)),
    ],
)
def test_a_range_selects_its_bytes_or_is_ignored(field: str | None, expected: tuple[int, int, int]) -> None:
    found = select(size=100, etag=ETAG, range_field=field)
    assert (found.status, found.start, found.end) == expected
    headers = dict(found.headers)
    if found.status == 206:
        assert headers["Content-Range"] == f"bytes {found.start}-{found.end - 1}/100"
        assert headers["Content-Length"] == str(found.length)
    if found.status == 416:
        assert headers["Content-Range"] == "bytes */100"


def test_an_empty_object_has_no_satisfiable_range() -> None:
    assert select(size=0, etag=ETAG, range_field="bytes=0-").status == 416
    assert select(size=0, etag=ETAG).status == 200


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        (ETAG, 206),
        (f"W/{ETAG}", 200),
        ('"other"', 200),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 206),
        ("Sun, 01 Mar 2026 12:00:01 GMT", 200),
        ("rubbish", 200),
    ],
)
def test_if_range_lets_only_the_same_representation_through(if_range: str, status: int) -> None:
    found = select(size=9, etag=ETAG, modified_at=MODIFIED, range_field="bytes=1-2", if_range=if_range)
    assert found.status == status


@pytest.mark.parametrize(
    ("if_none_match", "if_modified_since", "status"),
    [
        (ETAG, None, 304),
        (f"W/{ETAG}", None, 304),
        (f'"x", {ETAG}', None, 304),
        ("*", None, 304),
        ('"x"', None, 200),
        (None, "Sun, 01 Mar 2026 12:00:00 GMT", 304),
        (None, "Sun, 01 Mar 2026 11:59:59 GMT", 200),
        (None, "rubbish", 200),
        ('"x"', "Sun, 01 Mar 2026 12:00:00 GMT", 200),
    ],
)
def test_an_unchanged_representation_is_not_sent_again(
    if_none_match: str | None, if_modified_since: str | None, status: int
) -> None:
    found = select(
        size=9,
        etag=ETAG,
        modified_at=MODIFIED,
        if_none_match=if_none_match,
        if_modified_since=if_modified_since,
    )
    assert found.status == status


@given(st.text(), st.integers(0, 10**12), st.text(), st.text(), st.text())
def test_no_header_breaks_the_selection(field: str, size: int, match: str, since: str, if_range: str) -> None:
    found = select(
        size=size,
        etag=ETAG,
        modified_at=MODIFIED,
        range_field=f"bytes={field}",
        if_none_match=match,
        if_modified_since=since,
        if_range=if_range,
    )
    assert 0 <= found.start <= found.end <= size
