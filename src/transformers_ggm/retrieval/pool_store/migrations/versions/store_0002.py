"""What is kept of users: hashtags of their posts, and those that they block or like best."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "user_posts",
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashtags", sa.JSON, nullable=False),
    )
    op.create_table(
        "user_lists",
        sa.Column("user", sa.Text, primary_key=True),
        sa.Column("blocked", sa.JSON, nullable=False),
        sa.Column("favourites", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    for table in ("user_lists", "user_posts"):
        op.drop_table(table)
