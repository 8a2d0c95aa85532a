"""Tokens that have been used, until they expire (row 177), in a database that all processes share."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from cds_service.errors import StoreUnavailable
from cds_service.store.tables import SEEN_TOKEN

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

    from cds_service.store.database import Database

SWEEP = 60.0
"""Seconds between two sweeps of expired tokens."""


class Replays:
    """Remembers tokens in a table. One insert decides, so that two processes cannot both take a token."""

    def __init__(self, database: Database) -> None:
        """Nothing is connected yet."""
        self._database = database
        self._sweeping = threading.Lock()
        self._swept = float("-inf")

    def first_time(self, iss: str, jti: str, expires: float) -> bool:
        """Remember a token until *expires*; whether it had not been seen.

        Raises:
            StoreUnavailable: it cannot be known.
        """
        digest = _digest(iss, jti)
        try:
            self._sweep()
            return self._insert(digest, expires) or (self._forget(digest) and self._insert(digest, expires))
        except SQLAlchemyError as error:
            message = "It cannot be checked now whether this token was used before: call again with a new one"
            raise StoreUnavailable(message) from error

    def ping(self) -> None:
        """Ask the database anything.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it cannot be reached.
        """
        self._database.ping()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _insert(self, digest: str, expires: float) -> bool:
        try:
            with self._database.ready().begin() as connection:
                connection.execute(insert(SEEN_TOKEN).values(digest=digest, expires=int(expires) + 1))
        except IntegrityError:
            return False
        return True

    def _forget(self, digest: str) -> bool:
        """Forget one token, if it has expired."""
        with self._database.ready().begin() as connection:
            return connection.execute(delete(SEEN_TOKEN).where(SEEN_TOKEN.c.digest == digest, _expired())).rowcount > 0

    def _sweep(self) -> None:
        """Forget all that has expired, now and then."""
        if time.monotonic() - self._swept < SWEEP or not self._sweeping.acquire(blocking=False):
            return
        try:
            with self._database.ready().begin() as connection:
                connection.execute(delete(SEEN_TOKEN).where(_expired()))
            self._swept = time.monotonic()
        finally:
            self._sweeping.release()


def _expired() -> ColumnElement[bool]:
    return SEEN_TOKEN.c.expires < int(time.time())


def _digest(iss: str, jti: str) -> str:
    return hashlib.sha256(f"{len(iss)}:{iss}{jti}".encode(errors="surrogatepass")).hexdigest()
