"""How one cell of text becomes a typed value: a pattern, then a cast, as expressions for the engine.

The engine's own casts take too much (`1.7` as 2, `yes` as true, ` 1 ` as 1), so the pattern decides and the cast only
converts. `accept` patterns are for declared types; the stricter `infer` patterns decide what undeclared text is.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from datahub.catalog.ingest.columns import ColumnType, Kind

_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
_DATE = rf"{_YEAR}-\d{{2}}-\d{{2}}"
_HOUR = r"(?:[01]\d|2[0-3])"
_SECONDS = r":\d{2}(?:\.\d{1,6})?"
_EXPONENT = r"(?:[eE][+-]?[0-9]+)"
_OFFSET = r"(?:[Zz]|[+-]\d{2}(?::?\d{2})?)?"

_ACCEPT: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.BOOLEAN: r"(?i:true|false)",
        Kind.INT64: r"[+-]?[0-9]{1,40}",
        Kind.FLOAT64: r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
        Kind.DATE: _DATE,
        Kind.TIME: rf"{_HOUR}:\d{{2}}(?:{_SECONDS})?",
        Kind.TIMESTAMP: rf"{_DATE}[Tt ]{_HOUR}:\d{{2}}(?:{_SECONDS})?{_OFFSET}",
    }
)
_INFER: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.BOOLEAN: r"(?i:true|false)",
        Kind.INT64: r"-?(?:0|[1-9][0-9]{0,18})",  # 007 is a code, not a number
        # A whole number too long for int64 stays text: as float64 it would lose digits.
        Kind.FLOAT64: rf"-?(?:(?:0|[1-9][0-9]{{0,14}})|(?:0|[1-9][0-9]*)(?:\.[0-9]+{_EXPONENT}?|{_EXPONENT}))",
        Kind.DATE: _DATE,
        Kind.TIMESTAMP: rf"{_DATE}[T ]{_HOUR}:\d{{2}}{_SECONDS}{_OFFSET}",
        Kind.TIME: rf"{_HOUR}:\d{{2}}{_SECONDS}",
    }
)
FROM_TEXT: Sequence[Kind] = tuple(_INFER)
"""Kinds tried for undeclared CSV text, the narrowest first; what fits none is a string."""

FROM_JSON_STRING: Sequence[Kind] = (Kind.DATE, Kind.TIMESTAMP, Kind.TIME)
"""A quoted number stays a string; dates and times have no other way to be written in JSON."""

EXPECTED: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.STRING: "string (text without NUL)",
        Kind.BOOLEAN: "boolean (true or false)",
        Kind.INT64: "int64 (a whole number of at most 64 bits)",
        Kind.FLOAT64: "float64 (a finite number)",
        Kind.DATE: "date (YYYY-MM-DD)",
        Kind.TIME: "time (HH:MM:SS)",
        Kind.TIMESTAMP: "timestamp (ISO 8601, at most microseconds; UTC when it has no offset)",
    }
)


def expected(column_type: ColumnType) -> str:
    """Return the sentence part that says what a value of this type looks like."""
    if column_type.kind is Kind.DECIMAL:
        whole = column_type.precision - column_type.scale
        return f"{column_type.name} (at most {whole} digits before and {column_type.scale} after the point)"
    return EXPECTED[column_type.kind]


def accept_pattern(column_type: ColumnType) -> str:
    """Return the pattern of text that a declared type takes; for decimals one that excludes rounding."""
    if column_type.kind is Kind.DECIMAL:
        scale = column_type.scale
        point = rf"(?:\.[0-9]{{0,{scale}}}0*)?" if scale else r"(?:\.0*)?"
        bare = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
        return rf"[+-]?(?:[0-9]+{point}{bare})"
    return _ACCEPT[column_type.kind]


def typed(text: str, column_type: ColumnType, *, strict: bool = False) -> str:
    """Return the SQL that turns the text expression into the typed value, or NULL where it is not one.

    `strict` uses the patterns of inference, so that an optimistic guess and a look at the whole file agree.
    """
    kind = column_type.kind
    if kind is Kind.STRING:
        return f"CASE WHEN NOT contains({text}, chr(0)) THEN {text} END"
    pattern = _INFER[kind] if strict else accept_pattern(column_type)
    cast = f"TRY_CAST({text} AS {column_type.duckdb})"
    matches = f"regexp_full_match({text}, '{pattern}')"
    return f"CASE WHEN {matches} THEN {within(cast, kind)} END"


def within(value: str, kind: Kind) -> str:
    """Return the typed SQL expression, or NULL where no format could carry the value."""
    if kind is Kind.FLOAT64:
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    if kind is Kind.TIMESTAMP:
        years = "TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
        return f"CASE WHEN {value} BETWEEN {years} THEN {value} END"
    return value


def or_fail(value: str, source: str, column_type: ColumnType, *, nullable: bool) -> str:
    """Return the typed value, where a value that is not of the type ends the whole statement."""
    failing = f"CAST(error('not a value of the column') AS {column_type.duckdb})"
    if_null = "NULL" if nullable else failing
    return f"CASE WHEN {source} IS NULL THEN {if_null} ELSE coalesce({value}, {failing}) END"
