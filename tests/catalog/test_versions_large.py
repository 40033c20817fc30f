"""Uploads stream: what a table or file weighs is on the disk, not in the server's memory; a broken one leaves nothing."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import psutil
import pytest

from tests.catalog.conftest import Catalogue

MIB = 1 << 20
CHUNK = b"".join(b"%08d,neighbourhood %06d,%d.25\n" % (n, n % 997, n * 7 % 1000) for n in range(2000))


def csv_of(size: int) -> Iterator[bytes]:
    yield b"id,name,value\n"
    for _ in range(size // len(CHUNK)):
        yield CHUNK


async def send(
    catalogue: Catalogue, dataset_id: str, body: AsyncIterator[bytes], **headers: str
) -> tuple[int, bytes]:
    """Send an upload to the app as a server would, chunk by chunk; return the status and the answer's body."""
    sent = [("authorization", "Bearer publisher"), ("content-type", "text/csv"), *headers.items()]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "trace_id": "t",
        "path": f"/v1/datasets/{dataset_id}/versions", "query_string": b"filename=data.csv", "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in sent], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    status, parts = 0, []

    async def receive() -> dict[str, Any]:
        try:
            return {"type": "http.request", "body": await anext(body), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}
        except ConnectionError:
            return {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await catalogue.app(scope, receive, take)
    return status, b"".join(parts)


class Peak:
    """The most memory this process held inside the block, above what it held before; MiB."""

    def __enter__(self) -> Self:
        self._process, self._is_over, self.mib = psutil.Process(), threading.Event(), 0.0
        self._before = self._process.memory_info().rss
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def _look(self) -> None:
        while not self._is_over.is_set():
            self.mib = max(self.mib, (self._process.memory_info().rss - self._before) / MIB)
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watch.join()


def upload(catalogue: Catalogue, size: int, kind: str) -> Peak:
    async def body() -> AsyncIterator[bytes]:
        for chunk in csv_of(size):
            yield chunk

    made = catalogue.made(kind, kind=kind)
    with Peak() as peak:
        status, answer = asyncio.run(send(catalogue, made["id"], body()))
    assert status == 201, answer
    return peak


@pytest.mark.parametrize("kind", ["table", "files"])
def test_memory_stays_flat_while_an_upload_streams(catalogue: Catalogue, kind: str) -> None:
    assert upload(catalogue, 30 * MIB, kind).mib < 24


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["table", "files"])
def test_memory_stays_flat_for_a_large_upload(catalogue: Catalogue, kind: str) -> None:
    settings = catalogue.settings.model_copy(update={"max_upload_bytes": 1 << 40})
    catalogue.app.state.door = type(catalogue.app.state.door)(
        **vars(catalogue.app.state.door) | {"settings": settings}
    )
    assert upload(catalogue, 300 * MIB, kind).mib < 48


@pytest.mark.parametrize("kind", ["table", "files"])
def test_an_upload_that_breaks_off_leaves_nothing(catalogue: Catalogue, kind: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for chunk in csv_of(6 * MIB):
            yield chunk
        raise ConnectionError

    made = catalogue.made(kind=kind)
    status, answer = asyncio.run(send(catalogue, made["id"], body()))
    assert status == 400
    assert b"broke off" in answer
    assert catalogue.objects() == []
    assert catalogue.call("GET", f"/v1/datasets/{made['id']}/versions", "publisher").json()["items"] == []


def test_a_body_shorter_than_announced_is_refused(catalogue: Catalogue) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a\n1\n"

    made = catalogue.made()
    status, _ = asyncio.run(send(catalogue, made["id"], body(), **{"content-length": "99"}))
    assert status == 400
    assert catalogue.objects() == []


def test_an_upload_called_off_leaves_nothing(catalogue: Catalogue) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield CHUNK
        await asyncio.sleep(60)

    async def called_off(dataset_id: str) -> None:
        task = asyncio.create_task(send(catalogue, dataset_id, body()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    made = catalogue.made()
    asyncio.run(called_off(made["id"]))
    assert catalogue.objects() == []
    # its transaction is not left open either
    assert catalogue.uploaded(made["id"]).status_code == 201
