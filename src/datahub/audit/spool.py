"""The spool: what the journal makes durable, one row per commit, until it is unrolled into entries and decisions.

A row with eight indexes for each line costs ten times what the line itself does, so it is made elsewhere and later: by
the sequencer each 100 ms, and by whoever reads the log, in the reader's own transaction and before it reads. A row of the
spool is a line of the log: the databases refuse to change it, and to remove it before its entries are there.

On SQLite the spool is in a file with a write lock of its own, so that doors do not wait for rounds of the sequencer: a
round locks the database alone, and its rows leave the spool afterwards. What is unrolled is told by the entries
themselves (`IS_UNROLLED`), so that a crash in between neither loses a row nor unrolls it twice. Other transactions
that write take both locks, and so are in one order with the journal's commits.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine

from datahub.audit.rows import Line, Row, pack
from datahub.kernel import db
from datahub.kernel.db import AUTHORITY
from datahub.kernel.ids import new_id

Use = Any
UseUp = Callable[[Any, Sequence[Sequence[Use]]], Sequence[bool]]
"""(the driver's connection, what each line would use up) → for each line whether nobody had used any of it before.

In the connection's own transaction; of a line all is used up, or nothing.
"""


@dataclass(frozen=True, slots=True)
class Entrusted:
    """A line given to the journal: good under this epoch only, if one is named, and for the first use of all `uses`."""

    line: Line
    epoch: int | None = None
    uses: Sequence[Use] = ()


class Writer:
    """Writes batches on a connection of its own, which it opens anew after a fault. For one thread."""

    def __init__(self, engine: Engine, use_up: UseUp | None = None) -> None:
        """Remember where to write; the connection is opened by the first batch."""
        self._engine = engine
        self._use_up = use_up
        self._connection: Any = None

    def commit(self, batch: Sequence[Entrusted]) -> tuple[int, Sequence[Entrusted]]:
        """Make a batch durable, all of it or nothing, but for lines of another epoch and of things used before.

        Return the authority epoch as this transaction saw it, and what came too late for something it would use up.
        """
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            self._prepare(self._connection.driver_connection)
        try:
            return self._write(self._connection.driver_connection, batch)
        except BaseException:
            self._connection.invalidate()
            self._connection = None
            raise

    def lag_s(self) -> float:
        """Return how long the oldest line waits for the tree, by the times in the ids."""
        with self._engine.execution_options(is_read=True).connect() as connection:
            found = "select (select min(id) from log_pending), (select min(id) from log_spool)"
            waiting = [each for each in connection.exec_driver_sql(found).one() if each is not None]
        return waited_s(min(waiting, default=None))

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _prepare(self, connection: Any) -> None:
        """Do what a new connection needs."""

    def _write(self, connection: Any, batch: Sequence[Entrusted]) -> tuple[int, Sequence[Entrusted]]:
        raise NotImplementedError

    def _chosen(
        self, connection: Any, batch: Sequence[Entrusted], epoch: int
    ) -> tuple[Sequence[Line], Sequence[Entrusted]]:
        """Return the lines to write at this epoch, and what came too late for something it would use up."""
        good = [each for each in batch if each.epoch is None or each.epoch == epoch]
        using = [each for each in good if each.uses]
        if not using or self._use_up is None:
            return [each.line for each in good], ()
        firsts = self._use_up(connection, [each.uses for each in using])
        late = [each for each, is_first in zip(using, firsts, strict=True) if not is_first]
        lost = {id(each) for each in late}
        return [each.line for each in good if id(each) not in lost], late


class _OnSqlite(Writer):
    def _prepare(self, connection: sqlite3.Connection) -> None:
        # Carrying the write-ahead log over takes tens of milliseconds; the sequencer does it, unless there is none.
        connection.execute(f"pragma wal_autocheckpoint = {_LATE * db.WAL_PAGES}")

    def _write(
        self, connection: sqlite3.Connection, batch: Sequence[Entrusted]
    ) -> tuple[int, Sequence[Entrusted]]:
        _begin(connection)
        # Whoever moves the epoch holds the spool's lock until that is committed: from here on it stands still.
        found = connection.execute("select value from epoch where name = ?", (AUTHORITY,)).fetchone()
        epoch = found[0] if found else 0
        lines, late = self._chosen(connection, batch, epoch)
        if lines:
            connection.execute("insert into log_spool (id, last_id, lines) values (?, ?, ?)", _row(lines))
        connection.execute("commit")
        return epoch, late


class _OnPostgresql(Writer):
    _EPOCH = f"select coalesce((select value from epoch where name = '{AUTHORITY}'), 0)"  # noqa: S608 — our own names
    # One statement, so one way to the server and back.
    _PUT_UNDER = f"""
        with now (value) as ({_EPOCH}),
        put as (insert into log_spool (id, last_id, lines) select %s, %s, %s from now where value = %s)
        select value from now
    """  # noqa: S608 — as above

    def _write(self, connection: Any, batch: Sequence[Entrusted]) -> tuple[int, Sequence[Entrusted]]:
        expected = batch[0].epoch
        is_plain = all(each.epoch == expected and not each.uses for each in batch)
        with connection.cursor() as cursor:
            if expected is not None and is_plain:
                row = _row([each.line for each in batch])
                epoch: int = cursor.execute(self._PUT_UNDER, (*row, expected), prepare=True).fetchone()[0]
                late: Sequence[Entrusted] = ()
            else:
                epoch = cursor.execute(self._EPOCH, prepare=True).fetchone()[0]
                lines, late = self._chosen(cursor, batch, epoch)
                if lines:
                    put = "insert into log_spool (id, last_id, lines) values (%s, %s, %s)"
                    cursor.execute(put, _row(lines), prepare=True)
        connection.commit()
        return epoch, late


def _begin(connection: sqlite3.Connection) -> None:
    """Take the spool's write lock.

    The database is not read before, or it would be as it was then; and BEGIN IMMEDIATE would lock it too.
    """
    connection.execute("begin")
    try:
        db.take_lock(connection, "spool")
    except BaseException:
        connection.execute("rollback")
        raise


# Times `db.WAL_PAGES`: where the spool's write-ahead log begins anew, and where the journal carries it over itself.
_LONG, _LATE = 3, 6
_RESTART_MS = 20


def writer_of(engine: Engine, use_up: UseUp | None = None) -> Writer:
    """Return the writer for this database."""
    is_sqlite = engine.dialect.name == "sqlite"
    return _OnSqlite(engine, use_up) if is_sqlite else _OnPostgresql(engine, use_up)


# In `log_leaf` too, because an erasure removes entries, and must not bring them back. For SQLite, where nothing else tells.
IS_UNROLLED = """
    (exists (select 1 from log_entry where id = last_id) or exists (select 1 from log_leaf where entry_id = last_id))
"""
# On SQLite a row goes by being named in `log_unrolled`. By one statement: between two, another thread might run for long.
_REMOVE = {
    "sqlite": f"""
        insert into log_unrolled (id)
        select id from log_spool where id in (select value from json_each(?)) and {IS_UNROLLED}
    """,  # noqa: S608 — our own text
    "postgresql": "delete from log_spool where id = any(%s)",
}


def remove(driver: Any, ids: Sequence[str]) -> None:
    """Take rows off the spool in the driver's transaction; their entries are there."""
    if isinstance(driver, sqlite3.Connection):
        driver.execute(_REMOVE["sqlite"], (orjson.dumps(ids).decode(),))
    else:
        driver.execute(_REMOVE["postgresql"], (ids,))


def sweep(engine: Engine, ids: Sequence[str] | None = None) -> None:
    """Take rows off SQLite's spool that are unrolled, these or all there are; on PostgreSQL none is left.

    It locks the spool alone, and need not be durable: what comes back is swept again.
    """
    if engine.dialect.name != "sqlite":
        return
    with _driver(engine) as connection:
        if ids is None:
            ids = [each for (each,) in connection.execute(f"select id from log_spool where {IS_UNROLLED}")]  # noqa: S608 — as above
        if ids:
            connection.execute("pragma spool.synchronous = normal")
            db.execute_soon(connection, _REMOVE["sqlite"], (orjson.dumps(ids).decode(),))
            connection.execute("pragma spool.synchronous = full")


def carry_over(engine: Engine) -> None:
    """Carry SQLite's write-ahead log of the spool over into its file, and let it begin anew once it is long.

    Under steady load it would only grow: it begins anew when all is carried over, and meanwhile more is written. So most
    is carried over while others write, and what is left then with the lock, which takes some milliseconds.
    """
    if engine.dialect.name == "sqlite":
        with _driver(engine) as connection:
            ((_, pages, _),) = connection.execute("pragma spool.wal_checkpoint(passive)")
            if pages > _LONG * db.WAL_PAGES:
                # Beside somebody who reads for long, better the next time than to keep the lock meanwhile
                connection.execute(f"pragma busy_timeout = {_RESTART_MS}")
                list(connection.execute("pragma spool.wal_checkpoint(restart)"))
                connection.execute(f"pragma busy_timeout = {db.BUSY_TIMEOUT_MS}")


@contextmanager
def _driver(engine: Engine) -> Iterator[Any]:
    """Lend the driver's own connection; one on which something failed is used no more."""
    raw = engine.raw_connection()
    try:
        yield raw.driver_connection
    except BaseException:
        raw.invalidate()
        raise
    raw.close()


def _row(lines: Sequence[Line]) -> Row:
    return new_id(), lines[-1].id, pack(lines)


def waited_s(oldest_id: str | None) -> float:
    """Return for how many seconds what was made first waits, by the time in its id; nothing waits for 0."""
    return 0.0 if oldest_id is None else (_made_at_ms(new_id()) - _made_at_ms(oldest_id)) / 1000


def _made_at_ms(uuid7: str) -> int:
    return int(uuid7.replace("-", "")[:12], 16)
