"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    pool = op.create_table(
        "pool",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("retriever_fingerprint", sa.String, nullable=False),
        sa.Column("dim", sa.Integer, nullable=False),
    )
    op.bulk_insert(pool, [{"id": 1, "version": 0, "retriever_fingerprint": "", "dim": 0}])
    op.create_table(
        "hashtags",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("hashtag", sa.Text, nullable=False, unique=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("version", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "uses",
        sa.Column("hashtag_id", _NUMBER, sa.ForeignKey("hashtags.id"), primary_key=True),
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("uses", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in ("hour", "day", "week", "month")),
        sa.Column("first_use", sa.BigInteger, nullable=False),
        sa.Column("last_use", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "spellings",
        sa.Column("hashtag_id", _NUMBER, sa.ForeignKey("hashtags.id"), primary_key=True),
        sa.Column("spelling", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "blocks",
        sa.Column("pattern", sa.Text, primary_key=True),
    )
    op.create_table(
        "batches",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("written", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("batches", "blocks", "spellings", "uses", "hashtags", "pool"):
        op.drop_table(table)
