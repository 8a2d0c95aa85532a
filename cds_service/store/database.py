"""Opens the database: SQLite in a file by default, PostgreSQL by URL; and brings its tables up to date."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, ProgrammingError

PATIENCE = 2
"""Seconds to wait for a connection, and for a statement of PostgreSQL."""
TURN = 10
"""Seconds to wait in SQLite for another process that writes."""
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0002"
"""The newest migration."""
LOCK = 2_501_916
"""The advisory lock of PostgreSQL that whoever migrates holds."""


def check_url(url: str) -> str:
    """*url*, where it names a database that can be used.

    Raises:
        ValueError: it does not.
    """
    try:
        name = make_url(url).drivername
    except ArgumentError as error:
        message = "expected a URL such as sqlite:///file.sqlite3 or postgresql://user@host/name"
        raise ValueError(message) from error
    if name not in DRIVERS and name not in DRIVERS.values():
        message = f"{name} is not supported: sqlite or postgresql"
        raise ValueError(message)
    return url


class Database:
    """A pool of connections, and tables that are brought up to date before they are first used.

    `quick`: a commit in SQLite does not wait for the disk, for what may be lost with the power.
    """

    def __init__(self, url: str, *, quick: bool = False) -> None:
        """Nothing is connected yet.

        Raises:
            ValueError: the driver for PostgreSQL is not installed.
        """
        self.engine = _engine(url, quick=quick)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._file = _file_of(url)
        self._preparing = threading.Lock()
        self._prepared = False

    def ready(self) -> Engine:
        """The pool, with tables that are up to date.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        if self._prepared and self._file is not None and not self._file.exists():
            self.engine.dispose()  # what is written into a file that was removed is lost
            self._prepared = False
        if not self._prepared:
            with self._preparing:
                if not self._prepared:
                    prepare(self.engine)
                    self._prepared = True
        return self.engine

    def reader(self) -> Engine:
        """The same for one query at a time, without a transaction around it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        self.ready()
        return self._reader

    def ping(self) -> None:
        """Ask it anything.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        with self.ready().connect() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()


def allow(connection: Connection, seconds: int = 0) -> None:
    """Let the statements of this transaction take so many seconds, or as long as they need.

    On PostgreSQL a statement is otherwise cut off after `PATIENCE`, for the sake of the call that waits for it; SQLite
    never cuts one off.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))


def prepare(engine: Engine) -> None:
    """Bring the tables up to date; of several processes that do so at once, one does and the others wait."""
    if _is_current(engine):
        return
    from alembic import command  # noqa: PLC0415 - needed once in the life of a process
    from alembic.config import Config  # noqa: PLC0415

    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            allow(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _is_current(engine: Engine) -> bool:
    """Whether there is nothing to migrate: a look is cheaper than Alembic."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    except (OperationalError, ProgrammingError) as error:
        if error.connection_invalidated:
            raise
        return False


def _engine(url: str, *, quick: bool) -> Engine:
    chosen = make_url(url)
    chosen = chosen.set(drivername=DRIVERS.get(chosen.drivername, chosen.drivername))
    if chosen.get_backend_name() == "sqlite":
        return _sqlite(chosen, "NORMAL" if quick else "FULL")
    try:
        return sqlalchemy.create_engine(
            chosen,
            pool_timeout=PATIENCE,
            connect_args={"connect_timeout": PATIENCE, "options": f"-c statement_timeout={PATIENCE * 1000}"},
        )
    except (ImportError, NoSuchModuleError) as error:
        message = "PostgreSQL needs the extra: pip install 'vitamin-d-magnesium-cds[postgresql]'"
        raise ValueError(message) from error


def _file_of(url: str) -> Path | None:
    """The file of a SQLite database that is in one."""
    chosen = make_url(url)
    in_file = chosen.get_backend_name() == "sqlite" and chosen.database not in (None, "", ":memory:")
    return Path(str(chosen.database)) if in_file else None


def _sqlite(url: sqlalchemy.URL, synchronous: str) -> Engine:
    engine = sqlalchemy.create_engine(url, pool_timeout=PATIENCE, connect_args={"timeout": TURN})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    return engine
