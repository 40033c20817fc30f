"""Keyset pages: every row once, under inserts, both ways; cursors that cannot be forged."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, String
from sqlmodel import Field, SQLModel, col, select

from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.paging import InvalidCursor, Page, PageRequest, SortKey, read_page
from tests.build import NOON, some_settings


class PagedThing(SQLModel, table=True):
    """A table of this test's own."""

    __tablename__ = "paged_thing"
    id: int = Field(sa_column=Column(Integer, primary_key=True))
    name: str = Field(sa_column=Column(String(20), nullable=False))


KEYS = [SortKey(col(PagedThing.name), "name", is_descending=True), SortKey(col(PagedThing.id), "id")]


def _table(url: str) -> Engine:
    engine = db.make_engine(url)
    SQLModel.metadata.create_all(engine, tables=[SQLModel.metadata.tables["paged_thing"]])
    return engine


def _page(ctx: Context, size: int, cursor: str | None = None, filters: str = "") -> Page[PagedThing]:
    return read_page(ctx, select(PagedThing), KEYS, PageRequest(size, cursor, filters))


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.sampled_from("abcdef"), max_size=25),
    late=st.lists(st.sampled_from("abcdef"), max_size=10),
    size=st.integers(1, 7),
)
def test_pages_give_each_row_that_was_there_exactly_once_while_rows_are_added(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], late: list[str], size: int
) -> None:
    home = tmp_path_factory.mktemp("paging")
    engine = _table(f"sqlite:///{home}/x.db")
    with db.transaction(engine) as session:
        ctx = Context(session, ANONYMOUS, NOON, "t", some_settings(home))
        session.add_all(PagedThing(id=i, name=n) for i, n in enumerate(names))
        session.flush()
        seen: list[int] = []
        cursor = None
        added = iter(late)
        while True:
            page = _page(ctx, size, cursor)
            seen += [row.id for row in page.items]
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
            for name in [n for n, _ in zip(added, range(2), strict=False)]:
                session.add(PagedThing(id=1000 + len(session.exec(select(PagedThing.id)).all()), name=name))
                session.flush()
        old = [i for i in seen if i < 1000]
        assert sorted(old) == list(range(len(names)))
        assert len(set(seen)) == len(seen)
        assert old == [
            i for _, i in sorted(((n, i) for i, n in enumerate(names)), key=lambda x: (-ord(x[0]), x[1]))
        ]
    engine.dispose()


def test_going_back_gives_the_page_before(database_url: str, tmp_path: Path) -> None:
    engine = _table(database_url)
    with db.transaction(engine) as session:
        ctx = Context(session, ANONYMOUS, NOON, "t", some_settings(tmp_path))
        session.add_all(PagedThing(id=i, name="n") for i in range(7))
        session.flush()
        first = _page(ctx, 3)
        second = _page(ctx, 3, first.next_cursor)
        back = _page(ctx, 3, second.prev_cursor)
        assert [r.id for r in back.items] == [r.id for r in first.items] == [0, 1, 2]
        assert back.prev_cursor is None
        assert back.next_cursor is not None
    engine.dispose()


@pytest.mark.parametrize("spoil", ["flip", "filters", "age", "noise", "empty"])
def test_a_cursor_that_was_not_made_for_this_list_is_refused(
    sqlite_url: str, tmp_path: Path, spoil: str
) -> None:
    engine = _table(sqlite_url)
    with db.transaction(engine) as session:
        ctx = Context(session, ANONYMOUS, NOON, "t", some_settings(tmp_path))
        session.add_all(PagedThing(id=i, name="n") for i in range(3))
        session.flush()
        cursor = _page(ctx, 1, filters="a").next_cursor
        assert cursor is not None
        assert _page(ctx, 1, cursor, "a").items[0].id == 1
        cursor = {"flip": cursor[:-6] + "AAAAAA", "noise": "é!?", "empty": "AAAA"}.get(spoil, cursor)
        later = NOON + timedelta(days=2) if spoil == "age" else NOON
        ctx = Context(session, ANONYMOUS, later, "t", some_settings(tmp_path))
        with pytest.raises(InvalidCursor):
            _page(ctx, 1, cursor, "b" if spoil == "filters" else "a")
    engine.dispose()
