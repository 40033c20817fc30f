"""`make bench`: every figure is a ratio within this run, or requests per CPU-second of the server.

`make bench ARGS="requests"` runs one part; ARGS="--full" takes the sizes that the documents quote. What was promised of a
figure is held: the exit code is 1, and the end says which budgets were missed.
"""

import sys
from collections.abc import Callable, Mapping

from tests.bench import (
    auth,
    consent,
    hot,
    log_verify,
    log_write,
    memory,
    over_http,
    plans,
    policy,
    requests,
    start,
    streams,
    transfers,
)
from tests.bench.budgets import BudgetMissed


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


def _over_http(*, is_full: bool) -> None:
    print("A whole table as an Arrow stream, over HTTP and in process")
    for line in over_http.run(plans.FULL if is_full else plans.SMALL):
        print(f"  {line}", flush=True)


def _memory(*, is_full: bool) -> None:
    print("Memory of the server while a table goes up and comes down")
    for line in memory.run(5 << 30 if is_full else 1 << 28):
        print(f"  {line}")


def _policy(*, is_full: bool) -> None:
    print("The policy engine, in process, of policies prepared once")
    for line in policy.measure(is_full=is_full):
        print(f"  {line}", flush=True)


def _log_verify(*, is_full: bool) -> None:
    print("Verifying the access log: one process, one core")
    for figure in (*log_verify.audit(1_000_000 if is_full else 250_000), *log_verify.proofs(2_000_000)):
        print(f"  {figure.name:44}{figure.value:14,.3f} {figure.unit}")


def _log_write(*, is_full: bool) -> None:
    print("Writing the access log: two workers with 25 callers each, and the sequencer")
    for database in ("sqlite", "postgresql"):
        for line in log_write.measure(database, 60 if is_full else 10, 8000):
            print(f"  {database:11}{line}", flush=True)


def _hot(*, is_full: bool) -> None:
    print("Hot path: durable decisions per CPU-second of the server (64 keep-alive connections)")
    count = 64_000 if is_full else 12_800
    for database in ("sqlite", "postgresql"):
        for workers in (1, 2):
            bare = hot.measure_bare(count, 64)
            for figure in (bare, *hot.measure(database, workers, count, 64)):
                print(
                    f"  {database:11}{workers} worker{'s' if workers > 1 else ' '} {figure.name:24}"
                    f"{figure.per_cpu_s:8.0f} /cpu-s {figure.per_cpu_s / bare.per_cpu_s:5.2f} of bare"
                    f"{figure.requests / figure.wall_s:8.0f} /s   first byte "
                    f"p50 {figure.percentile(0.5):.1f} ms, p99 {figure.percentile(0.99):.1f} ms"
                )


def _auth(*, is_full: bool) -> None:
    print("Tokens: requests per CPU-second of the server (one process, 32 keep-alive connections)")
    for figure in auth.measure(is_full=is_full):
        print(f"  {figure.name:44}{figure.value:10,.1f} {figure.unit}", flush=True)


def _start(*, is_full: bool) -> None:
    del is_full
    print("CPU of starting")
    for line in start.run():
        print(f"  {line}", flush=True)


def _consent(*, is_full: bool) -> None:
    print("Consent: the gate over the same read without one, the news of a no, imports")
    for line in consent.show(is_full=is_full):
        print(f"  {line}", flush=True)


def _transfers(*, is_full: bool) -> None:
    print("Large files by the client, over plain copying through the same server")
    for line in transfers.run(2 << 30 if is_full else 1 << 28):
        print(f"  {line}", flush=True)


PARTS: Mapping[str, Callable[..., None]] = {
    "policy": _policy,
    "auth": _auth,
    "requests": _requests,
    "hot": _hot,
    "streams": _streams,
    "plan": plans.show,
    "http": _over_http,
    "memory": _memory,
    "start": _start,
    "consent": _consent,
    "transfers": _transfers,
    "log-verify": _log_verify,
    "log-write": _log_write,
}

if __name__ == "__main__":
    words = sys.argv[1:]
    unknown = [word for word in words if word not in PARTS and word != "--full"]
    if unknown:
        sys.exit(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}, and --full.")
    missed: list[str] = []
    for name in [word for word in words if word in PARTS] or list(PARTS):
        try:
            PARTS[name](is_full="--full" in words)
        except BudgetMissed as fault:
            missed.append(f"{name}: {fault}")
    if missed:
        sys.exit("Budgets missed:\n  " + "\n  ".join(missed))
