"""One question answered where the data is: rows loaded behind their release, groups guarded, what is left measured.

A group leaves when at least `minimum` identities are in it, and when it cannot be told apart from earlier answers by
fewer: all that the consumer was ever given of this dataset parts its rows into atoms, and no atom may be smaller. Then
no sum or difference of answers is about fewer identities than that either.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Timer
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from sqlglot import exp

from datahub import engine
from datahub.kernel.errors import Fault
from datahub.queries.errors import InvalidQuestion, QueryTooHeavy, TableNotReadable
from datahub.queries.rules import compiling
from datahub.queries.rules.compiling import IDENTITY, JOINED, JOINED_KEY, MAIN, MAIN_KEY, ROW, Sides
from datahub.queries.rules.questions import Asked, Function, Side, faults_in
from datahub.transfers import Room

MOST_GROUPS = 50_000
MOST_PASSES = 20
_RAW = "__datahub_raw_"
_PAST_SCHEMA = pa.schema(
    [("view", pa.string()), ("row", pa.uint64()), ("identity", pa.uint64()), ("atom", pa.int64())]
)
_CLOSED: Mapping[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}

Source: TypeAlias = Path | pa.NativeFile


@dataclass(frozen=True)
class Table:
    """One table of a question: its stored Parquet, its columns, the terms, what was given of it before, its gate."""

    source: Source
    columns: Sequence[str]
    room: Room
    past: Source | None = None
    gate: engine.RowGate | None = None


@dataclass(frozen=True)
class Limits:
    """What one question may take."""

    memory_mb: int
    time_s: float
    staging: Path


@dataclass
class Answered:
    """What may leave, and per results-only table (0 the main one) the file of what has now been given of it."""

    table: pa.Table
    given: dict[int, Path] = field(default_factory=dict)


@contextmanager
def opened(limits: Limits, sources: Sequence[Source]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that can read these files and nothing else, and is stopped when its time is over.

    Raises QueryTooHeavy, TableNotReadable.
    """
    spill = tempfile.mkdtemp(prefix="datahub-query-")
    config: dict[str, Any] = {
        "memory_limit": f"{limits.memory_mb}MB",
        "threads": 2,
        "temp_directory": spill,
        **_CLOSED,
    }
    connection = duckdb.connect(config=config)
    timer = Timer(limits.time_s, connection.interrupt)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        paths = [exp.Literal.string(str(each)).sql("duckdb") for each in sources if isinstance(each, Path)]
        connection.execute(f"SET allowed_paths = [{', '.join(paths)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        timer.start()
        yield connection
    except duckdb.InterruptException as stopped:
        detail = f"The query took longer than {limits.time_s:g} seconds and was stopped."
        raise QueryTooHeavy(detail, reason="time", remedy="Ask about fewer rows or groups.") from stopped
    except (duckdb.OutOfMemoryException, MemoryError) as full:
        detail = f"The query needs more than the {limits.memory_mb} MiB it may use, and was stopped."
        raise QueryTooHeavy(detail, reason="memory", remedy="Ask about fewer rows or groups.") from full
    except (duckdb.IOException, OSError) as broken:
        raise TableNotReadable("The stored table cannot be read now; nothing was given.") from broken
    finally:
        timer.cancel()
        timer.join()
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def register(connection: duckdb.DuckDBPyConnection, name: str, source: Source) -> None:
    """Make a stored Parquet file a view."""
    if isinstance(source, Path):
        file = exp.Literal.string(str(source)).sql("duckdb")
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet({file})")  # noqa: S608 — an escaped literal
        return
    file_format = ds.ParquetFileFormat()
    fragment = file_format.make_fragment(source)
    connection.register(name, ds.FileSystemDataset([fragment], fragment.physical_schema, file_format))


def steps_of(table: Table) -> engine.Plan:
    """Return what of a stored table may be seen, as a plan of the engine."""
    stored = engine.Stored.of(table.source)
    release = table.room.release
    return engine.Plan(stored.schema) if release is None else release.steps(stored.schema).opened(table.gate)


def sides_of(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> Sides:
    """Return the columns of each table as its release shows them, with DuckDB's types; reads no data."""
    found = []
    for number, table in enumerate(tables):
        connection.register(f"shown{number}", steps_of(table).out.empty_table())
        shown = connection.table(f"shown{number}")
        types = {name: str(kind) for name, kind in zip(shown.columns, shown.types, strict=True)}
        room = table.room
        found.append(Side(types, room.is_results_only, room.entity_key, room.functions, room.epsilon))
    return Sides(*found)


def check(connection: duckdb.DuckDBPyConnection, asked: Asked, sides: Sides) -> None:
    """Refuse a question that cannot be asked here. Raises InvalidQuestion with every fault."""
    faults = faults_in(asked, sides.main, sides.joined)
    if not faults:
        for at, place, text, kind in compiling.literals(asked, sides):
            ((fits,),) = connection.execute(f"SELECT TRY_CAST(? AS {kind}) IS NOT NULL", [text]).fetchall()
            if not fits:
                detail = f"{text[:80]!r} is not a value of this column, which is {kind}"
                faults.append(Fault(f"/filters/{at}/values/{place}", detail, "filter-value"))
    if faults:
        raise InvalidQuestion("The question cannot be asked like this; see errors.", faults=faults)


def load(connection: duckdb.DuckDBPyConnection, asked: Asked, tables: Sequence[Table], sides: Sides) -> int:
    """Load the rows the question is about into `base`, each in its cell; return how many cells there are."""
    for number, table in enumerate(tables):
        _load_side(connection, asked, number, table)
    connection.execute(f"CREATE TEMP TABLE asked AS {compiling.base(asked, sides).sql('duckdb')}")
    names = [f"d{n}" for n in range(len(asked.dimensions))]
    if not names:
        connection.execute("CREATE TEMP TABLE base AS SELECT *, 1 AS cell FROM asked")
        return 1
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM c.{name}" for name in names)
    columns = ", ".join(names)
    connection.execute(
        f"CREATE TEMP TABLE cells AS SELECT {columns}, row_number() OVER (ORDER BY {columns}) AS cell "  # noqa: S608 — names of our own
        f"FROM (SELECT DISTINCT {columns} FROM asked)"
    )
    ((count,),) = connection.execute("SELECT count(*) FROM cells").fetchall()
    if count > MOST_GROUPS:
        detail = f"The question makes more than {MOST_GROUPS} groups."
        raise QueryTooHeavy(detail, reason="groups", remedy="Use fewer dimensions, or wider ones.")
    connection.execute(f"CREATE TEMP TABLE base AS SELECT a.*, c.cell FROM asked a JOIN cells c ON {same}")  # noqa: S608 — as above
    return int(count)


def _load_side(connection: duckdb.DuckDBPyConnection, asked: Asked, number: int, table: Table) -> None:
    """Load one table's rows behind its release, with a token for the row and one for the identity it is about.

    Tokens and the agreed key are made of what is stored, hidden or masked or not; none of it leaves.
    """
    plan, room = steps_of(table), table.room
    used = compiling.used(asked, is_joined=number == 1)
    joined_on = None if asked.join is None else (asked.join.left, asked.join.right)[number]
    if joined_on is not None and not room.is_results_only:
        used = used | {joined_on}
    shown = plan.projection or engine.kept(plan.schema, plan.schema.names)
    outputs = [each for each in shown.outputs if each.name in used]
    wanted = [_quoted(each.name) for each in outputs]
    raw = engine.kept(plan.schema, plan.schema.names).outputs
    outputs += [replace(each, name=f"{_RAW}{at}") for at, each in enumerate(raw)]
    at = {name: f"{_RAW}{place}" for place, name in enumerate(plan.schema.names)}
    if joined_on is not None:
        wanted.append(
            f"{at[joined_on] if room.is_results_only else _quoted(joined_on)} AS {(MAIN_KEY, JOINED_KEY)[number]}"
        )
    steps = tuple(each for each in plan.steps if not isinstance(each, engine.Project))
    content = ", ".join(f"a{place} := {name}" for place, name in enumerate(at.values()))
    row = (
        f"md5_number_lower(CAST(struct_pack({content}) AS VARCHAR) || '#' || "
        f"row_number() OVER (PARTITION BY {', '.join(at.values())})::VARCHAR)"
    )
    key = at.get(room.entity_key) if room.entity_key else None
    # A column that counts groups and is not there any more counts none.
    identity = ROW if room.entity_key is None else f"md5_number_lower(CAST({key or 'NULL'} AS VARCHAR))"
    whole = engine.Plan(plan.schema, (*steps, engine.Project(tuple(outputs))))
    with engine.run(whole, engine.Stored.of(table.source)) as found:
        reader = pa.RecordBatchReader.from_batches(whole.out, iter(found))
        connection.register("coming", reader)
        connection.execute(
            f"CREATE TEMP TABLE {(MAIN, JOINED)[number]} AS SELECT * FROM ("  # noqa: S608 — quoted names and our own
            f"SELECT {', '.join([*wanted, ''])}{row} AS {ROW}, {identity} AS {IDENTITY} FROM coming"
            f") WHERE {IDENTITY} IS NOT NULL"
        )
        connection.unregister("coming")


def guard(connection: duckdb.DuckDBPyConnection, asked: Asked, tables: Sequence[Table]) -> None:
    """Fill `kept` with the cells that may leave (cell 0: the others taken together)."""
    connection.execute("CREATE TEMP TABLE kept AS SELECT DISTINCT cell FROM base")
    guarded = [n for n, table in enumerate(tables) if table.room.is_results_only]
    if not guarded:
        return
    minimum = max(table.room.minimum for table in tables)
    for number in guarded:
        _past(connection, number, tables[number].past)
    _drop_small(connection, len(tables), minimum)
    watched = [(number, *view) for number in guarded for view in compiling.views(asked)]
    for attempt in range(MOST_PASSES + 1):
        bad = {cell for each in watched for cell in _bad(connection, *each, minimum)}
        if not bad:
            break
        gone = "true" if attempt == MOST_PASSES else f"cell IN ({', '.join(map(str, sorted(bad)))})"
        connection.execute(f"DELETE FROM kept WHERE {gone}")  # noqa: S608 — numbers
    if asked.is_merged:
        connection.execute("UPDATE base SET cell = 0 WHERE cell NOT IN (SELECT cell FROM kept)")
        connection.execute("INSERT INTO kept SELECT DISTINCT cell FROM base WHERE cell = 0")
        _drop_small(connection, len(tables), minimum)
        if any(_bad(connection, *each, minimum) for each in watched):
            connection.execute("DELETE FROM kept WHERE cell = 0")


def _past(connection: duckdb.DuckDBPyConnection, number: int, past: Source | None) -> None:
    if past is None:
        connection.register(f"past{number}", _PAST_SCHEMA.empty_table())
    else:
        register(connection, f"past{number}", past)


def _drop_small(connection: duckdb.DuckDBPyConnection, sides: int, minimum: int) -> None:
    few = " OR ".join(f"count(DISTINCT i{n}) < {minimum:d}" for n in range(sides))
    connection.execute(
        f"DELETE FROM kept WHERE cell IN (SELECT cell FROM base GROUP BY cell HAVING {few})"  # noqa: S608 — numbers
    )


def _atoms(number: int, view: str, measured: str | None) -> str:
    """Return, per row, the atom it was in and the cells it is in now: both together are the atom it will be in."""
    name = exp.Literal.string(view).sql("duckdb")
    has_value = f"WHERE {measured} IS NOT NULL" if measured else ""
    return (
        f"SELECT coalesce(t.row, p.row) AS row, coalesce(t.identity, p.identity) AS identity, "  # noqa: S608 — quoted and our own
        f"coalesce(p.atom, 0) AS atom, coalesce(t.cells, []) AS cells FROM ("
        f"SELECT r{number} AS row, any_value(i{number}) AS identity, list_sort(list(DISTINCT cell)) AS cells "
        f"FROM base JOIN kept USING (cell) {has_value} GROUP BY r{number}) t "
        f"FULL JOIN (SELECT * FROM past{number} WHERE view = {name}) p ON t.row = p.row"
    )


def _bad(
    connection: duckdb.DuckDBPyConnection, number: int, view: str, measured: str | None, minimum: int
) -> set[int]:
    """Return the cells that must go so that no atom becomes smaller than the minimum, as far as is seen now."""
    text = (
        f"SELECT atom, cells, count(DISTINCT identity) FROM ({_atoms(number, view, measured)}) "  # noqa: S608 — as above
        "GROUP BY atom, cells"
    )
    found: dict[int, list[tuple[list[int], int]]] = {}
    for atom, cells, count in connection.execute(text).fetchall():
        found.setdefault(atom, []).append((cells, count))
    bad: set[int] = set()
    for atom, parts in found.items():
        touching = sorted((count, cells) for cells, count in parts if cells)
        small = {cell for count, cells in touching if count < minimum for cell in cells}
        if small:
            bad |= small
        elif touching and any(count < minimum for cells, count in parts if not cells and atom):
            bad |= set(touching[0][1])  # one more goes, so that what stays behind is not alone
    return bad


def given_now(connection: duckdb.DuckDBPyConnection, asked: Asked, number: int, path: Path) -> None:
    """Write what has been given of a results-only table, this answer included."""
    views = compiling.views(asked)
    names = ", ".join(exp.Literal.string(view).sql("duckdb") for view, _ in views)
    parts = [
        f"SELECT {exp.Literal.string(view).sql('duckdb')} AS view, row, identity, "  # noqa: S608 — quoted
        f"dense_rank() OVER (ORDER BY atom, cells) AS atom FROM ({_atoms(number, view, measured)})"
        for view, measured in views
    ]
    parts.append(f"SELECT view, row, identity, atom FROM past{number} WHERE view NOT IN ({names})")  # noqa: S608 — quoted
    reader = connection.sql(" UNION ALL ".join(parts)).to_arrow_reader(500_000)
    with pq.ParquetWriter(path, _PAST_SCHEMA, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.cast(_PAST_SCHEMA))


def measured(connection: duckdb.DuckDBPyConnection, asked: Asked, minimum: int) -> pa.Table:
    """Return the groups that are kept, with their measures."""
    return connection.sql(compiling.answer(asked, minimum)).to_arrow_table()


def of_no_rows(asked: Asked, schema: pa.Schema) -> pa.Table:
    """Return what SQL says about no rows at all: a count of 0, and nothing of the rest."""
    counts = {
        each.name for each in asked.measures if each.function in (Function.COUNT, Function.COUNT_DISTINCT)
    }
    return pa.Table.from_pylist(
        [{name: 0 if name in counts else None for name in schema.names}], schema=schema
    )


def ask(limits: Limits, asked: Asked, tables: Sequence[Table]) -> Answered:
    """Answer a question exactly. Raises InvalidQuestion, QueryTooHeavy, TableNotReadable."""
    with opened(limits, [each.past for each in tables if each.past is not None]) as connection:
        sides = sides_of(connection, tables)
        check(connection, asked, sides)
        load(connection, asked, tables, sides)
        guard(connection, asked, tables)
        minimum = max(table.room.minimum for table in tables)
        found = measured(connection, asked, minimum)
        is_guarded = any(table.room.is_results_only for table in tables)
        if not (found.num_rows or asked.dimensions or is_guarded):
            found = of_no_rows(asked, found.schema)
        answered = Answered(found)
        if answered.table.num_rows:
            for number, table in enumerate(tables):
                if table.room.is_results_only:
                    path = Path(tempfile.mkstemp(prefix="part-", dir=limits.staging)[1])
                    given_now(connection, asked, number, path)
                    answered.given[number] = path
        return answered


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")
