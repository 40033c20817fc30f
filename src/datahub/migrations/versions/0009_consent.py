"""Tables of consent: rules and notices, decisions and their events, links, imports."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The database itself refuses to change or remove what people decided and were shown.
KEYS = {
    "consent_event": "record_id = new.record_id and number = new.number",
    "consent_rule": "id = new.id",
}


def _append_only(dialect: str) -> list[str]:
    if dialect == "sqlite":
        return [
            f"create trigger {table}_no_{name} before {when} begin select raise(abort, '{table} is append-only'); end"
            for table, key in KEYS.items()
            for name, when in (
                ("update", f"update on {table}"),
                ("delete", f"delete on {table}"),
                ("replace", f"insert on {table} when exists (select 1 from {table} where {key})"),  # noqa: S608
            )
        ]
    refuse = "execute function refuse_change_of_log()"
    return [
        f"create trigger {table}_no_{name} before {when} on {table} for each {each} {refuse}"
        for table in KEYS
        for name, when, each in (("change", "update or delete", "row"), ("truncate", "truncate", "statement"))
    ]


def upgrade() -> None:
    op.create_table(
        "consent_detail",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("relation", sa.String(length=100), nullable=True),
        sa.Column("guardian", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "number", name=op.f("pk_consent_detail")),
    )
    op.create_table(
        "consent_event",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("move", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("recorded_at", UTC_INSTANT, nullable=False),
        sa.Column("until", UTC_INSTANT, nullable=True),
        sa.Column("is_explicit", sa.Boolean(), nullable=False),
        sa.Column("rule_number", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("collector", sa.String(length=10), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("is_conditional", sa.Boolean(), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "number", name=op.f("pk_consent_event")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_topic",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=300), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_consent_topic")),
        sa.UniqueConstraint("dataset_id", "purpose", name=op.f("uq_consent_topic_dataset_id_purpose")),
        info={"epoch": "authority"},
    )
    op.create_table(
        "consent_import",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("is_dry", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("faulty", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=True),
        sa.Column("actor", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("finished_at", UTC_INSTANT, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('received','running','done','failed')", name=op.f("ck_consent_import_state")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_consent_import_provider_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_import")),
    )
    op.create_index(
        op.f("ix_consent_import_dataset_id_id"), "consent_import", ["dataset_id", "id"], unique=False
    )
    op.create_index(op.f("ix_consent_import_state"), "consent_import", ["state"], unique=False)
    op.create_table(
        "consent_link",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("key_space", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("delivery", sa.String(length=20), nullable=False),
        sa.Column("guardian", sa.LargeBinary(length=16), nullable=True),
        sa.Column("relation", sa.String(length=100), nullable=True),
        sa.Column("majority_at", UTC_INSTANT, nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("expires_at", UTC_INSTANT, nullable=False),
        sa.Column("used_at", UTC_INSTANT, nullable=True),
        sa.Column("session_hash", sa.String(length=64), nullable=True),
        sa.Column("session_until", UTC_INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_consent_link_provider_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_link")),
        sa.UniqueConstraint("session_hash", name=op.f("uq_consent_link_session_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_consent_link_token_hash")),
    )
    op.create_index(op.f("ix_consent_link_expires_at"), "consent_link", ["expires_at"], unique=False)
    op.create_index(
        op.f("ix_consent_link_provider_id_subject"), "consent_link", ["provider_id", "subject"], unique=False
    )
    op.create_table(
        "consent_record",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("topic_no", sa.Integer(), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("until_s", sa.BigInteger(), nullable=True),
        sa.Column("is_explicit", sa.Boolean(), nullable=False),
        sa.Column("rule_number", sa.Integer(), nullable=False),
        sa.Column("is_persons_own", sa.Boolean(), nullable=False),
        sa.Column("last_at", UTC_INSTANT, nullable=False),
        sa.Column("last_event", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state in ('requested','given','renewed','withdrawn','refused','expired','invalidated')",
            name=op.f("ck_consent_record_state"),
        ),
        sa.ForeignKeyConstraint(["topic_no"], ["consent_topic.no"], name=op.f("fk_consent_record_topic_no")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_record")),
        sa.UniqueConstraint("topic_no", "subject", name=op.f("uq_consent_record_topic_no_subject")),
        info={"epoch": "authority"},
    )
    op.create_index(
        op.f("ix_consent_record_topic_no_epoch"), "consent_record", ["topic_no", "epoch"], unique=False
    )
    op.create_index(op.f("ix_consent_record_until_s"), "consent_record", ["until_s"], unique=False)
    op.create_table(
        "consent_rule",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key_space", sa.String(length=80), nullable=False),
        sa.Column("subjects", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("several", sa.String(length=3), nullable=False),
        sa.Column("nobody", sa.String(length=3), nullable=False),
        sa.Column("purposes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("classes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("notice", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("notice_hash", sa.String(length=64), nullable=False),
        sa.Column("handling", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("offers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("rule_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.CheckConstraint("nobody in ('in','out')", name=op.f("ck_consent_rule_nobody")),
        sa.CheckConstraint("several in ('all','any')", name=op.f("ck_consent_rule_several")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_consent_rule_provider_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_rule")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_consent_rule_dataset_id_number")),
        info={"epoch": "authority"},
    )
    op.create_table(
        "consent_import_fault",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pointer", sa.String(length=100), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["consent_import.id"],
            name=op.f("fk_consent_import_fault_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_consent_import_fault")),
    )
    for statement in _append_only(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("consent_import_fault")
    op.drop_table("consent_rule")
    op.drop_index(op.f("ix_consent_record_until_s"), table_name="consent_record")
    op.drop_index(op.f("ix_consent_record_topic_no_epoch"), table_name="consent_record")
    op.drop_table("consent_record")
    op.drop_index(op.f("ix_consent_link_provider_id_subject"), table_name="consent_link")
    op.drop_index(op.f("ix_consent_link_expires_at"), table_name="consent_link")
    op.drop_table("consent_link")
    op.drop_index(op.f("ix_consent_import_state"), table_name="consent_import")
    op.drop_index(op.f("ix_consent_import_dataset_id_id"), table_name="consent_import")
    op.drop_table("consent_import")
    op.drop_table("consent_topic")
    op.drop_table("consent_event")
    op.drop_table("consent_detail")
