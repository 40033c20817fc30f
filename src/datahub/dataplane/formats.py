"""The four forms a table goes out in, each as a stream of blocks with flat memory and back-pressure.

CSV (RFC 4180), JSON Lines, Apache Parquet, Apache Arrow IPC stream. A thread runs the engine; at most a few blocks wait.
An `int64` is a JSON number beyond 2^53 too: read it with a 64-bit parser. A decimal is a JSON string, never rounded.
"""

import asyncio
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

from datahub.dataplane.lines import FEW_ROWS, csv_head, few_lines, line_sql
from datahub.dataplane.scan import Scan
from datahub.engine import closed, run

BLOCK_BYTES = 1 << 20
QUEUE_BLOCKS = 4
TEXT_ROWS = 122_880
ARROW_ROWS = 131_072
STALL_S = 120
"""A reader that takes no block for so long has gone or starves the others: the engine is let go."""


class TableFormat(StrEnum):
    """A form a table can be fetched in; the value is the `format=` parameter."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def media_type(self) -> str:
        """The Content-Type that goes with it."""
        return {
            TableFormat.CSV: "text/csv; charset=utf-8; header=present",
            TableFormat.JSON_LINES: "application/jsonl",
            TableFormat.PARQUET: "application/vnd.apache.parquet",
            TableFormat.ARROW: "application/vnd.apache.arrow.stream",
        }[self]


class Compression(StrEnum):
    """What the buffers of an Arrow stream may be compressed with (Arrow columnar format, `BodyCompression`)."""

    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True)
class Writing:
    """How a form is written, where there is a choice.

    `is_formula_safe`: in CSV, a text that a spreadsheet would take for a formula gets an apostrophe before it.
    """

    compression: Compression | None = None
    is_formula_safe: bool = False

    def media_type(self, form: TableFormat) -> str:
        """Return the Content-Type of a form written so."""
        is_compressed = form is TableFormat.ARROW and self.compression is not None
        return f"{form.media_type}; codecs={self.compression}" if is_compressed else form.media_type


@dataclass
class StreamOutcome:
    """What went out so far, and whether that is all of it.

    Of an aborted stream `rows` is the most that can be in the bytes, so that the log never says too little.
    """

    rows: int = 0
    bytes: int = 0
    state: Literal["open", "finished", "aborted"] = "open"


class StreamAborted(Exception):  # noqa: N818 — says what happened
    """The stream ended before its end; what was sent is not the table."""


class TableStream:
    """Blocks of one table in one form, with the outcome counted as they are taken.

    Runs nothing before the first block is asked for. Always `aclose()` it (or `async with`): that stops the engine.
    """

    def __init__(
        self,
        scan: Scan,
        form: TableFormat,
        *,
        checkpoint: Callable[[], None] | None = None,
        writing: Writing | None = None,
    ) -> None:
        """Prepare; `checkpoint` runs in the engine's thread between batches and stops the stream by raising."""
        self.outcome = StreamOutcome()
        self._scan, self._form, self._checkpoint = scan, form, checkpoint or _nothing
        self._writing = writing or Writing()
        self._blocks: asyncio.Queue[tuple[bytes, int] | BaseException | None] = asyncio.Queue()
        self._room = threading.Semaphore(QUEUE_BLOCKS)
        self._stop = threading.Event()
        self._interrupt: Callable[[], None] = _nothing
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> Self:
        """Iterate over itself; one pass only."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next block; raises StreamAborted when the engine or the checkpoint failed."""
        if self.outcome.state != "open":
            raise StopAsyncIteration
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="table-stream", daemon=True)
            self._thread.start()
        try:
            found = await self._blocks.get()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if isinstance(found, tuple):
            block, self.outcome.rows = found
            self.outcome.bytes += len(block)
            self._room.release()
            return block
        if found is None:
            self.outcome.state = "finished"
            await self.aclose()
            raise StopAsyncIteration
        await self.aclose()
        raise StreamAborted(str(found)) from found

    async def aclose(self) -> None:
        """Stop the engine and wait until its thread has let go of everything; harmless when already done."""
        if self.outcome.state == "open":
            self.outcome.state = "aborted"
        self._stop.set()
        self._room.release()
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._interrupt()
            await asyncio.shield(asyncio.to_thread(thread.join))

    async def __aenter__(self) -> Self:
        """Use as `async with`."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close whatever happened."""
        await self.aclose()

    def _run(self) -> None:
        """Write the table in this thread; the last thing put is None when all went well, else what went wrong."""
        sink = _Sink(self._hand_over)
        try:
            self._check()
            if self._form is TableFormat.PARQUET and self._scan.is_whole:
                self._copy(sink)
            elif self._form in {TableFormat.CSV, TableFormat.JSON_LINES}:
                self._write_text(sink)
            else:
                self._write_columns(sink)
            sink.finish()
            self._send(None)
        except BaseException as error:  # noqa: BLE001 — whatever it is, the reader must learn that this is not the end
            self._send(error)

    def _check(self) -> None:
        if self._stop.is_set():
            msg = "the reader went away"
            raise StreamAborted(msg)
        self._checkpoint()

    def _hand_over(self, block: bytes, rows: int) -> None:
        if not self._room.acquire(timeout=STALL_S):
            msg = f"the reader took nothing for {STALL_S} seconds"
            raise StreamAborted(msg)
        if self._stop.is_set():
            msg = "the reader went away"
            raise StreamAborted(msg)
        self._send((block, rows))

    def _send(self, found: tuple[bytes, int] | BaseException | None) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._blocks.put_nowait, found)

    def _copy(self, sink: "_Sink") -> None:
        """Send the stored Parquet as it is: nothing to compute."""
        source = self._scan.source
        sink.rows = self._scan.row_count
        with open(source, "rb") if not isinstance(source, pa.NativeFile) else _kept_open(source) as file:  # noqa: PTH123
            while block := file.read(BLOCK_BYTES):
                self._check()
                sink.write(block)

    def _write_text(self, sink: "_Sink") -> None:
        """Render each batch to one text a row, and send the text column's memory as it lies."""
        is_csv, is_safe = self._form is TableFormat.CSV, self._writing.is_formula_safe
        if is_csv:
            sink.write(csv_head(self._scan.columns, is_formula_safe=is_safe).encode())
        with run(self._scan.plan, self._scan.stored) as batches:
            self._interrupt = batches.interrupt
            for batch in batches:
                if batch.num_rows <= FEW_ROWS:
                    self._check()
                    sink.rows += batch.num_rows
                    sink.write(few_lines(batch, is_csv=is_csv, is_formula_safe=is_safe))
                else:
                    self._write_lines(batch, sink)

    def _write_lines(self, batch: pa.RecordBatch, sink: "_Sink") -> None:
        is_csv, is_safe = self._form is TableFormat.CSV, self._writing.is_formula_safe
        line = line_sql(self._scan.schema, is_csv=is_csv, is_formula_safe=is_safe)
        with closed() as connection:
            lines = connection.from_arrow(pa.Table.from_batches([batch])).project(line)
            for part in lines.to_arrow_reader(TEXT_ROWS):
                self._check()
                sink.rows += part.num_rows
                sink.write_text(part.column(0))

    def _write_columns(self, sink: "_Sink") -> None:
        with run(self._scan.plan, self._scan.stored) as batches:
            self._interrupt = batches.interrupt
            target = pa.PythonFile(sink, mode="w")
            opened: Any = (
                pq.ParquetWriter(target, self._scan.schema, compression="zstd")
                if self._form is TableFormat.PARQUET
                else pa.ipc.new_stream(target, self._scan.schema, options=self._ipc_options())
            )
            # Not `with`: closing writes the footer or end mark, and after a failure there must be none.
            for batch in batches:
                # In Arrow, what a reader holds at once stays small; in Parquet a batch is a row group.
                rows = ARROW_ROWS if self._form is TableFormat.ARROW else max(1, batch.num_rows)
                for at in range(0, batch.num_rows, rows):
                    self._check()
                    part = batch.slice(at, rows)
                    sink.rows += part.num_rows
                    opened.write_batch(part)
            opened.close()

    def _ipc_options(self) -> pa.ipc.IpcWriteOptions:
        compression = self._writing.compression
        return pa.ipc.IpcWriteOptions(compression=None if compression is None else compression.value)


class _Sink(io.RawIOBase):
    """Gathers what the writers write into blocks of at least 1 MiB."""

    def __init__(self, hand_over: Callable[[bytes, int], None]) -> None:
        self._hand_over = hand_over
        self._gathered = bytearray()
        self.rows = 0

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        view: Any = memoryview(block).cast("B")  # whoever sends it takes any buffer for bytes
        if len(view) < BLOCK_BYTES:
            self._gathered += view
            if len(self._gathered) >= BLOCK_BYTES:
                self._empty()
            return len(view)
        # A large block goes on in pieces as it lies: nobody writes in a column's memory, and the view keeps it.
        self.finish()
        for at in range(0, len(view), BLOCK_BYTES):
            self._hand_over(view[at : at + BLOCK_BYTES], self.rows)
        return len(view)

    def write_text(self, lines: pa.Array) -> None:
        """Send the characters of a string column without touching its rows."""
        if not len(lines):
            return
        _, offsets, characters = lines.buffers()
        ends = memoryview(offsets).cast("q" if pa.types.is_large_string(lines.type) else "i")
        view = memoryview(characters)[ends[lines.offset] : ends[lines.offset + len(lines)]]
        self.write(view)

    def finish(self) -> None:
        """Send what is left."""
        if self._gathered:
            self._empty()

    def _empty(self) -> None:
        block = bytes(self._gathered)
        self._gathered.clear()
        self._hand_over(block, self.rows)


class _kept_open:  # noqa: N801 — reads as a function, like contextlib's own
    """Leave a handle that others opened open, from its start."""

    def __init__(self, file: pa.NativeFile) -> None:
        self._file = file

    def __enter__(self) -> pa.NativeFile:
        self._file.seek(0)
        return self._file

    def __exit__(self, *_: object) -> None:
        return


def _nothing() -> None:
    return


def stream_table(
    scan: Scan,
    form: TableFormat,
    *,
    checkpoint: Callable[[], None] | None = None,
    writing: Writing | None = None,
) -> TableStream:
    """Return the scan's rows in one form; the same rows in the same order in every form."""
    return TableStream(scan, form, checkpoint=checkpoint, writing=writing)
