"""Which calls a live API takes, what is sent upstream for one, and the rows in an answer. Pure: no network, no database.

Nothing a caller sends reaches the upstream as it came: a path is a template of the provider's, each value is read as its
type and written anew, what is not offered is refused.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, unquote, urlencode

import orjson
import pyarrow as pa

from datahub.kernel.errors import Fault
from datahub.live.errors import CallNotOffered, InvalidCall

Definition = Mapping[str, Any]
MOST_ROWS = 100_000


@dataclass(frozen=True)
class Call:
    """One call as it will be sent: the path and query are our own writing of what the caller asked."""

    method: str
    template: str
    target: str
    body: bytes | None
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """A request as it came, before it is known to be offered; the path percent-encoded, as it was sent after `/api/`."""

    method: str
    raw_path: str
    query: Sequence[tuple[str, str]]
    body: bytes = field(default=b"", repr=False)
    media_type: str = ""


def read_call(definition: Definition, wanted: Wanted) -> Call:
    """Return the call that a request makes. Raises CallNotOffered, InvalidCall with every fault."""
    method = wanted.method
    offered, values = _offered(definition, "GET" if method == "HEAD" else method, wanted.raw_path)
    faults: list[Fault] = []
    filled = {
        name: _written(
            f"/path/{name}", offered["pathParameters"].get(name, {"type": "string"}), value, faults
        )
        for name, value in values.items()
    }
    asked = _query(offered["query"], wanted.query, faults)
    sent = _body(offered["bodyBytes"] if method == "POST" else 0, wanted, faults)
    if faults:
        raise InvalidCall("The call is not as this API takes it; see errors.", faults=faults)
    target = "/".join(
        quote(filled[part[1:-1]] or "", safe="") if is_parameter(part) else quote(part, safe="")
        for part in offered["path"].split("/")
    )
    if asked:
        target += "?" + urlencode(asked)
    names = (*values, *dict.fromkeys(name for name, _ in asked))
    return Call(method, offered["path"], target, sent, names)


def is_parameter(segment: str) -> bool:
    """Tell whether a segment of a template stands for a value."""
    return segment.startswith("{") and segment.endswith("}")


def _offered(definition: Definition, method: str, raw_path: str) -> tuple[Mapping[str, Any], dict[str, str]]:
    try:
        segments = [unquote(part, errors="strict") for part in raw_path.split("/")]
    except UnicodeDecodeError:
        segments = []
    if not all(map(_is_plain, segments)):
        segments = []
    for each in definition["paths"]:
        template = each["path"].removeprefix("/").split("/")
        if method not in each["methods"] or len(template) != len(segments):
            continue
        pairs = list(zip(template, segments, strict=True))
        if all(is_parameter(said) or said == sent for said, sent in pairs):
            return each, {said[1:-1]: sent for said, sent in pairs if is_parameter(said)}
    raise CallNotOffered(
        "This live API offers no such call.", remedy="See the address of the API itself for what it offers."
    )


def _is_plain(segment: str) -> bool:
    """Keep out what an upstream could read as another path."""
    return (
        segment not in ("", ".", "..") and segment.isprintable() and not any(c in segment for c in "/\\?#%;")
    )


def _query(
    offered: Mapping[str, Any], sent: Sequence[tuple[str, str]], faults: list[Fault]
) -> list[tuple[str, str]]:
    values: dict[str, str | None] = {}
    for name, value in sent:
        where = f"/query/{name}"
        if name not in offered:
            faults.append(Fault(where, "this call has no such parameter", "unknown-parameter"))
        elif name in values:
            faults.append(Fault(where, "comes twice", "doubled-parameter"))
        else:
            values[name] = _written(where, offered[name], value, faults)
    for name, said in offered.items():
        if said.get("required") and name not in values:
            faults.append(Fault(f"/query/{name}", "is required", "missing"))
    return [(name, values[name] or "") for name in offered if name in values]


def _written(where: str, said: Mapping[str, Any], text: str, faults: list[Fault]) -> str | None:
    """Read a value as its type and write it anew."""
    try:
        value, written = _READERS[said["type"]](text)
    except (ValueError, InvalidOperation, OverflowError):
        faults.append(Fault(where, f"must be a {said['type']}", "type"))
        return None
    listed = said.get("enum")
    least, most = said.get("minimum"), said.get("maximum")
    if listed and written not in listed:
        faults.append(Fault(where, f"must be one of {', '.join(listed)}"[:500], "enum"))
    if said["type"] == "string" and len(written) > (said.get("maxLength") or 200):
        faults.append(Fault(where, f"is longer than {said.get('maxLength') or 200} characters", "too-long"))
    if least is not None and isinstance(value, int | float | Decimal) and value < least:
        faults.append(Fault(where, f"must be at least {least:g}", "minimum"))
    if most is not None and isinstance(value, int | float | Decimal) and value > most:
        faults.append(Fault(where, f"must be at most {most:g}", "maximum"))
    return written


def _text(text: str) -> tuple[str, str]:
    if not text.isprintable():
        raise ValueError
    return text, text


def _whole(text: str) -> tuple[int, str]:
    if not text.isascii() or "_" in text or text != text.strip() or len(text) > 20:  # noqa: PLR2004 — 64 bits
        raise ValueError
    return int(text), str(int(text))


def _number(text: str) -> tuple[float, str]:
    value = float(text)
    if not math.isfinite(value) or "_" in text or not text.isascii():
        raise ValueError
    return value, repr(value)


def _boolean(text: str) -> tuple[bool, str]:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true", text


def _date(text: str) -> tuple[date, str]:
    value = date.fromisoformat(text)
    return value, value.isoformat()


def _instant(text: str) -> tuple[datetime, str]:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError
    return value, value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_READERS = {
    "string": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _instant,
}


def _body(most: int, wanted: Wanted, faults: list[Fault]) -> bytes | None:
    body = wanted.body
    if not body:
        return None
    if not most:
        faults.append(Fault("", "this call takes no body", "unexpected-body"))
    elif len(body) > most:
        faults.append(Fault("", f"is larger than {most} bytes", "too-large"))
    elif wanted.media_type != "application/json":
        faults.append(Fault("", "must be application/json", "media-type"))
    else:
        try:
            return orjson.dumps(orjson.loads(body))
        except orjson.JSONDecodeError:
            faults.append(Fault("", "is not JSON", "invalid-json"))
    return None


class NotAsMapped(Exception):  # noqa: N818 — says what is wrong with an answer
    """An answer does not hold the rows that its mapping says; the text names the place, never a value."""


def table_of(mapping: Mapping[str, Any], body: bytes) -> pa.Table:
    """Return the rows in an answer as a table of the mapped columns; what is not mapped is not looked at.

    Raises NotAsMapped.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotAsMapped("the answer is not JSON") from None
    rows = found_at(document, mapping["rows"])
    if not isinstance(rows, list):
        raise NotAsMapped(f"there is no list at {mapping['rows']!r}")
    if len(rows) > MOST_ROWS:
        raise NotAsMapped(f"more than {MOST_ROWS} rows")
    schema = schema_of(mapping["columns"])
    arrays = []
    for column, kind in zip(mapping["columns"], schema, strict=True):
        cells = [found_at(row, column["pointer"]) for row in rows]
        arrays.append(_array(column, kind.type, cells))
    return pa.Table.from_arrays(arrays, schema=schema)


def found_at(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer leads to (RFC 6901), or None."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def schema_of(columns: Iterable[Mapping[str, Any]]) -> pa.Schema:
    """Return the Arrow schema of mapped columns, as a stored table of these would have it."""
    return pa.schema([(each["name"], _arrow(each["type"])) for each in columns])


def _arrow(name: str) -> pa.DataType:
    if name.startswith("decimal"):
        precision, scale = name[name.index("(") + 1 : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return _ARROW[name]


_ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def _array(column: Mapping[str, Any], kind: pa.DataType, cells: list[Any]) -> pa.Array:
    where = f"column {column['name']!r}"
    if not column.get("nullable", True) and any(cell is None for cell in cells):
        raise NotAsMapped(f"{where} misses a value")
    try:
        read = [None if cell is None else _cell(kind, cell) for cell in cells]
        return pa.array(read, kind)
    except (ValueError, TypeError, OverflowError, InvalidOperation, pa.ArrowException):
        raise NotAsMapped(f"{where} holds something that is no {column['type']}") from None


def _cell(kind: pa.DataType, cell: Any) -> Any:
    """Read one JSON value as a column's type, as strictly as an upload is read."""
    if pa.types.is_string(kind):
        return _only(cell, str)
    if pa.types.is_boolean(kind):
        return _only(cell, bool)
    if pa.types.is_integer(kind):
        return _only(cell, int)
    if pa.types.is_floating(kind):
        return float(_only(cell, int, float))
    if pa.types.is_decimal(kind):
        return Decimal(str(_only(cell, int, float, str)))
    text = _only(cell, str)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_time(kind):
        return datetime.fromisoformat(f"2000-01-01T{text}").time()
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _only(cell: Any, *kinds: type) -> Any:
    if type(cell) not in kinds:
        raise TypeError
    return cell
