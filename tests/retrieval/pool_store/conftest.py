"""Databases for the tests of pool stores: a file of SQLite, and a real PostgreSQL."""

import itertools

import pytest
from postgresql_server import postgresql_server, why_not

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgresql():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/pool.db"
    return request.getfixturevalue("postgresql").new_database(f"pool{next(_NUMBERS)}")
