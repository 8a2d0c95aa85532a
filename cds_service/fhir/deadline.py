"""How long a call may take: until a deadline, shared among the addresses that are tried."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Deadline:
    """A moment of the monotonic clock after which nothing is waited for."""

    def __init__(self, seconds: float) -> None:
        """Start it now."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; zero or less when it has passed."""
        return self._end - time.monotonic()


class Exchange(NamedTuple):
    """One call: the address to connect to, when it must be over, the longest silence borne."""

    address: str
    deadline: Deadline
    silence: float

    def patience(self) -> float:
        """How long the next read may take.

        Raises:
            TimeoutError: the deadline has passed.
        """
        left = self.deadline.left()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, self.silence)


def in_turn(addresses: Sequence[str], deadline: Deadline) -> Iterator[tuple[str, float]]:
    """Each of *addresses* with the seconds in which to connect: what is left, shared among those still to be tried."""
    for place, address in enumerate(addresses):
        yield address, deadline.left() / (len(addresses) - place)
