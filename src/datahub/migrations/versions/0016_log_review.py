"""Tables of reviewing the log: saved searches, findings, reviews, forwarding; an index of what did not go well."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)
NOT_WELL = sa.text("outcome in ('deny','refused','aborted')")

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def _id(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length=36), nullable=nullable)


def upgrade() -> None:
    op.create_index(
        "ix_log_entry_not_well", "log_entry", ["id"], sqlite_where=NOT_WELL, postgresql_where=NOT_WELL
    )
    op.create_table(
        "log_search",
        _id("id"),
        _id("participant_id"),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("filters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_search")),
        sa.UniqueConstraint("participant_id", "name", name=op.f("uq_log_search_participant_id_name")),
    )
    op.create_table(
        "review_cursor",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_review_cursor")),
    )
    op.create_table(
        "review_finding",
        _id("id"),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=500), nullable=False),
        _id("provider_id"),
        _id("consumer_id"),
        _id("dataset_id"),
        sa.Column("seen", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("expected", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("entries", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("text_nl", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_finding")),
        sa.UniqueConstraint("rule", "key", name=op.f("uq_review_finding_rule_key")),
    )
    op.create_index(op.f("ix_review_finding_provider_id_id"), "review_finding", ["provider_id", "id"])
    op.create_table(
        "review",
        _id("id"),
        _id("owner_id"),
        _id("finding_id", nullable=True),
        _id("entry_id", nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("assignee", sa.String(length=300), nullable=True),
        _id("asked_id", nullable=True),
        sa.Column("is_asked", sa.Boolean(), nullable=False),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('open','assigned','asked','answered','closed')", name=op.f("ck_review_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("owner_id", "finding_id", name=op.f("uq_review_owner_id_finding_id")),
        sa.UniqueConstraint("owner_id", "entry_id", name=op.f("uq_review_owner_id_entry_id")),
    )
    op.create_index(op.f("ix_review_owner_id_state_id"), "review", ["owner_id", "state", "id"])
    op.create_index(op.f("ix_review_asked_id_id"), "review", ["asked_id", "id"])
    op.create_table(
        "log_forward",
        _id("id"),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("queued_at", UTC_INSTANT, nullable=True),
        sa.Column("sent_at", UTC_INSTANT, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_forward")),
    )


def downgrade() -> None:
    for table in ("log_forward", "review", "review_finding", "review_cursor"):
        op.drop_table(table)
    op.drop_table("log_search")
    op.drop_index("ix_log_entry_not_well", "log_entry")
