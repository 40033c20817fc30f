"""Rows about the same subject put together, and a number for each subject: what makes reading by subject cheap.

Beside the table lie its subjects in dense order (`key`), and for each row of the table the number of its subject
(`sid`, -1 for a row about nobody). Sorting and joining spill to disk: memory does not grow with the table.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names and texts in it are escaped by sqlglot

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from datahub.catalog.ingest.columns import Column, Kind
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.faults import TableFault, TableFaults
from datahub.catalog.ingest.store_parquet import literal, quoted, write

MAX_SUBJECTS = 20_000_000


class Bucket(StrEnum):
    """How long a stretch of time is whose rows stay together."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Arrangement:
    """Which column says whom a row is about; with `time`, rows are first put together by stretches of time."""

    subject: str
    time: str | None = None
    bucket: Bucket = Bucket.MONTH
    is_clustered: bool = True
    """Whether rows are put together; if not, they stay as they came and only the dictionary is made."""

    def faults(self, columns: list[Column]) -> list[TableFault]:
        """Return what does not fit these columns."""
        found = {column.name: column.type.kind for column in columns}
        faults = [
            TableFault("column-unknown", f"{what}: the table has no column {name!r}", column=name)
            for what, name in (("subject", self.subject), ("time", self.time))
            if name is not None and name not in found
        ]
        if not faults and self.time is not None and found[self.time] not in {Kind.DATE, Kind.TIMESTAMP}:
            kinds = "date or timestamp"
            faults = [
                TableFault("column-type", f"time: column {self.time!r} is no {kinds}", column=self.time)
            ]
        return faults


@dataclass(frozen=True)
class Beside:
    """Where the two files beside a table are written."""

    keys: Path
    rows: Path


def arrange(table: Path, arrangement: Arrangement, beside: Beside, scratch: Path) -> int:
    """Write the table anew with its rows arranged, and the two files beside it; return how many subjects it has.

    Raises TableFaults when there are more subjects than a dictionary may hold.
    """
    if arrangement.is_clustered:
        _cluster(table, arrangement, scratch)
    subject, source = quoted(arrangement.subject), f"read_parquet({literal(str(table))})"
    with engine([table, beside.keys, beside.rows], scratch) as connection:
        keys = f"SELECT DISTINCT {subject} AS key FROM {source} WHERE {subject} IS NOT NULL"
        write(connection, f"SELECT key FROM ({keys} LIMIT {MAX_SUBJECTS + 1}) ORDER BY key", beside.keys)
        dictionary = f"read_parquet({literal(str(beside.keys))}, file_row_number = true)"
        (count,) = connection.execute(f"SELECT count(*) FROM {dictionary}").fetchone() or (0,)
        if count > MAX_SUBJECTS:
            message = f"the table is about more than {MAX_SUBJECTS} subjects"
            raise TableFaults([TableFault("too-many-subjects", message, column=arrangement.subject)])
        numbered = f"read_parquet({literal(str(table))}, file_row_number = true)"
        query = (
            f"SELECT coalesce(d.file_row_number, -1)::INTEGER AS sid FROM {numbered} t LEFT JOIN {dictionary} d "
            f"ON t.{subject} = d.key ORDER BY t.file_row_number"
        )
        write(connection, query, beside.rows)
    return int(count)


def _cluster(table: Path, arrangement: Arrangement, scratch: Path) -> None:
    sorted_table = table.with_name(f"{table.name}.arranged")
    sorted_table.touch()
    subject, source = quoted(arrangement.subject), f"read_parquet({literal(str(table))})"
    first = ""
    if arrangement.time is not None:
        first = f"date_trunc('{arrangement.bucket}', {quoted(arrangement.time)}), "
    within = f", {quoted(arrangement.time)}" if arrangement.time is not None else ""
    try:
        with engine([table, sorted_table], scratch) as connection:
            write(connection, f"SELECT * FROM {source} ORDER BY {first}{subject}{within}", sorted_table)
        sorted_table.replace(table)
    finally:
        sorted_table.unlink(missing_ok=True)
