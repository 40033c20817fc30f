"""CSV into Parquet: what fits is typed, what does not is named by line, column, value and expected type."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.catalog.ingest import Column, ColumnType, Dialect, TableFacts, TableFaults, TableForm, ingest
from datahub.catalog.ingest.csv_table import LINE_LIMIT_BYTES


def column(name: str, kind: str, *, nullable: bool = True) -> Column:
    return Column(name, ColumnType.read(kind), nullable)


def store(
    folder: Path, text: str | bytes, declared: list[Column] | None = None, dialect: Dialect | None = None
) -> TableFacts:
    source, target = folder / "part-in", folder / "part-out"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    target.touch()
    return ingest(source, target, TableForm.CSV, declared=declared, dialect=dialect)


def rows(folder: Path) -> list[dict[str, object]]:
    return list(pq.read_table(folder / "part-out").to_pylist())


def types(facts: TableFacts) -> dict[str, str]:
    return {found.name: found.type.name for found in facts.columns}


def faults(folder: Path, text: str | bytes, declared: list[Column] | None = None) -> list[tuple[object, ...]]:
    with pytest.raises(TableFaults) as caught:
        store(folder, text, declared)
    assert not (folder / "part-out").exists()
    assert not [path for path in folder.iterdir() if path.name != "part-in"]
    return [(fault.code, fault.line, fault.column, fault.value) for fault in caught.value.faults]


def test_undeclared_types_are_the_narrowest_that_fit(tmp_path: Path) -> None:
    facts = store(
        tmp_path,
        "b,i,f,d,t,c,code,s,none\n"
        "true,1,1.5,2026-01-31,2026-01-31T10:00:00+01:00,10:11:12.5,007,x,\n"
        "FALSE,-2,2,2026-02-01,2026-01-31 10:00:00,00:00:00,12,,\n"
        ',,,,,,,"",\n',
    )
    assert types(facts) == {
        "b": "boolean", "i": "int64", "f": "float64", "d": "date", "t": "timestamp", "c": "time",
        "code": "string", "s": "string", "none": "string",
    }  # fmt: skip
    assert facts.inferred
    assert facts.row_count == 3
    assert [found.null_count for found in facts.columns] == [1, 1, 1, 1, 1, 1, 1, 1, 3]
    assert [row["s"] for row in rows(tmp_path)] == ["x", None, ""]
    assert str(rows(tmp_path)[0]["t"]) == "2026-01-31 09:00:00+00:00"


def test_types_are_inferred_over_the_whole_file(tmp_path: Path) -> None:
    late = "n,m\n" + "".join(f"{n},\n" for n in range(120_000))
    assert types(store(tmp_path, late + "1.5,7\n")) == {"n": "float64", "m": "int64"}
    assert types(store(tmp_path, late + "x,7\n")) == {"n": "string", "m": "int64"}
    assert [row["n"] for row in rows(tmp_path)][:3] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "value", ["9223372036854775808", "12345678901234567890", "0123", "+1", " 1", "1_000", "0x1F"]
)
def test_what_a_number_would_lose_stays_text(tmp_path: Path, value: str) -> None:
    assert types(store(tmp_path, f"a,b\n{value},1\n1,2\n")) == {"a": "string", "b": "int64"}


def test_every_fault_has_line_column_value_and_expected_type(tmp_path: Path) -> None:
    declared = [
        column("a", "int64"), column("b", "decimal(5,2)"), column("c", "date", nullable=False), column("d", "boolean"),
    ]  # fmt: skip
    text = 'a,b,c,d\n1,1.50,2026-01-01,true\nx,1.005,,yes\n"1\n2",1000,2026-02-30,1\n9,99,2026-01-01,false\n1.0,1,x,\n'
    assert faults(tmp_path, text, declared) == [
        ("value-type", 3, "a", "x"),
        ("value-type", 3, "b", "1.005"),
        ("value-missing", 3, "c", None),
        ("value-type", 3, "d", "yes"),
        ("value-type", 4, "a", "1\n2"),
        ("value-type", 4, "b", "1000"),
        ("value-type", 4, "c", "2026-02-30"),
        ("value-type", 4, "d", "1"),
        ("value-type", 7, "a", "1.0"),
        ("value-type", 7, "c", "x"),
    ]


def test_a_hundred_faults_are_told_and_all_are_counted(tmp_path: Path) -> None:
    text = "a,b\n" + "x,1\n" * 5000
    with pytest.raises(TableFaults) as caught:
        store(tmp_path, text, [column("a", "int64"), column("b", "int64")])
    assert len(caught.value.faults) == 100
    assert caught.value.total == 5000
    assert caught.value.is_total_exact


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", [("file-empty", 1)]),
        ("\n1,2\n", [("header", 1)]),
        ("a,a\n1,2\n", [("column-doubled", 1)]),
        ("a,A\n1,2\n", [("column-doubled", 1)]),
        ("a,\n1,2\n", [("column-unnamed", 1)]),
        ("a, b\n1,2\n", [("column-name", 1)]),
        ("a,b\n1\n1,2,3\n1,2\n", [("row-too-short", 2), ("row-too-long", 3)]),
        ('a,b\n1,2\n1,"x\n3,4\n', [("quotes", 3)]),
        ('a,b\n1,2\n"x"y,2\n', [("quotes", 3)]),
        (b"a,b\n1,2\n\xff,3\n", [("not-utf-8", 3)]),
        (b"a,b\n1,\xc3", [("not-utf-8", 2)]),
        ("a,b\n1,2\n".encode("utf-16"), [("not-utf-8", 1)]),
        (b"a,b\n1,2\n\n3,\0\n", [("nul-byte", 4)]),
        ("a,b\n1," + "x" * (LINE_LIMIT_BYTES + 9) + "\n", [("record-too-large", 2)]),
    ],
)
def test_a_file_that_is_not_good_csv_says_where(
    tmp_path: Path, text: str | bytes, found: list[tuple[str, int]]
) -> None:
    assert [fault[:2] for fault in faults(tmp_path, text)] == found


def test_mixed_line_ends_are_a_fault_not_a_guess(tmp_path: Path) -> None:
    assert faults(tmp_path, "a,b\n1,2\r3,4\n")[0][0] == "csv-structure"


def test_declared_columns_must_be_the_columns_of_the_file(tmp_path: Path) -> None:
    found = faults(tmp_path, "a,x\n1,2\n", [column("a", "int64"), column("b", "int64")])
    assert found == [("column-missing", 1, "b", None), ("column-unknown", 1, "x", None)]


def test_declared_columns_may_come_in_another_order(tmp_path: Path) -> None:
    facts = store(tmp_path, "b,a\nx,0012\n", [column("a", "int64"), column("b", "string")])
    assert types(facts) == {"a": "int64", "b": "string"}
    assert not facts.inferred
    assert rows(tmp_path) == [{"a": 12, "b": "x"}]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for text in ("a,b", "a,b\n", "a,b\r\n"):
        assert store(tmp_path, text).row_count == 0


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    assert types(store(tmp_path, b"\xef\xbb\xbfa,b\r\n1,x\r\n")) == {"a": "int64", "b": "string"}


def test_another_delimiter_and_other_words_for_no_value(tmp_path: Path) -> None:
    facts = store(tmp_path, 'a;b\n1;NA\nNA;"NA"\n', dialect=Dialect(";", ("", "NA")))
    assert types(facts) == {"a": "int64", "b": "string"}
    assert rows(tmp_path) == [{"a": 1, "b": None}, {"a": None, "b": "NA"}]


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "a", "é", "\0"])
def test_a_delimiter_that_means_something_else_is_refused(delimiter: str) -> None:
    with pytest.raises(ValueError, match="delimiter"):
        Dialect(delimiter)


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "NaN"])
def test_a_number_that_is_not_finite_is_a_fault(tmp_path: Path, value: str) -> None:
    assert faults(tmp_path, f"a,b\n{value},1\n", [column("a", "float64"), column("b", "int64")]) == [
        ("value-type", 2, "a", value)
    ]


def test_a_column_may_be_named_like_an_injection(tmp_path: Path) -> None:
    name = "x'\" ); DROP TABLE y; --"
    quoted = name.replace('"', '""')
    assert types(store(tmp_path, f'"{quoted}",b\n1,2\n')) == {name: "int64", "b": "int64"}


@given(st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_survives_whatever_is_in_it(tmp_path: Path, table: list[list[str]]) -> None:
    text = "a,b\n" + "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in table
    )
    declared = [column("a", "string"), column("b", "string")]
    if "\0" in text:
        assert faults(tmp_path, text, declared)[0][0] == "nul-byte"
        return
    store(tmp_path, text, declared)
    assert [[row["a"], row["b"]] for row in rows(tmp_path)] == table


@given(st.binary(max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_a_fault(tmp_path: Path, content: bytes) -> None:
    try:
        store(tmp_path, b"a,b\n" + content)
    except TableFaults as found:
        assert found.faults  # noqa: PT017 — either outcome is right, silence is not
