"""What a plan gives is what the policy decides cell by cell: on each engine, in each form, with codes and filters."""

import asyncio
import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub import engine
from datahub.catalog.ingest import Arrangement, Beside
from datahub.catalog.ingest.arranged import arrange
from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Filter, Op, Scan, plan_scan
from datahub.engine import Engine, Stored, Unfit, run
from datahub.engine.masks import SHORT
from datahub.engine.pseudonyms import code_of
from datahub.engine.run import SMALL_BYTES
from datahub.policy import Facts, Policy, decide, fill_template, read_policy
from datahub.transfers.rules import Release, release_of
from tests.build import NOON
from tests.policy import strategies as make

KEY = b"k" * 32
COLUMNS = {
    "place": "string",
    "years": "int64",
    "score": "float64",
    "adult": "boolean",
    "seen": "timestamp",
    "born": "date",
}
SCHEMA = pa.schema(
    [
        ("place", pa.string()),
        ("years", pa.int64()),
        ("score", pa.float64()),
        ("adult", pa.bool_()),
        ("seen", pa.timestamp("us", "UTC")),
        ("born", pa.date32()),
    ]
)
STORED = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
ROWS: list[dict[str, Any]] = pa.Table.from_pylist(
    [
        row | {"score": row["score"] if row["score"] is not None and math.isfinite(row["score"]) else None}
        for row in make.some_rows(seed=11, size=30)
    ],
    SCHEMA,
).to_pylist()
FACTS = Facts(action="read", now=NOON, purpose="dpv:AcademicResearch", agreed=True)
METHODS = (
    *("null", "fixed", "hash", "hmac", "first4", "last4", "year", "month", "day", "hour"),
    *("bucket 7", "bucket 1000000", "bucket -5 0 18 65"),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "table.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), path)
    return path


def masking(columns: dict[str, str]) -> Any:
    """A policy that masks each of these columns by its method and lets the others leave as they are."""
    document: Any = fill_template("columns-masked", {"columns": ["place"], "method": "null"})
    (duty,) = document["permission"][0]["duty"]

    def of(column: str, method: str) -> dict[str, Any]:
        texts: dict[str, Any] = orjson.loads(orjson.dumps(duty))
        texts["constraint"][0]["rightOperand"] = [column]
        name, *steps = method.split()
        texts["constraint"][1]["rightOperand"] = name
        if steps:
            step = {"leftOperand": "urn:datahub:policy:step", "operator": "isAnyOf"}
            texts["constraint"].append(step | {"rightOperand": [int(each) for each in steps]})
        return texts

    document["permission"][0]["duty"] = [of(*each) for each in columns.items()]
    return document


UNITS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        whole = value.isoformat(" ").replace("+00:00", "")
        return (whole.rstrip("0").rstrip(".") if "." in whole else whole) + "+00"
    return str(value)


def _bucket(value: Any, stored: str, steps: list[int]) -> Any:
    if stored not in {"int64", "float64"}:
        return None
    if len(steps) > 1:
        return max((step for step in steps if step <= value), default=None)
    if stored == "float64":
        return float(math.floor(value / steps[0])) * steps[0]
    lower = value // steps[0] * steps[0]
    return lower if lower >= -(2**63) else None


def behind(method: str, value: Any, stored: str) -> Any:
    """What is left of a value behind a mask, by hand."""
    if method == "fixed":
        return SHORT
    if value is None or method == "null":
        return None
    if method.startswith("bucket"):
        return _bucket(value, stored, sorted(int(each) for each in method.split()[1:]))
    if method in UNITS:
        if stored not in {"timestamp", "date"}:
            return None
        gone = UNITS[UNITS.index(method) + 1 :]
        first = {unit: int(unit in {"month", "day"}) for unit in gone}
        is_date = stored == "date"
        return value.replace(
            **{unit: at for unit, at in first.items() if hasattr(value, unit)} if is_date else first
        )
    text = _text(value)
    if method == "hash":
        return hashlib.sha256(text.encode()).hexdigest()
    if method == "hmac":
        return code_of(text, KEY)
    part = text[:4] if method == "first4" else text[-4:]
    return part if len(text) > 4 else SHORT


def some_masks() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.sampled_from(METHODS), min_size=1, max_size=4)


def release_for(document: Any, facts: Facts = FACTS) -> Release:
    found = release_of(read_policy(document), facts, STORED, lambda: KEY)
    assert isinstance(found, Release)
    return found


def given_by(scan: Scan, which: Engine | None) -> list[dict[str, Any]]:
    with run(scan.plan, scan.stored, engine=which) as batches:
        found: list[dict[str, Any]] = pa.Table.from_batches(list(batches), scan.schema).to_pylist()
    return found


def on_both(scan: Scan) -> list[dict[str, Any]]:
    """What DuckDB gives, which polars gives too where it does the plan at all; from memory and from the file alike."""
    found = given_by(scan, Engine.DUCKDB)
    for large in (False, True):
        # A table is small by what its footer says, so a larger figure sends the same plan to the file.
        stored = replace(scan.stored, size=SMALL_BYTES + 1) if large else scan.stored
        assert given_by(Scan(stored, scan.plan), Engine.DUCKDB) == found
        try:
            assert given_by(Scan(stored, scan.plan), Engine.POLARS) == found
        except Unfit:
            assert engine.engine_for(scan.plan, scan.stored) is Engine.DUCKDB
    return found


def body_of(scan: Scan, form: TableFormat) -> bytes:
    async def read() -> bytes:
        async with stream_table(scan, form) as stream:
            return b"".join([block async for block in stream])

    return asyncio.run(read())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(policy=make.policies(), facts=st.one_of(st.just(FACTS), make.facts()))
def test_both_engines_give_the_cells_that_are_decided_one_by_one(
    path: Path, policy: Policy, facts: Facts
) -> None:
    facts = replace(facts, row=None)
    release = release_of(policy, facts, STORED, lambda: KEY)
    if isinstance(release, str) or release.masks:
        return
    scan = plan_scan(path, release=release.steps)
    expected = []
    for row in ROWS:
        cells = {name: decide(policy, replace(facts, row=row, column=name)).permit for name in COLUMNS}
        if any(cells.values()):
            expected.append({name: row[name] if cells[name] else None for name in scan.columns})
    assert on_both(scan) == expected


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(masks=some_masks(), form=st.sampled_from(TableFormat))
def test_masks_leave_what_they_say_and_no_more_in_the_bytes(
    path: Path, masks: dict[str, str], form: TableFormat
) -> None:
    scan = plan_scan(path, release=release_for(masking(masks)).steps)
    assert on_both(scan) == [
        {
            name: behind(masks[name], row[name], COLUMNS[name]) if name in masks else row[name]
            for name in COLUMNS
        }
        for row in ROWS
    ]
    body = body_of(scan, form)
    if masks.get("place") in {"null", "fixed", "hash", "hmac"}:
        for secret in {row["place"] for row in ROWS if row["place"] and len(row["place"]) > 3}:
            assert secret.encode() not in body, form
    if form is TableFormat.PARQUET:
        assert pq.read_schema(io.BytesIO(body)).metadata is None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(("null", "fixed", "hash", "hmac", "first4", "last4")),
    value=st.sampled_from(sorted({row["place"] for row in ROWS if row["place"]})),
    op=st.sampled_from((Op.EQ, Op.NE, Op.LT, Op.GE, Op.IN)),
    fields=st.one_of(st.none(), st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True)),
    also=st.booleans(),
)
def test_a_filter_sees_what_a_mask_left(
    path: Path, method: str, value: str, op: Op, fields: list[str] | None, *, also: bool
) -> None:
    left = behind(method, value, "string")
    asked = value if also or left is None else left
    filters = [Filter("place", op, (asked,)), Filter("years", Op.GE, ("0",))][: 1 + also]
    scan = plan_scan(
        path, fields=fields, filters=filters, release=release_for(masking({"place": method})).steps
    )
    holds: dict[Op, Callable[[str], bool]] = {
        Op.EQ: lambda text: text == asked,
        Op.NE: lambda text: text != asked,
        Op.LT: lambda text: text.encode() < asked.encode(),
        Op.GE: lambda text: text.encode() >= asked.encode(),
        Op.IN: lambda text: text == asked,
    }
    shown = [row | {"place": behind(method, row["place"], "string")} for row in ROWS]
    kept = [
        {name: row[name] for name in fields or COLUMNS}
        for row in shown
        if row["place"] is not None
        and holds[op](row["place"])
        and (not also or (row["years"] is not None and row["years"] >= 0))
    ]
    assert on_both(scan) == kept


def test_of_several_masks_on_a_column_the_strictest_holds(path: Path) -> None:
    document = masking({"place": "first4", "born": "month"})
    duties = document["permission"][0]["duty"]
    duties += masking({"place": "hmac", "born": "year"})["permission"][0]["duty"]
    release = release_for(document)
    assert release.masks == {"place": ["hmac"], "born": ["year"]}
    found = on_both(plan_scan(path, fields=["place", "born"], release=release.steps))
    assert found == [
        {"place": behind("hmac", row["place"], "string"), "born": behind("year", row["born"], "date")}
        for row in ROWS
    ]


def test_of_two_rows_of_buckets_the_wider_holds(path: Path) -> None:
    document = masking({"years": "bucket 10"})
    document["permission"][0]["duty"] += masking({"years": "bucket 25"})["permission"][0]["duty"]
    assert release_for(document).masks == {"years": ["bucket 25"]}
    found = on_both(plan_scan(path, fields=["years"], release=release_for(document).steps))
    assert found == [{"years": behind("bucket 25", row["years"], "int64")} for row in ROWS]


def test_buckets_of_extreme_numbers_and_of_decimals_are_exact(tmp_path: Path) -> None:
    schema = pa.schema([("whole", pa.int64()), ("real", pa.float64()), ("money", pa.decimal128(6, 2))])
    whole = [-(2**63), -(2**63) + 3, -11, -10, -1, 0, 9, 2**63 - 1]
    real = [-1e308, -10.5, -1e-300, -0.0, 0.0, 9.999999999999999, 1e-300, 1e308]
    money = [
        Decimal(each)
        for each in ("-9999.99", "-9990.00", "-0.01", "0.00", "9.99", "10.00", "-10.00", "99.50")
    ]
    path = tmp_path / "extreme.parquet"
    pq.write_table(
        pa.table([whole, pa.array(real), pa.array(money, pa.decimal128(6, 2))], schema=schema), path
    )
    stored = [{"name": "whole", "type": "int64"}, {"name": "real", "type": "float64"}]
    stored.append({"name": "money", "type": "decimal(6,2)"})
    policy = read_policy(masking({"whole": "bucket 10", "real": "bucket 10", "money": "bucket 10"}))
    release = release_of(policy, FACTS, stored, lambda: KEY)
    assert isinstance(release, Release)
    found = on_both(plan_scan(path, release=release.steps))
    # A bound below what the type can hold is nothing.
    assert [row["whole"] for row in found] == [None, None, -20, -10, -10, 0, 0, 2**63 - 8]
    assert [row["real"] for row in found] == [math.floor(each / 10) * 10.0 for each in real]
    assert [row["money"] for row in found] == [None, -9990, -10, 0, 0, 10, -10, 90]


def test_a_pseudonym_is_one_consumers_own(path: Path) -> None:
    other = release_of(read_policy(masking({"place": "hmac"})), FACTS, STORED, lambda: b"other" * 7)
    assert isinstance(other, Release)
    ours = on_both(plan_scan(path, fields=["place"], release=release_for(masking({"place": "hmac"})).steps))
    theirs = on_both(plan_scan(path, fields=["place"], release=other.steps))
    again = on_both(plan_scan(path, fields=["place"], release=release_for(masking({"place": "hmac"})).steps))
    assert ours == again
    assert not {row["place"] for row in ours} & {row["place"] for row in theirs} - {None}


def test_without_a_key_a_pseudonym_is_nothing(path: Path) -> None:
    keyless = release_of(read_policy(masking({"place": "hmac"})), FACTS, STORED)
    assert isinstance(keyless, Release)
    assert {row["place"] for row in on_both(plan_scan(path, release=keyless.steps))} == {None}


def test_groups_too_small_do_not_leave(path: Path) -> None:
    stored = Stored.of(path)
    measures = (engine.Measure("n", "count"), engine.Measure("mean", "avg", "years"))
    plan = engine.Plan(stored.schema).then(engine.MinAggregate(("place",), measures, 3, "years"))
    with run(plan, stored) as batches:
        found = pa.Table.from_batches(list(batches)).to_pylist()
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in ROWS:
        groups.setdefault(row["place"], []).append(row)
    large = {k: len(v) for k, v in groups.items() if len({r["years"] for r in v} - {None}) >= 3}
    assert {row["place"]: row["n"] for row in found} == large


def test_a_limit_counts_what_a_late_filter_kept(path: Path) -> None:
    release = release_for(masking({"place": "hmac"}))
    stored = Stored.of(path)
    code = behind("hmac", next(row["place"] for row in ROWS if row["place"]), "string")
    scan = plan_scan(path, filters=[Filter("place", Op.EQ, (code,))], release=release.steps)
    limited = Scan(stored, scan.plan.then(engine.Limit(1)))
    assert on_both(limited) == on_both(scan)[:1]


def test_few_rows_and_many_are_written_alike(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pq.read_table(path).append_column(
        "at", pa.array([time(at % 24, 0, at % 2, at * 7000) for at in range(30)])
    )
    table = table.append_column(
        "cost", pa.array([None, *[at / 4 for at in range(29)]]).cast(pa.decimal128(9, 2))
    )
    rich = path.with_name("rich.parquet")
    pq.write_table(table, rich)
    for form in (TableFormat.CSV, TableFormat.JSON_LINES):
        scan = plan_scan(rich)
        monkeypatch.setattr("datahub.dataplane.formats.FEW_ROWS", 200)
        few = body_of(scan, form)
        monkeypatch.setattr("datahub.dataplane.formats.FEW_ROWS", -1)
        assert few.splitlines() == body_of(scan, form).splitlines(), form


@pytest.mark.parametrize("is_clustered", [True, False])
def test_codes_by_the_number_of_the_subject_are_the_same_codes(tmp_path: Path, *, is_clustered: bool) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), path)
    beside = Beside(tmp_path / "keys.parquet", tmp_path / "rows.parquet")
    beside.keys.touch()
    beside.rows.touch()
    arrange(path, Arrangement("place", is_clustered=is_clustered), beside, tmp_path)
    subjects = engine.Subjects("place", str(path), beside.keys, beside.rows)
    release = release_for(masking({"place": "hmac"}))
    code = behind("hmac", next(row["place"] for row in ROWS if row["place"]), "string")
    for filters in ([], [Filter("years", Op.GE, ("0",))], [Filter("place", Op.EQ, (code,))]):
        for fields in (None, ["years", "place"], ["years"]):
            by_text = on_both(plan_scan(path, fields=fields, filters=filters, release=release.steps))
            scan = plan_scan(path, fields=fields, filters=filters, release=release.steps, subjects=subjects)
            assert on_both(scan) == by_text
    assert any(
        row["place"] is None for row in on_both(plan_scan(path, release=release.steps, subjects=subjects))
    )
