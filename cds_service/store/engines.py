"""Pools of connections to SQLite and PostgreSQL, each as patient as its use allows."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec
import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from cds_service.store.patience import WRITE
from cds_service.store.standing import DatabaseFile

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
AGAIN = 0.005
"""Seconds until SQLite is asked again for what it does not wait for."""
PRIMARY = 0xFF
"""The bits of an error of SQLite that say what it is; the others say more of it."""
CACHE = 256
"""KiB of the file that a connection to SQLite holds itself, of which there are dozens; the system holds it for all."""
STANDING = "standing"
"""Where a connection to SQLite holds which file it has opened."""


def check_url(url: str) -> str:
    """*url*, where it names a database that can be used.

    Raises:
        ValueError: it does not.
    """
    try:
        name = make_url(url).drivername
    except ArgumentError as error:
        raise ValueError("expected a URL such as sqlite:///file.sqlite3 or postgresql://user@host/name") from error
    if name not in DRIVERS and name not in DRIVERS.values():
        raise ValueError(f"{name} is not supported: sqlite or postgresql")
    return url


def build(url: str, file: DatabaseFile | None, patience: float, *, quick: bool) -> Engine:
    """A pool that waits *patience* seconds for a connection, a lock or an answer; *quick* as in `Database`.

    Raises:
        ValueError: the driver for PostgreSQL is not installed.
    """
    chosen = make_url(url)
    chosen = chosen.set(drivername=DRIVERS.get(chosen.drivername, chosen.drivername))
    if chosen.get_backend_name() == "sqlite":
        return _sqlite(chosen, file, patience, "NORMAL" if quick else "FULL")
    try:
        return _postgresql(chosen, patience)
    except (ImportError, NoSuchModuleError) as error:
        raise ValueError("PostgreSQL needs the extra: pip install 'vitamin-d-magnesium-cds[postgresql]'") from error


def allow(connection: Connection, seconds: int = 0) -> None:
    """Let the statements of this transaction take so many seconds, or as long as they need.

    On PostgreSQL it is otherwise cut off for the sake of the call that waits for it; SQLite never cuts one off.
    """
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.dbapi_connection
        driver.allow(seconds or None)
        connection.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))


def hurry(connection: Connection, seconds: float) -> None:
    """Let all that is asked of PostgreSQL from here on take so many seconds, as when *connection* came of the pool."""
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.dbapi_connection
        driver.hurry(seconds)


def _sqlite(url: sqlalchemy.URL, file: DatabaseFile | None, patience: float, synchronous: str) -> Engine:
    engine = sqlalchemy.create_engine(
        url, pool_timeout=patience, connect_args={"timeout": patience}, json_serializer=_json
    )

    def _set(connection: sqlite3.Connection) -> None:
        _turn_on_log(connection, patience)
        connection.execute(f"PRAGMA synchronous = {synchronous}").close()
        connection.execute(f"PRAGMA cache_size = -{CACHE}").close()
        connection.execute("SELECT 1 FROM sqlite_master").close()  # opens the log

    if file is None:
        event.listen(engine, "connect", lambda connection, _: _set(connection))
        return engine

    @event.listens_for(engine, "do_connect")
    def _open(dialect: Any, record: Any, _: Any, options: dict[str, Any]) -> sqlite3.Connection:
        def connect() -> sqlite3.Connection:
            connection: sqlite3.Connection = dialect.connect(file.uri, uri=True, **options)
            try:
                _set(connection)
            except BaseException:
                connection.close()
                raise
            return connection

        connection, record.info[STANDING] = file.opened(connect)
        return connection

    return engine


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _turn_on_log(connection: sqlite3.Connection, patience: float) -> None:
    """Have changes written to a log first, so that who reads waits for nobody.

    Of several that open a new file at once one turns it on, and SQLite tells the others at once that it is locked,
    instead of letting them wait.
    """
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(AGAIN)
        else:
            return


def _postgresql(url: sqlalchemy.URL, patience: float) -> Engine:
    from cds_service.store.postgresql import Hurried  # noqa: PLC0415 - an extra

    milliseconds = round(patience * 1000)
    engine = sqlalchemy.create_engine(
        url,
        pool_timeout=patience,
        connect_args={"connect_timeout": round(WRITE), "options": f"-c statement_timeout={milliseconds}"},
        json_serializer=_json,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_: Any, __: Any, arguments: list[Any], options: dict[str, Any]) -> Hurried:
        return Hurried.connect(*arguments, **options)

    @event.listens_for(engine, "checkout")
    def _hurry(connection: Hurried, _: Any, __: Any) -> None:
        connection.hurry(patience)

    return engine
