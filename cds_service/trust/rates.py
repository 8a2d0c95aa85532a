"""How often a client may call, by the library `limits`: each process counts for itself.

The library is imported where rates are counted, with tokens alone: it is slow to import.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from cds_service.errors import TooManyRequests

if TYPE_CHECKING:  # slow to import, and needed with tokens alone
    from limits import RateLimitItem


DEFAULT = "3000/minute"
"""Calls of one client to one process, where neither it nor the settings say otherwise."""


def read_rate(text: str) -> RateLimitItem:
    """A rate such as `3000/minute`.

    Raises:
        ValueError: it is none.
    """
    import limits  # noqa: PLC0415 - see above

    try:
        return limits.parse(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: expected a rate such as 3000/minute") from error


class Rates:
    """Counts the calls of each client."""

    def __init__(self) -> None:
        """Nobody has called yet."""
        from limits.storage import MemoryStorage  # noqa: PLC0415 - see above
        from limits.strategies import SlidingWindowCounterRateLimiter  # noqa: PLC0415

        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, client: str, rate: RateLimitItem) -> None:
        """Count one call of *client*.

        Raises:
            TooManyRequests: it has called as often as *rate* allows.
        """
        if not self._limiter.hit(rate, client):
            reset = self._limiter.get_window_stats(rate, client).reset_time
            raise TooManyRequests(
                f"This client has called more often than it may ({rate}): call again later",
                retry_after=max(1, math.ceil(reset - time.time())),
            )
