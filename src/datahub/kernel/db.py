"""The database: one engine per process, one transaction per verb, the same on SQLite and PostgreSQL.

SQLite: WAL with `synchronous=FULL`, so that a committed row survives a power cut, and write transactions that take
their locks at the start, so that they wait instead of failing half-way. Beside its file lies a second one, the spool's:
each has a write lock of its own. A transaction on both is on each all or nothing; of a commit that a crash breaks off,
the first file may be there without the second.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    String,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import ORMExecuteState, UOWTransaction
from sqlalchemy.orm import Session as AnySession
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, Session, SQLModel

BUSY_TIMEOUT_MS = 10_000
# SQLite keeps so much of the database at hand, and lets the write-ahead log grow so far before it is carried over: the
# pages of the log's indexes are written again and again.
CACHE_KIB = 32_768
WAL_PAGES = 4000
# The second file's name is the first's with this, its tables are made with the schema (`datahub.migrations.spool`). They
# have names of their own, so statements are the same as on PostgreSQL, where there is one database.
SPOOL_SUFFIX = "-spool"
LOCK_TIMEOUT_MS = 10_000
# How often it is looked whether a lock of SQLite is free: at first, and by the many that may wait at once after a while.
_FIRST_LOOK_S, _LOOK_EVERY_S = 0.0005, 0.002

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Id = String(36)
Json = JSON(none_as_null=True)

AUTHORITY = "authority"
# For `__table_args__` of a table whose rows say who may do what: every change of one moves the authority epoch.
IS_AUTHORITY = {"info": {"epoch": AUTHORITY}}
# For `__table_args__` of a table that is in the spool's file on SQLite.
IS_SPOOLED = {"info": {"is_spooled": True}}
_EPOCHS = "epochs"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored in UTC; a naive one is refused before it can be stored."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware instant into UTC. Raises ValueError for a naive one."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"naive instant {value!r}: every instant here is aware"
            raise ValueError(msg)
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give SQLite's bare instants their zone back."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def make_engine(url: str) -> Engine:
    """Return the engine for a database URL (`sqlite:///…` or `postgresql+psycopg://…`)."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=20,
        connect_args={"options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_MS}"},
    )


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    del record
    connection.isolation_level = (
        None  # the driver must not begin transactions by itself; `_begin_sqlite` does
    )
    ((_, _, file),) = connection.execute("PRAGMA database_list")
    connection.execute("ATTACH ? AS spool", (f"{file}{SPOOL_SUFFIX}" if file else ":memory:",))
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "main.journal_mode=WAL",
        "spool.journal_mode=WAL",
        "main.synchronous=FULL",
        "spool.synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={WAL_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("is_read", False):
        connection.exec_driver_sql("BEGIN")
        return
    # One after the other: who looked for both at once would find one or the other taken for long.
    connection.exec_driver_sql("BEGIN")
    driver: Any = connection.connection.driver_connection
    try:
        take_lock(driver, "main", look_every_s=_LOOK_EVERY_S)
        take_lock(driver, "spool")
    except sqlite3.OperationalError as fault:
        driver.execute("ROLLBACK")
        raise OperationalError("BEGIN", None, fault) from fault


def take_lock(connection: sqlite3.Connection, file: str, *, look_every_s: float = _FIRST_LOOK_S) -> None:
    """Take the write lock of a file, `main` or `spool`, soon after it is free: SQLite's own waiting looks ever less often.

    At first it looks each half millisecond. In a transaction that has not read the file yet: it then reads it as it is
    now. Raises sqlite3.OperationalError after `BUSY_TIMEOUT_MS`.
    """
    # What SQLite does for this begins with the lock, and ends without a change.
    execute_soon(connection, f"PRAGMA {file}.incremental_vacuum(1)", look_every_s=look_every_s)


def execute_soon(
    connection: sqlite3.Connection,
    statement: str,
    values: Sequence[Any] = (),
    *,
    look_every_s: float = _FIRST_LOOK_S,
) -> None:
    """Execute a statement soon after the lock that it needs is free, as `take_lock`."""
    connection.execute("PRAGMA busy_timeout = 0")
    wait_s, give_up_at = _FIRST_LOOK_S, time.monotonic() + BUSY_TIMEOUT_MS / 1000
    try:
        while True:
            try:
                connection.execute(statement, values)
            except sqlite3.OperationalError as fault:
                is_busy = fault.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > give_up_at:
                    raise
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, look_every_s)
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


@contextmanager
def transaction(engine: Engine, *, is_read: bool = False, is_late: bool = False) -> Iterator[Session]:
    """Open one transaction; commit when the block ends well, roll back when it raises.

    `is_read` keeps a reader from taking SQLite's write locks; it does not forbid writing. `is_late` takes the lock of
    a file when it is first written to; that must be the transaction's first statement, or it may fail.
    """
    source = engine.execution_options(is_read=True) if is_read or is_late else engine
    with Session(source, expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


class EpochRow(SQLModel, table=True):
    """A counter that moves with every change of what it is named for; what was read under another value is stale."""

    __tablename__ = "epoch"

    name: str = Field(sa_column=Column(String(40), primary_key=True))
    value: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


def bump_epoch(session: AnySession, name: str) -> None:
    """Move an epoch in the session's own transaction, as its last statement.

    Last, so that the row is locked for a moment only, and always after every other lock: nobody waits in a circle.
    Tables marked `IS_AUTHORITY` do this by themselves, however their rows are changed through a session.
    """
    session.info.setdefault(_EPOCHS, set()).add(name)


def read_epoch(session: AnySession, name: str) -> int:
    """Return where an epoch stands. Whoever keeps what it reads asks first, and reads afterwards."""
    found = session.execute(text("select value from epoch where name = :name"), {"name": name}).scalar()
    return int(found or 0)


@event.listens_for(AnySession, "before_flush")
def _notice_changed_rows(session: AnySession, context: UOWTransaction, instances: object) -> None:
    del context, instances
    for row in (*session.new, *session.deleted, *session.dirty):
        name = inspect(row).mapper.local_table.info.get("epoch")
        if name is not None and (row not in session.dirty or session.is_modified(row)):
            bump_epoch(session, name)


@event.listens_for(AnySession, "do_orm_execute")
def _notice_statements(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        name = getattr(getattr(state.statement, "table", None), "info", {}).get("epoch")
        if name is not None:
            bump_epoch(state.session, name)


@event.listens_for(AnySession, "before_commit")
def _move_epochs(session: AnySession) -> None:
    session.flush()
    for name in sorted(session.info.pop(_EPOCHS, ())):
        session.execute(_MOVE, {"name": name})


@event.listens_for(AnySession, "after_rollback")
def _forget_epochs(session: AnySession) -> None:
    session.info.pop(_EPOCHS, None)


_MOVE = text(
    "insert into epoch (name, value) values (:name, 1) on conflict (name) do update set value = epoch.value + 1"
)
