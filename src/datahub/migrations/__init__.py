"""The schema's history: Alembic migrations, run from code, the same on SQLite and PostgreSQL.

Rules: expand, backfill, enforce; one head; a migration never imports the models, because they move on.
"""

from importlib import import_module
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect
from sqlmodel import SQLModel

from datahub.migrations import spool

# Importing a module of tables puts them in the metadata that `check` compares with the database.
TABLES = (
    "datahub.kernel.outbox",
    "datahub.kernel.rest.reply",
    "datahub.audit.models",
    "datahub.witness.models",
    "datahub.participants.models",
    "datahub.oauth.models",
    "datahub.catalog.models",
    "datahub.consent.models",
    "datahub.contracts.models",
    "datahub.review.models",
    "datahub.queries.models",
    "datahub.live.models",
    "datahub.samples.models",
    "datahub.transfers.models",
)


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema; does nothing when it is there already."""
    spool.make(engine)
    with engine.begin() as connection:
        command.upgrade(_config(connection), "head")


def is_made(engine: Engine) -> bool:
    """Tell whether an exchange was set up in a database; a file of SQLite that is not there is not made by asking."""
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return (file is None or Path(file).exists()) and inspect(engine).has_table("log_head")


def fault(engine: Engine) -> str | None:
    """Tell why this version cannot work on a database that was set up; None: its schema is this version's."""
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    (head,) = heads()
    if found != head:
        return f"its schema is revision {found}, this version needs {head}"
    return None if spool.is_there(engine) else "the spool's file beside it is missing or empty"


def check(engine: Engine) -> None:
    """Compare the database with the models. Raises alembic.util.exc.CommandError with the differences."""
    for name in TABLES:
        import_module(name)
    with engine.begin() as connection:
        config = _config(connection)
        config.attributes["target_metadata"] = SQLModel.metadata
        command.check(config)


def heads() -> list[str]:
    """Return the heads of the history; there must be one."""
    return list(ScriptDirectory.from_config(_config()).get_heads())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("datahub.migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
