"""Who may wait for whom: so many for one, so many in all, and a call that finds no room is told at once.

What one of many does not answer must not use up what the others need. So there is no queue here without an end, and
none that those who wait for one stand in with those who wait for another.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """There is no room."""


class Room:
    """So much of something at a time: for each who asks, and in all."""

    def __init__(self, each: int, together: int) -> None:
        """All of it is free."""
        self._each, self._together = each, together
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Whether nothing is left for anybody."""
        with self._lock:
            return self._taken.total() >= self._together

    def take(self, who: str, amount: int = 1) -> None:
        """Take so much of it.

        Raises:
            Full: it is not there; nothing is taken.
        """
        with self._lock:
            if self._taken[who] + amount > self._each or self._taken.total() + amount > self._together:
                raise Full
            self._taken[who] += amount

    def give_back(self, who: str, amount: int = 1) -> None:
        """Have so much of it no longer."""
        with self._lock:
            self._taken[who] -= amount
            if not self._taken[who]:
                del self._taken[who]

    @contextmanager
    def taken(self, who: str) -> Iterator[None]:
        """Take one until the block ends.

        Raises:
            Full: there is none.
        """
        self.take(who)
        try:
            yield
        finally:
            self.give_back(who)


class Places:
    """Places at what is waited for: so many at each host, a line before each, and room for a few such hosts."""

    HOSTS = 3
    """While two that hang have all their places taken, a third has its own."""

    def __init__(self, each: int, line: int) -> None:
        """Nobody waits yet."""
        self.most = self.HOSTS * (each + line)
        """Who waits at one time at the most, in places and in lines."""
        self.most_asking = self.HOSTS * each
        """Who has a place at one time at the most."""
        self._waiting = Room(each + line, self.most)
        self._asking = Room(each, self.most_asking)
        self._changed = threading.Condition()

    @contextmanager
    def place(self, host: str, seconds: float) -> Iterator[None]:
        """Have a place at *host* until the block ends; stand in line for it so long.

        Raises:
            Full: the line is as long as it may be, or the turn did not come in time.
        """
        with self._waiting.taken(host):
            with self._changed:
                if not self._changed.wait_for(lambda: self._has(host), max(0.0, seconds)):
                    raise Full
            try:
                yield
            finally:
                with self._changed:
                    self._asking.give_back(host)
                    self._changed.notify_all()

    def _has(self, host: str) -> bool:
        try:
            self._asking.take(host)
        except Full:
            return False
        return True
