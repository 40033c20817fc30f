"""What is fetched for clients: certificates' revocation lists, and metadata documents that are a client's id."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_fetched_list",
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("fetched_at", UTC_INSTANT, nullable=True),
        sa.Column("tried_at", UTC_INSTANT, nullable=False),
        sa.Column("fault", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_oauth_fetched_list")),
    )
    op.add_column("oauth_client", sa.Column("metadata_uri", sa.String(length=300), nullable=True))
    op.create_index(op.f("ix_oauth_client_metadata_uri"), "oauth_client", ["metadata_uri"], unique=True)


def downgrade() -> None:
    op.drop_index(op.f("ix_oauth_client_metadata_uri"), table_name="oauth_client")
    op.drop_column("oauth_client", "metadata_uri")
    op.drop_table("oauth_fetched_list")
