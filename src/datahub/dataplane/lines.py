"""A row as one line of text, CSV or JSON: an expression that the engine evaluates over a batch, or a few rows by hand.

RFC 4180, RFC 8259. Values read back as they were: instants in ISO 8601 with `Z`, decimals never rounded.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
import pyarrow as pa
from sqlglot import exp

FORMULA = "=+-@\t\r"
"""What a cell must not begin with if a spreadsheet is to take it for text (OWASP, CSV Injection)."""


FEW_ROWS = 200
"""Up to here, writing by hand costs less than asking the engine; a test holds both to the same bytes."""


def few_lines(batch: pa.RecordBatch, *, is_csv: bool, is_formula_safe: bool = False) -> bytes:
    """Return the lines of a small batch, the same as the engine's."""
    names = [orjson.dumps(name).decode() for name in batch.schema.names]
    columns = [
        [_cell(value, field.type, is_csv=is_csv, is_safe=is_formula_safe) for value in column.to_pylist()]
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    if is_csv:
        return "".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode()
    return "".join(
        "{" + ",".join(f"{name}:{cell}" for name, cell in zip(names, row, strict=True)) + "}\n"
        for row in zip(*columns, strict=True)
    ).encode()


def _cell(value: Any, found: pa.DataType, *, is_csv: bool, is_safe: bool) -> str:
    if value is None:
        return "" if is_csv else "null"
    if isinstance(value, str):
        if not is_csv:
            return orjson.dumps(value).decode()
        formula = "'" if is_safe and value[:1] and value[0] in FORMULA else ""
        return f'"{formula}{_doubled(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not is_csv:
        mantissa, mark, exponent = repr(value).partition("e")
        return f"{mantissa}e{int(exponent)}" if mark else mantissa
    text = next((write(value) for test, write in _BY_HAND if test(found)), str(value))
    return f'"{text}"' if not is_csv and _is_text_in_json(found) else text


def _trimmed(text: str) -> str:
    """Drop the zeros that end a fraction of a second."""
    return text.rstrip("0").rstrip(".") if "." in text else text


_BY_HAND: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[Any], str]]] = (
    (pa.types.is_decimal, lambda value: format(value, "f")),
    (pa.types.is_floating, repr),
    (pa.types.is_timestamp, lambda value: _trimmed(value.isoformat()[:26].removesuffix("+00:00")) + "Z"),
    (pa.types.is_time, lambda value: _trimmed(value.isoformat())),
    (pa.types.is_date, lambda value: value.isoformat()),
)


@lru_cache(maxsize=256)
def line_sql(schema: pa.Schema, *, is_csv: bool, is_formula_safe: bool) -> str:
    """Return the expression of one line in the engine's SQL."""
    tree = csv_line(schema, is_formula_safe=is_formula_safe) if is_csv else json_line(schema)
    return tree.sql("duckdb")


def csv_head(names: Sequence[str], *, is_formula_safe: bool) -> str:
    """Return the first record, with the names of the columns."""
    safe = [f"'{n}" if is_formula_safe and n[:1] and n[0] in FORMULA else n for n in names]
    return ",".join(f'"{_doubled(name)}"' for name in safe) + "\n"


def csv_line(schema: pa.Schema, *, is_formula_safe: bool = False) -> exp.Expr:
    """Return the expression of one CSV record: text quoted, `""` for the empty text, nothing for a missing value."""
    parts: list[exp.Expr] = []
    for position, field in enumerate(schema):
        if position:
            parts.append(exp.Literal.string(","))
        cell = _plain(field)
        if pa.types.is_string(field.type):
            if is_formula_safe:
                cell = _safe(cell)
            mark = exp.Literal.string('"')
            doubled = exp.Anonymous(this="replace", expressions=[cell, mark, exp.Literal.string('""')])
            cell = _joined([mark, doubled, mark])
        parts.append(cell)
    # concat passes over NULL, which is how a missing value is written.
    return exp.Anonymous(this="concat", expressions=[*parts, _newline()])


def _safe(cell: exp.Expr) -> exp.Expr:
    """Put an apostrophe before a text that would be a formula."""
    first = exp.Left(this=cell.copy(), expression=exp.Literal.number(1))
    marks = [exp.Anonymous(this="chr", expressions=[exp.Literal.number(ord(each))]) for each in FORMULA]
    apostrophe = exp.Literal.string("'")
    return exp.Paren(
        this=exp.Case(
            ifs=[exp.If(this=exp.In(this=first, expressions=marks), true=_joined([apostrophe, cell]))],
            default=cell.copy(),
        )
    )


def json_line(schema: pa.Schema) -> exp.Expr:
    """Return the expression of one JSON object and its line end."""
    pairs: list[exp.Expr] = []
    for field in schema:
        cell = _plain(field) if _is_text_in_json(field.type) else exp.column(field.name, quoted=True)
        pairs.append(exp.PropertyEQ(this=exp.to_identifier(field.name, quoted=True), expression=cell))
    struct = exp.Struct(expressions=pairs)
    document = exp.Cast(
        this=exp.Anonymous(this="to_json", expressions=[struct]), to=exp.DataType.build("text")
    )
    return _joined([document, _newline()])


def _is_text_in_json(found: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(found) or pa.types.is_temporal(found))


def _plain(field: pa.Field) -> exp.Expr:
    """Return a cell as text that reads back as the same value; instants as ISO 8601 with `Z`."""
    column = exp.column(field.name, quoted=True)
    if pa.types.is_string(field.type):
        return column
    text = exp.DataType.build("text")
    if not pa.types.is_timestamp(field.type):
        return exp.Cast(this=column, to=text)
    utc = exp.Anonymous(this="timezone", expressions=[exp.Literal.string("UTC"), column])
    spaced = exp.Cast(this=utc, to=text)
    marked = exp.Anonymous(
        this="replace", expressions=[spaced, exp.Literal.string(" "), exp.Literal.string("T")]
    )
    return _joined([marked, exp.Literal.string("Z")])


def _joined(parts: Sequence[exp.Expr]) -> exp.Expr:
    """Return parts joined with `||`: NULL when any part is."""
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part)
    return exp.Paren(this=whole)


def _newline() -> exp.Expr:
    return exp.Anonymous(this="chr", expressions=[exp.Literal.number(10)])


def _doubled(name: str) -> str:
    return name.replace('"', '""')
