"""Alembic's entry: runs the migrations on the connection that `datahub.migrations` opened."""

from typing import Any

from alembic import context
from sqlmodel import SQLModel


def _is_ours(thing: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    # Tests put tables of their own in the metadata; the history knows none of them.
    # What is in the spool's file on SQLite is not in the history's.
    del name, reflected, compared
    is_elsewhere = _IS_SQLITE and thing.info.get("is_spooled")
    return not (kind == "table" and (thing.info.get("is_test") or is_elsewhere))


_IS_SQLITE = context.config.attributes["connection"].dialect.name == "sqlite"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("target_metadata", SQLModel.metadata),
    render_as_batch=context.config.attributes.get("render_as_batch", True),
    compare_type=True,
    include_object=_is_ours,
)
with context.begin_transaction():
    context.run_migrations()
