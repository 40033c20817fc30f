"""Tables of ground."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The log refuses to be changed by the database itself: only INSERT gets through.
APPEND_ONLY = {
    "sqlite": (
        "create trigger log_entry_no_update before update on log_entry begin select raise(abort, 'log_entry is append-only'); end",
        "create trigger log_entry_no_delete before delete on log_entry begin select raise(abort, 'log_entry is append-only'); end",
        "create trigger log_entry_no_replace before insert on log_entry when exists (select 1 from log_entry where id = new.id) begin select raise(abort, 'log_entry is append-only'); end",
        "create trigger decision_no_update before update on decision begin select raise(abort, 'decision is append-only'); end",
        "create trigger decision_no_delete before delete on decision begin select raise(abort, 'decision is append-only'); end",
        "create trigger decision_no_replace before insert on decision when exists (select 1 from decision where id = new.id) begin select raise(abort, 'decision is append-only'); end",
    ),
    "postgresql": (
        """
create or replace function refuse_change_of_log() returns trigger language plpgsql as $$
begin
  raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege';
end $$
        """,
        "create trigger log_entry_no_change before update or delete on log_entry for each row execute function refuse_change_of_log()",
        "create trigger log_entry_no_truncate before truncate on log_entry for each statement execute function refuse_change_of_log()",
        "create trigger decision_no_change before update or delete on decision for each row execute function refuse_change_of_log()",
        "create trigger decision_no_truncate before truncate on decision for each statement execute function refuse_change_of_log()",
    ),
}


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("is_permit", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=True),
        sa.Column("consumer_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("agreement_id", sa.String(length=36), nullable=True),
        sa.Column("policy_hash", sa.String(length=80), nullable=True),
        sa.Column("facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("for_requester", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("for_provider", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
    )
    op.create_table(
        "log_entry",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("trace_id", sa.String(length=64), nullable=False),
        sa.Column("actor_client_id", sa.String(length=200), nullable=True),
        sa.Column("actor_participant_id", sa.String(length=36), nullable=True),
        sa.Column("actor_person_id", sa.String(length=36), nullable=True),
        sa.Column("thing_id", sa.String(length=36), nullable=True),
        sa.Column("provider_id", sa.String(length=36), nullable=True),
        sa.Column("consumer_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_version", sa.Integer(), nullable=True),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("agreement_id", sa.String(length=36), nullable=True),
        sa.Column("offer_id", sa.String(length=36), nullable=True),
        sa.Column("offer_version", sa.Integer(), nullable=True),
        sa.Column("policy_hash", sa.String(length=80), nullable=True),
        sa.Column("purpose", sa.String(length=300), nullable=True),
        sa.Column("decision_id", sa.String(length=36), nullable=True),
        sa.Column("of_entry_id", sa.String(length=36), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.CheckConstraint(
            "outcome in ('done','permit','deny','finished','aborted','refused')",
            name=op.f("ck_log_entry_outcome"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entry")),
    )
    op.create_index(
        op.f("ix_log_entry_actor_participant_id_id"),
        "log_entry",
        ["actor_participant_id", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_log_entry_agreement_id_id"), "log_entry", ["agreement_id", "id"], unique=False)
    op.create_index(op.f("ix_log_entry_at"), "log_entry", ["at"], unique=False)
    op.create_index(op.f("ix_log_entry_consumer_id_id"), "log_entry", ["consumer_id", "id"], unique=False)
    op.create_index(op.f("ix_log_entry_dataset_id_id"), "log_entry", ["dataset_id", "id"], unique=False)
    op.create_index(op.f("ix_log_entry_of_entry_id"), "log_entry", ["of_entry_id"], unique=False)
    op.create_index(op.f("ix_log_entry_provider_id_id"), "log_entry", ["provider_id", "id"], unique=False)
    op.create_index(op.f("ix_log_entry_thing_id_id"), "log_entry", ["thing_id", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("fact", sa.String(length=100), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("due_at", UTC_INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_at", UTC_INSTANT, nullable=True),
        sa.Column("done_at", UTC_INSTANT, nullable=True),
        sa.Column("is_dead", sa.Boolean(), nullable=False),
        sa.Column("last_fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_done_at_due_at"), "outbox", ["done_at", "due_at"], unique=False)
    op.create_table(
        "stored_reply",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_stored_reply")),
    )
    op.create_index(op.f("ix_stored_reply_at"), "stored_reply", ["at"], unique=False)
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_index(op.f("ix_stored_reply_at"), table_name="stored_reply")
    op.drop_table("stored_reply")
    op.drop_index(op.f("ix_outbox_done_at_due_at"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_log_entry_thing_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_provider_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_of_entry_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_dataset_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_consumer_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_at"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_agreement_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_actor_participant_id_id"), table_name="log_entry")
    op.drop_table("log_entry")
    op.drop_table("decision")
