"""The database: SQLite in a file by default, PostgreSQL by URL."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

PATIENCE = 2
"""Seconds to wait for a connection, or for another process that writes."""
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def check_url(url: str) -> str:
    """*url*, where it names a database that can be used.

    Raises:
        ValueError: it does not.
    """
    try:
        name = make_url(url).drivername
    except ArgumentError as error:
        message = "expected a URL such as sqlite:///cds.sqlite3 or postgresql://user@host/name"
        raise ValueError(message) from error
    if name not in DRIVERS and name not in DRIVERS.values():
        message = f"{name} is not supported: sqlite or postgresql"
        raise ValueError(message)
    return url


def open_database(url: str) -> Engine:
    """A pool of connections to the database at *url*; nothing is connected yet.

    Raises:
        ValueError: the driver for PostgreSQL is not installed.
    """
    chosen = make_url(url)
    chosen = chosen.set(drivername=DRIVERS.get(chosen.drivername, chosen.drivername))
    if chosen.get_backend_name() == "sqlite":
        return _sqlite(chosen)
    try:
        return sqlalchemy.create_engine(
            chosen, pool_pre_ping=True, pool_timeout=PATIENCE, connect_args={"connect_timeout": PATIENCE}
        )
    except (ImportError, NoSuchModuleError) as error:
        message = "PostgreSQL needs the extra: pip install 'vitamin-d-magnesium-cds[postgresql]'"
        raise ValueError(message) from error


def _sqlite(url: sqlalchemy.URL) -> Engine:
    engine = sqlalchemy.create_engine(url, pool_timeout=PATIENCE, connect_args={"timeout": PATIENCE})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    return engine
