"""Ingest: a staged CSV, JSON Lines, Parquet or Arrow file becomes one typed, checked zstd Parquet file.

CSV as RFC 4180, JSON Lines, Apache Parquet, Apache Arrow IPC. An engine over files: no database, no HTTP.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import duckdb

from datahub.catalog.ingest.arranged import Arrangement, Beside, Bucket, arrange
from datahub.catalog.ingest.arrow_table import ingest_arrow, ingest_parquet
from datahub.catalog.ingest.columns import Column, ColumnFacts, ColumnType, Kind, TableFacts
from datahub.catalog.ingest.csv_table import Dialect, ingest_csv
from datahub.catalog.ingest.faults import TableFault, TableFaults, name_faults, stop
from datahub.catalog.ingest.json_table import ingest_json
from datahub.catalog.ingest.profile import profiled
from datahub.catalog.ingest.store_parquet import facts

__all__ = [
    "Arrangement",
    "Beside",
    "Bucket",
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
    arrangement: Arrangement | None = None,
    beside: Beside | None = None,
) -> TableFacts:
    """Write the table in `source` to `target` as typed zstd Parquet, in the order it came, and return its facts.

    Without `declared`, the types are those that fit all of the file. With `arrangement`, rows about one subject come
    together and the subjects are written to `beside`. Raises TableFaults and then leaves no `target`.
    Blocks for as long as the file is large (some 50 MB/s): call it in a thread or a worker process.
    """
    scratch = target.parent
    source = source.resolve()
    target = target.resolve()
    if declared is not None and (faults := name_faults([column.name for column in declared])):
        raise TableFaults(faults)
    try:
        if form is TableForm.CSV:
            found = ingest_csv(
                source, target, declared=declared, dialect=dialect or Dialect(), scratch=scratch
            )
        elif form is TableForm.JSON_LINES:
            found = ingest_json(source, target, declared=declared, scratch=scratch)
        elif form is TableForm.PARQUET:
            found = ingest_parquet(source, target, declared=declared, scratch=scratch)
        else:
            found = ingest_arrow(source, target, declared=declared, scratch=scratch)
        return _completed(found, target, arrangement, beside)
    except duckdb.Error as error:
        target.unlink(missing_ok=True)
        reason = str(error).splitlines()[0][:200]
        raise stop("unreadable", f"the table cannot be read: {reason}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _completed(
    found: TableFacts, target: Path, arrangement: Arrangement | None, beside: Beside | None
) -> TableFacts:
    """Arrange the rows of a stored table where that is asked, and tell what its columns hold."""
    scratch, subject = target.parent, None
    if arrangement is not None and beside is not None:
        columns = [Column(each.name, each.type, each.nullable) for each in found.columns]
        if faults := arrangement.faults(columns):
            raise TableFaults(faults)
        count, subject = arrange(target, arrangement, beside, scratch), arrangement.subject
        found = replace(facts(target, columns, inferred=found.inferred), subject_count=count)
    columns_told = profiled(target, found.columns, found.row_count, scratch, subject=subject)
    return replace(found, columns=columns_told)
