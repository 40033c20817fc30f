"""What leaves under a policy on rows and columns is exactly what the engine decides cell by cell, in every form."""

import asyncio
import io
import math
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Filter, Op, Scan, ScanFaults, plan_scan
from datahub.engine import GateClosed, run
from datahub.policy import Facts, Policy, decide, fill_template, read_policy
from datahub.transfers.rules import Release, release_of
from datahub.transfers.rules.words import Code
from tests.build import NOON
from tests.policy import strategies as make

COLUMNS = {
    "place": "string",
    "years": "int64",
    "score": "float64",
    "adult": "boolean",
    "seen": "timestamp",
    "born": "date",
    "clock": "time",
}
SCHEMA = pa.schema(
    [
        ("place", pa.string()),
        ("years", pa.int64()),
        ("score", pa.float64()),
        ("adult", pa.bool_()),
        ("seen", pa.timestamp("us", "UTC")),
        ("born", pa.date32()),
        ("clock", pa.time64("us")),
    ]
)
STORED = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
# A stored table holds no NaN and no infinity: they are refused when it is received.
ROWS: list[dict[str, Any]] = pa.Table.from_pylist(
    [
        {
            **row,
            "score": row["score"] if row["score"] is not None and math.isfinite(row["score"]) else None,
            "clock": time(at % 24, 30) if at % 3 else None,
        }
        for at, row in enumerate(make.some_rows(seed=7, size=40))
    ],
    SCHEMA,
).to_pylist()
FACTS = Facts(action="read", now=NOON, purpose="dpv:AcademicResearch", agreed=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "it's a table.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), path)
    return path


def body_of(scan: Scan, form: TableFormat) -> bytes:
    async def run() -> bytes:
        async with stream_table(scan, form) as stream:
            return b"".join([block async for block in stream])

    return asyncio.run(run())


def rows_of(scan: Scan, form: TableFormat) -> list[dict[str, Any]]:
    body = body_of(scan, form)
    found: list[dict[str, Any]]
    match form:
        case TableFormat.CSV:
            options = pa.csv.ConvertOptions(
                column_types={
                    f.name: pa.string() if pa.types.is_time(f.type) else f.type for f in scan.schema
                },
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            )
            plain = pa.csv.ParseOptions(ignore_empty_lines=False)
            found = pa.csv.read_csv(
                io.BytesIO(body), parse_options=plain, convert_options=options
            ).to_pylist()
        case TableFormat.JSON_LINES:
            found = [orjson.loads(line) for line in body.splitlines()]
        case TableFormat.PARQUET:
            found = pq.read_table(io.BytesIO(body)).to_pylist()
        case TableFormat.ARROW:
            found = pa.ipc.open_stream(body).read_all().to_pylist()
    return [{name: _read(name, value) for name, value in row.items()} for row in found]


def _read(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name == "place":
        return value
    reader: dict[str, Any] = {
        "seen": datetime.fromisoformat,
        "born": date.fromisoformat,
        "clock": time.fromisoformat,
    }
    return reader.get(name, str)(value)


def decided(policy: Policy, facts: Facts, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """The slow way: one decision per cell."""
    kept = []
    for row in ROWS:
        cells = {name: decide(policy, replace(facts, row=row, column=name)).permit for name in COLUMNS}
        assert not any(cells[name] for name in COLUMNS if name not in columns)
        if any(cells.values()):
            kept.append({name: row[name] if cells[name] else None for name in columns})
    return kept


def some_policies() -> st.SearchStrategy[Policy]:
    values = {
        name: st.sampled_from([value for value in make.VALUES[name] if value != "" and value == value])  # noqa: PLR0124
        for name in ("place", "years", "seen", "born")
    }
    kinds = {"seen": "xsd:dateTime", "born": "xsd:date"}

    def one(name: str, value: Any) -> Any:
        if name in kinds:
            return {"@value": value.isoformat(), "@type": kinds[name]}
        return value

    def rows_where(name: str) -> st.SearchStrategy[Policy]:
        several = st.lists(values[name].map(lambda value: one(name, value)), min_size=1, max_size=3)
        return several.map(
            lambda chosen: read_policy(fill_template("rows-where", {"column": name, "values": chosen}))
        )

    names = st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True)
    without = names.map(lambda found: read_policy(fill_template("columns-without", {"columns": found})))
    return st.one_of(st.sampled_from(sorted(values)).flatmap(rows_where), without, make.policies())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=some_policies(), facts=st.one_of(st.just(FACTS), make.facts()))
def test_what_is_streamed_is_what_is_decided_cell_by_cell(path: Path, policy: Policy, facts: Facts) -> None:
    facts = replace(facts, row=None)
    release = release_of(policy, facts, STORED)
    if isinstance(release, str):
        assert release in {Code.NEEDS_PLAN, Code.RESULTS_ONLY} or decided(policy, facts, ()) == []
        return
    scan = plan_scan(path, release=release.steps)
    expected = decided(policy, facts, scan.columns)
    for form in TableFormat:
        assert rows_of(scan, form) == expected, form


def _release(name: str, **parameters: Any) -> Release:
    found = release_of(read_policy(fill_template(name, parameters)), FACTS, STORED)
    assert isinstance(found, Release)
    return found


def test_a_hidden_column_is_an_unknown_one(path: Path) -> None:
    release = _release("columns-without", columns=["years", "born"])
    scan = plan_scan(path, release=release.steps)
    assert set(scan.columns) == set(COLUMNS) - {"years", "born"} == set(release.columns)
    assert not scan.is_whole
    with pytest.raises(ScanFaults) as hidden:
        plan_scan(
            path, fields=["years"], filters=[Filter("born", Op.IS_NULL, ("true",))], release=release.steps
        )
    with pytest.raises(ScanFaults) as unknown:
        plan_scan(
            path, fields=["yearz"], filters=[Filter("bornz", Op.IS_NULL, ("true",))], release=release.steps
        )
    assert [fault.code for fault in hidden.value.faults] == [fault.code for fault in unknown.value.faults]


def test_a_reader_filters_what_leaves_not_what_is_stored(path: Path) -> None:
    masked = _release("columns-masked", columns=["place"], method="null")
    given_away = plan_scan(path, filters=[Filter("place", Op.EQ, ("Amsterdam",))], release=masked.steps)
    assert rows_of(given_away, TableFormat.ARROW) == []
    everything = plan_scan(path, release=masked.steps)
    assert everything.schema == SCHEMA
    assert {row["place"] for row in rows_of(everything, TableFormat.ARROW)} == {None}
    assert len(rows_of(everything, TableFormat.CSV)) == len(ROWS)


def test_a_readers_filter_comes_after_the_policys(path: Path) -> None:
    release = _release("rows-where", column="place", values=["Amsterdam", "日本"])
    scan = plan_scan(
        path, fields=["years"], filters=[Filter("adult", Op.EQ, ("true",))], release=release.steps
    )
    expected = [
        {"years": row["years"]} for row in ROWS if row["place"] in {"Amsterdam", "日本"} and row["adult"]
    ]
    assert expected
    assert rows_of(scan, TableFormat.PARQUET) == expected


@pytest.mark.parametrize("method", ["hash", "first4", "last4", "fixed"])
def test_masks_of_text_hide_the_value(path: Path, method: str) -> None:
    policy = read_policy(fill_template("columns-masked", {"columns": ["place"], "method": method}))
    release = release_of(policy, FACTS, STORED)
    assert isinstance(release, Release)
    shown = [row["place"] for row in rows_of(plan_scan(path, release=release.steps), TableFormat.JSON_LINES)]
    assert len(shown) == len(ROWS)
    if method in {"hash", "fixed"}:
        assert not {row["place"] for row in ROWS if row["place"] is not None} & set(shown)


@pytest.mark.parametrize("method", ["year", "month"])
@pytest.mark.parametrize("form", list(TableFormat))
def test_masks_of_moments_leave_the_year_or_month(path: Path, method: str, form: TableFormat) -> None:
    release = _release("columns-masked", columns=["seen", "born"], method=method)
    shown = rows_of(plan_scan(path, fields=["seen", "born"], release=release.steps), form)
    first: dict[str, int] = {"month": 1} if method == "year" else {}
    for row, stored in zip(shown, ROWS, strict=True):
        seen, born = stored["seen"], stored["born"]
        at_midnight = {"day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0}
        assert row["seen"] == (seen and seen.replace(**first, **at_midnight))
        assert row["born"] == (born and born.replace(**first, day=1))


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("aggregated", {"minimumGroup": 10}, Code.RESULTS_ONLY),
        ("rows-where", {"column": "elsewhere", "values": ["x"]}, Code.NOTHING_LEFT),
        ("rows-where", {"column": "clock", "values": ["10:00"]}, Code.NOTHING_LEFT),
        ("columns-without", {"columns": list(COLUMNS)}, Code.NOTHING_LEFT),
    ],
)
def test_what_cannot_be_carried_out_is_said(name: str, parameters: dict[str, Any], code: str) -> None:
    policy = read_policy(fill_template(name, parameters))
    assert release_of(policy, FACTS, STORED) == code


def test_what_wants_consent_is_shut_until_a_gate_is_opened(path: Path) -> None:
    policy = read_policy(fill_template("consent", {"purposes": ["dpv:ResearchAndDevelopment"]}))
    release = release_of(policy, replace(FACTS, purpose="dpv:AcademicResearch"), STORED)
    assert isinstance(release, Release)
    scan = plan_scan(path, release=release.steps)
    with pytest.raises(GateClosed), run(scan.plan, scan.stored):
        pass


def test_a_release_streams_from_an_open_file_too(path: Path) -> None:
    release = _release("rows-where", column="place", values=["Amsterdam"])
    with pa.OSFile(str(path)) as file:
        scan = plan_scan(file, release=release.steps)
        found = rows_of(scan, TableFormat.ARROW)
    assert found == [row for row in ROWS if row["place"] == "Amsterdam"]
