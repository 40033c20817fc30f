"""The tables that make the access log a transparency log, and guards that let only logged erasures through."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

GUARDS = {
    "sqlite": (
        'create trigger log_entry_no_update before update on log_entry when not ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id, old.actor_participant_id)))) or not (cast(new."id" as text) is cast(old."id" as text)) or not (cast(new."at" as text) is cast(old."at" as text)) or not (cast(new."action" as text) is cast(old."action" as text)) or not (cast(new."outcome" as text) is cast(old."outcome" as text)) or not (cast(new."code" as text) is cast(old."code" as text)) or not (cast(new."trace_id" as text) is cast(old."trace_id" as text)) or not (cast(new."actor_client_id" as text) is cast(old."actor_client_id" as text) or cast(new."actor_client_id" as text) is null) or not (cast(new."actor_participant_id" as text) is cast(old."actor_participant_id" as text) or cast(new."actor_participant_id" as text) is null) or not (cast(new."actor_person_id" as text) is cast(old."actor_person_id" as text) or cast(new."actor_person_id" as text) is null) or not (cast(new."thing_id" as text) is cast(old."thing_id" as text) or cast(new."thing_id" as text) is null) or not (cast(new."provider_id" as text) is cast(old."provider_id" as text) or cast(new."provider_id" as text) is null) or not (cast(new."consumer_id" as text) is cast(old."consumer_id" as text) or cast(new."consumer_id" as text) is null) or not (cast(new."dataset_id" as text) is cast(old."dataset_id" as text) or cast(new."dataset_id" as text) is null) or not (cast(new."dataset_version" as text) is cast(old."dataset_version" as text) or cast(new."dataset_version" as text) is null) or not (cast(new."columns" as text) is cast(old."columns" as text) or cast(new."columns" as text) is null) or not (cast(new."agreement_id" as text) is cast(old."agreement_id" as text) or cast(new."agreement_id" as text) is null) or not (cast(new."offer_id" as text) is cast(old."offer_id" as text) or cast(new."offer_id" as text) is null) or not (cast(new."offer_version" as text) is cast(old."offer_version" as text) or cast(new."offer_version" as text) is null) or not (cast(new."policy_hash" as text) is cast(old."policy_hash" as text) or cast(new."policy_hash" as text) is null) or not (cast(new."purpose" as text) is cast(old."purpose" as text) or cast(new."purpose" as text) is null) or not (cast(new."decision_id" as text) is cast(old."decision_id" as text) or cast(new."decision_id" as text) is null) or not (cast(new."of_entry_id" as text) is cast(old."of_entry_id" as text) or cast(new."of_entry_id" as text) is null) or not (cast(new."rows" as text) is cast(old."rows" as text) or cast(new."rows" as text) is null) or not (cast(new."bytes" as text) is cast(old."bytes" as text) or cast(new."bytes" as text) is null) or not (cast(new."details" as text) is cast(old."details" as text) or cast(new."details" as text) is null or cast(new."details" as text) = \'{}\') or not (cast(new."subjects" as text) is cast(old."subjects" as text) or cast(new."subjects" as text) is null) begin select raise(abort, \'log_entry is append-only\'); end',
        "create trigger log_entry_no_delete before delete on log_entry when not ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id, old.actor_participant_id)))) begin select raise(abort, 'log_entry is append-only'); end",
        "create trigger log_entry_no_replace before insert on log_entry when exists (select 1 from log_entry where id = new.id) begin select raise(abort, 'log_entry is append-only'); end",
        'create trigger decision_no_update before update on decision when not ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id)))) or not (cast(new."id" as text) is cast(old."id" as text)) or not (cast(new."at" as text) is cast(old."at" as text)) or not (cast(new."is_permit" as text) is cast(old."is_permit" as text)) or not (cast(new."code" as text) is cast(old."code" as text)) or not (cast(new."provider_id" as text) is cast(old."provider_id" as text) or cast(new."provider_id" as text) is null) or not (cast(new."consumer_id" as text) is cast(old."consumer_id" as text) or cast(new."consumer_id" as text) is null) or not (cast(new."dataset_id" as text) is cast(old."dataset_id" as text)) or not (cast(new."agreement_id" as text) is cast(old."agreement_id" as text) or cast(new."agreement_id" as text) is null) or not (cast(new."policy_hash" as text) is cast(old."policy_hash" as text) or cast(new."policy_hash" as text) is null) or not (cast(new."facts" as text) is cast(old."facts" as text) or cast(new."facts" as text) is null or cast(new."facts" as text) = \'{}\') or not (cast(new."for_requester" as text) is cast(old."for_requester" as text) or cast(new."for_requester" as text) is null or cast(new."for_requester" as text) = \'{}\') or not (cast(new."for_provider" as text) is cast(old."for_provider" as text) or cast(new."for_provider" as text) is null or cast(new."for_provider" as text) = \'{}\') begin select raise(abort, \'decision is append-only\'); end',
        "create trigger decision_no_delete before delete on decision when not ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id)))) begin select raise(abort, 'decision is append-only'); end",
        "create trigger decision_no_replace before insert on decision when exists (select 1 from decision where id = new.id) begin select raise(abort, 'decision is append-only'); end",
        "create trigger log_erasure_no_update before update on log_erasure begin select raise(abort, 'log_erasure is append-only'); end",
        "create trigger log_erasure_no_delete before delete on log_erasure begin select raise(abort, 'log_erasure is append-only'); end",
    ),
    "postgresql": (
        "create or replace function refuse_change_of_log() returns trigger language plpgsql as $$ begin raise exception using message = tg_table_name || ' is append-only', errcode = 'insufficient_privilege'; end $$",
        'create or replace function refuse_change_of_log_entry() returns trigger language plpgsql as $$ begin if tg_op <> \'TRUNCATE\' then if ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id, old.actor_participant_id)))) then if tg_op = \'DELETE\' then return old; end if; if not (not (cast(new."id" as text) is not distinct from cast(old."id" as text)) or not (cast(new."at" as text) is not distinct from cast(old."at" as text)) or not (cast(new."action" as text) is not distinct from cast(old."action" as text)) or not (cast(new."outcome" as text) is not distinct from cast(old."outcome" as text)) or not (cast(new."code" as text) is not distinct from cast(old."code" as text)) or not (cast(new."trace_id" as text) is not distinct from cast(old."trace_id" as text)) or not (cast(new."actor_client_id" as text) is not distinct from cast(old."actor_client_id" as text) or cast(new."actor_client_id" as text) is null) or not (cast(new."actor_participant_id" as text) is not distinct from cast(old."actor_participant_id" as text) or cast(new."actor_participant_id" as text) is null) or not (cast(new."actor_person_id" as text) is not distinct from cast(old."actor_person_id" as text) or cast(new."actor_person_id" as text) is null) or not (cast(new."thing_id" as text) is not distinct from cast(old."thing_id" as text) or cast(new."thing_id" as text) is null) or not (cast(new."provider_id" as text) is not distinct from cast(old."provider_id" as text) or cast(new."provider_id" as text) is null) or not (cast(new."consumer_id" as text) is not distinct from cast(old."consumer_id" as text) or cast(new."consumer_id" as text) is null) or not (cast(new."dataset_id" as text) is not distinct from cast(old."dataset_id" as text) or cast(new."dataset_id" as text) is null) or not (cast(new."dataset_version" as text) is not distinct from cast(old."dataset_version" as text) or cast(new."dataset_version" as text) is null) or not (cast(new."columns" as text) is not distinct from cast(old."columns" as text) or cast(new."columns" as text) is null) or not (cast(new."agreement_id" as text) is not distinct from cast(old."agreement_id" as text) or cast(new."agreement_id" as text) is null) or not (cast(new."offer_id" as text) is not distinct from cast(old."offer_id" as text) or cast(new."offer_id" as text) is null) or not (cast(new."offer_version" as text) is not distinct from cast(old."offer_version" as text) or cast(new."offer_version" as text) is null) or not (cast(new."policy_hash" as text) is not distinct from cast(old."policy_hash" as text) or cast(new."policy_hash" as text) is null) or not (cast(new."purpose" as text) is not distinct from cast(old."purpose" as text) or cast(new."purpose" as text) is null) or not (cast(new."decision_id" as text) is not distinct from cast(old."decision_id" as text) or cast(new."decision_id" as text) is null) or not (cast(new."of_entry_id" as text) is not distinct from cast(old."of_entry_id" as text) or cast(new."of_entry_id" as text) is null) or not (cast(new."rows" as text) is not distinct from cast(old."rows" as text) or cast(new."rows" as text) is null) or not (cast(new."bytes" as text) is not distinct from cast(old."bytes" as text) or cast(new."bytes" as text) is null) or not (cast(new."details" as text) is not distinct from cast(old."details" as text) or cast(new."details" as text) is null or cast(new."details" as text) = \'{}\') or not (cast(new."subjects" as text) is not distinct from cast(old."subjects" as text) or cast(new."subjects" as text) is null)) then return new; end if; end if; end if; raise exception using message = tg_table_name || \' is append-only\', errcode = \'insufficient_privilege\'; end $$',
        "create trigger log_entry_no_change before update or delete on log_entry for each row execute function refuse_change_of_log_entry()",
        "create trigger log_entry_no_truncate before truncate on log_entry for each statement execute function refuse_change_of_log_entry()",
        'create or replace function refuse_change_of_decision() returns trigger language plpgsql as $$ begin if tg_op <> \'TRUNCATE\' then if ( exists (select 1 from log_erasure e where e.row_id = old.id or e.before > old.at) and not exists (select 1 from log_hold h where h.released_at is null and (h.entry_id is null or h.entry_id = old.id) and (h.dataset_id is null or h.dataset_id = old.dataset_id) and (h.participant_id is null or h.participant_id in (old.provider_id, old.consumer_id)))) then if tg_op = \'DELETE\' then return old; end if; if not (not (cast(new."id" as text) is not distinct from cast(old."id" as text)) or not (cast(new."at" as text) is not distinct from cast(old."at" as text)) or not (cast(new."is_permit" as text) is not distinct from cast(old."is_permit" as text)) or not (cast(new."code" as text) is not distinct from cast(old."code" as text)) or not (cast(new."provider_id" as text) is not distinct from cast(old."provider_id" as text) or cast(new."provider_id" as text) is null) or not (cast(new."consumer_id" as text) is not distinct from cast(old."consumer_id" as text) or cast(new."consumer_id" as text) is null) or not (cast(new."dataset_id" as text) is not distinct from cast(old."dataset_id" as text)) or not (cast(new."agreement_id" as text) is not distinct from cast(old."agreement_id" as text) or cast(new."agreement_id" as text) is null) or not (cast(new."policy_hash" as text) is not distinct from cast(old."policy_hash" as text) or cast(new."policy_hash" as text) is null) or not (cast(new."facts" as text) is not distinct from cast(old."facts" as text) or cast(new."facts" as text) is null or cast(new."facts" as text) = \'{}\') or not (cast(new."for_requester" as text) is not distinct from cast(old."for_requester" as text) or cast(new."for_requester" as text) is null or cast(new."for_requester" as text) = \'{}\') or not (cast(new."for_provider" as text) is not distinct from cast(old."for_provider" as text) or cast(new."for_provider" as text) is null or cast(new."for_provider" as text) = \'{}\')) then return new; end if; end if; end if; raise exception using message = tg_table_name || \' is append-only\', errcode = \'insufficient_privilege\'; end $$',
        "create trigger decision_no_change before update or delete on decision for each row execute function refuse_change_of_decision()",
        "create trigger decision_no_truncate before truncate on decision for each statement execute function refuse_change_of_decision()",
        "create trigger log_erasure_no_change before update or delete on log_erasure for each row execute function refuse_change_of_log()",
        "create trigger log_erasure_no_truncate before truncate on log_erasure for each statement execute function refuse_change_of_log()",
    ),
}
# Those of the first migration let nothing through at all.
OLD_GUARDS = {
    "sqlite": tuple(
        f"drop trigger {table}_no_{verb}"
        for table in ("log_entry", "decision")
        for verb in ("update", "delete", "replace")
    ),
    "postgresql": tuple(
        f"drop trigger {table}_no_{verb} on {table}"
        for table in ("log_entry", "decision")
        for verb in ("change", "truncate")
    ),
}
TABLES = (
    "log_pending",
    "log_head",
    "log_key",
    "log_tile",
    "log_checkpoint",
    "log_leaf",
    "log_subject_key",
    "log_subject_entry",
    "log_erasure",
    "log_hold",
)


def _id(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length=36), nullable=nullable)


def upgrade() -> None:
    op.add_column("log_entry", sa.Column("subjects", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "log_pending",
        _id("id"),
        sa.Column("entry_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_pending")),
    )
    op.create_table(
        "log_head",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=250), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("pruned_below", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", UTC_INSTANT, nullable=False),
        sa.Column("moved_at", UTC_INSTANT, nullable=False),
        sa.Column("closed_at", UTC_INSTANT, nullable=True),
        sa.Column("audited_at", UTC_INSTANT, nullable=True),
        sa.Column("audited_size", sa.BigInteger(), nullable=False),
        sa.Column("audit_fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_log_head")),
        sa.UniqueConstraint("origin", name=op.f("uq_log_head_origin")),
    )
    op.create_table(
        "log_key",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "type", name=op.f("pk_log_key")),
    )
    op.create_table(
        "log_tile",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "level", "number", name=op.f("pk_log_tile")),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("witnesses", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", "size", name=op.f("pk_log_checkpoint")),
    )
    op.create_table(
        "log_leaf",
        _id("entry_id"),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("opening", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_log_leaf")),
        sa.UniqueConstraint("log", "leaf_index", name=op.f("uq_log_leaf_log_leaf_index")),
    )
    op.create_table(
        "log_subject_key",
        _id("id"),
        sa.Column("lookup", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("shredded_at", UTC_INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_subject_key")),
        sa.UniqueConstraint("lookup", name=op.f("uq_log_subject_key_lookup")),
    )
    op.create_table(
        "log_subject_entry",
        _id("subject_id"),
        _id("entry_id"),
        sa.PrimaryKeyConstraint("subject_id", "entry_id", name=op.f("pk_log_subject_entry")),
    )
    op.create_table(
        "log_erasure",
        _id("id"),
        _id("by_entry_id"),
        _id("row_id", nullable=True),
        sa.Column("before", UTC_INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_erasure")),
    )
    op.create_index(op.f("ix_log_erasure_row_id"), "log_erasure", ["row_id"])
    op.create_table(
        "log_hold",
        _id("id"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", UTC_INSTANT, nullable=False),
        sa.Column("released_at", UTC_INSTANT, nullable=True),
        _id("entry_id", nullable=True),
        _id("dataset_id", nullable=True),
        _id("participant_id", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_hold")),
    )
    dialect = op.get_bind().dialect.name
    for statement in (*OLD_GUARDS[dialect], *GUARDS[dialect]):
        op.get_bind().exec_driver_sql(statement)
    # What was logged before there was a tree goes into it too.
    op.execute("insert into log_pending (id, entry_ids) select id, id from log_entry")


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for statement in OLD_GUARDS[dialect]:
        op.execute(statement)
    for table in TABLES:
        op.drop_table(table)
    op.drop_column("log_entry", "subjects")
    # The guards as they were: nothing gets through.
    for table in ("log_entry", "decision"):
        if dialect == "sqlite":
            refuse = f"select raise(abort, '{table} is append-only')"
            op.execute(f"create trigger {table}_no_update before update on {table} begin {refuse}; end")
            op.execute(f"create trigger {table}_no_delete before delete on {table} begin {refuse}; end")
            op.execute(
                f"create trigger {table}_no_replace before insert on {table} "  # noqa: S608 — our own names
                f"when exists (select 1 from {table} where id = new.id) begin {refuse}; end"
            )
        else:
            for name, when in (("change", "update or delete"), ("truncate", "truncate")):
                each = "statement" if name == "truncate" else "row"
                op.execute(
                    f"create trigger {table}_no_{name} before {when} on {table} "
                    f"for each {each} execute function refuse_change_of_log()"
                )
