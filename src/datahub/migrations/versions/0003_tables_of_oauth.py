"""Tables of oauth."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_revocation",
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("revoked_at", UTC_INSTANT, nullable=False),
        sa.Column("expires_at", UTC_INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_oauth_revocation")),
    )
    op.create_index(op.f("ix_oauth_revocation_expires_at"), "oauth_revocation", ["expires_at"], unique=False)
    op.create_table(
        "oauth_signing_key",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("public_jwk", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("active_from", UTC_INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_oauth_signing_key")),
        sa.UniqueConstraint("active_from", name=op.f("uq_oauth_signing_key_active_from")),
    )
    op.create_table(
        "oauth_used_assertion",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UTC_INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_oauth_used_assertion")),
    )
    op.create_index(
        op.f("ix_oauth_used_assertion_expires_at"), "oauth_used_assertion", ["expires_at"], unique=False
    )
    op.create_table(
        "oauth_client",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("profile", sa.String(length=20), nullable=False),
        sa.Column("roles", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("jwks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("profile in ('private_key_jwt','basic')", name=op.f("ck_oauth_client_profile")),
        sa.CheckConstraint("state in ('active','disabled')", name=op.f("ck_oauth_client_state")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_oauth_client_participant_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_oauth_client_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client")),
    )
    op.create_index(op.f("ix_oauth_client_participant_id"), "oauth_client", ["participant_id"], unique=False)
    op.create_index(op.f("ix_oauth_client_person_id"), "oauth_client", ["person_id"], unique=False)
    op.create_table(
        "oauth_client_secret",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("last_used_at", UTC_INSTANT, nullable=True),
        sa.Column("expires_at", UTC_INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["oauth_client.id"], name=op.f("fk_oauth_client_secret_client_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client_secret")),
        sa.UniqueConstraint("digest", name=op.f("uq_oauth_client_secret_digest")),
    )
    op.create_index(
        op.f("ix_oauth_client_secret_client_id"), "oauth_client_secret", ["client_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_oauth_client_secret_client_id"), table_name="oauth_client_secret")
    op.drop_table("oauth_client_secret")
    op.drop_index(op.f("ix_oauth_client_person_id"), table_name="oauth_client")
    op.drop_index(op.f("ix_oauth_client_participant_id"), table_name="oauth_client")
    op.drop_table("oauth_client")
    op.drop_index(op.f("ix_oauth_used_assertion_expires_at"), table_name="oauth_used_assertion")
    op.drop_table("oauth_used_assertion")
    op.drop_table("oauth_signing_key")
    op.drop_index(op.f("ix_oauth_revocation_expires_at"), table_name="oauth_revocation")
    op.drop_table("oauth_revocation")
