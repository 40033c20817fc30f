"""Tables of duties: what is owed, whom it is about, which agreements stand still for it."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duty",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("ground", sa.String(length=10), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("timing", sa.String(length=6), nullable=False),
        sa.Column("rule", sa.String(length=300), nullable=False),
        sa.Column("origin", sa.String(length=400), nullable=False),
        sa.Column("debtor_id", sa.String(length=36), nullable=False),
        sa.Column("creditor_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=True),
        sa.Column("agreement_id", sa.String(length=36), nullable=True),
        sa.Column("key_space", sa.String(length=80), nullable=True),
        sa.Column("purpose", sa.String(length=300), nullable=True),
        sa.Column("wish", sa.Text(), nullable=True),
        sa.Column("needs", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("consequence", sa.String(length=10), nullable=False),
        sa.Column("term_s", sa.Integer(), nullable=True),
        sa.Column("starts_at", UTC_INSTANT, nullable=True),
        sa.Column("due_at", UTC_INSTANT, nullable=True),
        sa.Column("first_due_at", UTC_INSTANT, nullable=True),
        sa.Column("remind_at", UTC_INSTANT, nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("subjects", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("settled_at", UTC_INSTANT, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("consequence in ('none','suspend')", name=op.f("ck_duty_consequence")),
        sa.CheckConstraint("ground in ('policy','recall','right')", name=op.f("ck_duty_ground")),
        sa.CheckConstraint(
            "state in ('open','due','fulfilled','overdue','waived','declined','lapsed')",
            name=op.f("ck_duty_state"),
        ),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_duty_agreement_id")),
        sa.ForeignKeyConstraint(["creditor_id"], ["participant.id"], name=op.f("fk_duty_creditor_id")),
        sa.ForeignKeyConstraint(["debtor_id"], ["participant.id"], name=op.f("fk_duty_debtor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
        sa.UniqueConstraint("origin", name=op.f("uq_duty_origin")),
    )
    op.create_index(op.f("ix_duty_agreement_id_id"), "duty", ["agreement_id", "id"], unique=False)
    op.create_index(op.f("ix_duty_creditor_id_id"), "duty", ["creditor_id", "id"], unique=False)
    op.create_index(op.f("ix_duty_debtor_id_id"), "duty", ["debtor_id", "id"], unique=False)
    op.create_index(op.f("ix_duty_remind_at"), "duty", ["remind_at"], unique=False)
    op.create_index(op.f("ix_duty_settled_at"), "duty", ["settled_at"], unique=False)
    op.create_index(op.f("ix_duty_state_due_at"), "duty", ["state", "due_at"], unique=False)
    op.create_index(op.f("ix_duty_state_starts_at"), "duty", ["state", "starts_at"], unique=False)
    op.create_table(
        "duty_hold",
        sa.Column("duty_id", sa.String(length=36), nullable=False),
        sa.Column("agreement_id", sa.String(length=36), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agreement_id"], ["agreement.id"], name=op.f("fk_duty_hold_agreement_id")),
        sa.ForeignKeyConstraint(
            ["duty_id"], ["duty.id"], name=op.f("fk_duty_hold_duty_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("duty_id", "agreement_id", name=op.f("pk_duty_hold")),
    )
    op.create_index(op.f("ix_duty_hold_agreement_id"), "duty_hold", ["agreement_id"], unique=False)
    op.create_table(
        "duty_subject",
        sa.Column("duty_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("cause", sa.String(length=10), nullable=False),
        sa.Column("known", sa.String(length=10), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("link_id", sa.String(length=36), nullable=True),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["duty_id"], ["duty.id"], name=op.f("fk_duty_subject_duty_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("duty_id", "number", name=op.f("pk_duty_subject")),
        sa.UniqueConstraint("duty_id", "subject", name=op.f("uq_duty_subject_duty_id_subject")),
    )
    op.create_index(op.f("ix_duty_subject_subject"), "duty_subject", ["subject"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_duty_subject_subject"), table_name="duty_subject")
    op.drop_table("duty_subject")
    op.drop_index(op.f("ix_duty_hold_agreement_id"), table_name="duty_hold")
    op.drop_table("duty_hold")
    op.drop_index(op.f("ix_duty_state_starts_at"), table_name="duty")
    op.drop_index(op.f("ix_duty_state_due_at"), table_name="duty")
    op.drop_index(op.f("ix_duty_settled_at"), table_name="duty")
    op.drop_index(op.f("ix_duty_remind_at"), table_name="duty")
    op.drop_index(op.f("ix_duty_debtor_id_id"), table_name="duty")
    op.drop_index(op.f("ix_duty_creditor_id_id"), table_name="duty")
    op.drop_index(op.f("ix_duty_agreement_id_id"), table_name="duty")
    op.drop_table("duty")
