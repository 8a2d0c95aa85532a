"""PostgreSQL cuts off what a call would wait for too long; what the owner does may take its time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cds_service.feedback.store import FeedbackStore
from cds_service.store.database import LOCK, Database
from tests.support.postgres import Postgres

pytestmark = pytest.mark.postgres

LONG = "SELECT pg_sleep(1.3)"
"""Longer than a call waits in these tests, which is a second."""
PATIENCE = 60.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.fresh()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database as the service opens it, with the patience of a second."""
    found = Database(url, patience=1.0)
    yield found
    found.close()


def test_call_does_not_wait_long(database: Database) -> None:
    """What a call asks is cut off, so that its cards do not wait for it."""
    with database.reader().connect() as connection, pytest.raises(OperationalError, match="timeout"):
        connection.execute(text(LONG))


def test_owner_may_read_longer(database: Database) -> None:
    """The sums of the owner's page may take seconds; the connection is as hurried as before afterwards."""
    with FeedbackStore(database, database, database, None, {}).connect() as connection:
        connection.execute(text(LONG))

    with database.ready().connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "1s"


def test_migration_waits_for_its_turn_and_takes_its_time(database: Database, url: str) -> None:
    """A process that finds another one migrating waits until it is done, however long that takes."""
    with psycopg.connect(url, autocommit=True) as other, ThreadPoolExecutor(1) as threads:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        ready = threads.submit(database.ready)
        while other.execute(WAITING).fetchone() != (1,):
            assert not ready.done()
        other.execute(LONG)
        other.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        ready.result(PATIENCE)

    with database.ready().connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM card")).scalar_one() == 0
