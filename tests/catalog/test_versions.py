"""Versions over HTTP: uploaded in one piece or not at all, numbered, never changed."""

import base64
import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sqlmodel import Session

from datahub.catalog import storage, version_of
from datahub.catalog.objects import ObjectStore
from datahub.catalog.service.datasets import move_dataset
from tests.build import a_context
from tests.catalog.conftest import CSV, Catalogue

ROWS = [{"name": "Dam", "year": 2024, "value": 1.5}, {"name": "IJ", "year": 2025, "value": 2.5}]
FILES = {"kind": "files"}
PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\nx\r\n'
TWICE = PART % b"a" + PART % b"A" + b"--b--\r\n"


def arrow_bytes(form: str) -> bytes:
    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    if form == "parquet":
        pq.write_table(table, sink)
    else:
        new = pa.ipc.new_stream if form == "stream" else pa.ipc.new_file
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("text/csv", CSV),
        ("text/csv; charset=utf-8", CSV),
        (
            "application/x-ndjson",
            b'{"name":"Dam","year":2024,"value":1.5}\n{"name":"IJ","year":2025,"value":2.5}\n',
        ),
        (
            "application/jsonl",
            b'{"name":"Dam","year":2024,"value":1.5}\n{"name":"IJ","year":2025,"value":2.5}\n',
        ),
        ("application/vnd.apache.parquet", arrow_bytes("parquet")),
        ("application/vnd.apache.arrow.stream", arrow_bytes("stream")),
        ("application/vnd.apache.arrow.file", arrow_bytes("file")),
    ],
)
def test_a_table_in_any_form_becomes_the_same_parquet(
    catalogue: Catalogue, media_type: str, content: bytes
) -> None:
    made = catalogue.made()
    headers = {"Content-Type": media_type, "Content-Digest": digest_of(content)}
    answer = catalogue.uploaded(made["id"], content, headers=headers, params={"note": "first"})
    assert answer.status_code == 201, answer.text
    version = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{made['id']}/versions/1"
    assert (version["number"], version["rowCount"], version["note"]) == (1, 2, "first")
    assert [(c["name"], c["type"]) for c in version["columns"]] == [
        ("name", "string"), ("year", "int64"), ("value", "float64"),
    ]  # fmt: skip
    assert (version["sourceBytes"], version["sourceSha256"]) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    with Session(catalogue.engine) as session:
        row = version_of(session, made["id"])
        assert row is not None
        assert row.object_key is not None
        assert row.by_participant_id == catalogue.provider.id
        source = storage(catalogue.settings).table_source(row.object_key)
    assert pq.read_table(source).to_pylist() == ROWS
    assert isinstance(source, Path)
    assert hashlib.sha256(source.read_bytes()).hexdigest() == version["sha256"]
    [entry] = [e for e in catalogue.entries(made["id"]) if e.action == "version.add"]
    assert (entry.dataset_version, entry.rows, entry.columns) == (1, 2, ["name", "year", "value"])


def test_every_fault_of_a_table_names_line_column_value_and_type(catalogue: Catalogue) -> None:
    columns = [{"name": "n", "type": "int64"}, {"name": "day", "type": "date", "nullable": False}]
    made = catalogue.made(columns=columns)
    answer = catalogue.uploaded(made["id"], b"n,day\n1,2024-01-01\nx,2024-02-30\n3,\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-table")
    told = {(e["line"], e["column"], e.get("value")) for e in answer.json()["errors"]}
    assert told == {(3, "n", "x"), (3, "day", "2024-02-30"), (4, "day", None)}
    assert answer.json()["totalFaults"] == 3
    assert all(e["expected"] for e in answer.json()["errors"])
    assert catalogue.objects() == []
    assert catalogue.call("GET", f"/v1/datasets/{made['id']}/versions", "publisher").json()["items"] == []


def test_what_was_said_of_a_column_goes_with_the_version(catalogue: Catalogue) -> None:
    columns = [{"name": "n", "type": "decimal(6,2)", "nullable": False, "title": {"nl": "Aantal"}}]
    made = catalogue.made(columns=columns)
    [column] = catalogue.uploaded(made["id"], b"n\n1.50\n").json()["columns"]
    assert (column["type"], column["nullable"], column["title"]["nl"]) == ("decimal(6,2)", False, "Aantal")


@pytest.mark.parametrize(
    ("delimiter", "content"), [(";", b"a;b\n1;2\n"), ("tab", b"a\tb\n1\t2\n"), ("|", b"a|b\n1|2\n")]
)
def test_csv_may_use_another_delimiter(catalogue: Catalogue, delimiter: str, content: bytes) -> None:
    answer = catalogue.uploaded(catalogue.made()["id"], content, params={"delimiter": delimiter})
    assert [column["name"] for column in answer.json()["columns"]] == ["a", "b"]


def test_a_dry_run_tells_the_facts_and_keeps_nothing(catalogue: Catalogue) -> None:
    made = catalogue.made()
    answer = catalogue.uploaded(made["id"], params={"dryRun": "true"})
    assert (answer.status_code, answer.json()["rowCount"], answer.json()["isStored"]) == (200, 2, False)
    files = catalogue.made("files", **FILES)
    answer = catalogue.uploaded(files["id"], params={"dryRun": "true", "filename": "a.csv"})
    assert answer.json()["files"][0]["bytes"] == len(CSV)
    assert catalogue.objects() == []
    assert catalogue.call("GET", f"/v1/datasets/{made['id']}", "publisher").json()["lastVersion"] is None


@pytest.mark.parametrize(
    ("headers", "more", "status", "code"),
    [
        ({"Content-Type": "application/json"}, {}, 415, "unsupported-media-type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, {}, 415, "unsupported-media-type"),
        ({"Content-Type": "text/csv; charset=latin1"}, {}, 415, "unsupported-media-type"),
        ({"Content-Encoding": "gzip"}, {}, 415, "unsupported-media-type"),
        ({"Content-Digest": digest_of(b"other")}, {}, 400, "invalid-upload"),
        ({"Content-Digest": "sha-256=nonsense"}, {}, 400, "invalid-upload"),
        ({}, {"params": {"delimiter": "x"}}, 400, "invalid-upload"),
        ({}, {"params": {"delimiter": "long"}}, 400, "invalid-body"),
        ({}, {"content": b""}, 400, "invalid-table"),
        ({}, {"content": b"a,b\n1\n"}, 400, "invalid-table"),
        ({}, {"who": "rival"}, 404, "dataset-not-found"),
        ({}, {"who": "misfit"}, 403, "dataset-change-not-allowed"),
        ({}, {"who": None}, 401, "unauthenticated"),
        ({}, {"who": "overseer"}, 403, "dataset-change-not-allowed"),
    ],
)
def test_a_bad_upload_is_refused_and_leaves_nothing(
    catalogue: Catalogue, headers: dict[str, str], more: dict[str, Any], status: int, code: str
) -> None:
    made = catalogue.made()
    answer = catalogue.uploaded(made["id"], headers=headers, **more)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert catalogue.objects() == []


def test_too_large_an_upload_is_refused_before_and_while_it_streams(catalogue: Catalogue) -> None:
    files = catalogue.made(**FILES)
    limit = catalogue.settings.max_upload_bytes
    for content in (bytes(limit + 1), (bytes(1 << 20) for _ in range((limit >> 20) + 1))):
        where = f"/v1/datasets/{files['id']}/versions"
        answer = catalogue.call("POST", where, "publisher", content=content, params={"filename": "a"})
        assert (answer.status_code, answer.json()["limitBytes"]) == (413, limit)
    assert catalogue.objects() == []


def test_an_upload_sent_twice_with_one_key_becomes_one_version(catalogue: Catalogue) -> None:
    made = catalogue.made()
    headers = {"Idempotency-Key": "u1", "Content-Digest": digest_of(CSV)}
    first = catalogue.uploaded(made["id"], headers=headers)
    second = catalogue.uploaded(made["id"], headers=headers)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()
    other = b"a\n1\n"
    reused = catalogue.uploaded(made["id"], other, headers={**headers, "Content-Digest": digest_of(other)})
    assert reused.status_code == 422
    assert len(catalogue.objects()) == 1


def test_versions_uploaded_at_once_all_succeed_with_numbers_of_their_own(catalogue: Catalogue) -> None:
    made = catalogue.made()
    numbers: list[int] = []

    def upload() -> None:
        numbers.append(catalogue.uploaded(made["id"]).json()["number"])

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4]
    assert len(catalogue.objects()) == 4
    listed = catalogue.call(
        "GET", f"/v1/datasets/{made['id']}/versions", "publisher", params={"pageSize": 3}
    ).json()
    assert [version["number"] for version in listed["items"]] == [4, 3, 2]
    assert listed["nextCursor"]


def test_versions_are_as_open_as_their_dataset(catalogue: Catalogue) -> None:
    made = catalogue.published()
    where = f"/v1/datasets/{made['id']}/versions"
    version = catalogue.call("GET", f"{where}/1")
    assert version.json() == catalogue.call("GET", where).json()["items"][0]
    assert "objectKey" not in version.text
    same = catalogue.call("GET", f"{where}/1", headers={"If-None-Match": version.headers["etag"]})
    assert same.status_code == 304
    assert catalogue.call("GET", f"{where}/2").json()["latest"] == 1
    assert catalogue.call("GET", f"{where}/99999999999").status_code == 400
    draft = catalogue.made("draft")
    assert catalogue.call("GET", f"/v1/datasets/{draft['id']}/versions").status_code == 404


def test_one_file_is_named_by_the_query_or_by_its_disposition(catalogue: Catalogue) -> None:
    made = catalogue.made(**FILES)
    named = {
        'attachment; filename="plain.pdf"': "plain.pdf",
        "attachment; filename=\"x\"; filename*=UTF-8''caf%C3%A9%20%E2%82%AC.pdf": "café €.pdf",
    }
    for disposition, name in named.items():
        headers = {"Content-Type": "application/pdf", "Content-Disposition": disposition}
        [file] = catalogue.uploaded(made["id"], b"%PDF", headers=headers).json()["files"]
        assert file == {
            "name": name, "mediaType": "application/pdf", "bytes": 4,
            "sha256": hashlib.sha256(b"%PDF").hexdigest(),
        }  # fmt: skip
    by_query = catalogue.uploaded(made["id"], b"x", params={"filename": "q.txt"}).json()
    assert by_query["files"][0]["name"] == "q.txt"
    assert by_query["rowCount"] is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", "..", "a\x00b", "é" * 128])
def test_a_name_that_is_a_path_or_no_name_is_refused(catalogue: Catalogue, name: str) -> None:
    made = catalogue.made(**FILES)
    answer = catalogue.uploaded(made["id"], b"x", params={"filename": name})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/query/filename")
    assert catalogue.objects() == []


def test_several_files_come_as_one_version(catalogue: Catalogue) -> None:
    made = catalogue.made(**FILES)
    big = bytes(range(256)) * 12_000
    parts = [("file", ("één.bin", big, "application/zip")), ("file", ("two.txt", b"", "text/plain"))]
    where = f"/v1/datasets/{made['id']}/versions"
    answer = catalogue.call("POST", where, "publisher", files=parts)
    assert answer.status_code == 201, answer.text
    version = answer.json()
    assert [(f["name"], f["mediaType"], f["bytes"]) for f in version["files"]] == [
        ("één.bin", "application/zip", len(big)), ("two.txt", "text/plain", 0),
    ]  # fmt: skip
    assert version["bytes"] == len(big)
    with Session(catalogue.engine) as session:
        row = version_of(session, made["id"])
        assert row is not None
        path = storage(catalogue.settings).local_path(row.files[0]["object_key"])
    assert path is not None
    assert path.read_bytes() == big
    assert "één" not in str(path)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nxyz', "multipart"),
        (b"--b\r\nnonsense\r\n\r\n--b--\r\n", "multipart"),
        (b"no boundary at all", "multipart"),
        (b"--b--\r\n", "no-file"),
        (b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--b--\r\n', "file-unnamed"),
        (
            TWICE,
            "file-doubled",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="../a"\r\n\r\nx\r\n--b--\r\n',
            "file-name",
        ),
    ],
)
def test_a_bad_multipart_body_is_refused_whole(catalogue: Catalogue, body: bytes, code: str) -> None:
    made = catalogue.made(**FILES)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = catalogue.uploaded(made["id"], body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
    assert catalogue.objects() == []


def test_the_digest_of_a_multipart_body_is_of_all_of_it(catalogue: Catalogue) -> None:
    made = catalogue.made(**FILES)
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n--b--\r\nafterword'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    wrong = catalogue.uploaded(made["id"], body, headers={**headers, "Content-Digest": digest_of(b"x")})
    assert wrong.json()["errors"][0]["pointer"] == "/header/Content-Digest"
    right = catalogue.uploaded(made["id"], body, headers={**headers, "Content-Digest": digest_of(body)})
    assert right.status_code == 201


def test_a_store_that_fails_leaves_no_version(catalogue: Catalogue, tmp_path: Path) -> None:
    made = catalogue.made()
    store: ObjectStore = storage(catalogue.settings)
    root = store.staging.parent
    (root / "datasets").write_text("in the way of the folder")
    answer = catalogue.uploaded(made["id"])
    assert (answer.status_code, answer.json()["code"]) == (503, "storage-unavailable")
    assert catalogue.call("GET", f"/v1/datasets/{made['id']}", "publisher").json()["lastVersion"] is None


def test_a_dataset_withdrawn_while_its_upload_streams_gets_no_version(catalogue: Catalogue) -> None:
    made = catalogue.published()
    kept = catalogue.objects()

    def body() -> Any:
        yield CSV
        # the upload holds no transaction while it streams, or this would wait for ever
        with a_context(catalogue.engine, catalogue.settings, catalogue.actors["publisher"]) as ctx:
            move_dataset(ctx, made["id"], "withdraw", None)
        yield b"late,2026,3.5\n"

    where = f"/v1/datasets/{made['id']}/versions"
    answer = catalogue.call("POST", where, "publisher", content=body(), headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (410, "dataset-withdrawn")
    assert catalogue.objects() == kept
