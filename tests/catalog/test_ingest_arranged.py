"""Rows stored by subject, a dictionary of subjects beside them, and what is told of the columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.catalog.ingest import (
    Arrangement,
    Beside,
    Bucket,
    TableFaults,
    TableForm,
    arranged,
    engine,
    ingest,
)
from datahub.catalog.ingest.arranged import arrange
from datahub.catalog.ingest.sensitive import is_citizen_number

CSV = b"person,at,amount,email,born\n" + b"".join(
    f"{f'P{n % 7}' if n % 5 else ''},2026-0{1 + n % 3}-01T00:00:00Z,{n},p{n}@example.org,1980-01-0{1 + n % 9}\n".encode()
    for n in range(60)
)


def stored(tmp_path: Path, arrangement: Arrangement | None) -> tuple[pa.Table, Beside]:
    source, target = tmp_path / "source.csv", tmp_path / "part-table"
    source.write_bytes(CSV)
    beside = Beside(tmp_path / "keys.parquet", tmp_path / "rows.parquet")
    beside.keys.touch()
    beside.rows.touch()
    ingest(source, target, TableForm.CSV, arrangement=arrangement, beside=beside)
    return pq.read_table(target), beside


def test_rows_about_one_subject_come_together_and_each_has_its_number(tmp_path: Path) -> None:
    plain, _ = stored(tmp_path, None)
    table, beside = stored(tmp_path, Arrangement("person"))
    key = [("amount", "ascending")]
    assert table.sort_by(key).to_pylist() == plain.sort_by(key).to_pylist()
    people = table["person"].to_pylist()
    assert people == sorted(people, key=lambda name: (name is None, name))
    keys = pq.read_table(beside.keys)["key"].to_pylist()
    assert keys == sorted({name for name in people if name is not None})
    sids = pq.read_table(beside.rows)["sid"].to_pylist()
    assert [keys[sid] if sid >= 0 else None for sid in sids] == people


def test_with_a_time_column_stretches_come_first(tmp_path: Path) -> None:
    table, beside = stored(tmp_path, Arrangement("person", "at", Bucket.MONTH))
    months = [moment.month for moment in table["at"].to_pylist()]
    assert months == sorted(months)
    keys = pq.read_table(beside.keys)["key"].to_pylist()
    sids = pq.read_table(beside.rows)["sid"].to_pylist()
    assert [keys[sid] if sid >= 0 else None for sid in sids] == table["person"].to_pylist()


@pytest.mark.parametrize(
    ("arrangement", "code"),
    [
        (Arrangement("nobody"), "column-unknown"),
        (Arrangement("person", "never"), "column-unknown"),
        (Arrangement("person", "amount"), "column-type"),
    ],
)
def test_an_arrangement_that_does_not_fit_is_refused(
    tmp_path: Path, arrangement: Arrangement, code: str
) -> None:
    with pytest.raises(TableFaults) as refused:
        stored(tmp_path, arrangement)
    assert [fault.code for fault in refused.value.faults] == [code]
    assert not (tmp_path / "part-table").exists()


def test_columns_are_told_in_figures_and_what_seems_personal_is_only_suggested(tmp_path: Path) -> None:
    source, target = tmp_path / "source.csv", tmp_path / "part-table"
    source.write_bytes(CSV)
    beside = Beside(tmp_path / "keys.parquet", tmp_path / "rows.parquet")
    found = ingest(source, target, TableForm.CSV, arrangement=Arrangement("person"), beside=beside)
    assert found.subject_count == 7
    told = {column.name: column.profile for column in found.columns}
    person, amount, email, born, at = (told[name] for name in ("person", "amount", "email", "born", "at"))
    assert person is not None
    assert amount is not None
    assert email is not None
    assert born is not None
    assert at is not None
    assert (person.nulls, person.is_subject, person.min) == (12, True, None)
    assert 6 <= person.distinct <= 8
    assert (amount.min, amount.max, amount.suggested, amount.is_subject) == ("0", "59", None, False)
    assert at.min is not None
    assert email.suggested
    assert (email.suggested.category, email.suggested.by) == (
        "https://w3id.org/dpv/pd#EmailAddress",
        "values",
    )
    assert born.suggested
    assert (born.suggested.by, born.min, born.max) == ("name", None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("111222333", True),
        ("123456782", True),
        ("123456789", False),
        ("000000000", False),
        ("12345678", False),
    ],
)
def test_the_eleven_test(text: str, *, expected: bool) -> None:
    assert is_citizen_number(text) is expected


def numbered(tmp_path: Path, people: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the keys of a table of this one column, and the number of each row."""
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"person": people}), table, row_group_size=50_000)
    beside = Beside(tmp_path / "keys.parquet", tmp_path / "rows.parquet")
    count = arrange(table, Arrangement("person", is_clustered=False), beside, tmp_path)
    keys, rows = pq.read_table(beside.keys)["key"], pq.read_table(beside.rows)["sid"]
    assert len(keys) == count
    return keys.combine_chunks(), rows.combine_chunks()


COUNT = 300_000
PEOPLE = {
    "texts": pa.array([None if n % 11 == 0 else f"P{n * 7919 % 1013:05}" for n in range(COUNT)]),
    "one each": pa.array([f"P{n * 7919 % COUNT:06}" for n in range(COUNT)]),
    "one for all": pa.array(["P"] * COUNT),
    "numbers": pa.array([n * 7919 % 150_001 - 75_000 for n in range(COUNT)], pa.int64()),
    "floats, and what is no number": pa.array(
        [float("nan") if n % 3 == 0 else n % 5 / 2 for n in range(COUNT)]
    ),
    "days": pa.array([n % 4001 for n in range(COUNT)], pa.date32()),
    "nobody": pa.nulls(COUNT, pa.string()),
    "no rows": pa.array([], pa.string()),
}


@pytest.mark.parametrize("kind", PEOPLE)
def test_numbers_are_the_ranks_of_keys_of_any_type_over_many_batches(tmp_path: Path, kind: str) -> None:
    keys, rows = numbered(tmp_path, PEOPLE[kind])
    texts = [str(each) for each in PEOPLE[kind].to_pylist()]
    shown = [str(each) for each in keys.to_pylist()]
    assert len(set(shown)) == len(shown)
    assert [shown[at] if at >= 0 else "None" for at in rows.to_pylist()] == texts
    if not pa.types.is_floating(keys.type):
        assert keys.to_pylist() == sorted(keys.to_pylist())


def test_more_keys_than_memory_holds_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MEMORY_LIMIT", "48MB")
    people = pa.array([f"{n * 7919 % 1_000_000:060}" for n in range(1_000_000)])
    keys, rows = numbered(tmp_path, people)
    assert len(keys) == len(people)
    assert keys.take(rows).equals(people)


def test_more_subjects_than_a_dictionary_may_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arranged, "MAX_SUBJECTS", 3)
    with pytest.raises(TableFaults) as refused:
        numbered(tmp_path, pa.array(["a", "b", "c", "d"]))
    assert [fault.code for fault in refused.value.faults] == ["too-many-subjects"]
    assert len(numbered(tmp_path, pa.array(["a", "b", "c", "c"]))[0]) == 3
