"""Tables of queries."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "query",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=False),
        sa.Column("agreement_id", sa.String(length=36), nullable=True),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("consumer_id", sa.String(length=36), nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("purpose", sa.String(length=300), nullable=True),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("epsilon_micro", sa.BigInteger(), nullable=True),
        sa.Column("joined_dataset_id", sa.String(length=36), nullable=True),
        sa.Column("joined_agreement_id", sa.String(length=36), nullable=True),
        sa.Column("joined_provider_id", sa.String(length=36), nullable=True),
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", UTC_INSTANT, nullable=True),
        sa.CheckConstraint("kind in ('question','sql')", name=op.f("ck_query_kind")),
        sa.CheckConstraint(
            "state in ('running','answered','withheld','stopped','failed')", name=op.f("ck_query_state")
        ),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_query_agreement_id")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_query_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query")),
    )
    op.create_index(op.f("ix_query_consumer_id_id"), "query", ["consumer_id", "id"], unique=False)
    op.create_index(op.f("ix_query_provider_id_id"), "query", ["provider_id", "id"], unique=False)
    op.create_index(op.f("ix_query_agreement_id_at"), "query", ["agreement_id", "at"], unique=False)
    op.create_index(op.f("ix_query_state_at"), "query", ["state", "at"], unique=False)
    op.create_table(
        "query_room",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("consumer_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("given_key", sa.String(length=300), nullable=True),
        sa.Column("opened_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["consumer_id"], ["participant.id"], name=op.f("fk_query_room_consumer_id")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_query_room_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query_room")),
        sa.UniqueConstraint("consumer_id", "dataset_id", name=op.f("uq_query_room_consumer_id_dataset_id")),
    )


def downgrade() -> None:
    op.drop_table("query_room")
    op.drop_table("query")
