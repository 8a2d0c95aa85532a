"""Keys that are fetched from one exact address and kept: in the background, before they are old (rows 171 to 173, 198).

Nobody fetches but a thread that does nothing else, one for each client at the most, whatever the name, the network and
the client's server do. A call waits for it only where it has no key that is fresh, and no longer than `PATIENCE`. While
new keys cannot be had, the last ones are good for an hour.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from cds_service.fhir import transport
from cds_service.fhir.deadline import Deadline, Exchange, in_turn
from cds_service.fhir.resolver import addresses
from cds_service.fhir.servers import origin_of
from cds_service.trust.keys import KeyProblem, KeysAwaited, KeySet, read_fetched

LOG = logging.getLogger("cds_service.trust")

LARGEST = 256 * 1024
"""Bytes of a JWK Set."""
PATIENCE = 2.0
"""Seconds for which a call waits for keys; and in which they must come, once the name is resolved."""
RENEWED = 600.0
"""Seconds after which the next call has them fetched again, and does not wait for it."""
FRESH = 900.0
"""Seconds for which fetched keys are used without asking again: so long a withdrawn key may still be accepted."""
STALE = 3600.0
"""Seconds for which they are used when the client's server does not answer."""
WINDOW = 60.0
"""Seconds between two fetches at least, whatever tokens come: an unknown `kid` is no way to make us call."""


class FetchedKeys:
    """The keys at one exact https address. Every process keeps its own copy and asks at most once per window."""

    def __init__(self, url: str, ca_file: str | None) -> None:
        """Nothing is fetched yet."""
        self._url = url
        self._session = transport.new_session(1, ca_file)
        self._lock = threading.Lock()
        self._keys = KeySet({})
        self._fetched = self._asked = float("-inf")
        self._flight: Future[None] | None = None
        self.problem = "they are not here yet"

    @property
    def old(self) -> bool:
        """Whether those at hand should have been replaced by now."""
        return time.monotonic() - self._fetched >= FRESH

    def find(self, kid: str, algorithm: str, *, wait: bool = True) -> Any | None:
        """The public key *kid*. The set is fetched when it is old or lacks it, and not more often than once a window.

        Raises:
            KeysAwaited: it is being fetched, and there is no fresh one.
        """
        now = time.monotonic()
        key, age = self._keys.find(kid, algorithm), now - self._fetched
        if key is not None and age < RENEWED:
            return key
        flight = self._fetch(now)
        if flight is None:  # the last one may have landed since
            key, age = self._keys.find(kid, algorithm), now - self._fetched
        if key is not None and age < FRESH:
            return key
        left = self._asked + PATIENCE - now
        if wait and flight is not None and left > 0:
            raise KeysAwaited(flight, left)
        return key if age < STALE else None

    def _fetch(self, now: float) -> Future[None] | None:
        """The flight that is under way; one is begun where the window allows it."""
        with self._lock:
            if self._flight is None and now - self._asked >= WINDOW:
                flight: Future[None] = Future()
                with suppress(RuntimeError):  # the machine has no thread left
                    threading.Thread(target=self._land, args=(flight,), name="keys", daemon=True).start()
                    self._flight, self._asked = flight, now
            return self._flight

    def _land(self, flight: Future[None]) -> None:
        began = time.monotonic()
        try:
            keys = read_fetched(json.loads(_download(self._session, self._url)))
        except (KeyProblem, ValueError, RecursionError, OSError, urllib3.exceptions.HTTPError) as error:
            self.problem = str(error) if isinstance(error, KeyProblem) else type(error).__name__
            left = max(0, round(self._fetched + STALE - time.monotonic())) if self._keys.keys else 0
            fields = {"jku": self._url, "why": self.problem, "oldOnesGoodForSeconds": left}
            LOG.warning("keys could not be fetched", extra={"fields": fields})
        else:
            self._keys, self._fetched, self.problem = keys, began, ""
        finally:
            with self._lock:
                self._flight = None
            flight.set_result(None)


def _download(session: requests.Session, url: str) -> bytes:
    """The document at *url*, from the first of its addresses that answers."""
    found = addresses(origin_of(url).host)
    deadline = Deadline(PATIENCE)
    failure: Exception = KeyProblem("its name has no address")
    for address, connect_within in in_turn(found, deadline):
        try:
            return _from(session, url, Exchange(address, deadline, PATIENCE), connect_within)
        except (requests.ConnectionError, requests.Timeout) as error:
            failure = error
    raise failure


def _from(session: requests.Session, url: str, exchange: Exchange, connect_within: float) -> bytes:
    """The document: 200 and nothing else, in time, no larger than it may be; redirects are not followed."""
    request = requests.Request("GET", url, headers={"Accept": "application/json", "Host": urlsplit(url).netloc})
    with transport.send(session, request, exchange, connect_within) as response:
        if response.status_code != requests.codes.ok:
            raise KeyProblem("no JWK Set")
        content = transport.body_of(response, LARGEST)
    if content is None:
        raise KeyProblem("the JWK Set is too large")
    return content
