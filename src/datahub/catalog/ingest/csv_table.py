"""CSV (RFC 4180) into Parquet: checked bytes, strict structure, typed cells; every fault with its physical line.

On a good file: one look at the bytes, a sample to guess undeclared types, one typed pass. Only a file that fails that
pass is read again, to list its faults or to infer over all of it.
"""

# ruff: noqa: S608 — the SQL is made of our own expressions; names and texts in it are escaped by sqlglot

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from datahub.catalog.ingest import cells
from datahub.catalog.ingest.columns import Column, ColumnType, Kind, TableFacts
from datahub.catalog.ingest.engine import engine
from datahub.catalog.ingest.faults import (
    FAULT_CAP,
    TableFault,
    TableFaults,
    bad_value,
    name_faults,
    presence_faults,
    stop,
)
from datahub.catalog.ingest.store_parquet import facts, literal, quoted, write

LINE_LIMIT_BYTES = 4 << 20
"""A record of more bytes is a fault: no cell may be larger."""

MAX_COLUMNS = 2000
SAMPLE_ROWS = 100_000
REJECTS_CAP = 10_000
_BLOCK = 4 << 20


@dataclass(frozen=True)
class Dialect:
    """How the CSV is written. Quotes are `"`, doubled inside; the charset is UTF-8, a byte order mark may stand first.

    `null_values` are unquoted texts that mean "no value"; a quoted one is text, so `""` is the empty string.
    """

    delimiter: str = ","
    null_values: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        """Refuse a delimiter that is not one printable ASCII character or tab, or that means something else."""
        fine = len(self.delimiter) == 1 and (self.delimiter == "\t" or "!" <= self.delimiter <= "~")
        if not fine or self.delimiter in '"\r\n' or self.delimiter.isalnum():
            msg = "the delimiter must be one of , ; | tab, or another single ASCII punctuation character"
            raise ValueError(msg)


@dataclass(frozen=True)
class _Bytes:
    """What the look at the bytes found."""

    header: tuple[str, ...]
    is_plain: bool
    """No quote and no blank line: record n stands on physical line n + 1."""


def ingest_csv(
    source: Path, target: Path, *, declared: Sequence[Column] | None, dialect: Dialect, scratch: Path
) -> TableFacts:
    """Store the CSV as Parquet in `target`; raises TableFaults."""
    found = _look(source, dialect)
    faults = name_faults(found.header)
    if declared is not None:
        faults += presence_faults(found.header, [column.name for column in declared])
    if faults:
        raise TableFaults(faults)
    reading = _Reading(source, target, found, dialect, scratch)
    if declared is not None:
        columns = list(declared)
        if not reading.store(columns, strict=False):
            raise reading.faults(columns)
    else:
        columns = reading.infer(SAMPLE_ROWS)
        if not reading.store(columns, strict=True):
            reading.structure()
            columns = reading.infer(None)
            if not reading.store(columns, strict=True):
                raise reading.faults(columns)
    return facts(target, columns, inferred=declared is None)


@dataclass(frozen=True)
class _Reading:
    source: Path
    target: Path
    found: _Bytes
    dialect: Dialect
    scratch: Path

    def _scan(self, *, rejects: bool = False) -> str:
        columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(self.found.header)))
        nulls = ", ".join(literal(text) for text in self.dialect.null_values)
        keep = f", store_rejects = true, rejects_limit = {REJECTS_CAP}" if rejects else ""
        return (
            f"read_csv({literal(str(self.source))}, columns = {{{columns}}}, auto_detect = false, header = true, "
            f"delim = {literal(self.dialect.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
            f"allow_quoted_nulls = false, nullstr = [{nulls}], max_line_size = {LINE_LIMIT_BYTES}{keep})"
        )

    def _engine(self, threads: int = 2) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return engine([self.source, self.target], self.scratch, threads=threads)

    def _place(self, column: Column) -> str:
        return f"c{self.found.header.index(column.name)}"

    def store(self, columns: Sequence[Column], *, strict: bool) -> bool:
        """Write all rows typed, or return False when the file is not what the columns say."""
        chosen = []
        for column in columns:
            text = self._place(column)
            value = cells.typed(text, column.type, strict=strict)
            whole = cells.or_fail(value, text, column.type, nullable=column.nullable)
            chosen.append(f"{whole} AS {quoted(column.name)}")
        with self._engine() as connection:
            try:
                write(connection, f"SELECT {', '.join(chosen)} FROM {self._scan()}", self.target)
            except duckdb.Error as error:
                if isinstance(error, duckdb.InvalidInputException | duckdb.ConversionException):
                    return False
                raise
        return True

    def infer(self, rows: int | None) -> list[Column]:
        """Return the narrowest type that fits every value of each column, over the first `rows` or all."""
        limit = f" LIMIT {rows}" if rows else ""
        tests = []
        for n in range(len(self.found.header)):
            tests.append(f"count(c{n})")
            tests += [
                f"coalesce(bool_and({cells.typed(f'c{n}', ColumnType(kind), strict=True)} IS NOT NULL) "
                f"FILTER (c{n} IS NOT NULL), false)"
                for kind in cells.FROM_TEXT
            ]
        query = f"SELECT {', '.join(tests)} FROM (SELECT * FROM {self._scan()}{limit})"
        with self._engine() as connection:
            try:
                answers = connection.execute(query).fetchone() or ()
            except duckdb.Error:
                self.structure()
                raise
        width = 1 + len(cells.FROM_TEXT)
        columns = []
        for n, name in enumerate(self.found.header):
            filled, *fits = answers[n * width : (n + 1) * width]
            if rows and not filled:
                return self.infer(None)  # the sample says nothing of this column
            kind = next((kind for kind, fit in zip(cells.FROM_TEXT, fits, strict=True) if fit), Kind.STRING)
            columns.append(Column(name, ColumnType(kind)))
        return columns

    def structure(self) -> None:
        """Raise TableFaults when records are ragged, wrongly quoted or too long."""
        with self._engine(threads=1) as connection:
            broken: str | None = None
            try:
                connection.execute(
                    f"SELECT count(*) FROM (SELECT * FROM {self._scan(rejects=True)})"
                ).fetchall()
            except duckdb.Error as error:
                broken = str(error).splitlines()[0]
            try:
                rejects = connection.execute(
                    "SELECT line_byte_position, column_idx, error_type, error_message FROM reject_errors "
                    "ORDER BY line_byte_position, column_idx"
                ).fetchall()
            except duckdb.CatalogException:
                rejects = []
        if not rejects and broken is not None:
            raise stop("csv-structure", f"the CSV cannot be read: mixed line ends or quotes ({broken})")
        if not rejects:
            return
        lines = _lines_at(self.source, [int(position or 0) for position, *_ in rejects[:FAULT_CAP]])
        header = self.found.header
        faults = [
            _structural(line, header[index - 1] if index and 0 < index <= len(header) else None, kind, said)
            for line, (_, index, kind, said) in zip(lines, rejects, strict=False)
        ]
        raise TableFaults(faults, len(rejects), is_total_exact=len(rejects) < REJECTS_CAP and broken is None)

    def faults(self, columns: Sequence[Column]) -> TableFaults:
        """Return every fault: structure first, for after a shifted column each cell would be a fault."""
        self.structure()
        wrong = []
        for column in columns:
            text = self._place(column)
            test = f"({text} IS NOT NULL AND {cells.typed(text, column.type)} IS NULL)"
            wrong.append(test if column.nullable else f"({text} IS NULL OR {test})")
        flags = ", ".join(f"{test} AS w{n}" for n, test in enumerate(wrong))
        texts = ", ".join(f"{self._place(column)} AS t{n}" for n, column in enumerate(columns))
        anything = " OR ".join(f"w{n}" for n in range(len(columns)))
        numbered = f"SELECT row_number() OVER () AS row, {texts}, {flags} FROM {self._scan()}"
        with self._engine(threads=1) as connection:
            rows = connection.execute(
                f"SELECT * FROM ({numbered}) WHERE {anything} LIMIT {FAULT_CAP}"
            ).fetchall()
            sums = " + ".join(f"coalesce(sum(({test})::INTEGER), 0)" for test in wrong)
            total = int((connection.execute(f"SELECT {sums} FROM {self._scan()}").fetchone() or (0,))[0])
        lines = self._lines_of([int(row[0]) for row in rows])
        faults: list[TableFault] = []
        for line, row in zip(lines, rows, strict=True):
            for n, column in enumerate(columns):
                if row[1 + len(columns) + n]:
                    faults.append(bad_value(line, column.name, row[1 + n], cells.expected(column.type)))
        if not faults:
            return stop("csv-structure", "the CSV cannot be read with these columns")
        return TableFaults(faults, total)

    def _lines_of(self, rows: Sequence[int]) -> list[int]:
        """Return the physical line each record starts on."""
        if self.found.is_plain or not rows:
            return [row + 1 for row in rows]
        csv.field_size_limit(LINE_LIMIT_BYTES)
        wanted = set(rows)
        lines: dict[int, int] = {}
        with self.source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.dialect.delimiter)
            start, row = 1, -1
            for record in reader:
                if record or len(self.found.header) == 1:
                    row += 1
                    if row in wanted:
                        lines[row] = start
                start = reader.line_num + 1
                if len(lines) == len(wanted):
                    break
        return [lines.get(row, row + 1) for row in rows]


def _structural(line: int, column: str | None, kind: str, said: str) -> TableFault:
    codes = {
        "MISSING COLUMNS": ("row-too-short", "has fewer fields than the header"),
        "TOO MANY COLUMNS": ("row-too-long", "has more fields than the header"),
        "UNQUOTED VALUE": ("quotes", "has a quote that is not closed, or text after a closing quote"),
        "LINE SIZE OVER MAXIMUM": ("record-too-large", f"has more than {LINE_LIMIT_BYTES} bytes"),
        "INVALID ENCODING": ("not-utf-8", "is not UTF-8"),
    }
    code, what = codes.get(kind, ("csv-structure", "cannot be read"))
    detail = f" ({said.splitlines()[0]})" if said and kind.endswith("COLUMNS") else ""
    return TableFault(code, f"line {line} {what}{detail}", line, None if kind.endswith("COLUMNS") else column)


def _blocks(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _look(source: Path, dialect: Dialect) -> _Bytes:
    """Check all bytes (UTF-8, no NUL) and read the header; raises TableFaults."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    plain, line, empty = True, 1, True
    last = b""
    for block in _blocks(source):
        if empty and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise stop("not-utf-8", "the file is UTF-16; send it as UTF-8", line=1)
        empty = False
        if b"\0" in block:
            raise stop(
                "nul-byte",
                "a NUL byte; this is not a text file",
                line=line + block[: block.index(b"\0")].count(b"\n"),
            )
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            where = line + error.object[: error.start].count(b"\n")
            raise stop(
                "not-utf-8", f"line {where} is not UTF-8 (byte 0x{error.object[error.start]:02x})", line=where
            ) from None
        joined = last + block[:2]
        plain = plain and not any(
            mark in part for mark in (b'"', b"\n\n", b"\n\r") for part in (block, joined)
        )
        line += block.count(b"\n")
        last = block[-1:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise stop("not-utf-8", f"line {line} ends in the middle of a UTF-8 character", line=line) from None
    if empty:
        raise stop("file-empty", "the file is empty: not even a header", line=1)
    return _Bytes(_header(source, dialect), plain)


def _header(source: Path, dialect: Dialect) -> tuple[str, ...]:
    with source.open("rb") as file:
        head = file.read(_BLOCK)
    text = head.decode("utf-8-sig", errors="ignore")
    csv.field_size_limit(LINE_LIMIT_BYTES)
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True), [])
    except csv.Error as error:
        raise stop("header", f"line 1: the header cannot be read ({error})", line=1) from None
    if not names:
        raise stop("header", "line 1 is blank; it must hold the column names", line=1)
    if len(names) > MAX_COLUMNS:
        raise stop("too-many-columns", f"{len(names)} columns; at most {MAX_COLUMNS} are taken", line=1)
    return tuple(names)


def _lines_at(source: Path, positions: Sequence[int]) -> list[int]:
    """Return the physical line of each byte position; positions ascend."""
    lines: list[int] = []
    waiting = list(positions)
    at, line = 0, 1
    for block in _blocks(source):
        while waiting and waiting[0] < at + len(block):
            lines.append(line + block[: waiting.pop(0) - at].count(b"\n"))
        if not waiting:
            break
        at += len(block)
        line += block.count(b"\n")
    return lines + [line] * len(waiting)
