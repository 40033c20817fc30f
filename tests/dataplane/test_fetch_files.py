"""Fetching files and whole stored tables: ranges, conditions, digests, names; HEAD and 304 are logged too."""

import base64
import hashlib
import io

import pyarrow.parquet as pq
import pytest

from tests.dataplane.conftest import World

BYTES = bytes(range(256)) * 5000  # over one block of 1 MiB
DIGEST = hashlib.sha256(BYTES)


@pytest.fixture
def report(world: World) -> str:
    """A dataset of one file, open to everybody."""
    dataset = world.dataset("report", BYTES, kind="files")
    world.offer(dataset, "open")
    return dataset


def test_a_file_is_fetched_as_it_was_sent(world: World, report: str) -> None:
    answer = world.fetch(report)
    assert answer.status_code == 200
    assert answer.content == BYTES
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["etag"] == f'"{DIGEST.hexdigest()}"'
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(DIGEST.digest()).decode()}:"
    named = "attachment; filename=\"r_port.bin\"; filename*=UTF-8''r%C3%A9port.bin"
    assert answer.headers["content-disposition"] == named
    _, outcome = world.last()
    assert (outcome.outcome, outcome.bytes, outcome.rows) == ("finished", len(BYTES), None)
    assert world.fetch(report, params={"file": "réport.bin"}).content == BYTES


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", BYTES[:10]), ("bytes=100-", BYTES[100:]), ("bytes=-7", BYTES[-7:])],
)
def test_a_range_of_a_file_is_fetched(world: World, report: str, asked: str, part: bytes) -> None:
    answer = world.fetch(report, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == part
    assert answer.headers["content-range"].endswith(f"/{len(BYTES)}")
    assert world.last()[1].bytes == len(part)


def test_a_range_beyond_the_file_is_refused_and_logged_as_nothing_sent(world: World, report: str) -> None:
    answer = world.fetch(report, headers={"Range": f"bytes={len(BYTES)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(BYTES)}"
    _, outcome = world.last()
    assert (outcome.code, outcome.bytes) == ("range-not-satisfiable", 0)


def test_an_interrupted_download_resumes_only_on_the_same_bytes(world: World, report: str) -> None:
    etag = world.fetch(report, headers={"Range": "bytes=0-9"}).headers["etag"]
    rest = world.fetch(report, headers={"Range": "bytes=10-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, BYTES[10:])
    other = world.fetch(report, headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, BYTES)


def test_a_copy_that_is_still_good_is_not_sent_again_but_the_attempt_is_logged(
    world: World, report: str
) -> None:
    etag = world.fetch(report).headers["etag"]
    before = len(world.entries("data.read"))
    answer = world.fetch(report, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert len(world.entries("data.read")) == before + 1
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code, outcome.bytes) == ("finished", "not-modified", 0)


def test_head_says_what_get_would_send_and_sends_nothing(world: World, report: str) -> None:
    answer = world.fetch(report, method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(BYTES))
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code, outcome.bytes) == ("finished", "head", 0)


def test_an_unknown_file_is_not_found_and_table_questions_do_not_fit(world: World, report: str) -> None:
    assert world.fetch(report, params={"file": "other"}).status_code == 404
    for query in ({"fields": "a"}, {"filter": "a:eq:1"}, {"format": "csv"}, {"limit": "1"}):
        answer = world.fetch(report, params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid-data-query")


def test_a_whole_table_as_parquet_is_the_stored_file_with_ranges(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    whole = world.fetch(dataset, params={"format": "parquet"})
    assert pq.read_table(io.BytesIO(whole.content)).num_rows == 4
    assert world.last()[1].rows == 4
    part = world.fetch(dataset, params={"format": "parquet"}, headers={"Range": "bytes=-8"})
    assert (part.status_code, part.content) == (206, whole.content[-8:])
    assert world.last()[1].rows is None
    assert whole.headers["content-disposition"] == 'attachment; filename="rivers-v1.parquet"'


def test_a_computed_table_has_a_weak_tag_and_no_ranges(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    answer = world.fetch(dataset, headers={"Range": "bytes=0-3"})
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "none"
    etag = answer.headers["etag"]
    assert etag.startswith("W/")
    assert world.fetch(dataset, headers={"If-None-Match": etag}).status_code == 304
    other = world.fetch(dataset, params={"fields": "name"}, headers={"If-None-Match": etag})
    assert other.status_code == 200
    head = world.fetch(dataset, method="HEAD")
    assert "content-length" not in head.headers


def test_an_answer_links_to_its_version_its_licence_and_its_agreement(world: World) -> None:
    dataset = world.dataset("rivers", licence="https://creativecommons.org/licenses/by/4.0/")
    agreement = world.agreement(dataset)
    links = world.fetch(dataset, world.token(dataset)).headers["link"]
    assert f'</v1/datasets/{dataset}/versions/1/data>; rel="item"' in links
    assert '<https://creativecommons.org/licenses/by/4.0/>; rel="license"' in links
    assert f'</v1/agreements/{agreement}>; rel="terms-of-service"' in links
