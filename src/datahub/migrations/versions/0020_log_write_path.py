"""Indexes of the access log hold only what no other index finds; the journal's spool is not compressed."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# index → its columns, and the condition under which a row is in it
_INDEXES = {
    "ix_log_entry_actor_participant_id_id": (
        ("actor_participant_id", "id"),
        "actor_participant_id {is_not} consumer_id",
    ),
    "ix_log_entry_thing_id_id": (("thing_id", "id"), "thing_id is not null"),
    "ix_log_entry_of_entry_id": (("of_entry_id",), "of_entry_id is not null"),
}


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for name, (columns, where) in _INDEXES.items():
        op.drop_index(name, table_name="log_entry")
        condition = where.format(is_not="is distinct from" if is_postgresql else "is not")
        op.execute(f"create index {name} on log_entry ({', '.join(columns)}) where {condition}")
    if is_postgresql:
        op.execute("alter table log_spool alter column lines set storage external")


def downgrade() -> None:
    for name, (columns, _) in _INDEXES.items():
        op.drop_index(name, table_name="log_entry")
        op.create_index(name, "log_entry", list(columns))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("alter table log_spool alter column lines set storage extended")
