"""The file that lies beside SQLite's database: what the journal writes, so that it waits for nobody else's transaction.

It is made whenever it is missing, because it may be lost, or left out of a backup, alone. Its guards cannot look into the
other file: a row of the spool goes by being named in `log_unrolled`, which else is empty, and the one statement that names
rows there looks for their entries first (`datahub.audit.spool`).
"""

from sqlalchemy import Connection, Engine, inspect

_REFUSE = "select raise(abort, 'log_spool is append-only')"
_IS_KEPT = "exists (select 1 from log_spool where id = new.id)"
_IS_MARKED = "exists (select 1 from log_unrolled where id = old.id)"
_MAKE = (
    """
    create table if not exists spool.log_spool (
        id varchar(36) not null constraint pk_log_spool primary key,
        last_id varchar(36) not null,
        lines blob not null
    )
    """,
    "create table if not exists spool.log_unrolled (id varchar(36) not null primary key) without rowid",
    f"""
    create trigger if not exists spool.log_spool_no_update before update on log_spool begin {_REFUSE}; end
    """,
    f"""
    create trigger if not exists spool.log_spool_no_replace before insert on log_spool when {_IS_KEPT}
    begin {_REFUSE}; end
    """,
    f"""
    create trigger if not exists spool.log_spool_no_delete before delete on log_spool when not {_IS_MARKED}
    begin {_REFUSE}; end
    """,
    """
    create trigger if not exists spool.log_unrolled_remove after insert on log_unrolled
    begin delete from log_spool where id = new.id; end
    """,
    """
    create trigger if not exists spool.log_spool_removed after delete on log_spool
    begin delete from log_unrolled where id = old.id; end
    """,
    """
    create table if not exists spool.oauth_used_assertion (
        digest varchar(64) not null constraint pk_oauth_used_assertion primary key,
        expires_at datetime not null
    )
    """,
    """
    create index if not exists spool.ix_oauth_used_assertion_expires_at on oauth_used_assertion (expires_at)
    """,
)
# Tables that were in the database itself before revision 0022, and their columns, the key first
MOVED = {"log_spool": "id, last_id, lines", "oauth_used_assertion": "digest, expires_at"}


def make(engine: Engine) -> None:
    """Make what is missing, and copy what the database still holds of it; on PostgreSQL there is nothing to do.

    In a transaction of its own, before the history drops what was copied: of one commit on two files, a crash could
    leave the first alone.
    """
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            for statement in _MAKE:
                connection.exec_driver_sql(statement)
            for table in MOVED:
                if is_in_main(connection, table):
                    _copy(connection, table)


def is_there(engine: Engine) -> bool:
    """Tell whether the tables are there; on PostgreSQL they are in the database itself."""
    return engine.dialect.name != "sqlite" or inspect(engine).has_table("log_spool", schema="spool")


def is_in_main(connection: Connection, table: str) -> bool:
    """Tell whether SQLite's database itself has a table."""
    asked = "select 1 from main.sqlite_master where type = 'table' and name = ?"
    return connection.exec_driver_sql(asked, (table,)).first() is not None


def _copy(connection: Connection, table: str) -> None:
    columns = MOVED[table]
    key = columns.partition(",")[0]
    connection.exec_driver_sql(
        f"insert into spool.{table} ({columns}) select {columns} from main.{table} "  # noqa: S608 — our own names
        f"where {key} not in (select {key} from spool.{table})"
    )
