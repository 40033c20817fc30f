"""Tables of catalogue."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("title_nl", sa.String(length=300), nullable=True),
        sa.Column("title_en", sa.String(length=300), nullable=True),
        sa.Column("description_nl", sa.Text(), nullable=True),
        sa.Column("description_en", sa.Text(), nullable=True),
        sa.Column("provenance_nl", sa.Text(), nullable=True),
        sa.Column("provenance_en", sa.Text(), nullable=True),
        sa.Column("keywords", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("themes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("languages", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("conforms_to", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("spatial", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("temporal_start", sa.Date(), nullable=True),
        sa.Column("temporal_end", sa.Date(), nullable=True),
        sa.Column("frequency", sa.String(length=20), nullable=True),
        sa.Column("licence", sa.String(length=2000), nullable=True),
        sa.Column("access_rights", sa.String(length=20), nullable=False),
        sa.Column("contact", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("last_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("modified_at", UTC_INSTANT, nullable=False),
        sa.Column("published_at", UTC_INSTANT, nullable=True),
        sa.Column("listed_at", UTC_INSTANT, nullable=False),
        sa.Column(
            "title_sort",
            sa.String(length=300).with_variant(sa.String(length=300, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind in ('table','files')", name=op.f("ck_dataset_kind")),
        sa.CheckConstraint(
            "state in ('draft','published','deprecated','withdrawn')", name=op.f("ck_dataset_state")
        ),
        sa.CheckConstraint(
            "description_nl is not null or description_en is not null", name=op.f("ck_dataset_description")
        ),
        sa.CheckConstraint("title_nl is not null or title_en is not null", name=op.f("ck_dataset_title")),
        sa.ForeignKeyConstraint(["provider_id"], ["participant.id"], name=op.f("fk_dataset_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("provider_id", "slug", name=op.f("uq_dataset_provider_id_slug")),
    )
    op.create_index(op.f("ix_dataset_listed_at_id"), "dataset", ["listed_at", "id"], unique=False)
    op.create_index(op.f("ix_dataset_modified_at"), "dataset", ["modified_at"], unique=False)
    op.create_index(
        op.f("ix_dataset_provider_id_listed_at_id"),
        "dataset",
        ["provider_id", "listed_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_dataset_title_sort_id"), "dataset", ["title_sort", "id"], unique=False)
    op.create_table(
        "dataset_tag",
        sa.Column("field", sa.String(length=10), nullable=False),
        sa.Column("value", sa.String(length=2000), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_tag_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("field", "value", "dataset_id", name=op.f("pk_dataset_tag")),
    )
    op.create_index(op.f("ix_dataset_tag_dataset_id"), "dataset_tag", ["dataset_id"], unique=False)
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("by_participant_id", sa.String(length=36), nullable=True),
        sa.Column("by_client_id", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("media_type", sa.String(length=200), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source_media_type", sa.String(length=200), nullable=False),
        sa.Column("source_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_sha256", sa.String(length=64), nullable=True),
        sa.Column("columns", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("object_key", sa.String(length=300), nullable=True),
        sa.Column("files", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_version_dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_dataset_version_dataset_id_number")),
    )
    op.create_table(
        "offer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("provider_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.Column("changed_at", UTC_INSTANT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("state in ('draft','open','closed')", name=op.f("ck_offer_state")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_offer_dataset_id")),
        sa.ForeignKeyConstraint(["provider_id"], ["participant.id"], name=op.f("fk_offer_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    op.create_index(op.f("ix_offer_dataset_id_state"), "offer", ["dataset_id", "state"], unique=False)
    op.create_index(op.f("ix_offer_provider_id"), "offer", ["provider_id"], unique=False)
    op.create_table(
        "offer_version",
        sa.Column("offer_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("template", sa.String(length=80), nullable=True),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy_hash", sa.String(length=80), nullable=False),
        sa.Column("text_nl", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("questions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("automatic", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("examples", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("deadline_days", sa.Integer(), nullable=False),
        sa.Column("created_at", UTC_INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name=op.f("fk_offer_version_offer_id")),
        sa.PrimaryKeyConstraint("offer_id", "number", name=op.f("pk_offer_version")),
    )


def downgrade() -> None:
    op.drop_table("offer_version")
    op.drop_index(op.f("ix_offer_provider_id"), table_name="offer")
    op.drop_index(op.f("ix_offer_dataset_id_state"), table_name="offer")
    op.drop_table("offer")
    op.drop_table("dataset_version")
    op.drop_index(op.f("ix_dataset_tag_dataset_id"), table_name="dataset_tag")
    op.drop_table("dataset_tag")
    op.drop_index(op.f("ix_dataset_title_sort_id"), table_name="dataset")
    op.drop_index(op.f("ix_dataset_provider_id_listed_at_id"), table_name="dataset")
    op.drop_index(op.f("ix_dataset_modified_at"), table_name="dataset")
    op.drop_index(op.f("ix_dataset_listed_at_id"), table_name="dataset")
    op.drop_table("dataset")
