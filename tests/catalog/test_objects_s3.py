"""The same store over S3: a real server speaking the protocol on loopback, where one is installed."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.catalog.objects import ObjectExists, ObjectMissing, ObjectStore, open_store
from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Filter, Op, plan_scan
from tests.server import START_DEADLINE_S, free_port


def has_bucket(port: int) -> bool:
    """Make the bucket; tell whether the server was there to do so."""
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("PUT", "/datahub")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A moto server with the bucket `datahub`."""
    server = shutil.which(
        "moto_server", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if server is None:
        pytest.skip("no S3 server: moto[server] is not installed")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [server, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            until = time.monotonic() + START_DEADLINE_S
            while not has_bucket(port):
                assert child.poll() is None
                assert time.monotonic() < until, "the S3 server does not answer"
                time.sleep(0.1)
            yield url
        finally:
            child.kill()


@pytest.fixture
def store(endpoint: str, tmp_path: Path, request: pytest.FixtureRequest) -> ObjectStore:
    keys = {"endpoint": endpoint, "region": "eu-west-1", "access_key_id": "x", "secret_access_key": "y"}
    return open_store(f"s3://datahub/{abs(hash(request.node.name))}", staging=tmp_path, s3=keys)


def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    async def run() -> bytes:
        async with await store.open(key, start=start, end=end) as blocks:
            return b"".join([block async for block in blocks])

    return asyncio.run(run())


@pytest.mark.parametrize("size", [0, 5, 40 << 20])
def test_what_is_put_in_a_bucket_is_read_back_whole_and_in_parts(store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    staged = store.staged()
    staged.write_bytes(content)
    assert store.put("files/a", staged) == size
    assert not staged.exists()
    assert store.size("files/a") == size
    assert read(store, "files/a") == content
    assert read(store, "files/a", 2, 4) == content[2:4]
    assert store.local_path("files/a") is None
    again = store.staged()
    again.write_bytes(content)
    with pytest.raises(ObjectExists):
        store.put("files/a", again)
    store.delete("files/a")
    store.delete("files/a")
    with pytest.raises(ObjectMissing):
        read(store, "files/a")


def test_a_table_in_a_bucket_is_scanned_where_it_lies(store: ObjectStore) -> None:
    staged = store.staged(".parquet")
    table = pa.table({"n": list(range(300_000)), "s": [str(n % 7) for n in range(300_000)]})
    pq.write_table(table, staged, row_group_size=50_000)
    store.put("tables/t.parquet", staged)

    async def run() -> bytes:
        scan = plan_scan(
            store.table_source("tables/t.parquet"), fields=["n"], filters=[Filter("s", Op.EQ, ("3",))]
        )
        async with stream_table(scan, TableFormat.ARROW) as stream:
            return b"".join([block async for block in stream])

    found = pa.ipc.open_stream(asyncio.run(run())).read_all()["n"].to_pylist()
    assert found == list(range(3, 300_000, 7))


def test_the_page_names_the_variables_that_the_store_reads(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, part = (Path(__file__).parents[2] / "docs/running.md").read_text().partition("## S3\n")
    block = part.split("```")[1].replace("https://store.internal", endpoint).replace("bucket/", "datahub/")
    exports = dict(word.split("=", 1) for word in block.split() if "=" in word)
    for name, value in exports.items():
        monkeypatch.setenv(name, value.replace("…", "x"))
    store = open_store(exports["DATAHUB_STORAGE_URL"], staging=tmp_path)
    staged = store.staged()
    staged.write_bytes(b"here")
    store.put("files/b", staged)
    assert read(store, "files/b") == b"here"
