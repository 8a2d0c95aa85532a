"""Tokens that have been used, until they expire (row 177), in a database that all processes share."""

from __future__ import annotations

import hashlib
import threading
import time

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, delete, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from cds_service.errors import StoreUnavailable

METADATA = MetaData()
SEEN = Table(
    "seen_token",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("expires", BigInteger, nullable=False, index=True),
)
"""A digest of `iss` and `jti`, and when the token expires, in seconds since 1970: nothing else is kept of a token."""
SWEEP = 60.0
"""Seconds between two sweeps of expired tokens."""


class Replays:
    """Remembers tokens in a table. One insert decides, so that two processes cannot both take a token."""

    def __init__(self, database: Engine) -> None:
        """The table is made when it is first needed."""
        self._database = database
        self._sweeping = threading.Lock()
        self._swept = float("-inf")
        self._made = False

    def first_time(self, iss: str, jti: str, expires: float) -> bool:
        """Remember a token until *expires*; whether it had not been seen.

        Raises:
            StoreUnavailable: it cannot be known.
        """
        try:
            self._prepare()
            with self._database.begin() as connection:
                connection.execute(insert(SEEN).values(digest=_digest(iss, jti), expires=int(expires) + 1))
        except IntegrityError:
            return False
        except SQLAlchemyError as error:
            message = "It cannot be checked now whether this token was used before: call again with a new one"
            raise StoreUnavailable(message) from error
        return True

    def _prepare(self) -> None:
        """Make the table once; forget what has expired, now and then."""
        if time.monotonic() - self._swept < SWEEP:
            return
        with self._sweeping:
            if time.monotonic() - self._swept < SWEEP:
                return
            if not self._made:
                _make(self._database)
                self._made = True
            with self._database.begin() as connection:
                connection.execute(delete(SEEN).where(SEEN.c.expires < int(time.time())))
            self._swept = time.monotonic()


def _make(database: Engine) -> None:
    """Make the table; another process may be doing the same, so a failure is tried once more."""
    try:
        METADATA.create_all(database)
    except SQLAlchemyError:
        METADATA.create_all(database)


def _digest(iss: str, jti: str) -> str:
    return hashlib.sha256(f"{len(iss)}:{iss}{jti}".encode(errors="surrogatepass")).hexdigest()
