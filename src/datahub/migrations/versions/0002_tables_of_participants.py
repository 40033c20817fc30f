"""Tables of participants."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "participant",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("contact_email", sa.String(length=320), nullable=False),
        sa.Column("website", sa.String(length=2000), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("is_exchange", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('applied','admitted','suspended','left')", name=op.f("ck_participant_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
        sa.UniqueConstraint("slug", name=op.f("uq_participant_slug")),
    )
    op.create_index(
        "uq_participant_one_exchange",
        "participant",
        ["is_exchange"],
        unique=True,
        sqlite_where=sa.text("is_exchange"),
        postgresql_where=sa.text("is_exchange"),
    )
    op.create_table(
        "legal_identifier",
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("scheme", sa.String(length=10), nullable=False),
        sa.Column("value", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_legal_identifier_participant_id")
        ),
        sa.PrimaryKeyConstraint("participant_id", "scheme", name=op.f("pk_legal_identifier")),
        sa.UniqueConstraint("scheme", "value", name=op.f("uq_legal_identifier_scheme_value")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("roles", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_person_participant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("participant_id", "email", name=op.f("uq_person_participant_id_email")),
    )
    op.create_index(op.f("ix_person_participant_id"), "person", ["participant_id"], unique=False)
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("last_taken_at", UTC_INSTANT, nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_webhook_participant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(op.f("ix_webhook_participant_id"), "webhook", ["participant_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_webhook_participant_id"), table_name="webhook")
    op.drop_table("webhook")
    op.drop_index(op.f("ix_person_participant_id"), table_name="person")
    op.drop_table("person")
    op.drop_table("legal_identifier")
    op.drop_index(
        "uq_participant_one_exchange",
        table_name="participant",
        sqlite_where=sa.text("is_exchange"),
        postgresql_where=sa.text("is_exchange"),
    )
    op.drop_table("participant")
