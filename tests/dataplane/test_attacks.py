"""What a reader tries in order to see what the policy hides: each way gives nothing away."""

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.dataplane.conftest import World
from tests.dataplane.test_fetch import rows_of

SECRETS = ("Wilhelmina", "Bartholomeus", "Geertruida", "Machteld")
PEOPLE = b"person,town,formula\n" + b"".join(
    f'{name},{town},"{formula}"\n'.encode()
    for name, town, formula in zip(
        SECRETS, ("Delft", "Delft", "Gouda", "Breda"), ("=1+1", "-2", "plain", "@SUM(A1)"), strict=True
    )
)
FORMS = ("csv", "jsonl", "parquet", "arrow")


@pytest.fixture
def migrated_url(migrated_sqlite_url: str) -> str:
    """One database: what leaves does not depend on which."""
    return migrated_sqlite_url


@pytest.fixture
def masked(world: World) -> tuple[World, str, str]:
    """A table whose column of persons leaves as pseudonyms."""
    dataset = world.dataset("people", PEOPLE)
    offer = world.offer(dataset, "columns-masked", parameters={"columns": ["person"], "method": "hmac"})
    world.agreement(dataset, offer=offer)
    return world, dataset, world.token(dataset)


def fetched(masked: tuple[World, str, str], **params: Any) -> Any:
    world, dataset, token = masked
    return world.fetch(dataset, token, params=params)


def test_a_hidden_value_is_in_no_byte_of_any_form_footer_or_header(masked: tuple[World, str, str]) -> None:
    for form in FORMS:
        for more in ({}, {"fields": "person"}, {"fields": "town,person"}, {"compression": "zstd"}):
            answer = fetched(masked, format=form, **more)
            assert answer.status_code == 200, answer.text
            everything = answer.content + repr(answer.headers).encode()
            if form == "parquet":
                file = pq.ParquetFile(io.BytesIO(answer.content))
                everything += (
                    repr(file.metadata.to_dict()).encode() + repr(file.schema_arrow.metadata).encode()
                )
                everything += repr(file.read().to_pylist()).encode()
            if form == "arrow":
                table = pa.ipc.open_stream(answer.content).read_all()
                assert table.schema.metadata is None
                everything += repr(table.to_pylist()).encode()
            assert not [name for name in SECRETS if name.encode() in everything], form


@pytest.mark.parametrize("test", ["eq:{0}", "in:{0},x", "ne:{0}", "lt:{0}", "ge:{0}", "gt:{0}", "le:{0}"])
def test_a_filter_counts_the_same_rows_whichever_value_is_guessed(
    masked: tuple[World, str, str], test: str
) -> None:
    codes = [str(row["person"]) for row in rows_of("jsonl", fetched(masked, format="jsonl").content)]
    for guess in (*SECRETS, "Nobody"):
        found = fetched(masked, format="jsonl", filter=f"person:{test.format(guess)}")
        shown = [str(row["person"]) for row in rows_of("jsonl", found.content)]
        # Hex digits and letters of a name: only how the codes themselves compare with the text asked for.
        compare = {"eq": str.__eq__, "in": str.__eq__, "ne": str.__ne__, "lt": str.__lt__, "le": str.__le__}
        compare |= {"gt": str.__gt__, "ge": str.__ge__}
        assert shown == [code for code in codes if compare[test[:2]](code, guess)]
    assert len(rows_of("jsonl", fetched(masked, format="jsonl", filter=f"person:eq:{codes[2]}").content)) == 1


def test_no_refusal_quotes_what_is_stored(masked: tuple[World, str, str]) -> None:
    for params in (
        {"filter": "person:matches:W.*"},
        {"filter": "town:isNull:maybe"},
        {"fields": "person,person"},
        {"fields": "person;DROP TABLE x"},
        {"fields": 'person" FROM source --'},
        {"filter": "\"person\" = 'x' OR 1=1 --:eq:1"},
        {"format": "xml"},
        {"compression": "brotli"},
        {"csvFormulas": "run"},
    ):
        answer = fetched(masked, **params)
        assert answer.status_code == 400, (params, answer.text)
        assert not [name for name in SECRETS if name in answer.text]


def test_a_range_of_a_computed_table_is_not_served_from_the_stored_file(
    masked: tuple[World, str, str],
) -> None:
    world, dataset, token = masked
    for form in FORMS:
        for ranges in ("bytes=0-3", "bytes=-8", "bytes=4-400"):
            answer = world.fetch(dataset, token, params={"format": form}, headers={"Range": ranges})
            assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
            assert not [name for name in SECRETS if name.encode() in answer.content]


def test_text_that_would_be_a_formula_is_made_safe_when_that_is_asked(masked: tuple[World, str, str]) -> None:
    kept = fetched(masked, format="csv", fields="formula").content
    safe = fetched(masked, format="csv", fields="formula", csvFormulas="escape").content
    assert kept == b'"formula"\n"=1+1"\n"-2"\n"plain"\n"@SUM(A1)"\n'
    assert safe == b'"formula"\n"\'=1+1"\n"\'-2"\n"plain"\n"\'@SUM(A1)"\n'


def test_two_readers_of_one_table_see_codes_that_do_not_match(masked: tuple[World, str, str]) -> None:
    world, dataset, token = masked
    ours = {
        row["person"]
        for row in rows_of("jsonl", world.fetch(dataset, token, params={"format": "jsonl"}).content)
    }
    world.provider.done(
        "POST", f"/v1/datasets/{dataset}/versions", 201, content=PEOPLE, headers={"Content-Type": "text/csv"}
    )
    again = rows_of("jsonl", world.fetch(dataset, token, params={"format": "jsonl"}).content)
    assert {row["person"] for row in again} == ours, (
        "the same persons have the same codes in the next version"
    )
    attempt, _ = world.last()
    assert attempt.details["masks"] == {"person": ["hmac"]}


def test_a_table_stored_by_subject_leaves_with_the_same_codes(masked: tuple[World, str, str]) -> None:
    world, dataset, token = masked
    before = rows_of("jsonl", world.fetch(dataset, token, params={"format": "jsonl"}).content)
    made = world.provider.done(
        "POST",
        f"/v1/datasets/{dataset}/versions",
        201,
        content=PEOPLE,
        params={"subject": "person"},
        headers={"Content-Type": "text/csv"},
    )
    told = {column["name"]: column["profile"] for column in made["columns"]}
    assert told["person"]["isSubject"] is True
    assert told["person"]["suggested"]["by"] == "name"
    assert told["town"] == {
        "nulls": 0,
        "distinct": 3,
        "min": None,
        "max": None,
        "suggested": None,
        "isSubject": False,
    }
    after = rows_of("jsonl", world.fetch(dataset, token, params={"format": "jsonl"}).content)
    key = "formula"
    assert sorted(after, key=lambda row: str(row[key])) == sorted(before, key=lambda row: str(row[key]))
    assert [orjson.dumps(row) for row in after] != [orjson.dumps(row) for row in before]
