"""Tables of contracts."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreement",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("consumer_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=300), nullable=True),
        sa.Column("policy", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy_hash", sa.String(length=80), nullable=False),
        sa.Column("text_nl", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("text_nl_hash", sa.String(length=80), nullable=False),
        sa.Column("text_en_hash", sa.String(length=80), nullable=False),
        sa.Column("valid_from", UTC_INSTANT, nullable=False),
        sa.Column("valid_until", UTC_INSTANT, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("suspended_by_id", sa.String(length=36), nullable=True),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("supersedes_id", sa.String(length=36), nullable=True),
        sa.Column("changes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('active','suspended','ended','revoked','expired')", name=op.f("ck_agreement_state")
        ),
        sa.CheckConstraint("provider_id <> consumer_id", name=op.f("ck_agreement_two_parties")),
        sa.ForeignKeyConstraint(["consumer_id"], ["participant.id"], name=op.f("fk_agreement_consumer_id")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_agreement_dataset_id")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_agreement_offer_id")),
        sa.ForeignKeyConstraint(["provider_id"], ["participant.id"], name=op.f("fk_agreement_provider_id")),
        sa.ForeignKeyConstraint(["supersedes_id"], ["agreement.id"], name=op.f("fk_agreement_supersedes_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
        sa.UniqueConstraint("request_id", name=op.f("uq_agreement_request_id")),
    )
    op.create_index(
        op.f("ix_agreement_consumer_id_dataset_id_state"),
        "agreement",
        ["consumer_id", "dataset_id", "state"],
        unique=False,
    )
    op.create_index(op.f("ix_agreement_dataset_id_id"), "agreement", ["dataset_id", "id"], unique=False)
    op.create_index(op.f("ix_agreement_provider_id_id"), "agreement", ["provider_id", "id"], unique=False)
    op.create_index(
        op.f("ix_agreement_state_valid_until"), "agreement", ["state", "valid_until"], unique=False
    )
    op.create_table(
        "access_request",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("offer_version", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("consumer_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("last_move", sa.String(length=10), nullable=False),
        sa.Column("is_by_rule", sa.Boolean(), nullable=False),
        sa.Column("purpose", sa.String(length=300), nullable=True),
        sa.Column("answers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("wished_until", UTC_INSTANT, nullable=True),
        sa.Column("offered_until", UTC_INSTANT, nullable=True),
        sa.Column("policy", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy_hash", sa.String(length=80), nullable=False),
        sa.Column("agrees_to", sa.String(length=80), nullable=False),
        sa.Column("supersedes_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("changed_at", UTC_INSTANT, nullable=False),
        sa.Column("due_at", UTC_INSTANT, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state in ('REQUESTED','OFFERED','ACCEPTED','AGREED','VERIFIED','FINALIZED','TERMINATED')",
            name=op.f("ck_access_request_state"),
        ),
        sa.CheckConstraint("provider_id <> consumer_id", name=op.f("ck_access_request_two_parties")),
        sa.ForeignKeyConstraint(
            ["consumer_id"], ["participant.id"], name=op.f("fk_access_request_consumer_id")
        ),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_access_request_dataset_id")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_access_request_offer_id")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["participant.id"], name=op.f("fk_access_request_provider_id")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["agreement.id"], name=op.f("fk_access_request_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_request")),
    )
    op.create_index(
        op.f("ix_access_request_consumer_id_id"), "access_request", ["consumer_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_access_request_dataset_id_id"), "access_request", ["dataset_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_access_request_provider_id_id"), "access_request", ["provider_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_access_request_state_due_at"), "access_request", ["state", "due_at"], unique=False
    )
    op.create_table(
        "negotiation_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("move", sa.String(length=20), nullable=False),
        sa.Column("from_state", sa.String(length=10), nullable=True),
        sa.Column("to_state", sa.String(length=10), nullable=False),
        sa.Column("party", sa.String(length=10), nullable=False),
        sa.Column("is_by_rule", sa.Boolean(), nullable=False),
        sa.Column("by_participant_id", sa.String(length=36), nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("by_person_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("terms", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["access_request.id"], name=op.f("fk_negotiation_event_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_negotiation_event")),
        sa.UniqueConstraint("request_id", "number", name=op.f("uq_negotiation_event_request_id_number")),
    )
    op.create_table(
        "request_comment",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("by_participant_id", sa.String(length=36), nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("by_person_id", sa.String(length=36), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["access_request.id"], name=op.f("fk_request_comment_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_comment")),
    )
    op.create_index(
        op.f("ix_request_comment_request_id_id"), "request_comment", ["request_id", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_request_comment_request_id_id"), table_name="request_comment")
    op.drop_table("request_comment")
    op.drop_table("negotiation_event")
    op.drop_index(op.f("ix_access_request_state_due_at"), table_name="access_request")
    op.drop_index(op.f("ix_access_request_provider_id_id"), table_name="access_request")
    op.drop_index(op.f("ix_access_request_dataset_id_id"), table_name="access_request")
    op.drop_index(op.f("ix_access_request_consumer_id_id"), table_name="access_request")
    op.drop_table("access_request")
    op.drop_index(op.f("ix_agreement_state_valid_until"), table_name="agreement")
    op.drop_index(op.f("ix_agreement_provider_id_id"), table_name="agreement")
    op.drop_index(op.f("ix_agreement_dataset_id_id"), table_name="agreement")
    op.drop_index(op.f("ix_agreement_consumer_id_dataset_id_state"), table_name="agreement")
    op.drop_table("agreement")
