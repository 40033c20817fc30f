"""The object store: nothing half-written is ever visible, nothing is silently replaced."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datahub.catalog.objects import ObjectExists, ObjectMissing, ObjectStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "objects")


def finished(store: ObjectStore, content: bytes) -> Path:
    path = store.staged()
    path.write_bytes(content)
    return path


async def all_of(blocks: AsyncIterator[bytes]) -> list[bytes]:
    return [block async for block in blocks]


def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> list[bytes]:
    import asyncio

    async def run() -> list[bytes]:
        async with await store.open(key, start=start, end=end) as blocks:
            return await all_of(blocks)

    return asyncio.run(run())


def test_what_is_put_is_read_back_in_blocks_and_the_temporary_file_is_consumed(store: ObjectStore) -> None:
    content = os.urandom((2 << 20) + 17)
    staged = finished(store, content)
    assert store.put("tables/one.parquet", staged) == len(content)
    assert not staged.exists()
    blocks = read(store, "tables/one.parquet")
    assert b"".join(blocks) == content
    assert max(map(len, blocks)) <= 1 << 20
    assert store.size("tables/one.parquet") == len(content)
    assert list(store.staging.iterdir()) == []


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, 5), (5, 900), (999, 1000), (0, None), (990, 2000)])
def test_a_range_gives_exactly_its_bytes(store: ObjectStore, start: int, end: int | None) -> None:
    content = os.urandom(1000)
    store.put("files/a", finished(store, content))
    assert b"".join(read(store, "files/a", start, end)) == content[start:end]


def test_a_stored_object_is_not_replaced_unless_asked(store: ObjectStore) -> None:
    store.put("files/a", finished(store, b"first"))
    second = finished(store, b"second")
    with pytest.raises(ObjectExists):
        store.put("files/a", second)
    assert read(store, "files/a") == [b"first"]
    store.put("files/a", second, replace=True)
    assert read(store, "files/a") == [b"second"]


def test_a_missing_object_is_known_before_the_first_byte(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        read(store, "files/none")
    with pytest.raises(ObjectMissing):
        store.size("files/none")
    with pytest.raises(ObjectMissing):
        store.local_path("files/none")
    assert not store.exists("files/none")


def test_deleting_twice_is_no_fault(store: ObjectStore) -> None:
    store.put("files/a", finished(store, b"x"))
    store.delete("files/a")
    store.delete("files/a")
    assert not store.exists("files/a")


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "a/../b", "A", "a//b", "", ".hidden", "a\0b", "a b", "é", "a/" * 9 + "a"]
)
def test_a_key_that_could_name_another_file_is_a_bug(store: ObjectStore, key: str) -> None:
    for use in (store.size, store.delete, lambda key: store.put(key, store.staged())):
        with pytest.raises(ValueError, match="not an object key"):
            use(key)


def test_an_address_that_is_neither_folder_nor_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="not a folder"):
        open_store("ftp://example.org/x")
    with pytest.raises(ValueError, match="staging"):
        open_store("s3://bucket/prefix")


def test_a_file_url_is_the_same_folder_as_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    store = open_store(folder.as_uri())
    store.put("a", finished(store, b"x"))
    assert open_store(folder).local_path("a") == folder / "a"


def test_the_janitor_removes_only_what_was_left_behind_long_ago(store: ObjectStore) -> None:
    old, fresh = store.staged(), store.staged()
    folder = store.staging / "part-spill"
    folder.mkdir()
    (folder / "x").touch()
    foreign = store.staging / "keep"
    foreign.touch()
    now = datetime.now(tz=UTC)
    past = (now - timedelta(days=2)).timestamp()
    for path in (old, folder, foreign):
        os.utime(path, (past, past))
    assert store.sweep_staging(timedelta(days=1), now=now) == 2
    assert not old.exists()
    assert not folder.exists()
    assert fresh.exists()
    assert foreign.exists()


def test_the_bytes_are_on_disk_before_the_name_and_the_name_before_the_answer(tmp_path: Path) -> None:
    """Fsync of the file, then the link, then fsync of the folder, as the kernel sees it."""
    strace = Path("/usr/bin/strace")
    if not strace.exists():
        pytest.skip("strace is not installed")
    script = (
        "import sys; from pathlib import Path; from datahub.catalog.objects import open_store\n"
        "s = open_store(sys.argv[1]); p = s.staged(); p.write_bytes(b'x' * 100); s.put('deep/er/a', p)\n"
    )
    trace = tmp_path / "trace"
    watch = [
        str(strace),
        "-f",
        "-y",
        "-o",
        str(trace),
        "-e",
        "trace=fsync,link,linkat,rename,renameat2,unlink,mkdir",
    ]
    done = subprocess.run(
        [*watch, sys.executable, "-c", script, str(tmp_path / "o")], capture_output=True, check=False
    )
    if b"ptrace" in done.stderr.lower() and done.returncode:
        pytest.skip("tracing is not permitted here")
    lines = [line for line in trace.read_text().splitlines() if str(tmp_path / "o") in line]
    synced = next(n for n, line in enumerate(lines) if "fsync" in line and "part-" in line)
    linked = next(n for n, line in enumerate(lines) if "link" in line and "deep/er/a" in line)
    settled = next(n for n, line in enumerate(lines) if "fsync" in line and "deep/er>" in line)
    consumed = next(n for n, line in enumerate(lines) if "unlink" in line and "part-" in line)
    assert synced < linked < settled < consumed


def test_a_killed_writer_leaves_nothing_under_a_final_name(tmp_path: Path) -> None:
    script = (
        "import sys; from datahub.catalog.objects import open_store\n"
        "s = open_store(sys.argv[1]); print('ready', flush=True)\n"
        "for n in range(10**6):\n"
        "    p = s.staged(); p.write_bytes(b'%08d' % n * 100_000); s.put(f'files/{n}', p)\n"
    )
    for wait_s in (0.05, 0.2):
        folder = tmp_path / str(wait_s)
        child = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        for path in folder.glob("files/*"):
            assert path.read_bytes() == b"%08d" % int(path.name) * 100_000
