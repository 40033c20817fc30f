"""Resumable uploads: tus 1.0, as the protocol says and as a foreign client does it."""

import base64
import hashlib
from typing import Any

import pytest
from httpx2 import Response
from sqlmodel import Session, select

from datahub.catalog import jobs
from datahub.catalog.models import Upload, UploadPiece
from datahub.catalog.service import resumable
from datahub.kernel.context import ANONYMOUS, Context
from tests.catalog.conftest import CSV, Catalogue

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = {**TUS, "Content-Type": "application/offset+octet-stream"}


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


SAID = f"filename {b64(b'air.csv')},filetype {b64(b'text/csv')}"


def begun(catalogue: Catalogue, length: int = len(CSV), said: str = SAID) -> str:
    answer = catalogue.call(
        "POST",
        "/v1/uploads",
        "publisher",
        headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": said},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def sent(catalogue: Catalogue, where: str, offset: int, content: bytes, **headers: str) -> Response:
    said = {**OCTETS, "Upload-Offset": str(offset), **headers}
    return catalogue.call("PATCH", where, "publisher", content=content, headers=said)


def position(catalogue: Catalogue, where: str) -> int:
    answer = catalogue.call("HEAD", where, "publisher", headers=TUS)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return int(answer.headers["upload-offset"])


def handed(catalogue: Catalogue, where: str, dataset_id: str, **more: Any) -> Response:
    address = f"/v1/datasets/{dataset_id}/versions"
    params = {"upload": where.rpartition("/")[2], **more.pop("params", {})}
    return catalogue.call("POST", address, "publisher", params=params, **more)


def test_the_server_says_what_it_can(catalogue: Catalogue) -> None:
    answer = catalogue.call("OPTIONS", "/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    offered = "creation,creation-with-upload,checksum,expiration,termination"
    assert answer.headers["tus-extension"] == offered
    assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1"
    assert answer.headers["tus-max-size"] == str(catalogue.settings.max_upload_bytes)


def test_an_upload_in_stretches_becomes_a_version_once(catalogue: Catalogue) -> None:
    made = catalogue.made()
    where = begun(catalogue)
    assert position(catalogue, where) == 0
    first = sent(catalogue, where, 0, CSV[:10])
    assert (first.status_code, first.headers["upload-offset"], first.content) == (204, "10", b"")
    assert first.headers["upload-expires"].endswith("GMT")
    unfinished = handed(catalogue, where, made["id"])
    assert (unfinished.status_code, unfinished.json()["offset"]) == (409, 10)
    assert sent(catalogue, where, 3, CSV[3:]).status_code == 409
    assert sent(catalogue, where, 10, CSV[10:]).headers["upload-offset"] == str(len(CSV))
    wrong = {"Repr-Digest": f"sha-256=:{b64(hashlib.sha256(b'x').digest())}:"}
    assert handed(catalogue, where, made["id"], headers=wrong).status_code == 400
    dry = handed(catalogue, where, made["id"], params={"dryRun": "true"})
    assert (dry.status_code, dry.json()["rowCount"]) == (200, 2)
    right = {
        "Repr-Digest": f"sha-256=:{b64(hashlib.sha256(CSV).digest())}:, sha-512=:{b64(hashlib.sha512(CSV).digest())}:"
    }
    answer = handed(catalogue, where, made["id"], headers=right, params={"note": "by tus"})
    assert answer.status_code == 201, answer.text
    version = answer.json()
    assert (version["number"], version["rowCount"], version["note"]) == (1, 2, "by tus")
    assert version["sourceSha256"] == hashlib.sha256(CSV).hexdigest()
    assert handed(catalogue, where, made["id"]).status_code == 404
    assert not [each for each in catalogue.objects() if "uploads" in each or "staging" in each]


def test_a_file_keeps_the_name_that_its_upload_says(catalogue: Catalogue) -> None:
    made = catalogue.made(kind="files")
    where = begun(catalogue)
    sent(catalogue, where, 0, CSV)
    version = handed(catalogue, where, made["id"]).json()
    assert [(f["name"], f["mediaType"], f["bytes"]) for f in version["files"]] == [
        ("air.csv", "text/csv", len(CSV))
    ]


def test_a_checksum_decides_over_the_bytes_of_its_request(catalogue: Catalogue) -> None:
    where = begun(catalogue)
    for algorithm in ("sha256", "sha1"):
        wrong = sent(
            catalogue,
            where,
            0,
            CSV,
            **{"Upload-Checksum": f"{algorithm} {b64(hashlib.new(algorithm, b'x').digest())}"},
        )
        assert (wrong.status_code, position(catalogue, where)) == (460, 0)
        assert wrong.headers["content-type"] == "application/problem+json"
    assert sent(catalogue, where, 0, CSV, **{"Upload-Checksum": f"md5 {b64(b'x' * 16)}"}).status_code == 400
    right = {"Upload-Checksum": f"sha1 {b64(hashlib.sha1(CSV[:9]).digest())}"}  # noqa: S324 — of the protocol
    assert sent(catalogue, where, 0, CSV[:9], **right).status_code == 204
    assert position(catalogue, where) == 9


def test_the_first_bytes_may_come_with_the_creation(catalogue: Catalogue) -> None:
    said = {**OCTETS, "Upload-Length": str(len(CSV))}
    answer = catalogue.call("POST", "/v1/uploads", "publisher", content=CSV[:20], headers=said)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "20")
    assert position(catalogue, answer.headers["location"]) == 20


def test_an_upload_ends_when_told_and_when_nothing_comes(catalogue: Catalogue) -> None:
    told, left = begun(catalogue), begun(catalogue)
    sent(catalogue, told, 0, CSV[:5])
    sent(catalogue, left, 0, CSV[:5])
    assert catalogue.call("DELETE", told, "publisher", headers=TUS).status_code == 204
    assert catalogue.call("HEAD", told, "publisher", headers=TUS).status_code == 404
    catalogue.later(days=7, seconds=1)
    assert catalogue.call("HEAD", left, "publisher", headers=TUS).status_code == 410
    with Session(catalogue.engine) as session:
        ctx = Context(session, ANONYMOUS, catalogue.now[0], "0" * 32, catalogue.settings)
        assert jobs.expire_uploads(ctx) == 1
        session.commit()
        assert not session.exec(select(Upload)).all()
        assert not session.exec(select(UploadPiece)).all()
    assert not [each for each in catalogue.objects() if each.startswith("uploads")]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/uploads", {"Upload-Length": "1"}, 412),
        ("POST", "/v1/uploads", {**TUS}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": "-1"}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Defer-Length": "1"}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": "1", "Upload-Concat": "partial"}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": "1", "Upload-Metadata": "a b, a c"}, 400),
        ("POST", "/v1/uploads", {**TUS, "Upload-Length": str(1 << 50)}, 413),
        ("PATCH", "{where}", {**TUS, "Upload-Offset": "0"}, 415),
        ("PATCH", "{where}", {**OCTETS}, 400),
        ("PATCH", "{where}", {**OCTETS, "Upload-Offset": "0", "Tus-Resumable": "0.2.2"}, 412),
        ("PATCH", "/v1/uploads/none", {**OCTETS, "Upload-Offset": "0"}, 404),
        ("PATCH", "{where}", {**OCTETS, "Upload-Offset": "0", "X": "too long"}, 413),
    ],
)
def test_what_the_protocol_does_not_allow(
    catalogue: Catalogue, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    where = begun(catalogue, 4)
    content = b"12345" if "X" in headers else b""
    answer = catalogue.call(method, path.format(where=where), "publisher", headers=headers, content=content)
    assert (answer.status_code, answer.headers["tus-resumable"]) == (status, "1.0.0")
    assert ("tus-version" in answer.headers) == (status == 412)
    assert position(catalogue, where) == 0


def test_an_upload_belongs_to_its_organisation(catalogue: Catalogue) -> None:
    where = begun(catalogue)
    assert catalogue.call("HEAD", where, "rival", headers=TUS).status_code == 404
    assert catalogue.call("DELETE", where, "rival", headers=TUS).status_code == 404
    assert catalogue.call("HEAD", where, "reader", headers=TUS).status_code == 403
    override = {**OCTETS, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert catalogue.call("POST", where, "rival", content=CSV, headers=override).status_code == 404
    answer = catalogue.call("POST", where, "publisher", content=CSV, headers=override)
    assert (answer.status_code, position(catalogue, where)) == (204, len(CSV))


def test_of_two_writers_one_goes_on_and_nothing_is_mixed(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow one finds at its next settling that it was overtaken."""
    where = begun(catalogue, 8)
    taken = resumable.Inflow.take

    def overtaken(inflow: resumable.Inflow, chunks: Any) -> None:
        monkeypatch.setattr(resumable.Inflow, "take", taken)
        taken(inflow, chunks)
        assert sent(catalogue, where, 0, b"quick").status_code == 204

    monkeypatch.setattr(resumable.Inflow, "take", overtaken)
    assert sent(catalogue, where, 0, b"slow").status_code == 409
    assert position(catalogue, where) == 5
    assert sent(catalogue, where, 5, b"er!").status_code == 204
    made = catalogue.made(kind="files")
    version = handed(catalogue, where, made["id"]).json()
    assert version["files"][0]["sha256"] == hashlib.sha256(b"quicker!").hexdigest()
