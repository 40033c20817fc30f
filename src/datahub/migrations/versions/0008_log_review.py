"""Tables of witnessing."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "witnessed_log",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("vkeys", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=44), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("cosigned_at", UTC_INSTANT, nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("ck_witnessed_log_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_witnessed_log")),
        sa.UniqueConstraint("origin", name=op.f("uq_witnessed_log_origin")),
    )
    op.create_table(
        "fork_evidence",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("log_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.Column("sent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["log_id"], ["witnessed_log.id"], name=op.f("fk_fork_evidence_log_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fork_evidence")),
        sa.UniqueConstraint("log_id", "digest", name=op.f("uq_fork_evidence_log_id_digest")),
    )
    op.create_table(
        "asked_witness",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("vkeys", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("cosigned_at", UTC_INSTANT, nullable=True),
        sa.Column("asked_at", UTC_INSTANT, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asked_witness")),
        sa.UniqueConstraint("name", name=op.f("uq_asked_witness_name")),
    )


def downgrade() -> None:
    op.drop_table("asked_witness")
    op.drop_table("fork_evidence")
    op.drop_table("witnessed_log")
