"""How lists spell hashtags, beside how posts do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "list_spellings",
        sa.Column("hashtag_id", _NUMBER, sa.ForeignKey("hashtags.id"), primary_key=True),
        sa.Column("spelling", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("list_spellings")
