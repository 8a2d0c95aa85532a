"""Databases for the tests of feedback: each test runs on SQLite and on PostgreSQL, each time on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feedback.hospital import Hospital, hospital
from tests.support import postgres as postgres_server
from tests.support.postgres import Postgres, PostgresAbsent

BACKENDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one in each process of tests."""
    try:
        with postgres_server.running() as found:
            yield found
    except PostgresAbsent as error:
        pytest.skip(str(error))


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    return _fresh(request, tmp_path)


@pytest.fixture(scope="module", params=BACKENDS)
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database that the tests of a module share."""
    return _fresh(request, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def lasting(shared_url: str) -> Iterator[Hospital]:
    """The service on the database of the module."""
    with hospital(shared_url) as found:
        yield found


@pytest.fixture
def service(lasting: Hospital) -> Hospital:
    """The same, with nothing in the database."""
    lasting.reset()
    return lasting


def _fresh(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'cds.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh()
