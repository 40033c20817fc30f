"""An Arrow stream over HTTP beside the same stream in process: what the wire costs, and the server's memory meanwhile.

They take turns, and the best of each counts. On a machine that does other work the ratio of CPU says more than that of
the clock; the client's own CPU is in neither.
"""

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from datahub.dataplane.scan import plan_scan
from tests.bench import plans
from tests.bench.load import cpu_s, http
from tests.bench.memory import _Peak
from tests.bench.story import a_world
from tests.server import Server, a_server

TURNS = 3
PIECE = 1 << 20


def run(rows: int) -> Iterator[str]:
    """Publish the table, then fetch all of it and stream it in process by turns."""
    with (
        tempfile.TemporaryDirectory() as folder,
        a_server(Path(folder), f"sqlite:///{folder}/x.db") as server,
    ):
        world = a_world(server, _blocks(plans.table(rows)), "application/vnd.apache.parquet")
        stored = max(Path(folder).rglob("*"), key=lambda each: each.stat().st_size)
        where, size = f"/v1/datasets/{world.dataset_id}/data", 0
        inside, outside = [(float("inf"), float("inf"))], [(float("inf"), float("inf"))]
        with _Peak(server) as peak:
            for _ in range(TURNS):
                wall, cpu = time.perf_counter(), time.process_time()
                _, size = plans.streamed(plan_scan(stored))
                inside.append((time.perf_counter() - wall, time.process_time() - cpu))
                token = world.read_token()
                wall, cpu = time.perf_counter(), cpu_s(server)
                assert _received(server, where, token) > size, "the whole stream, in chunks"
                outside.append((time.perf_counter() - wall, cpu_s(server) - cpu))
        (in_wall, in_cpu), (out_wall, out_cpu) = (
            (min(wall for wall, _ in each), min(cpu for _, cpu in each)) for each in (inside, outside)
        )
        for name, wall, cpu in (("in process", in_wall, in_cpu), ("over HTTP", out_wall, out_cpu)):
            yield f"{name:11}{size / wall / 1e6:6.0f} MB/s {rows / wall / 1e6:6.1f} Mrow/s   CPU {cpu:6.2f} s"
        yield f"over HTTP is {in_wall / out_wall:.2f} as fast by the clock, {in_cpu / out_cpu:.2f} by CPU"
        yield f"peak of the server {peak.peak >> 20} MiB"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(PIECE):
            yield block


def _received(server: Server, path: str, token: str) -> int:
    """Take the answer off the wire and count it, as fast as a socket gives it."""
    request = http("GET", f"{path}?format=arrow", {"Authorization": f"Bearer {token}", "Connection": "close"})
    buffer, received = bytearray(PIECE), 0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request)
        while count := connection.recv_into(buffer):
            received += count
            assert received > count or buffer.startswith(b"HTTP/1.1 200"), bytes(buffer[:200])
    return received
