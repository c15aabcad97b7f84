"""The database of a pool store: connections, transactions, and its tables' version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ...errors import StoreError
from ...version import __version__

MIGRATIONS = Path(__file__).parent / "migrations"
# Of PostgreSQL: what tells readers of a new version, and what lets one process at a time migrate.
CHANNEL = "transformers_ggm_pool"
_MIGRATION_LOCK = 0x67676D
# A server that is gone is noticed, and a writer whose machine is gone holds up no other one for longer.
_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "options": "-c idle_in_transaction_session_timeout=30000",
}


def open_database(url: str) -> sa.Engine:
    """
    Raises:
        StoreError: The URL is of no database that is known here, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise StoreError(f"{parsed}: a pool store is sqlite:///FILE or postgresql+psycopg://HOST/DATABASE.")
        if kind == "sqlite":
            engine = sa.create_engine(parsed, connect_args={"timeout": 60})
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(parsed, connect_args=_POSTGRESQL, pool_pre_ping=True)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"{url.partition('@')[2] or url!r} cannot be opened as a pool store ({error}): give sqlite:///FILE or"
            " postgresql+psycopg://HOST/DATABASE, and install what it needs by `pip install transformers-ggm[store]`."
        ) from error


def _set_up_sqlite(connection, _) -> None:
    # Transactions are begun below: sqlite3's own way begins them late, and leaves some statements out.
    connection.isolation_level = None
    # Readers see the last version while a writer makes the next one.
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer that begins as a reader may find that another one was quicker.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """
    A transaction: all of it or nothing.

    Raises:
        StoreError: The database cannot be reached or written.
    """
    with told(engine), engine.execution_options(writes=True).begin() as connection:
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """
    A transaction that sees one state.

    Raises:
        StoreError: The database cannot be reached or read.
    """
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with told(engine), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def told(engine: sa.Engine) -> Iterator[None]:
    """Turns the database's errors into ours."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise StoreError(
            f"the pool store {engine.url} failed ({cause[0] if cause else type(error).__name__}): see that the"
            " database is there and can be written. Nothing was changed."
        ) from error


def prepare_tables(engine: sa.Engine, upgrade: bool = False) -> None:
    """
    Makes the tables where there are none.

    Args:
        engine (`sqlalchemy.Engine`): Of the database.
        upgrade (`bool`, defaults to `False`): Whether older tables are migrated to the form that this version has.

    Raises:
        StoreError: They are of a newer version, or of an older one and `upgrade` is not set.
    """
    script = ScriptDirectory(str(MIGRATIONS))
    newest = script.get_current_head()
    with told(engine), engine.connect() as connection:
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        found = MigrationContext.configure(connection).get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if found is not None and found not in known:
            raise StoreError(
                f"the pool store {engine.url} has tables of revision {found}, newer than the {newest} that"
                f" transformers-ggm {__version__} knows: upgrade with `pip install --upgrade transformers-ggm`."
            )
        if found not in (None, newest) and not upgrade:
            raise StoreError(
                f"the pool store {engine.url} has tables of revision {found}, older than the {newest} that"
                f" transformers-ggm {__version__} needs: migrate it with `ggm pool upgrade --store URL`, after which"
                " older versions refuse it."
            )
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
