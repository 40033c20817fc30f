"""Parquet and Arrow IPC into our Parquet; hostile files end in a fault."""

import os
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.catalog.ingest import Column, ColumnType, TableFacts, TableFaults, TableForm, ingest
from datahub.catalog.ingest.apart import ingest_apart

FORMS = ["parquet", "file", "stream"]


def write(folder: Path, table: pa.Table, form: str) -> Path:
    source = folder / "part-in"
    if form == "parquet":
        pq.write_table(table, source)
    else:
        opened = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with opened(source, table.schema) as writer:
            writer.write_table(table)
    return source


def store(folder: Path, table: pa.Table, form: str, declared: list[Column] | None = None) -> TableFacts:
    kind = TableForm.PARQUET if form == "parquet" else TableForm.ARROW
    target = folder / "part-out"
    target.touch()
    return ingest(write(folder, table, form), target, kind, declared=declared)


@pytest.mark.parametrize("form", FORMS)
def test_every_type_is_kept_or_widened(tmp_path: Path, form: str) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    table = pa.table(
        {
            "s": pa.array(["é", None]),
            "large": pa.array(["x", ""], pa.large_string()),
            "word": pa.array(["x", None]).dictionary_encode(),
            "none": pa.nulls(2),
            "b": pa.array([True, None]),
            "i8": pa.array([1, None], pa.int8()),
            "u64": pa.array([1, 2], pa.uint64()),
            "f32": pa.array([0.5, None], pa.float32()),
            "f64": pa.array([0.1, 1e300]),
            "dec": pa.array([Decimal("1.50"), None]),
            "d": pa.array([date(2026, 1, 1), None]),
            "c": pa.array([time(1, 2, 3), None], pa.time32("s")),
            "utc": pa.array([noon, None], pa.timestamp("ns", "UTC")),
            "naive": pa.array([noon.replace(tzinfo=None), None], pa.timestamp("ms")),
            "ams": pa.array([noon, None], pa.timestamp("us", "Europe/Amsterdam")),
        }
    )
    facts = store(tmp_path, table, form)
    stored = pq.read_table(tmp_path / "part-out")
    assert facts.row_count == 2
    for name in ("utc", "naive", "ams"):
        assert stored[name].to_pylist() == [noon, None]
    for name in ("s", "large", "word", "none", "b", "i8", "u64", "f32", "f64", "dec", "d", "c"):
        assert stored[name].to_pylist() == table[name].to_pylist(), name
    assert [found.type.name for found in facts.columns][5:10] == [
        "int64",
        "int64",
        "float64",
        "float64",
        "decimal(3,2)",
    ]


@pytest.mark.parametrize("form", FORMS)
def test_columns_a_table_cannot_hold_are_refused_by_name(tmp_path: Path, form: str) -> None:
    table = pa.table(
        {
            "ok": [1],
            "nested": [[1]],
            "struct": [{"x": 1}],
            "raw": [b"x"],
            "span": pa.array([1], pa.duration("s")),
        }
    )
    with pytest.raises(TableFaults) as caught:
        store(tmp_path, table, form)
    assert [(fault.code, fault.column) for fault in caught.value.faults] == [
        ("column-type", "nested"), ("column-type", "struct"), ("column-type", "raw"), ("column-type", "span"),
    ]  # fmt: skip
    assert not (tmp_path / "part-out").exists()


@pytest.mark.parametrize(
    ("array", "row", "value"),
    [
        (pa.array([1.0, float("nan")]), 2, "nan"),
        (pa.array([float("inf"), 1.0]), 1, "inf"),
        (pa.array(["a", "b\0c"]), 2, "b\0c"),
        (pa.array([1, 2**63], pa.uint64()), 2, str(2**63)),
        (pa.array([0, 1], pa.timestamp("ns", "UTC")), 2, None),
        (pa.array([0, 4_000_000], pa.date32()), 2, None),
        (pa.array([-(2**62), 0], pa.timestamp("us")), 1, None),
    ],
)
def test_a_value_no_format_could_carry_is_a_fault_with_its_row(
    tmp_path: Path, array: pa.Array, row: int, value: str | None
) -> None:
    with pytest.raises(TableFaults) as caught:
        store(tmp_path, pa.table({"x": array}), "parquet")
    (fault,) = caught.value.faults
    assert (fault.code, fault.line, fault.column) == ("value-type", row, "x")
    assert value is None or fault.value == value
    assert caught.value.total == 1


def test_declared_types_may_widen_and_not_narrow(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None]})
    for wanted in ("float64", "decimal(20,2)", "int64"):
        facts = store(tmp_path, table, "parquet", [Column("a", ColumnType.read(wanted))])
        assert facts.columns[0].type.name == wanted
    for wanted in ("string", "boolean", "date"):
        with pytest.raises(TableFaults, match="declared"):
            store(tmp_path, table, "parquet", [Column("a", ColumnType.read(wanted))])
    with pytest.raises(TableFaults) as caught:
        store(tmp_path, table, "parquet", [Column("a", ColumnType.read("int64"), nullable=False)])
    assert [(fault.code, fault.line) for fault in caught.value.faults] == [("value-missing", 2)]


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_a_fault(tmp_path: Path, form: str) -> None:
    table = pa.table({"a": list(range(5000)), "s": [str(n) for n in range(5000)]})
    kind = TableForm.PARQUET if form == "parquet" else TableForm.ARROW
    whole = write(tmp_path, table, form).read_bytes()
    for damaged in (
        b"",
        b"PAR1",
        b"x" * 100,
        whole[:-20],
        whole[20:],
        whole[: len(whole) // 2],
        whole[:4] + os.urandom(64),
    ):
        (tmp_path / "part-in").write_bytes(damaged)
        with pytest.raises(TableFaults):
            ingest(tmp_path / "part-in", tmp_path / "part-out", kind)
        assert not (tmp_path / "part-out").exists()


@given(st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_never_take_the_server_down(tmp_path: Path, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(FORMS))
    table = pa.table({"a": list(range(300)), "s": [str(n) for n in range(300)]})
    content = bytearray(write(tmp_path, table, form).read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "part-in").write_bytes(content)
    kind = TableForm.PARQUET if form == "parquet" else TableForm.ARROW
    try:
        ingest_apart(tmp_path / "part-in", tmp_path / "part-out", kind, timeout_s=60)
    except TableFaults as found:
        assert found.faults  # noqa: PT017 — either outcome is right, silence is not
        assert not (tmp_path / "part-out").exists()


def test_faults_come_back_whole_from_the_other_process(tmp_path: Path) -> None:
    (tmp_path / "part-in").write_text("a,b\n1,2,3\n")
    with pytest.raises(TableFaults) as caught:
        ingest_apart(tmp_path / "part-in", tmp_path / "part-out", TableForm.CSV)
    assert [(fault.code, fault.line) for fault in caught.value.faults] == [("row-too-long", 2)]
    (tmp_path / "part-in").write_text("a,b\n1,2\n")
    assert ingest_apart(tmp_path / "part-in", tmp_path / "part-out", TableForm.CSV).row_count == 1


def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "part-in").write_text("a,b\n" + "1,2\n" * 2_000_000)
    with pytest.raises(TableFaults, match="longer than"):
        ingest_apart(tmp_path / "part-in", tmp_path / "part-out", TableForm.CSV, timeout_s=0.01)
    assert not (tmp_path / "part-out").exists()
