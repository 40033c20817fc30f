"""A cell for one SELECT: a process of its own that gets the rows by a pipe and is killed when its time is over.

What may be read is decided here, before: the process holds the rows the agreement gives and nothing else, no
credential, no open socket, no path. So an engine that is broken out of shows its own rows to whoever may fetch them.
"""

import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread, Timer
from typing import IO, Any

import pyarrow as pa

from datahub import engine
from datahub.queries.clean_room import Limits, Table, steps_of
from datahub.queries.errors import QueriesBusy, QueryTooHeavy, SqlFailed

INMATE = Path(__file__).with_name("inmate.py")
MOST_ROWS = 10_000
MOST_BYTES = 32 << 20
THREADS = 2
BATCH_ROWS = 100_000
# What Python and the libraries take of the address space before the first row.
OWN_SPACE_MB = 3072
# Where the kernel can filter system calls, a cell without the filter is not used.
MUST_SEAL = sys.platform == "linux"


@dataclass(frozen=True)
class Rows:
    """What came out of the cell."""

    table: pa.Table
    is_cut: bool


def run(limits: Limits, sql: str, table: Table) -> Rows:
    """Run SQL that the grammar has written over the rows a table's release gives.

    Raises QueryTooHeavy, SqlFailed, TableNotReadable.
    """
    order = {
        "sql": sql,
        "memory_mb": limits.memory_mb,
        "space_mb": limits.memory_mb + OWN_SPACE_MB,
        "cpu_s": int(limits.time_s * THREADS) + 1,
        "threads": THREADS,
        "most_bytes": MOST_BYTES,
        "must_seal": MUST_SEAL,
    }
    plan = steps_of(table)
    with engine.run(plan, engine.Stored.of(table.source), rows=BATCH_ROWS) as found:
        return _in_cell(limits, order, pa.RecordBatchReader.from_batches(plan.out, iter(found)))


def _in_cell(limits: Limits, order: dict[str, Any], reader: pa.RecordBatchReader) -> Rows:
    process = subprocess.Popen(  # noqa: S603 — our own program, with no argument of anybody's
        [sys.executable, "-I", "-B", str(INMATE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"MALLOC_ARENA_MAX": "2", "LC_ALL": "C.UTF-8"},
        cwd="/",
        close_fds=True,
        start_new_session=True,
    )
    late = Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = Timer(limits.time_s, stop)
    broken: list[BaseException] = []
    feeder = Thread(target=_feed, args=(process.stdin, order, reader, broken), daemon=True)
    try:
        timer.start()
        feeder.start()
        assert process.stdout is not None  # noqa: S101 — it was asked for
        head, body = _read(process.stdout)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        feeder.join()
        if process.stdout is not None:
            process.stdout.close()
    if broken and head is None and not late.is_set():
        raise broken[0]
    return _outcome(limits, head, body, is_late=late.is_set())


def _feed(
    pipe: IO[bytes] | None, order: dict[str, Any], reader: pa.RecordBatchReader, broken: list[BaseException]
) -> None:
    """Send the order and the rows; a cell that is gone takes no more, and what ended it is known elsewhere."""
    assert pipe is not None  # noqa: S101 — it was asked for
    line = json.dumps(order).encode()
    try:
        with suppress(BrokenPipeError), pipe:
            pipe.write(struct.pack(">I", len(line)) + line)
            with pa.ipc.new_stream(pipe, reader.schema) as out:
                for batch in reader:
                    out.write_batch(batch)
    except BrokenPipeError:
        return
    except BaseException as fault:  # noqa: BLE001 — the reader of the rows failed: the waiting side must learn it
        broken.append(fault)


def _read(pipe: IO[bytes]) -> tuple[dict[str, Any] | None, bytes]:
    size = pipe.read(4)
    if len(size) < 4:  # noqa: PLR2004 — a length of four bytes
        return None, b""
    (length,) = struct.unpack(">I", size)
    line = pipe.read(min(length, 1 << 16))
    try:
        head = json.loads(line)
    except ValueError:
        return None, b""
    return head, pipe.read(MOST_BYTES * 2)


def _outcome(limits: Limits, head: dict[str, Any] | None, body: bytes, *, is_late: bool) -> Rows:
    kind = head.get("kind") if head else None
    if kind == "rows" and not is_late:
        with suppress(pa.ArrowException, OSError), pa.ipc.open_stream(body) as stream:
            found = stream.read_all()
            return Rows(found.slice(0, MOST_ROWS), found.num_rows > MOST_ROWS)
    if is_late:
        detail = f"The query took longer than {limits.time_s:g} seconds and was stopped."
        raise QueryTooHeavy(
            detail, reason="time", remedy="Ask for less, or fetch the data and compute at home."
        )
    if kind == "size":
        detail = f"The answer is larger than {MOST_BYTES >> 20} MiB."
        raise QueryTooHeavy(detail, reason="size", remedy="Select fewer columns, or fetch the data itself.")
    if kind == "types":
        raise SqlFailed(f"The SQL does not fit the columns: {head['detail'] if head else ''}")
    if kind == "value":
        raise SqlFailed(
            "A value of the rows does not allow what the SQL does with it; which one is not told.",
            remedy="Use TRY_CAST, and filter out what cannot be converted or divided.",
            reason=_reason(head),
        )
    if kind == "unsafe":
        raise QueriesBusy("No safe place to run SQL can be made on this machine, so nothing was run.")
    # Killed by a limit, or gone without a word: what it was given is all it had.
    detail = f"The query needs more than the {limits.memory_mb} MiB it may use, and was stopped."
    raise QueryTooHeavy(
        detail, reason="memory", remedy="Ask for less, or fetch the data and compute at home."
    )


_REASONS: Sequence[str] = (
    "Conversion",
    "OutOfRange",
    "InvalidInput",
    "TypeMismatch",
    "Syntax",
    "NotImplemented",
)


def _reason(head: dict[str, Any] | None) -> str:
    said = str(head.get("detail")) if head else ""
    return said if said in _REASONS else "Other"
