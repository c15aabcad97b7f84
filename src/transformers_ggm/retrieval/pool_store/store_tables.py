"""The tables of a pool store, as the newest migration leaves them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from ..hashtag_uses import HALF_LIVES

METADATA = MetaData()
# SQLite counts rows up only in a column of exactly this type.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

# One row. Whoever writes raises the version first, and so waits for other writers: versions become visible in order.
POOL = Table(
    "pool",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("retriever_fingerprint", String, nullable=False),
    Column("dim", Integer, nullable=False),
)
# Rows stay when their hashtag is removed, so that readers learn of it. A change of a hashtag's uses or spellings gives
# its row a new version too.
HASHTAGS = Table(
    "hashtags",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("hashtag", Text, nullable=False, unique=True),
    Column("count", BigInteger, nullable=False),
    # float16; none of a hashtag that was observed, and is not in the pool.
    Column("vector", LargeBinary),
    Column("version", BigInteger, nullable=False, index=True),
)
USES = Table(
    "uses",
    METADATA,
    Column("hashtag_id", _NUMBER, ForeignKey("hashtags.id"), primary_key=True),
    Column("scope", String, primary_key=True),
    Column("uses", BigInteger, nullable=False),
    *(Column(name, Float(53), nullable=False) for name in HALF_LIVES),
    # Microseconds since 1970.
    Column("first_use", BigInteger, nullable=False),
    Column("last_use", BigInteger, nullable=False),
)
SPELLINGS = Table(
    "spellings",
    METADATA,
    Column("hashtag_id", _NUMBER, ForeignKey("hashtags.id"), primary_key=True),
    Column("spelling", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
# Of lists, how often they have a hashtag in another spelling than that in which it is kept.
LIST_SPELLINGS = Table(
    "list_spellings",
    METADATA,
    Column("hashtag_id", _NUMBER, ForeignKey("hashtags.id"), primary_key=True),
    Column("spelling", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
BLOCKS = Table(
    "blocks",
    METADATA,
    Column("pattern", Text, primary_key=True),
)
# What was written lately, by the names that writers gave it: sent again, it is not counted again.
BATCHES = Table(
    "batches",
    METADATA,
    Column("name", String, primary_key=True),
    Column("written", DateTime(timezone=True), nullable=False),
)
# Of users, by names that mean nothing here.
USER_POSTS = Table(
    "user_posts",
    METADATA,
    Column("user", Text, primary_key=True),
    # Microseconds since 1970; none makes two posts at once.
    Column("time", BigInteger, primary_key=True, autoincrement=False),
    Column("hashtags", JSON, nullable=False),
)
USER_LISTS = Table(
    "user_lists",
    METADATA,
    Column("user", Text, primary_key=True),
    Column("blocked", JSON, nullable=False),
    Column("favourites", JSON, nullable=False),
)
# Rows of data, as a ranker is fitted on them.
USER_FEEDBACK = Table(
    "user_feedback",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("user", Text, nullable=False, index=True),
    Column("row", JSON, nullable=False),
)
