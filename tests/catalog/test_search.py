"""The catalogue's list: searched, narrowed, paged; the same on both databases, without an account."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from datahub.catalog import Dataset
from datahub.catalog.rules.datasets import fold, search_text_of, title_sort_of, words_of
from datahub.kernel import db
from datahub.kernel.ids import new_id
from tests.build import NOON
from tests.catalog.conftest import Catalogue


def slugs(catalogue: Catalogue, who: str | None = None, **asked: Any) -> list[str]:
    answer = catalogue.call("GET", "/v1/datasets", who, params=asked)
    assert answer.status_code == 200, answer.text
    return [item["slug"] for item in answer.json()["items"]]


@pytest.fixture
def three(catalogue: Catalogue) -> Catalogue:
    """Three published datasets, an hour apart; the oldest was changed last."""
    catalogue.published(
        "cafes",
        title={"nl": "Cafés in de Stad", "en": "Bars"},
        description={"en": "100% of_all bars"},
        keywords=["Horeca", "Één"],
        themes=["ECON", "urn:own:theme"],
        languages=["nl", "en"],
    )
    catalogue.later(hours=1)
    catalogue.published(
        "travel", "rival", title={"en": "Travel"}, keywords=["mobility"], themes=["TRAN", "SOCI"]
    )
    catalogue.later(hours=1)
    catalogue.published("scans", kind="files", title={"nl": "Áfbeeldingen"}, accessRights="NON_PUBLIC")
    catalogue.later(hours=1)
    [cafes] = catalogue.call("GET", "/v1/datasets", params={"ref": "gemeente/cafes"}).json()["items"]
    changed = catalogue.call(
        "PATCH",
        f"/v1/datasets/{cafes['id']}",
        "publisher",
        json={"frequency": "DAILY"},
        headers={"If-Match": '"3"'},
    )
    assert changed.status_code == 200
    return catalogue


def test_the_newest_come_first_and_titles_sort_without_case_and_accents(three: Catalogue) -> None:
    assert slugs(three) == ["scans", "travel", "cafes"]
    assert slugs(three, sort="title") == ["scans", "cafes", "travel"]


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"q": "CAFES"}, ["cafes"]),
    ({"q": "café"}, ["cafes"]),
    ({"q": "stad horeca"}, ["cafes"]),
    ({"q": "horec"}, ["cafes"]),
    ({"q": "stad mobility"}, []),
    ({"q": "100% of_all"}, ["cafes"]),
    ({"q": "1%0"}, []),
    ({"q": "t_avel"}, []),
    ({"q": "buurt"}, ["scans", "travel"]),
    ({"keyword": "horeca"}, ["cafes"]),
    ({"keyword": ["HORECA", "een"]}, ["cafes"]),
    ({"keyword": ["horeca", "mobility"]}, []),
    ({"theme": "ECON"}, ["cafes"]),
    ({"theme": "http://publications.europa.eu/resource/authority/data-theme/TRAN"}, ["travel"]),
    ({"theme": "urn:own:theme"}, ["cafes"]),
    ({"theme": "SOCI"}, ["scans", "travel"]),
    ({"language": ["nl", "en"]}, ["cafes"]),
    ({"publisher": "vervoer"}, ["travel"]),
    ({"publisher": "nobody"}, []),
    ({"ref": "vervoer/travel"}, ["travel"]),
    ({"ref": "gemeente/travel"}, []),
    ({"kind": "files"}, ["scans"]),
    ({"accessRights": "NON_PUBLIC"}, ["scans"]),
    ({"updatedSince": "2026-06-01T14:00:00+00:00"}, ["scans", "cafes"]),
    ({"updatedSince": "2026-06-01T17:00:00+02:00", "q": "bars"}, ["cafes"]),
    ({"state": "deprecated"}, []),
    ({"kind": "table", "theme": "SOCI", "publisher": "vervoer", "q": "travel"}, ["travel"]),
]


def test_the_list_is_narrowed_by_all_that_is_asked(three: Catalogue, subtests: pytest.Subtests) -> None:
    for asked, found in CASES:
        with subtests.test(asked=asked):
            assert slugs(three, **asked) == found


def test_a_dataset_is_found_by_its_id_and_its_publishers_id(three: Catalogue) -> None:
    [travel] = three.call("GET", "/v1/datasets", params={"ref": "vervoer/travel"}).json()["items"]
    assert slugs(three, ref=travel["id"]) == ["travel"]
    assert slugs(three, publisher=travel["providerId"]) == ["travel"]


BAD_CASES: list[tuple[dict[str, Any], str]] = [
    ({"q": "\x00"}, "q"),
    ({"q": "x" * 301}, "q"),
    ({"theme": "no theme"}, "theme"),
    ({"sort": "size"}, "sort"),
    ({"updatedSince": "2026-06-01T14:00:00"}, "updatedSince"),
    ({"publisher": "%"}, "publisher"),
    ({"ref": "a/b/c"}, "ref"),
    ({"state": "lost"}, "state"),
    ({"pageSize": 201}, "pageSize"),
    ({"cursor": "made-up"}, "cursor"),
]


def test_a_filter_that_cannot_be_is_refused(catalogue: Catalogue, subtests: pytest.Subtests) -> None:
    for asked, name in BAD_CASES:
        with subtests.test(asked=asked):
            answer = catalogue.call("GET", "/v1/datasets", params=asked)
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["pointer"].startswith(f"/query/{name}")


def test_drafts_are_listed_for_their_own_organisation_only(three: Catalogue) -> None:
    three.made("draft")
    assert slugs(three, state="draft") == []
    assert slugs(three, "rival", state="draft") == []
    assert slugs(three, "reader", state="draft") == ["draft"]
    assert slugs(three, "overseer", state="draft") == ["draft"]
    assert slugs(three, "reader")[0] == "draft"


def test_a_deprecated_dataset_is_still_listed(three: Catalogue) -> None:
    [travel] = three.call("GET", "/v1/datasets", params={"ref": "vervoer/travel"}).json()["items"]
    three.moved(travel["id"], "deprecate", "rival")
    assert slugs(three, state="deprecated") == ["travel"]


def test_a_cursor_belongs_to_its_filters(three: Catalogue) -> None:
    first = three.call("GET", "/v1/datasets", params={"pageSize": 1}).json()
    other = three.call(
        "GET", "/v1/datasets", params={"pageSize": 1, "cursor": first["nextCursor"], "kind": "table"}
    )
    assert (other.status_code, other.json()["code"]) == (400, "invalid-cursor")


def test_the_same_list_is_not_sent_twice(three: Catalogue) -> None:
    first = three.call("GET", "/v1/datasets", params={"pageSize": 2})
    assert first.headers["cache-control"] == "no-cache"
    same = {"If-None-Match": first.headers["etag"]}
    three.later(minutes=5)
    assert three.call("GET", "/v1/datasets", params={"pageSize": 2}, headers=same).status_code == 304
    three.published("more")
    assert three.call("GET", "/v1/datasets", params={"pageSize": 2}, headers=same).status_code == 200


def some_datasets(catalogue: Catalogue, titles: list[str], hours: list[int]) -> list[str]:
    """Put published datasets straight into the database and return their ids."""
    ids = []
    with db.transaction(catalogue.engine) as session:
        for title, hour in zip(titles, hours, strict=True):
            at = NOON + timedelta(hours=hour)
            row = Dataset(
                id=new_id(),
                provider_id=catalogue.provider.id,
                slug=new_id(),
                kind="table",
                state="published",
                title_en=title,
                description_en=title,
                access_rights="PUBLIC",
                created_at=at,
                modified_at=at,
                published_at=at,
                listed_at=at,
                title_sort="",
                search_text="",
            )
            row.search_text, row.title_sort = search_text_of(row), title_sort_of(row)
            session.add(row)
            ids.append(row.id)
    return ids


def clear(catalogue: Catalogue) -> None:
    with Session(catalogue.engine) as session:
        session.connection().exec_driver_sql("delete from dataset")
        session.commit()


several = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
titles = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=12,
).filter(str.strip)  # the API takes no blank title


@several
@given(data=st.data(), sort=st.sampled_from(["newest", "title"]), size=st.integers(1, 4))
def test_pages_together_hold_each_dataset_once_while_others_are_added(
    catalogue: Catalogue, data: st.DataObject, sort: str, size: int
) -> None:
    clear(catalogue)
    names = data.draw(st.lists(titles, min_size=1, max_size=9))
    hours = data.draw(st.lists(st.integers(0, 2), min_size=len(names), max_size=len(names)))
    before = some_datasets(catalogue, names, hours)
    asked: dict[str, Any] = {"sort": sort, "pageSize": size}
    seen: list[str] = []
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["nextCursor"]:
        cursor = {"cursor": pages[-1]["nextCursor"]} if pages else {}
        pages.append(catalogue.call("GET", "/v1/datasets", params=asked | cursor).json())
        seen += [item["id"] for item in pages[-1]["items"]]
        if len(pages) < 5:
            some_datasets(catalogue, [data.draw(titles)], [data.draw(st.integers(0, 3))])
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)
    if len(pages) > 1:
        back = catalogue.call(
            "GET", "/v1/datasets", params=asked | {"cursor": pages[-1]["prevCursor"]}
        ).json()
        assert len(back["items"]) <= size
        assert back["items"][-1]["id"] not in {item["id"] for item in pages[-1]["items"]}


@several
@given(names=st.lists(titles, min_size=1, max_size=6), query=titles)
def test_search_finds_what_plain_python_finds(catalogue: Catalogue, names: list[str], query: str) -> None:
    clear(catalogue)
    ids = some_datasets(catalogue, names, [0] * len(names))
    answer = catalogue.call("GET", "/v1/datasets", params={"q": query})
    if not query.strip():
        assert answer.status_code == 400
        return
    words = words_of(query)
    expected = {i for i, name in zip(ids, names, strict=True) if all(word in fold(name) for word in words)}
    assert {item["id"] for item in answer.json()["items"]} == expected


@given(st.text())
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert fold(fold(text)) == fold(text)
