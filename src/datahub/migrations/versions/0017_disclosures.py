"""Tables of disclosures: to whom rows about which people have left."""

import sqlalchemy as sa
from alembic import op

UTC_INSTANT = sa.DateTime(timezone=True)

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _id(name: str) -> sa.Column:
    return sa.Column(name, sa.String(length=36), nullable=False)


def _what() -> list[sa.Column]:
    return [
        _id("agreement_id"),
        _id("dataset_id"),
        _id("version_id"),
        sa.Column("purpose", sa.String(length=300), nullable=False),
        sa.Column("numbering", sa.String(length=32), nullable=False),
        sa.Column("key_space", sa.String(length=80), nullable=False),
        sa.Column("subjects", sa.JSON(none_as_null=True), nullable=False),
    ]


def _of_disclosure(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_disclosure_id_consent_disclosure"
    return sa.ForeignKeyConstraint(["disclosure_id"], ["consent_disclosure.id"], name=op.f(name))


def upgrade() -> None:
    op.create_table(
        "consent_disclosure",
        _id("id"),
        *_what(),
        sa.Column("first_at", UTC_INSTANT, nullable=False),
        sa.Column("last_at", UTC_INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_disclosure")),
        sa.UniqueConstraint(
            "agreement_id",
            "version_id",
            "purpose",
            "numbering",
            name=op.f("uq_consent_disclosure_agreement_id_version_id_purpose_numbering"),
        ),
    )
    op.create_index(op.f("ix_consent_disclosure_dataset_id"), "consent_disclosure", ["dataset_id"])
    op.create_table(
        "consent_disclosed_block",
        _id("disclosure_id"),
        sa.Column("block", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        _of_disclosure("consent_disclosed_block"),
        sa.PrimaryKeyConstraint("disclosure_id", "block", name=op.f("pk_consent_disclosed_block")),
    )
    op.create_table(
        "consent_disclosed_person",
        _id("disclosure_id"),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        _of_disclosure("consent_disclosed_person"),
        sa.PrimaryKeyConstraint("disclosure_id", "subject", name=op.f("pk_consent_disclosed_person")),
    )
    op.create_table(
        "consent_disclosure_reserved",
        _id("entry_id"),
        *_what(),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("people", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_consent_disclosure_reserved")),
    )
    for column in ("dataset_id", "at"):
        name = op.f(f"ix_consent_disclosure_reserved_{column}")
        op.create_index(name, "consent_disclosure_reserved", [column])
    op.create_table(
        "consent_reserved_people",
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("at", UTC_INSTANT, nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consent_reserved_people")),
    )
    op.create_index(op.f("ix_consent_reserved_people_at"), "consent_reserved_people", ["at"])


def downgrade() -> None:
    for table in (
        "consent_reserved_people",
        "consent_disclosure_reserved",
        "consent_disclosed_person",
        "consent_disclosed_block",
        "consent_disclosure",
    ):
        op.drop_table(table)
