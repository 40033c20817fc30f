"""Large files up and down by the client, against plain copying through the same server, and killed nine times on the way.

Plain copying: the same HTTP library moves the same bytes to the same addresses, with no digest and no going on; curl,
where there is one, for whoever wonders what Python costs.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx2

from datahub.client import Hub
from tests.bench.budgets import Budgets
from tests.bench.long_line import a_long_line
from tests.bench.memory import _Peak, _rss
from tests.client.killed import carried_both_ways
from tests.client.region import Region

MIB = 1 << 20
TIMES = 3
# Of the rate of plain copying.
SHARE = 0.8
SERVER_MIB, CLIENT_MIB = 96, 64
LINE_BYTES_PER_S = 24 * MIB


def run(size: int) -> Iterator[str]:
    """Give a line per figure: rates, their ratio to plain copying, growth of memory. Raises BudgetMissed at the end."""
    budgets = Budgets()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        region = Region(Path(folder))
        try:
            yield from budgets.judged(_figures(region, Path(folder), size, budgets))
        finally:
            region.close()


def _figures(region: Region, folder: Path, size: int, budgets: Budgets) -> Iterator[str]:
    file, fetched = folder / "large.bin", folder / "fetched.bin"
    noise = os.urandom(MIB)
    with file.open("wb") as out:
        for number in range(size // MIB):
            out.write(number.to_bytes(8, "big") + noise[8:])
    _, login = region.server.organisation("press", "87654321", "publisher")
    idle, before = _rss(region.server), _own_peak_mib()
    with Hub(region.server.url, client_id=login[0], secret=login[1]) as press:
        made = press.datasets.create(
            "large", title="Large", description="Large.", kind="files", access_rights="PUBLIC"
        )
        token = {"Authorization": f"Bearer {region.server.token(login)}"}
        put = f"{region.server.url}/v1/datasets/{made.id}/versions?filename=large.bin"
        with _Peak(region.server) as peak:
            yield from _rates(
                f"up   {size / MIB:5.0f} MiB",
                size,
                {
                    "plain": lambda: _post(put, token, file),
                    "ours": lambda: made.upload(file),
                    "curl": lambda: _curl(put, ("-T", str(file), "-X", "POST"), token),
                },
                budgets,
            )
        yield budgets.at_most("  server's memory grew by", (peak.peak - idle) / MIB, SERVER_MIB, "MiB")
        made.offer("open")
        made.move("publish")
        get = f"{region.server.url}/v1/datasets/{made.id}/data"
        with _Peak(region.server) as peak:
            yield from _rates(
                f"down {size / MIB:5.0f} MiB",
                size,
                {
                    "plain": lambda: _get(get, fetched),
                    "ours": lambda: made.download(fetched),
                    "curl": lambda: _curl(get, ("-o", str(fetched)), {}),
                },
                budgets,
            )
        yield budgets.at_most("  server's memory grew by", (peak.peak - idle) / MIB, SERVER_MIB, "MiB")
        fetched.unlink()
        yield from _parts(region, made.id, fetched, size)
    yield budgets.at_most("  client's memory grew by", _own_peak_mib() - before, CLIENT_MIB, "MiB")
    file.unlink()
    fetched.unlink(missing_ok=True)
    began = time.perf_counter()
    carried_both_ways(region, folder, size // MIB, every=2)
    yield f"killed nine times each way, resumed, digests equal: {time.perf_counter() - began:.0f} s"


def _rates(name: str, size: int, ways: Mapping[str, Callable[[], object]], budgets: Budgets) -> Iterator[str]:
    """Measure the ways in turn, so that a machine that slows down slows all of them."""
    best: dict[str, float] = {}
    for _ in range(TIMES):
        for way, work in ways.items():
            if way == "curl" and shutil.which("curl") is None:
                continue
            started = time.perf_counter()
            work()
            taken = time.perf_counter() - started
            best[way] = min(taken, best.get(way, taken))
    yield f"{name}: " + ", ".join(f"{way} {size / MIB / taken:.0f} MiB/s" for way, taken in best.items())
    yield budgets.at_least("  of the rate of plain copying", best["plain"] / best["ours"], SHARE)


def _parts(region: Region, dataset_id: str, to: Path, size: int) -> Iterator[str]:
    """Fetch in several parts, on a short line and on a long one."""
    with Hub(region.server.url) as short:
        for parts in (1, 4):
            started = time.perf_counter()
            short.datasets.get(dataset_id).download(to, parts=parts)
            taken = time.perf_counter() - started
            yield f"  loopback, {parts} at once: {size / MIB / taken:.0f} MiB/s"
    with a_long_line(region.server.port, LINE_BYTES_PER_S) as port, Hub(f"http://127.0.0.1:{port}") as far:
        for parts in (1, 4):
            started = time.perf_counter()
            far.datasets.get(dataset_id).download(to, parts=parts)
            taken = time.perf_counter() - started
            rate = LINE_BYTES_PER_S / MIB
            yield f"  a line of {rate:.0f} MiB/s a connection, {parts} at once: {size / MIB / taken:.0f} MiB/s"


def _own_peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _post(address: str, headers: Mapping[str, str], file: Path) -> None:
    """Send the file as one body, and nothing else."""

    def blocks() -> Iterator[bytes]:
        with file.open("rb") as content:
            while block := content.read(MIB):
                yield block

    said = {"Content-Length": str(file.stat().st_size), "Content-Type": "application/octet-stream", **headers}
    answer = httpx2.post(address, content=blocks(), headers=said, timeout=600)
    assert answer.status_code == 201, answer.text


def _get(address: str, to: Path) -> None:
    with httpx2.stream("GET", address, timeout=600) as answer, to.open("wb") as file:
        assert answer.status_code == 200, answer.read()
        for block in answer.iter_raw():
            file.write(block)


def _curl(address: str, how: tuple[str, ...], headers: Mapping[str, str]) -> None:
    said = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    type_ = ("-H", "Content-Type: application/octet-stream", "-H", "Expect:")
    subprocess.run(["curl", "-sSf", *how, *type_, *said, address], check=True, stdout=subprocess.DEVNULL)
