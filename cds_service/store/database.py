"""The database as one part of the service uses it; and its tables, brought up to date."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, insert, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from cds_service.store.engines import STANDING, allow, build, hurry
from cds_service.store.patience import WRITE
from cds_service.store.standing import Inode, Moved, file_of, tokens_beside
from cds_service.store.tables import SEEN_TOKEN

Kept = TypeVar("Kept")
DatabaseError = SQLAlchemyError
"""Whatever goes wrong with a database, for those who know none of its library."""
MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
"""The newest migration."""
LOCK = 2_501_916
"""The advisory lock of PostgreSQL that is held while tables are made."""
SERVER: Inode = (0, 0)
"""Stands for a database that is in no file of ours."""
_MIGRATING = threading.Lock()
GLANCE = 1.0
"""Seconds between two looks of those who only read at which file stands there."""


class NewerTables(SQLAlchemyError):
    """The tables are those of a newer version of the service: this one cannot tell what they hold."""


class NotOpen(SQLAlchemyError):
    """The database is to be opened first, and that may take time."""


class Database:
    """A pool of connections, and tables that are brought up to date before they are first used.

    `quick`: a commit in SQLite does not wait for the disk, for what may be lost with the power. `tokens`: nothing but
    used tokens is kept; in SQLite these have a file of their own (`store.standing.tokens_beside`).
    """

    def __init__(self, url: str, *, patience: float = WRITE, quick: bool = False, tokens: bool = False) -> None:
        """Nothing is connected yet; *patience* are the seconds that may be waited for it (`store.patience`).

        Raises:
            ValueError: the driver for PostgreSQL is not installed.
        """
        if tokens:
            url = tokens_beside(url)
        self._patience = patience
        self._file = file_of(url)
        self._make = _make_tokens if tokens and self._file is not None else prepare
        self.engine = build(url, self._file, patience, quick=quick)
        self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._preparing = threading.Lock()
        self._prepared: Inode | None = None
        self._glanced = float("-inf")
        self._lookers: list[Connection] = []

    def ready(self, patience: float | None = None) -> Engine:
        """The pool, with tables that are up to date; *patience* for another process that makes them.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        if not self._is_prepared():
            if not self._preparing.acquire(timeout=self._patience):
                raise NotOpen("another call waits for the database to open")
            try:
                if not self._is_prepared():
                    self._prepare(patience)
            finally:
                self._preparing.release()
        return self.engine

    def _is_prepared(self) -> bool:
        return self._prepared is not None and self._prepared == self._stands()

    def _stands(self) -> Inode | None:
        return SERVER if self._file is None else self._file.inode()

    def _prepare(self, patience: float | None) -> None:
        self._prepared = None
        if self._file is not None:
            self._file.put_aside()
            self._forget_lookers()
            self.engine.dispose()  # what it has open is not what stands there
            self._file.make()
        self._make(self.engine, patience)
        self._prepared = self._stands()

    def reader(self) -> Engine:
        """The same for one query at a time, without a transaction around it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        """
        self.ready()
        return self._reader

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A connection for one query that waits for nothing: not for tables that are made, nor for a new file.

        It stays open for the next who looks: the pool would take longer over it than the query does.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: there is none at once.
        """
        opened = self._glance()
        try:
            connection = self._lookers.pop()
        except IndexError:
            connection = self._reader.connect()
        else:
            hurry(connection, self._patience)
        try:
            yield connection
        except SQLAlchemyError:
            connection.invalidate()
            connection.close()
            self._forget_lookers()  # what ended this one may have ended them
            raise
        if opened is self._prepared:
            self._lookers.append(connection)
        else:
            connection.close()

    def _glance(self) -> Inode:
        """What is open, which is compared with what stands there now and then."""
        if self._file is not None and time.monotonic() - self._glanced > GLANCE:
            self._glanced = time.monotonic()
            if self._prepared != self._file.inode():
                self._prepared = None
        if self._prepared is None:
            raise NotOpen("the database is not open yet, or another file stands there")
        return self._prepared

    def _forget_lookers(self) -> None:
        while self._lookers:
            self._lookers.pop().close()

    @contextmanager
    def current(self) -> Iterator[Connection]:
        """A connection to what stands there.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be reached.
        """
        with self.ready().connect() as connection:
            try:
                self._check(connection)
            except Moved:
                connection.invalidate()
            else:
                yield connection
                return
        with self.ready().connect() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction. Where the block ends without an error it is kept, in what stands there.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it is not kept.
        """
        with self.current() as connection:
            with connection.begin():
                yield connection
            try:
                self._check(connection)
            except Moved:
                connection.invalidate()
                raise

    def _check(self, connection: Connection) -> None:
        if self._file is not None:
            self._file.check(connection.info[STANDING])

    def try_write(self) -> None:
        """Write, as calls do, and leave nothing behind.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: nothing can be written.
        """
        digest = f"test-{secrets.token_hex(16)}"
        with self.writing() as connection:
            connection.execute(insert(SEEN_TOKEN).values(digest=digest, expires=0))
            connection.execute(delete(SEEN_TOKEN).where(SEEN_TOKEN.c.digest == digest))

    def can_write(self) -> bool:
        """Whether something can be written; it is tried."""
        try:
            self.try_write()
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Let go of the connections."""
        self._forget_lookers()
        self.engine.dispose()


def again_if_moved(write: Callable[[], Kept]) -> Kept:
    """What *write* gives; it is tried once more where another file stood there, or the connection had grown old.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it is not kept.
    """
    try:
        return write()
    except Moved:
        return write()  # into what stands there now
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        return write()


def _make_tokens(engine: Engine, patience: float | None = None) -> None:
    """Make the table of a file that holds used tokens; they live for minutes, so that no migration will move them."""
    del patience
    with engine.begin() as connection:
        connection.execute(CreateTable(SEEN_TOKEN, if_not_exists=True))


def prepare(engine: Engine, patience: float | None = None) -> None:
    """Bring the tables up to date; of several processes that do so at once, one does and the others wait."""
    if _is_current(engine):
        return
    from alembic.util import CommandError  # noqa: PLC0415 - needed once in the life of a process

    with migrating(engine, patience) as (command, config):
        try:
            command.upgrade(config, "head")
        except CommandError as error:  # it knows no such migration
            raise NewerTables("the tables are of a newer version") from error


@contextmanager
def migrating(engine: Engine, patience: float | None) -> Iterator[tuple[Any, Any]]:
    """Alembic's commands and what they are told, alone with the database until the block ends; then it is kept."""
    from alembic import command  # noqa: PLC0415 - needed once in the life of a process
    from alembic.config import Config  # noqa: PLC0415

    with _one_at_a_time(WRITE if patience is None else patience), engine.connect() as connection:
        connection.detach()  # it is more patient than those of the pool
        if engine.dialect.name == "sqlite":
            if patience is not None:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            allow(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        yield command, config
        connection.commit()


@contextmanager
def _one_at_a_time(patience: float) -> Iterator[None]:
    """Alembic keeps what it works on in a place that the threads of a process share."""
    if not _MIGRATING.acquire(timeout=patience):
        raise NotOpen("another thread brings tables up to date")
    try:
        yield
    finally:
        _MIGRATING.release()


def _is_current(engine: Engine) -> bool:
    """Whether there is nothing to migrate: a look is cheaper than Alembic."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
    except ProgrammingError:
        return False
    except OperationalError as error:
        if "no such table" in str(error.orig):  # as SQLite says it
            return False
        raise
