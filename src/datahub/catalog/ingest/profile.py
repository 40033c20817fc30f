"""What the columns of a stored table hold, told without telling what is in a row.

Nulls exactly, different values about (HyperLogLog); the smallest and largest only of numbers and moments of which
nothing suggests that they are personal.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names in it are escaped by sqlglot

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datahub.catalog.ingest.columns import ColumnFacts, Kind, Profile
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.sensitive import suggestion
from datahub.catalog.ingest.store_parquet import literal, quoted

SAMPLE_ROWS = 1000
_WITH_BOUNDS = frozenset({Kind.INT64, Kind.FLOAT64, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP})
_MARGIN = "CASE WHEN {0} IS NULL THEN NULL ELSE CAST({0} AS VARCHAR) END"


def profiled(
    table: Path, columns: Sequence[ColumnFacts], row_count: int, scratch: Path, *, subject: str | None = None
) -> tuple[ColumnFacts, ...]:
    """Return the columns with their profiles. One pass over the table, and a look at its first rows."""
    source = f"read_parquet({literal(str(table))})"
    with engine([table], scratch) as connection:
        samples = connection.execute(f"SELECT * FROM {source} LIMIT {SAMPLE_ROWS}").fetchall()
        hints = [
            suggestion(column.name, column.type.kind, [row[at] for row in samples])
            for at, column in enumerate(columns)
        ]
        figures = []
        for column, hint in zip(columns, hints, strict=True):
            name = quoted(column.name)
            figures.append(f"approx_count_distinct({name})")
            is_told = column.type.kind in _WITH_BOUNDS and hint is None and column.name != subject
            bounds = (
                (_MARGIN.format(f"min({name})"), _MARGIN.format(f"max({name})"))
                if is_told
                else ("NULL", "NULL")
            )
            figures += bounds
        found = connection.execute(f"SELECT {', '.join(figures)} FROM {source}").fetchone() or ()
    profiles = []
    for at, (column, hint) in enumerate(zip(columns, hints, strict=True)):
        distinct, smallest, largest = found[at * 3 : at * 3 + 3]
        most = row_count - column.null_count
        profiles.append(
            replace(
                column,
                profile=Profile(
                    column.null_count,
                    min(int(distinct or 0), most),
                    smallest,
                    largest,
                    hint,
                    column.name == subject,
                ),
            )
        )
    return tuple(profiles)
