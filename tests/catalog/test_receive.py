"""Reception of a body: whole and verified, or nothing at all."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.catalog.receive import (
    BodyFault,
    BodyIncomplete,
    BodyTooLarge,
    DigestMalformed,
    DigestMismatch,
    Received,
    digest_field,
    read_digests,
    receive,
)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


def take(staging: Path, *parts: bytes, limit_bytes: int = 100 << 20, **headers: Any) -> Received:
    return asyncio.run(receive(chunks(*parts), staging, limit_bytes=limit_bytes, **headers))


def field(algorithm: str, content: bytes) -> str:
    raw = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


def test_a_body_arrives_whole_with_its_hash(tmp_path: Path) -> None:
    parts = [b"a" * 70_000] * 100 + [b"", b"end"]
    received = take(tmp_path, *parts, content_length=7_000_003)
    assert received.path.read_bytes() == b"".join(parts)
    assert received.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()
    assert received.size_bytes == 7_000_003
    assert received.digest_field == field("sha-256", b"".join(parts))


def test_an_empty_body_is_a_body(tmp_path: Path) -> None:
    assert take(tmp_path).size_bytes == 0


@pytest.mark.parametrize("header", ["content_digest", "repr_digest"])
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_digest_that_holds_is_accepted(tmp_path: Path, header: str, algorithm: str) -> None:
    headers: dict[str, Any] = {header: "md5=:AAAA:, " + field(algorithm, b"abc")}
    assert take(tmp_path, b"abc", **headers).size_bytes == 3


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_digest_of_other_bytes_is_refused_and_nothing_is_kept(tmp_path: Path, algorithm: str) -> None:
    with pytest.raises(DigestMismatch, match=algorithm):
        take(tmp_path, b"abd", content_digest=field(algorithm, b"abc"))
    assert list(tmp_path.iterdir()) == []


def test_every_digest_must_hold(tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch):
        take(tmp_path, b"abc", content_digest=f"{field('sha-256', b'abc')}, {field('sha-512', b'x')}")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha-256",
        "sha-256=abc",
        "sha-256=:abc:",
        "sha-256=:AAAA:",
        "SHA-256=:AAAA:",
        "md5=:AAAA:",
        ",",
        "sha-256=:*:",
    ],
)
def test_a_digest_that_cannot_be_verified_is_a_fault(value: str) -> None:
    with pytest.raises(DigestMalformed, match="Content-Digest"):
        read_digests("Content-Digest", value)


def test_a_body_over_the_limit_stops_at_the_limit(tmp_path: Path) -> None:
    with pytest.raises(BodyTooLarge):
        take(tmp_path, b"x" * 10, b"y" * 10, limit_bytes=15)
    with pytest.raises(BodyTooLarge):
        take(tmp_path, content_length=16, limit_bytes=15)
    assert list(tmp_path.iterdir()) == []


def test_a_body_shorter_than_announced_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BodyIncomplete):
        take(tmp_path, b"abc", content_length=4)
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async def gone() -> AsyncIterator[bytes]:
        yield b"x" * (5 << 20)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(receive(gone(), tmp_path, limit_bytes=1 << 30))
    assert list(tmp_path.iterdir()) == []


def test_cancelling_while_writing_leaves_nothing(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * (4 << 20)

    async def run() -> None:
        task = asyncio.create_task(receive(endless(), tmp_path, limit_bytes=1 << 40))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=60))
def test_any_header_is_read_or_refused(text: str) -> None:
    try:
        digests = read_digests("Repr-Digest", text)
    except BodyFault:
        return
    assert digests


@given(st.binary())
def test_the_digest_field_reads_back(content: bytes) -> None:
    digest = hashlib.sha256(content)
    (read,) = read_digests("Repr-Digest", digest_field(digest.hexdigest()))
    assert read.value == digest.digest()
