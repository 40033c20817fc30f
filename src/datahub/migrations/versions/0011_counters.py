"""Epochs: counters that move with every change of authority; counters of use under agreements; the journal's spool."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A row of the spool goes when its last entry is in the log, and never changes: its entries are made all or none.
_REFUSE = "select raise(abort, 'log_spool is append-only')"
_IS_THERE = "exists (select 1 from log_entry where id = old.last_id)"
_IS_KEPT = "exists (select 1 from log_spool where id = new.id)"
GUARDS = {
    "sqlite": (
        f"create trigger log_spool_no_update before update on log_spool begin {_REFUSE}; end",
        f"create trigger log_spool_no_delete before delete on log_spool when not {_IS_THERE} begin {_REFUSE}; end",
        f"create trigger log_spool_no_replace before insert on log_spool when {_IS_KEPT} begin {_REFUSE}; end",
    ),
    "postgresql": (
        f"""
create or replace function refuse_change_of_log_spool() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if {_IS_THERE} then return old; end if;
  end if;
  raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege';
end $$
        """,
        (
            "create trigger log_spool_no_change before update or delete on log_spool "
            "for each row execute function refuse_change_of_log_spool()"
        ),
        (
            "create trigger log_spool_no_truncate before truncate on log_spool "
            "for each statement execute function refuse_change_of_log_spool()"
        ),
    ),
}


def upgrade() -> None:
    op.create_table(
        "log_spool",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("last_id", sa.String(36), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_spool"),
    )
    for statement in GUARDS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)
    op.create_table(
        "epoch",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_epoch"),
    )
    op.execute("insert into epoch (name, value) values ('authority', 1)")
    op.create_table(
        "use_counter",
        sa.Column("agreement_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name="fk_use_counter_agreement_id"),
        sa.PrimaryKeyConstraint("agreement_id", "name", "starts_at", name="pk_use_counter"),
    )
    op.create_table(
        "use_charge",
        sa.Column("entry_id", sa.String(36), nullable=False),
        sa.Column("agreement_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amounts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("retry_key", sa.String(64), nullable=True),
        sa.Column("is_finished", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name="fk_use_charge_agreement_id"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_use_charge"),
    )
    op.create_index("ix_use_charge_agreement_id_retry_key", "use_charge", ["agreement_id", "retry_key"])
    op.create_index("ix_use_charge_at", "use_charge", ["at"])


def downgrade() -> None:
    op.drop_table("use_charge")
    op.drop_table("use_counter")
    op.drop_table("epoch")
    op.drop_table("log_spool")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function refuse_change_of_log_spool()")
