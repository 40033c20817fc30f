"""On SQLite the journal's spool and what is used up are in a file of their own; `datahub.migrations.spool` copied them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_KEYS = {"log_spool": "id", "oauth_used_assertion": "digest"}


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    for table, key in _KEYS.items():
        left = f"select count(*) from main.{table} where {key} not in (select {key} from spool.{table})"  # noqa: S608
        if connection.execute(sa.text(left)).scalar_one():
            msg = f"{table} was written to meanwhile: stop whatever uses this database, and migrate again"
            raise RuntimeError(msg)
        op.execute(f"drop table main.{table}")


def downgrade() -> None:
    """Forward only: what the spool's file holds by now would be lost."""
    if op.get_bind().dialect.name == "sqlite":
        raise NotImplementedError
