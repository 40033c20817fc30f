"""`make bench`: every figure is a ratio within this run, or requests per CPU-second of the server.

`make bench ARGS="requests"` runs one part; ARGS="--full" takes the sizes that the documents quote.
"""

import sys
from collections.abc import Callable, Mapping

from tests.bench import memory, requests, streams


def _requests(*, is_full: bool) -> None:
    print("Requests per CPU-second of the server (one process, 8 keep-alive connections)")
    for database in ("sqlite", "postgresql"):
        floor = 0.0
        for load in requests.measure(database, 4000 if is_full else 1200):
            floor = floor or load.per_cpu_s
            print(
                f"  {database:11}{load.name:32}{load.per_cpu_s:8.0f} /cpu-s"
                f"{load.per_cpu_s / floor:8.2f} of the floor{load.requests / load.wall_s:8.0f} /s"
            )


def _streams(*, is_full: bool) -> None:
    print("Throughput over the raw engine writing the same format (1.00 is as fast)")
    for row in streams.run(20_000_000 if is_full else 1_000_000):
        print(f"  {row.case:44}{row.ratio:6.2f}   peak {row.peak_rss_mib} MiB")


def _memory(*, is_full: bool) -> None:
    print("Memory of the server while a table goes up and comes down")
    for line in memory.run(5 << 30 if is_full else 1 << 28):
        print(f"  {line}")


PARTS: Mapping[str, Callable[..., None]] = {"requests": _requests, "streams": _streams, "memory": _memory}

if __name__ == "__main__":
    words = sys.argv[1:]
    for name in [word for word in words if word in PARTS] or list(PARTS):
        PARTS[name](is_full="--full" in words)
