"""Tokens that have been used, until they expire (row 177), in a database that all processes share."""

from __future__ import annotations

import hashlib
import queue
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import NamedTuple

from cds_service.background import Background
from cds_service.errors import StoreUnavailable
from cds_service.store.database import Database, DatabaseError, again_if_moved
from cds_service.store.patience import WRITE
from cds_service.store.seen_tokens import forget_expired, take
from cds_service.trust.tokens import UNKNOWN

SWEEP = 60.0
"""Seconds between two sweeps of expired tokens."""
MOST_WAITING = 1024
"""Tokens of a process that wait to be noted; what comes beyond them is told at once."""


class _Clock:
    """Seconds since 1970, as they pass: a clock that is set forth and back does not make it forget a token.

    Where it was behind and is set right, tokens are kept so much longer.
    """

    def __init__(self) -> None:
        self._ahead = float("inf")
        self.now()

    def now(self) -> float:
        passed = time.monotonic()
        self._ahead = min(self._ahead, time.time() - passed)
        return self._ahead + passed


class _Token(NamedTuple):
    """A token to be noted, and who waits to hear whether that is the first time."""

    digest: str
    expires: int
    first_time: Future[bool]


class Replays:
    """Notes tokens in a table, in a thread of its own: all that wait are noted together, and nobody queues for it."""

    def __init__(self, database: Database) -> None:
        """Nothing is connected yet. The thread is started when it is needed."""
        self._database = database
        self._waiting: queue.Queue[_Token | None] = queue.Queue(MOST_WAITING)
        self._noting = Background("tokens", self._run)
        self._swept = float("-inf")
        self._clock = _Clock()

    def note(self, iss: str, jti: str, expires: float) -> Future[bool]:
        """Note a token until *expires*: tells whether it had not been noted, or is a `StoreUnavailable`."""
        first_time: Future[bool] = Future()
        try:
            self._noting.need()
            self._waiting.put_nowait(_Token(_digest(iss, jti), int(expires) + 1, first_time))
        except (queue.Full, RuntimeError):  # or the machine has no thread left
            first_time.set_exception(StoreUnavailable(UNKNOWN))
        return first_time

    def can_write(self) -> bool:
        """Whether a token could be noted now; it is tried."""
        return self._database.can_write()

    def close(self) -> None:
        """Note what waits, and let go of the database."""
        if self._noting.begun:
            self._waiting.put(None)
            self._noting.join(2 * WRITE)
        self._database.close()

    def _run(self) -> None:
        note = self._waiting.get()
        while note is not None:
            notes = [note]
            while not self._waiting.empty() and (note := self._waiting.get()) is not None:
                notes.append(note)
            self._tell(notes)
            self._sweep()
            if note is not None:
                note = self._waiting.get()

    def _tell(self, notes: list[_Token]) -> None:
        try:
            expires = {note.digest: note.expires for note in reversed(notes)}  # of two of the same, that of the first
            first = again_if_moved(lambda: self._keep(expires))
        except DatabaseError:
            for note in notes:
                note.first_time.set_exception(StoreUnavailable(UNKNOWN))
            return
        for note in notes:
            note.first_time.set_result(note.digest in first)
            first.discard(note.digest)  # of two of the same, one is the first

    def _keep(self, expires: dict[str, int]) -> set[str]:
        """Those of the digests that were not there, or had expired."""
        now = int(self._clock.now())
        with self._database.writing() as connection:
            return take(connection, expires, now)

    def _sweep(self) -> None:
        """Delete some of what has expired: no token waits for many of them, or fails with them."""
        if time.monotonic() - self._swept < SWEEP:
            return
        self._swept = time.monotonic()
        with suppress(DatabaseError), self._database.writing() as connection:  # they are deleted another time
            if forget_expired(connection, int(self._clock.now())):
                self._swept = float("-inf")  # there are more


def _digest(iss: str, jti: str) -> str:
    return hashlib.sha256(f"{len(iss)}:{iss}{jti}".encode(errors="surrogatepass")).hexdigest()
