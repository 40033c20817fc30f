"""JSON Lines into Parquet: types of JSON, faults with their line."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.catalog.ingest import Column, ColumnType, TableFacts, TableFaults, TableForm, ingest


def store(folder: Path, text: str | bytes, **declared: str) -> TableFacts:
    source, target = folder / "part-in", folder / "part-out"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    target.touch()
    columns = [Column(name, ColumnType.read(kind)) for name, kind in declared.items()] or None
    return ingest(source, target, TableForm.JSON_LINES, declared=columns)


def faults(folder: Path, text: str | bytes, **declared: str) -> list[tuple[object, ...]]:
    with pytest.raises(TableFaults) as caught:
        store(folder, text, **declared)
    assert not (folder / "part-out").exists()
    return [(fault.code, fault.line, fault.column, fault.value) for fault in caught.value.faults]


def test_undeclared_types_are_those_of_json(tmp_path: Path) -> None:
    facts = store(
        tmp_path,
        '{"i":1,"f":1,"s":"12","b":true,"d":"2026-01-01","t":"2026-01-01T00:00:00Z"}\n\n{"late":null,"f":2.5,"s":null}\n',
    )
    found = {column.name: column.type.name for column in facts.columns}
    assert found == {
        "i": "int64", "f": "float64", "s": "string", "b": "boolean", "d": "date", "t": "timestamp", "late": "string",
    }  # fmt: skip
    assert [column.null_count for column in facts.columns] == [1, 0, 1, 1, 1, 1, 2]


def test_a_decimal_may_be_a_string_or_a_number_that_does_not_round(tmp_path: Path) -> None:
    store(tmp_path, '{"p":"12.50"}\n{"p":12.5}\n{"p":7}\n', p="decimal(10,2)")
    assert [str(row["p"]) for row in pq.read_table(tmp_path / "part-out").to_pylist()] == [
        "12.50",
        "12.50",
        "7.00",
    ]
    assert faults(tmp_path, '{"p":0.12345678901234567}\n{"p":"x"}\n{"p":1.005}\n', p="decimal(30,17)") == [
        ("value-type", 1, "p", "0.12345678901234567"),
        ("value-type", 2, "p", "x"),
    ]


def test_mixed_types_name_the_line_that_differs(tmp_path: Path) -> None:
    assert faults(tmp_path, '{"a":1}\n{"a":"x"}\n{"a":2}\n') == [("value-type", 2, "a", "x")]
    assert faults(tmp_path, '{"a":true}\n{"a":1}\n') == [("value-type", 2, "a", "1")]


def test_nested_values_are_refused_by_name(tmp_path: Path) -> None:
    assert faults(tmp_path, '{"a":{"b":1}}\n{"a":[2]}\n')[0] == ("nested", 1, "a", '{"b": 1}')


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [("file-empty", 1)]),
        ("\n\n", [("file-empty", 1)]),
        ('{"a":1}\n{"a":\n{"a":2}\n', [("json", 2)]),
        ('{"a":1}\n[1]\n', [("json", 2)]),
        ('{"a":1,"a":2}\n', [("json", 1)]),
        ('{"a":NaN}\n', [("json", 1)]),
        ('{"a":1e999}\n', [("value-type", 1)]),
        ('{"a":1} {"a":2}\n', [("json", 1)]),
        (b'{"a":1}\n{"a":"\xff"}\n', [("not-utf-8", 2)]),
        ('{"a":"x\\u0000y"}\n', [("value-type", 1)]),
        ('{"":1}\n', [("column-unnamed", 1)]),
        ('{"a":1,"A":1}\n', [("column-doubled", 1)]),
    ],
)
def test_a_file_that_is_not_good_json_lines_says_where(
    tmp_path: Path, text: str | bytes, found: list[tuple[str, int]]
) -> None:
    assert [fault[:2] for fault in faults(tmp_path, text)] == found


def test_keys_that_are_not_declared_are_refused_and_missing_ones_are_no_value(tmp_path: Path) -> None:
    assert faults(tmp_path, '{"a":1,"x":2}\n', a="int64") == [("column-unknown", 1, "x", None)]
    assert store(tmp_path, "{}\n", a="int64").columns[0].null_count == 1
    assert store(tmp_path, "", a="int64").row_count == 0


def test_types_are_found_over_the_whole_file(tmp_path: Path) -> None:
    text = "".join(f'{{"a":{n}}}\n' for n in range(120_000))
    assert store(tmp_path, text + '{"a":1.5,"b":"2026-01-01"}\n').columns[0].type.name == "float64"


@given(st.binary(max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_a_fault(tmp_path: Path, content: bytes) -> None:
    try:
        store(tmp_path, b'{"a":1}\n' + content)
    except TableFaults as found:
        assert found.faults  # noqa: PT017 — either outcome is right, silence is not
