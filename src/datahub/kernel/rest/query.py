"""Query parameters that every list shares: `pageSize`, `cursor`; the filters become part of the cursor's seal."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query

from datahub.kernel.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageRequest


class _Paging:
    def __init__(self, size: int, cursor: str | None) -> None:
        self.size = size
        self.cursor = cursor

    def request(self, filters: Mapping[str, Any] | None = None) -> PageRequest:
        """Return the page wanted, under these filters."""
        canonical = orjson.dumps(dict(filters or {}), option=orjson.OPT_SORT_KEYS, default=str).decode()
        return PageRequest(self.size, self.cursor, canonical)


def _paging(
    page_size: Annotated[
        int, Query(alias="pageSize", ge=1, le=MAX_PAGE_SIZE, description="Rows in a page.")
    ] = DEFAULT_PAGE_SIZE,
    cursor: Annotated[
        str | None, Query(max_length=2000, description="nextCursor or prevCursor of a page.")
    ] = None,
) -> _Paging:
    return _Paging(page_size, cursor)


Paging = Annotated[_Paging, Depends(_paging)]
