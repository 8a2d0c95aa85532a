"""A connection to PostgreSQL that is not waited for longer than it may be, whatever becomes of the server.

The server ends a statement in time (`statement_timeout`), unless it is frozen or cannot be reached any more: then an
answer would never come. psycopg asks this connection to wait for each.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")
LEAST = 0.1
"""Seconds that even a connection whose time is over is waited for, so that it can take back what it began."""


class Hurried(psycopg.Connection[Any]):
    """A connection that is closed when no answer comes in time."""

    _until: float | None = None
    _each: float | None = None

    def hurry(self, seconds: float) -> None:
        """From now on, all answers together may take so many seconds."""
        self._until, self._each = time.monotonic() + seconds, None

    def allow(self, seconds: float | None) -> None:
        """From now on, each answer may take so many seconds, or as long as it needs."""
        self._until, self._each = None, seconds

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for an answer.

        Raises:
            psycopg.OperationalError: it does not come in time; the connection is closed.
        """
        left = self._each if self._until is None else max(LEAST, self._until - time.monotonic())
        end = None if left is None else time.monotonic() + left
        try:
            return super().wait(gen, interval=interval, timeout=left if timeout is None else timeout)
        except psycopg.OperationalError:
            if end is not None and time.monotonic() >= end:
                self.pgconn.finish()
            raise
