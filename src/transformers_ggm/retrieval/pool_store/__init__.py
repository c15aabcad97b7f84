"""
The pool that many machines share, in SQLite or PostgreSQL. Needs `pip install transformers-ggm[store]`.
"""

try:
    import alembic as alembic
    import sqlalchemy as sqlalchemy
except ImportError as error:
    raise ImportError("a pool store needs SQLAlchemy and Alembic: pip install transformers-ggm[store]") from error

from .changes import StoreChanges
from .reader import PoolReader
from .store import PoolStore
from .users import StoreUsers

__all__ = ["PoolReader", "PoolStore", "StoreChanges", "StoreUsers"]
