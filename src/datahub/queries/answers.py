"""An answer in the form asked for: JSON, CSV (RFC 4180) or an Arrow IPC stream."""

import io
import math
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv

_LARGEST = 1 << 63


class AnswerForm(StrEnum):
    """A form an answer can be had in."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


MEDIA_TYPES = {
    "application/json": AnswerForm.JSON,
    "text/csv": AnswerForm.CSV,
    "application/vnd.apache.arrow.stream": AnswerForm.ARROW,
}


def written(form: AnswerForm, table: pa.Table, about: dict[str, Any]) -> bytes:
    """Return an answer's bytes; `about` goes into JSON only."""
    if form is AnswerForm.ARROW:
        return _arrow(table)
    if form is AnswerForm.CSV:
        sink = io.BytesIO()
        pa.csv.write_csv(_plain(table), sink)
        return sink.getvalue()
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    rows = [{name: _cell(value) for name, value in row.items()} for row in table.to_pylist()]
    return orjson.dumps({**about, "columns": columns, "rows": rows}, default=str, option=orjson.OPT_UTC_Z)


def _arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return bytes(sink.getvalue())


def _cell(value: Any) -> Any:
    """A whole decimal is a number, as an int64 is; another is a text, never rounded; what JSON lacks is null."""
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and int(value.as_tuple().exponent) >= 0 and abs(value) < _LARGEST
        return int(value) if is_whole else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _plain(table: pa.Table) -> pa.Table:
    """Return a table of types that CSV can hold."""
    for place, field in enumerate(table.schema):
        if (
            pa.types.is_nested(field.type)
            or pa.types.is_duration(field.type)
            or pa.types.is_interval(field.type)
        ):
            texts = pa.array(
                [None if each is None else str(each) for each in table.column(place).to_pylist()]
            )
            table = table.set_column(place, field.name, texts)
    return table
