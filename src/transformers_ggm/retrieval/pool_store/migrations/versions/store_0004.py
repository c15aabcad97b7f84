"""What users accepted and rejected of suggestions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "user_feedback",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("user", sa.Text, nullable=False, index=True),
        sa.Column("row", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("user_feedback")
