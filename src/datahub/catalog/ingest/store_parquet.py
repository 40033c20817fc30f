"""The last step of every ingest: one statement writes the typed rows as zstd Parquet, then the facts are read off it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from sqlglot import exp

from datahub.catalog.ingest.columns import Column, ColumnFacts, TableFacts

ROW_GROUP_ROWS = 122_880


def quoted(name: str) -> str:
    """Return a column name as an SQL identifier, whatever is in it."""
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    """Return text as an SQL literal, whatever is in it."""
    return exp.Literal.string(text).sql("duckdb")


def write(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Run the query and store its rows, in their order, as zstd Parquet with statistics per row group."""
    # The target is itself a staged file; the engine's own `tmp_` name beside it would be outside what it may touch.
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, USE_TMP_FILE false"
    connection.execute(f"COPY ({query}) TO {literal(str(target))} ({options})")


def facts(target: Path, columns: Sequence[Column], *, inferred: bool) -> TableFacts:
    """Return what the stored file says of itself; null counts come from its own statistics."""
    with pq.ParquetFile(target) as stored:
        metadata = stored.metadata
    nulls = [0] * len(columns)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for position in range(len(columns)):
            statistics = row_group.column(position).statistics
            nulls[position] += statistics.null_count if statistics is not None else 0
    with target.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stored_columns = tuple(
        ColumnFacts(column.name, column.type, column.nullable, count)
        for column, count in zip(columns, nulls, strict=True)
    )
    return TableFacts(stored_columns, metadata.num_rows, target.stat().st_size, sha256, inferred)
