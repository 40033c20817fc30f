"""The same rows in all four formats, counted, stoppable, and never short without saying so."""

import asyncio
import csv
import io
import json
import threading
import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.catalog.ingest import Column, ColumnType, TableForm, ingest
from datahub.dataplane.formats import StreamAborted, StreamOutcome, TableFormat, TableStream, stream_table
from datahub.dataplane.scan import Filter, Op, plan_scan
from datahub.engine import Engine, duck, engine_for

SCHEMA = pa.schema(
    [
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("i", pa.int64()),
        ("f", pa.float64()),
        ("p", pa.decimal128(38, 9)),
        ("d", pa.date32()),
        ("c", pa.time64("us")),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
DECLARED = [
    Column(name, ColumnType.read(kind))
    for name, kind in zip(
        SCHEMA.names,
        ["string", "boolean", "int64", "float64", "decimal(38,9)", "date", "time", "timestamp"],
        strict=True,
    )
]
ROW = st.fixed_dictionaries(
    {
        "s": st.none()
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "p": st.none() | st.decimals(-(10**28), 10**28, places=9, allow_nan=False, allow_infinity=False),
        "d": st.none() | st.dates(),
        "c": st.none() | st.times(),
        "t": st.none() | st.datetimes(timezones=st.just(UTC)),
    }
)
HARD: list[dict[str, Any]] = [
    {"s": 'quote " comma , line\r\nend', "b": True, "i": 2**63 - 1, "f": 0.1 + 0.2, "p": Decimal("0.000000001"),
     "d": date(1, 1, 1), "c": time(23, 59, 59, 999999), "t": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
    {"s": "", "b": False, "i": -(2**63), "f": 5e-324, "p": Decimal(10**28), "d": date(9999, 12, 31),
     "c": time(0), "t": datetime(1, 1, 1, tzinfo=UTC)},
    {"s": "=HYPERLINK()\\n\u2028é😀", "b": None, "i": 0, "f": -0.0, "p": None, "d": None, "c": None, "t": None},
    dict.fromkeys(SCHEMA.names),
]  # fmt: skip


def stored(folder: Path, rows: list[dict[str, Any]]) -> Path:
    source, target = folder / "part-in", folder / "table.parquet"
    with pa.ipc.new_file(source, SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    ingest(source, target, TableForm.ARROW)
    return target


def fetch(stream: TableStream) -> tuple[bytes, StreamOutcome]:
    async def run() -> bytes:
        async with stream:
            return b"".join([block async for block in stream])

    return asyncio.run(run()), stream.outcome


def again(folder: Path, content: bytes, form: TableFormat) -> pa.Table:
    source, target = folder / "part-again", folder / "again.parquet"
    source.write_bytes(content)
    ingest(source, target, TableForm(form.value), declared=DECLARED)
    return pq.read_table(target)


@pytest.mark.parametrize("form", TableFormat)
@given(rows=st.lists(ROW, max_size=5))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fetched_rows_equal_the_rows_sent_in(
    tmp_path: Path, form: TableFormat, rows: list[dict[str, Any]]
) -> None:
    path = stored(tmp_path, rows)
    content, outcome = fetch(stream_table(plan_scan(path), form))
    assert again(tmp_path, content, form).to_pylist() == rows
    assert outcome == StreamOutcome(len(rows), len(content), "finished")


@pytest.mark.parametrize("form", TableFormat)
def test_the_hard_values_survive_in_every_format(tmp_path: Path, form: TableFormat) -> None:
    path = stored(tmp_path, HARD)
    content, _ = fetch(stream_table(plan_scan(path), form))
    assert again(tmp_path, content, form).to_pylist() == HARD
    # With a column left out the engine writes the Parquet anew instead of copying it.
    content, outcome = fetch(stream_table(plan_scan(path, fields=list(reversed(SCHEMA.names))), form))
    assert again(tmp_path, content, form).to_pylist() == HARD
    assert outcome.rows == len(HARD)


def test_readers_that_are_not_ours_agree(tmp_path: Path) -> None:
    path = stored(tmp_path, HARD)
    text, _ = fetch(stream_table(plan_scan(path), TableFormat.CSV))
    first, *records = list(csv.reader(io.StringIO(text.decode(), newline="")))
    assert first == SCHEMA.names
    assert records[0] == [
        HARD[0]["s"], "true", "9223372036854775807", "0.30000000000000004", "0.000000001", "0001-01-01",
        "23:59:59.999999", "9999-12-31T23:59:59.999999Z",
    ]  # fmt: skip
    assert records[3] == [""] * 8
    text, _ = fetch(stream_table(plan_scan(path), TableFormat.JSON_LINES))
    objects = [json.loads(line) for line in text.decode().split("\n")[:-1]]
    assert objects[0] == {
        "s": HARD[0]["s"], "b": True, "i": 2**63 - 1, "f": 0.1 + 0.2, "p": "0.000000001", "d": "0001-01-01",
        "c": "23:59:59.999999", "t": "9999-12-31T23:59:59.999999Z",
    }  # fmt: skip
    assert objects[3] == dict.fromkeys(SCHEMA.names)
    content, _ = fetch(stream_table(plan_scan(path), TableFormat.ARROW))
    with pa.ipc.open_stream(content) as reader:
        assert reader.schema.equals(SCHEMA)
        assert reader.read_all().to_pylist() == HARD
    content, _ = fetch(stream_table(plan_scan(path, fields=["i", "t"]), TableFormat.PARQUET))
    assert pq.read_table(io.BytesIO(content)).to_pylist() == [{"i": row["i"], "t": row["t"]} for row in HARD]


@pytest.mark.parametrize("form", TableFormat)
def test_an_empty_table_still_says_its_columns(tmp_path: Path, form: TableFormat) -> None:
    path = stored(tmp_path, [])
    content, outcome = fetch(stream_table(plan_scan(path, filters=[Filter("i", Op.EQ, ("1",))]), form))
    assert outcome.rows == 0
    assert content or form is TableFormat.JSON_LINES
    assert again(tmp_path, content, form).to_pylist() == []


def test_the_whole_table_as_parquet_is_the_stored_file(tmp_path: Path) -> None:
    path = stored(tmp_path, HARD)
    content, outcome = fetch(stream_table(plan_scan(path), TableFormat.PARQUET))
    assert content == path.read_bytes()
    assert outcome.rows == len(HARD)


def test_a_file_handle_is_read_like_a_path(tmp_path: Path) -> None:
    path = stored(tmp_path, HARD)
    for form in TableFormat:
        with path.open("rb") as file:
            scan = plan_scan(
                pa.PythonFile(file, mode="r"), fields=["i", "s"], filters=[Filter("i", Op.GE, ("0",))]
            )
            content, outcome = fetch(stream_table(scan, form))
        assert outcome.rows == 2, form
        expected, _ = fetch(
            stream_table(plan_scan(path, fields=["i", "s"], filters=[Filter("i", Op.GE, ("0",))]), form)
        )
        if form in {TableFormat.CSV, TableFormat.JSON_LINES}:
            assert content == expected


def big(folder: Path, rows: int = 600_000) -> Path:
    path = folder / "big.parquet"
    pq.write_table(pa.table({"n": list(range(rows)), "s": [f"row number {n}" for n in range(rows)]}), path)
    return path


@pytest.mark.parametrize("form", TableFormat)
def test_rows_keep_their_order_and_are_all_there(tmp_path: Path, form: TableFormat) -> None:
    content, outcome = fetch(stream_table(plan_scan(big(tmp_path), fields=["n"]), form))
    assert outcome.rows == 600_000
    if form is TableFormat.CSV:
        assert content.split(b"\n")[1:-1] == [b"%d" % n for n in range(600_000)]
    elif form is TableFormat.JSON_LINES:
        assert content.split(b"\n")[:-1] == [b'{"n":%d}' % n for n in range(600_000)]
    elif form is TableFormat.PARQUET:
        assert pq.read_table(io.BytesIO(content))["n"].to_pylist() == list(range(600_000))
    else:
        assert pa.ipc.open_stream(content).read_all()["n"].to_pylist() == list(range(600_000))


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "table-stream"]


@pytest.mark.parametrize("form", [TableFormat.CSV, TableFormat.JSON_LINES, TableFormat.ARROW])
def test_a_reader_that_goes_away_stops_the_engine_at_once(tmp_path: Path, form: TableFormat) -> None:
    async def run() -> StreamOutcome:
        stream = stream_table(plan_scan(big(tmp_path)), form)
        async with stream:
            await anext(stream)
        return stream.outcome

    outcome = asyncio.run(run())
    assert outcome.state == "aborted"
    assert 0 < outcome.rows < 600_000
    assert not threads()


def test_a_cancelled_reader_stops_the_engine(tmp_path: Path) -> None:
    path = big(tmp_path)

    async def run() -> None:
        stream = stream_table(plan_scan(path), TableFormat.CSV, checkpoint=lambda: clock.sleep(0.2))
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.outcome.state == "aborted"

    asyncio.run(run())
    assert not threads()


def test_a_slow_reader_holds_the_engine_back(tmp_path: Path) -> None:
    async def run() -> None:
        stream = stream_table(plan_scan(big(tmp_path)), TableFormat.CSV)
        async with stream:
            await anext(stream)
            await asyncio.sleep(0.5)
            assert stream._blocks.qsize() <= 4

    asyncio.run(run())


class Revoked(Exception):  # noqa: N818 — the agreement's word
    pass


def failing_after(batches: int) -> Callable[[], None]:
    left = iter(range(batches + 1))

    def checkpoint() -> None:
        if next(left, None) is None:
            raise Revoked

    return checkpoint


@pytest.mark.parametrize("form", TableFormat)
def test_what_fails_on_the_way_ends_the_stream_detectably(tmp_path: Path, form: TableFormat) -> None:
    path = big(tmp_path, 1_200_000)
    sent = bytearray()

    async def run() -> StreamOutcome:
        stream = stream_table(plan_scan(path), form, checkpoint=failing_after(3))
        async with stream:
            with pytest.raises(StreamAborted) as caught:
                async for block in stream:
                    sent.extend(block)
            assert isinstance(caught.value.__cause__, Revoked)
        return stream.outcome

    outcome = asyncio.run(run())
    assert outcome.state == "aborted"
    assert outcome.bytes == len(sent)
    assert outcome.rows < 1_200_000 or form is TableFormat.PARQUET
    assert not threads()
    if form is TableFormat.PARQUET:
        with pytest.raises(pa.ArrowInvalid):
            pq.read_table(io.BytesIO(bytes(sent)))


@pytest.mark.parametrize("form", [TableFormat.CSV, TableFormat.ARROW, TableFormat.PARQUET])
def test_an_engine_out_of_memory_ends_the_stream_detectably(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: TableFormat
) -> None:
    monkeypatch.setattr(duck, "MEMORY_MB", 1)
    path, sent = tmp_path / "money.parquet", bytearray()
    money = pa.array(range(900_000)).cast(pa.decimal128(21, 2))
    pq.write_table(
        pa.table({"money": money, "text": ["some words and more"] * 900_000}), path, use_dictionary=False
    )
    scan = plan_scan(path, filters=[Filter("money", Op.GE, ("0",))])
    assert engine_for(scan.plan, scan.stored) is Engine.DUCKDB

    async def run() -> StreamOutcome:
        stream = stream_table(scan, form)
        async with stream:
            with pytest.raises(StreamAborted) as caught:
                async for block in stream:
                    sent.extend(block)
            assert isinstance(caught.value.__cause__, duckdb.OutOfMemoryException)
        return stream.outcome

    outcome = asyncio.run(run())
    assert (outcome.state, outcome.bytes) == ("aborted", len(sent))
    assert not threads()
    assert fetch(stream_table(plan_scan(path, fields=["text"]), form))[1].state == "finished"


def test_a_file_damaged_in_the_store_ends_the_stream_detectably(tmp_path: Path) -> None:
    path = big(tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(StreamAborted):
        fetch(stream_table(plan_scan(path), TableFormat.JSON_LINES))


def test_an_instant_keeps_its_moment_whatever_zone_it_came_in(tmp_path: Path) -> None:
    source = tmp_path / "part-in"
    source.write_text(
        "t\n2026-03-29T03:00:00+02:00\n2026-03-29T01:00:00Z\n2026-03-28T21:00:00-0400\n2026-03-29 01:00:00\n"
    )
    ingest(
        source, tmp_path / "t.parquet", TableForm.CSV, declared=[Column("t", ColumnType.read("timestamp"))]
    )
    content, _ = fetch(stream_table(plan_scan(tmp_path / "t.parquet"), TableFormat.CSV))
    assert content.decode().split() == ['"t"', *["2026-03-29T01:00:00Z"] * 4]
    assert timedelta(0) == datetime.fromisoformat("2026-03-29T01:00:00Z").utcoffset()
