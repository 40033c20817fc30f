"""The column types of a table: eight, each with one name and one meaning in CSV, JSON, Arrow, DuckDB and Parquet."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import pyarrow as pa


class Kind(StrEnum):
    """What a value is; `decimal` also has a precision and a scale."""

    STRING = "string"
    BOOLEAN = "boolean"
    INT64 = "int64"
    FLOAT64 = "float64"
    DECIMAL = "decimal"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"


_DUCKDB = {
    Kind.STRING: "VARCHAR",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INT64: "BIGINT",
    Kind.FLOAT64: "DOUBLE",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMPTZ",
}
_ARROW = {
    Kind.STRING: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.INT64: pa.int64(),
    Kind.FLOAT64: pa.float64(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.TIMESTAMP: pa.timestamp("us", "UTC"),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
MAX_PRECISION = 38


@dataclass(frozen=True)
class ColumnType:
    """One column type. `timestamp` is an instant in UTC with microseconds; `float64` holds finite numbers only."""

    kind: Kind
    precision: int = 0
    scale: int = 0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a type's name as it stands in JSON: `int64`, `decimal(10,2)`. Raises ValueError."""
        match = _DECIMAL.fullmatch(text)
        if match:
            precision, scale = int(match[1]), int(match[2])
            if 1 <= precision <= MAX_PRECISION and scale <= precision:
                return cls(Kind.DECIMAL, precision, scale)
        elif text in set(Kind) - {Kind.DECIMAL}:
            return cls(Kind(text))
        msg = f"not a column type: {text!r}; use one of {', '.join(set_of_names())}"
        raise ValueError(msg)

    @classmethod
    def of_arrow(cls, found: pa.DataType) -> Self | None:
        """Return the type that holds every value of an Arrow type, or None for what a table here cannot hold."""
        if pa.types.is_dictionary(found):
            found = found.value_type
        kind = next((kind for test, kind in _OF_ARROW if test(found)), None)
        if kind is None:
            return None
        if kind is Kind.DECIMAL:
            plain = found.precision <= MAX_PRECISION and 0 <= found.scale <= found.precision
            return cls(kind, found.precision, found.scale) if plain else None
        return cls(kind)

    @property
    def name(self) -> str:
        """The name in JSON and in messages."""
        return f"decimal({self.precision},{self.scale})" if self.kind is Kind.DECIMAL else self.kind.value

    @property
    def duckdb(self) -> str:
        """The type in DuckDB's SQL."""
        return f"DECIMAL({self.precision},{self.scale})" if self.kind is Kind.DECIMAL else _DUCKDB[self.kind]

    @property
    def arrow(self) -> pa.DataType:
        """The type in Arrow and Parquet."""
        return pa.decimal128(self.precision, self.scale) if self.kind is Kind.DECIMAL else _ARROW[self.kind]


_OF_ARROW = (
    (
        lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
        Kind.STRING,
    ),
    (pa.types.is_null, Kind.STRING),
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_integer, Kind.INT64),
    (pa.types.is_floating, Kind.FLOAT64),
    (pa.types.is_decimal, Kind.DECIMAL),
    (pa.types.is_date, Kind.DATE),
    (pa.types.is_time, Kind.TIME),
    (pa.types.is_timestamp, Kind.TIMESTAMP),
)


def set_of_names() -> list[str]:
    """Return the names a schema may use, for messages and for the API's documentation."""
    return [kind.value for kind in Kind if kind is not Kind.DECIMAL] + ["decimal(p,s)"]


@dataclass(frozen=True)
class Column:
    """A column as declared or as found."""

    name: str
    type: ColumnType
    nullable: bool = True


@dataclass(frozen=True)
class Suggestion:
    """What of people a column seems to hold: a category of DPV, and whether its `values` or its `name` say so."""

    category: str
    by: str


@dataclass(frozen=True)
class Profile:
    """What a column holds, in figures. `distinct` is about right; bounds only where they tell of nobody."""

    nulls: int
    distinct: int
    min: str | None
    max: str | None
    suggested: Suggestion | None
    is_subject: bool


@dataclass(frozen=True)
class ColumnFacts:
    """A column as stored."""

    name: str
    type: ColumnType
    nullable: bool
    null_count: int
    profile: Profile | None = field(default=None, compare=False)


@dataclass(frozen=True)
class TableFacts:
    """What is known of a table once it is stored as Parquet."""

    columns: tuple[ColumnFacts, ...]
    row_count: int
    size_bytes: int
    sha256: str
    """Of the Parquet file, lower-case hex."""
    inferred: bool
    """Whether the types were found in the data rather than declared."""
    subject_count: int | None = None
    """How many subjects the dictionary beside the table has, where there is one."""
