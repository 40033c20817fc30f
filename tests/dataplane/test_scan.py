"""Planning a scan: all that is wrong at once, and filters that mean what they say and nothing more."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Filter, Op, Scan, ScanFaults, plan_scan

TABLE = pa.table(
    {
        "s": ["a", "b'c", None, "é"],
        "i": [1, 2, None, 9007199254740993],
        "f": [0.5, None, -1.0, 1e300],
        "p": pa.array([Decimal("1.50"), Decimal("2.25"), None, Decimal("99999999.99")], pa.decimal128(10, 2)),
        "b": [True, False, None, True],
        "d": [date(2026, 1, 1), date(2026, 6, 1), None, date(2027, 1, 1)],
        "t": pa.array(
            [datetime(2026, 1, 1, h, tzinfo=UTC) for h in (1, 2, 3)] + [None], pa.timestamp("us", "UTC")
        ),
        "n": [0, 1, 2, 3],
    }
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "it's a table.parquet"
    pq.write_table(TABLE, path)
    return path


def rows(scan: Scan) -> list[int]:
    async def run() -> bytes:
        async with stream_table(scan, TableFormat.ARROW) as stream:
            return b"".join([block async for block in stream])

    return list(pa.ipc.open_stream(asyncio.run(run())).read_all()["n"].to_pylist())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Filter("s", Op.EQ, ("b'c",)), [1]),
        (Filter("s", Op.NE, ("a",)), [1, 3]),
        (Filter("s", Op.IN, ("a", "é")), [0, 3]),
        (Filter("s", Op.IS_NULL, ("true",)), [2]),
        (Filter("s", Op.IS_NULL, ("false",)), [0, 1, 3]),
        (Filter("i", Op.EQ, ("9007199254740993",)), [3]),
        (Filter("i", Op.EQ, ("9007199254740992",)), []),
        (Filter("f", Op.LT, ("0.5",)), [2]),
        (Filter("f", Op.GE, ("1e300",)), [3]),
        (Filter("p", Op.EQ, ("1.5",)), [0]),
        (Filter("p", Op.GT, ("1.505",)), [1, 3]),
        (Filter("p", Op.LE, ("2.25",)), [0, 1]),
        (Filter("b", Op.EQ, ("true",)), [0, 3]),
        (Filter("d", Op.GE, ("2026-06-01",)), [1, 3]),
        (Filter("t", Op.LT, ("2026-01-01T03:00:00+01:00",)), [0]),
        (Filter("t", Op.EQ, ("2026-01-01T02:00:00",)), [1]),
    ],
)
def test_a_filter_keeps_the_rows_it_names(path: Path, condition: Filter, expected: list[int]) -> None:
    assert rows(plan_scan(path, filters=[condition])) == expected


def test_all_filters_must_hold(path: Path) -> None:
    both = [Filter("b", Op.EQ, ("true",)), Filter("i", Op.GT, ("1",))]
    assert rows(plan_scan(path, fields=["n"], filters=both)) == [3]


def test_everything_wrong_is_said_at_once(path: Path) -> None:
    wrong = [
        Filter("x", Op.EQ, ("1",)),
        Filter("i", Op.EQ, ("1.5",)),
        Filter("i", Op.EQ, (str(2**63),)),
        Filter("f", Op.EQ, ("nan",)),
        Filter("p", Op.EQ, ("1e99",)),
        Filter("b", Op.LT, ("true",)),
        Filter("b", Op.EQ, ("yes",)),
        Filter("d", Op.EQ, ("2026-02-30",)),
        Filter("t", Op.EQ, ("now",)),
        Filter("s", Op.IS_NULL, ("maybe",)),
        Filter("s", Op.EQ, ()),
        Filter("s", Op.IN, ()),
        Filter("s", Op.EQ, ("a", "b")),
        Filter("s", Op.EQ, ("a\0b",)),
    ]
    with pytest.raises(ScanFaults) as caught:
        plan_scan(path, fields=["s", "y", "s"], filters=wrong)
    found = [(fault.parameter, fault.position) for fault in caught.value.faults]
    assert found == [("fields", 1), ("fields", 2), *(("filter", n) for n in range(len(wrong)))]
    with pytest.raises(ScanFaults):
        plan_scan(path, fields=[])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_in_a_filter_becomes_sql(path: Path, text: str) -> None:
    expected = [n for n, s in enumerate(TABLE["s"].to_pylist()) if s == text]
    assert rows(plan_scan(path, filters=[Filter("s", Op.EQ, (text,))])) == expected


@pytest.mark.parametrize(
    "text", ["' OR 1=1 --", "\\' OR true --", "a'); DROP TABLE x; --", "$1", "?", "{{x}}", "\n;"]
)
def test_injections_find_nothing(path: Path, text: str) -> None:
    assert rows(plan_scan(path, filters=[Filter("s", Op.IN, (text, "é"))])) == [3]


def test_columns_may_be_named_like_an_injection(tmp_path: Path) -> None:
    name = "x\" FROM read_csv('/etc/passwd'); --"
    pq.write_table(pa.table({name: [1, 2], "n": [0, 1]}), tmp_path / "t.parquet")
    scan = plan_scan(tmp_path / "t.parquet", fields=["n", name], filters=[Filter(name, Op.EQ, ("2",))])
    assert rows(scan) == [1]
    for form in TableFormat:

        async def run(form: TableFormat = form) -> int:
            async with stream_table(scan, form) as stream:
                return sum([len(block) async for block in stream])

        assert asyncio.run(run()) > 0


def test_the_engine_reaches_no_other_file_and_changes_no_setting(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(TABLE, other)
    from datahub.engine.duck import closed, instance_for

    with instance_for(path) as connection:
        assert connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone() == (4,)
    for opened in (instance_for(path), closed()):
        with opened as connection:
            for forbidden in (
                f"SELECT * FROM read_parquet('{other}')",
                "SELECT * FROM read_csv('/etc/passwd')",
                f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
                "ATTACH '/tmp/x.db'",
                "INSTALL httpfs",
                "LOAD httpfs",
                "SET enable_external_access = true",
                "SET memory_limit = '64GB'",
            ):
                with pytest.raises(duckdb.Error):
                    connection.execute(forbidden).fetchall()
