"""Security profiles of OAuth clients, keys by URL, pushed requests.

A client that proved itself with a key and got bearer tokens goes on as it did, under `nlgov`; new ones are `fapi2`.
"""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)
OLD = "profile in ('private_key_jwt','basic')"
NEW = "profile in ('fapi2','nlgov','ishare','basic')"

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("oauth_client") as batch:
        batch.drop_constraint(op.f("ck_oauth_client_profile"), type_="check")
        batch.add_column(sa.Column("jwks_uri", sa.String(length=2000), nullable=True))
        batch.add_column(sa.Column("alias", sa.String(length=100), nullable=True))
        batch.add_column(sa.Column("is_dpop_bound", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.create_unique_constraint(op.f("uq_oauth_client_alias"), ["alias"])
    op.execute("update oauth_client set profile = 'nlgov' where profile = 'private_key_jwt'")
    with op.batch_alter_table("oauth_client") as batch:
        batch.create_check_constraint(op.f("ck_oauth_client_profile"), NEW)
        batch.alter_column("is_dpop_bound", existing_type=sa.Boolean(), server_default=None)
    op.create_table(
        "oauth_fetched_keys",
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("jwks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("fetched_at", UTC_INSTANT, nullable=True),
        sa.Column("tried_at", UTC_INSTANT, nullable=False),
        sa.Column("fault", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_client.id"], name=op.f("fk_oauth_fetched_keys_client_id")
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_oauth_fetched_keys")),
    )
    op.create_table(
        "oauth_pushed_request",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("key_id", sa.String(length=43), nullable=True),
        sa.Column("expires_at", UTC_INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_client.id"], name=op.f("fk_oauth_pushed_request_client_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_pushed_request")),
    )
    for column in ("client_id", "expires_at"):
        op.create_index(op.f(f"ix_oauth_pushed_request_{column}"), "oauth_pushed_request", [column])


def downgrade() -> None:
    for column in ("expires_at", "client_id"):
        op.drop_index(op.f(f"ix_oauth_pushed_request_{column}"), table_name="oauth_pushed_request")
    op.drop_table("oauth_pushed_request")
    op.drop_table("oauth_fetched_keys")
    with op.batch_alter_table("oauth_client") as batch:
        batch.drop_constraint(op.f("ck_oauth_client_profile"), type_="check")
        batch.drop_constraint(op.f("uq_oauth_client_alias"), type_="unique")
        batch.drop_column("is_dpop_bound")
        batch.drop_column("alias")
        batch.drop_column("jwks_uri")
    op.execute("update oauth_client set profile = 'private_key_jwt' where profile <> 'basic'")
    with op.batch_alter_table("oauth_client") as batch:
        batch.create_check_constraint(op.f("ck_oauth_client_profile"), OLD)
