"""Data that is shared on names the agreement it was obtained under."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dataset") as table:
        table.add_column(sa.Column("upstream_agreement_id", sa.String(length=36), nullable=True))
        table.add_column(sa.Column("upstream_dataset_id", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_dataset_upstream_agreement_id"), "dataset", ["upstream_agreement_id"])
    with op.batch_alter_table("offer") as table:
        table.add_column(sa.Column("upstream", sa.String(length=10), nullable=True))
        table.create_check_constraint(op.f("ck_offer_upstream"), "upstream in ('within','unknown')")


def downgrade() -> None:
    with op.batch_alter_table("offer") as table:
        table.drop_constraint(op.f("ck_offer_upstream"), type_="check")
        table.drop_column("upstream")
    op.drop_index(op.f("ix_dataset_upstream_agreement_id"), table_name="dataset")
    with op.batch_alter_table("dataset") as table:
        table.drop_column("upstream_dataset_id")
        table.drop_column("upstream_agreement_id")
