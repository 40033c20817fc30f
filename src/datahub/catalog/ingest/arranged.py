"""Rows about the same subject put together, and a number for each subject: what makes reading by subject cheap.

Beside the table lie its subjects in dense order (`key`), and for each row of the table the number of its subject
(`sid`, -1 for a row about nobody). Keys are sorted once, which spills to disk, and numbered as they come by; numbers are
kept in a file until all are known: memory does not grow with the table, nor with how many it is about.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names and texts in it are escaped by sqlglot

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datahub.catalog.ingest.columns import Column, Kind
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.faults import TableFault, TableFaults
from datahub.catalog.ingest.store_parquet import ROW_GROUP_ROWS, literal, quoted, write

MAX_SUBJECTS = 20_000_000
T = TypeVar("T")


class Bucket(StrEnum):
    """How long a stretch of time is whose rows stay together."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Arrangement:
    """Which column says whom a row is about; with `time`, rows are first put together by stretches of time."""

    subject: str
    time: str | None = None
    bucket: Bucket = Bucket.MONTH
    is_clustered: bool = True
    """Whether rows are put together; if not, they stay as they came and only the dictionary is made."""

    def faults(self, columns: list[Column]) -> list[TableFault]:
        """Return what does not fit these columns."""
        found = {column.name: column.type.kind for column in columns}
        faults = [
            TableFault("column-unknown", f"{what}: the table has no column {name!r}", column=name)
            for what, name in (("subject", self.subject), ("time", self.time))
            if name is not None and name not in found
        ]
        if not faults and self.time is not None and found[self.time] not in {Kind.DATE, Kind.TIMESTAMP}:
            kinds = "date or timestamp"
            faults = [
                TableFault("column-type", f"time: column {self.time!r} is no {kinds}", column=self.time)
            ]
        return faults


@dataclass(frozen=True)
class Beside:
    """Where the two files beside a table are written."""

    keys: Path
    rows: Path


def arrange(table: Path, arrangement: Arrangement, beside: Beside, scratch: Path) -> int:
    """Write the table anew with its rows arranged, and the two files beside it; return how many subjects it has.

    Raises TableFaults when there are more subjects than a dictionary may hold.
    """
    if arrangement.is_clustered:
        _patiently(lambda threads: _cluster(table, arrangement, scratch, threads))
    return _patiently(lambda threads: _number(table, arrangement.subject, beside, scratch, threads))


def _patiently(work: Callable[[int], T]) -> T:
    """Do something by two threads; should they need more memory than there is, by one, which needs far less to sort."""
    try:
        return work(2)
    except duckdb.OutOfMemoryException:
        return work(1)


def _number(table: Path, subject: str, beside: Beside, scratch: Path, threads: int) -> int:
    with pq.ParquetFile(table) as stored:
        rows = stored.metadata.num_rows
    with tempfile.TemporaryFile(dir=scratch) as file, engine([table], scratch, threads=threads) as connection:
        numbers = _none_yet(file, rows)
        numbered = f"read_parquet({literal(str(table))}, file_row_number = true)"
        query = (
            f"SELECT {quoted(subject)} AS key, file_row_number AS row FROM {numbered} "
            f"WHERE {quoted(subject)} IS NOT NULL ORDER BY key"
        )
        with (
            connection.sql(query).to_arrow_reader(ROW_GROUP_ROWS) as reader,
            closing(_Keys(beside.keys, reader.schema.field("key").type)) as keys,
        ):
            for batch in _batches(reader):
                numbers[batch.column("row").to_numpy()] = keys.numbers(batch.column("key"))
                if keys.count > MAX_SUBJECTS:
                    message = f"the table is about more than {MAX_SUBJECTS} subjects"
                    raise TableFaults([TableFault("too-many-subjects", message, column=subject)])
        _write_numbers(numbers, beside.rows)
    return keys.count


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Give the batches; what the engine lacks while they come is told as the engine tells it, not as pyarrow does."""
    try:
        yield from reader
    except OSError as fault:
        if not str(fault).startswith("Out of Memory"):
            raise
        raise duckdb.OutOfMemoryException(str(fault)) from fault


class _Keys:
    """Numbers keys that come in their order, and writes each once."""

    def __init__(self, target: Path, kind: pa.DataType) -> None:
        self.count = 0
        self._writer = pq.ParquetWriter(target, pa.schema([("key", kind)]), compression="zstd")
        self._last = pa.array([], kind)
        self._unwritten: list[pa.Array] = []

    def numbers(self, keys: pa.Array) -> npt.NDArray[np.int32]:
        """Return each key's number."""
        before = pa.concat_arrays([self._last, keys])
        is_new = np.ones(len(keys), np.bool_)
        is_new[len(keys) - len(before) + 1 :] = _differ(before[1:], before[:-1])
        numbers = self.count - 1 + np.cumsum(is_new, dtype=np.int32)
        self.count += int(np.count_nonzero(is_new))
        self._last = keys[-1:]
        self._unwritten.append(keys.filter(pa.array(is_new)))
        if sum(map(len, self._unwritten)) >= ROW_GROUP_ROWS:
            self._write()
        return numbers

    def close(self) -> None:
        """End the file."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if self._unwritten:
            found = pa.table([pa.concat_arrays(self._unwritten)], self._writer.schema)
            self._writer.write_table(found, ROW_GROUP_ROWS)
            self._unwritten = []


def _differ(one: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which of two keys each differ, as the engine has it: what is no number is like itself."""
    differ = pc.not_equal(one, other)
    if pa.types.is_floating(one.type):
        differ = pc.and_not(differ, pc.and_(pc.is_nan(one), pc.is_nan(other)))
    return np.asarray(differ.to_numpy(zero_copy_only=False))


def _none_yet(file: IO[bytes], rows: int) -> npt.NDArray[np.int32]:
    """Return a number for each row, -1 at first, in a file: they are written in no order, and may be many."""
    if not rows:
        return np.empty(0, np.int32)
    numbers = np.memmap(file, np.int32, "w+", shape=(rows,))
    numbers[:] = -1
    return numbers


def _write_numbers(numbers: npt.NDArray[np.int32], target: Path) -> None:
    how = {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED", "compression": "zstd"}
    with pq.ParquetWriter(target, pa.schema([("sid", pa.int32())]), **how) as writer:
        for start in range(0, len(numbers), ROW_GROUP_ROWS):
            part = pa.record_batch([pa.array(numbers[start : start + ROW_GROUP_ROWS])], ["sid"])
            writer.write_batch(part)


def _cluster(table: Path, arrangement: Arrangement, scratch: Path, threads: int) -> None:
    sorted_table = table.with_name(f"{table.name}.arranged")
    sorted_table.touch()
    subject, source = quoted(arrangement.subject), f"read_parquet({literal(str(table))})"
    first = ""
    if arrangement.time is not None:
        first = f"date_trunc('{arrangement.bucket}', {quoted(arrangement.time)}), "
    within = f", {quoted(arrangement.time)}" if arrangement.time is not None else ""
    try:
        with engine([table, sorted_table], scratch, threads=threads) as connection:
            write(connection, f"SELECT * FROM {source} ORDER BY {first}{subject}{within}", sorted_table)
        sorted_table.replace(table)
    finally:
        sorted_table.unlink(missing_ok=True)
