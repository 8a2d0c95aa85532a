"""The addresses of a name, by a time.

The machine's own resolver is asked (`getaddrinfo`), since a hospital's names may stand in its hosts file, its directory
or its name server. It knows no deadline, and a thread that is in it cannot be ended. So each name is looked up in a
thread of its own, all who want the same name share one, and there are so many of them and no more; a call that wants an
answer waits for it as long as it has time.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

Found = tuple[str, ...]
MOST = 32
"""Names that are looked up at a time; a resolver that does not answer holds each for about ten seconds."""


class Lookups:
    """Looks up names for one process."""

    def __init__(self, most: int = MOST) -> None:
        """Nothing is looked up yet."""
        self._most = most
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Found]] = {}

    def look_up(self, host: str, seconds: float) -> Sequence[str]:
        """The addresses of *host*, in the order of the resolver.

        Raises:
            TimeoutError: they were not there in time, or too many names are being looked up.
            OSError, UnicodeError: there is no such name, or it cannot be looked up.
        """
        return self._flight(host).result(max(0.0, seconds))

    def _flight(self, host: str) -> Future[Found]:
        with self._lock:
            flight = self._under_way.get(host)
            if flight is None:
                if len(self._under_way) >= self._most:
                    raise TimeoutError
                flight = Future()
                _begin(self._land, host, flight)
                self._under_way[host] = flight
            return flight

    def _land(self, host: str, flight: Future[Found]) -> None:
        try:
            found: Found | Exception = addresses(host)
        except (OSError, UnicodeError) as error:
            found = error
        with self._lock:
            del self._under_way[host]
        if isinstance(found, Exception):
            flight.set_exception(found)
        else:
            flight.set_result(found)


def _begin(land: Callable[[str, Future[Found]], None], host: str, flight: Future[Found]) -> None:
    try:
        threading.Thread(target=land, args=(host, flight), name="name", daemon=True).start()
    except RuntimeError as error:  # the machine has no thread left
        raise TimeoutError from error


def addresses(host: str) -> Found:
    """The addresses of *host*, however long that takes.

    Raises:
        OSError, UnicodeError: there is no such name, or it cannot be looked up.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))
