"""Tiles and bundles of the access log are not compressed: most of them is hashes, and each is written more than once."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _store("external")


def downgrade() -> None:
    _store("extended")


def _store(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"alter table log_tile alter column data set storage {how}")
