"""Ingest: a staged CSV, JSON Lines, Parquet or Arrow file becomes one typed, checked zstd Parquet file.

CSV as RFC 4180, JSON Lines, Apache Parquet, Apache Arrow IPC. An engine over files: no database, no HTTP.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import duckdb

from datahub.catalog.ingest.arrow_table import ingest_arrow, ingest_parquet
from datahub.catalog.ingest.columns import Column, ColumnFacts, ColumnType, Kind, TableFacts
from datahub.catalog.ingest.csv_table import Dialect, ingest_csv
from datahub.catalog.ingest.faults import TableFault, TableFaults, name_faults, stop
from datahub.catalog.ingest.json_table import ingest_json

__all__ = [
    "Column",
    "ColumnFacts",
    "ColumnType",
    "Dialect",
    "Kind",
    "TableFacts",
    "TableFault",
    "TableFaults",
    "TableForm",
    "ingest",
]


class TableForm(StrEnum):
    """The forms a table may be sent in."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"


def ingest(
    source: Path,
    target: Path,
    form: TableForm,
    *,
    declared: Sequence[Column] | None = None,
    dialect: Dialect | None = None,
) -> TableFacts:
    """Write the table in `source` to `target` as typed zstd Parquet, in the order it came, and return its facts.

    Without `declared`, the types are those that fit all of the file. Raises TableFaults and then leaves no `target`.
    Blocks for as long as the file is large (some 50 MB/s): call it in a thread or a worker process.
    """
    scratch = target.parent
    source = source.resolve()
    target = target.resolve()
    if declared is not None and (faults := name_faults([column.name for column in declared])):
        raise TableFaults(faults)
    try:
        if form is TableForm.CSV:
            return ingest_csv(
                source, target, declared=declared, dialect=dialect or Dialect(), scratch=scratch
            )
        if form is TableForm.JSON_LINES:
            return ingest_json(source, target, declared=declared, scratch=scratch)
        if form is TableForm.PARQUET:
            return ingest_parquet(source, target, declared=declared, scratch=scratch)
        return ingest_arrow(source, target, declared=declared, scratch=scratch)
    except duckdb.Error as error:
        target.unlink(missing_ok=True)
        reason = str(error).splitlines()[0][:200]
        raise stop("unreadable", f"the table cannot be read: {reason}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
