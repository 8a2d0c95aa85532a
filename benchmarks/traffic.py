"""What the runs under load share: requests of every kind, good and bad, sent at a steady rate, and what came of them.

Connections are kept open between requests, as an EHR keeps them. Nothing is tried again: what is lost is told.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from typing import NamedTuple, Self

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from benchmarks.payloads import with_observations
from tests.feedback.posting import FEEDBACK_URL, item
from tests.support.fixtures import situations
from tests.support.wire import PATIENCE
from tests.web.calls import TODAY, URL, golden

THREADS, OBSERVATIONS = 24, 1000
ANYBODY = b"patient-of-a-template"
PATIENTS_A_SECOND = 8
"""Few enough for a topic to be quiet when a chart is opened again, too many to pile up answers."""
FOR_A_MOMENT = 0.02
"""Seconds in which no large chart is answered yet, if several are opened at once."""
CHOOSER = random.Random()  # noqa: S311 - no secret
Shown = deque[str]
"""The cards that came lately, for feedback."""
Sign = Callable[[str], dict[str, str]]
"""The headers of a call of a path, with a token of its own."""


class Outcome(NamedTuple):
    """One request: what kind it was, when it was sent, how long it took, and the status; `None` where none came."""

    kind: str
    at: float
    seconds: float
    status: int | None
    good: bool
    """Whether it is the status that the request deserves."""
    told: str


class Kind(NamedTuple):
    """A kind of request: what is sent, nothing for a page, and the status that it deserves."""

    name: str
    body: Callable[[Shown], bytes]
    wanted: int = 200
    path: str = URL
    media: str = "application/json"
    announced: int = 0
    """How many bytes the body is said to have, where it has less."""
    ends: bool = False
    """Whether it is told that no more of such a body comes."""


def _of_anybody(body: bytes) -> bytes:
    """The request with a name in it that can be told from all else."""
    return body.replace(json.loads(body)["context"]["patientId"].encode(), ANYBODY)


USUAL = {"asOf": str(TODAY), "profile": "magnesium-aware", "ckdOverlay": "kdoqi-2003"}
CHARTS = [_of_anybody(found.body) for found in situations() if USUAL.items() <= found.expected.items()]
LARGE_CHART = _of_anybody(with_observations(OBSERVATIONS))


def _of_some_patient(body: bytes) -> bytes:
    return body.replace(ANYBODY, b"load-%d" % (time.monotonic() * PATIENTS_A_SECOND))


def _chart(_: Shown) -> bytes:
    return _of_some_patient(CHOOSER.choice(CHARTS))


def _feedback(shown: Shown) -> bytes:
    """Feedback on a card that came, or on one that nobody knows."""
    about = item(CHOOSER)
    if shown:
        about["card"] = shown.popleft()
    return json.dumps({"feedback": [about]}).encode()


CHART = Kind("chart", _chart)
LARGE = Kind("large", lambda _: _of_some_patient(LARGE_CHART))
FEEDBACK = Kind("feedback", _feedback, path=FEEDBACK_URL)
PAGES = ("/docs", "/docs/reference/cards", "/readyz", "/cds-services")
GOOD = {CHART: 64, LARGE: 2, FEEDBACK: 10, **{Kind("page", lambda _: b"", path=page): 2 for page in PAGES}}
BAD = {
    Kind("broken", lambda shown: _chart(shown)[:-20], 400): 4,
    Kind("wrong type", lambda _: b"patient=1", 415, media="application/x-www-form-urlencoded"): 3,
    Kind("unknown", _chart, 404, path=f"{URL}-and-iron"): 3,
    Kind("incomplete", lambda _: json.dumps(golden() | {"prefetch": {}}).encode(), 412): 3,
    Kind("too large", lambda _: b" " * 4096, 413, announced=5 * 1024 * 1024): 2,
    Kind("cut short", _chart, 400, announced=1024 * 1024, ends=True): 1,
    Kind("too slow", _chart, 408, announced=1024 * 1024): 0.2,
}
"""Kinds of requests, and how often they come beside one another."""


class Load:
    """Requests at a steady rate, whether or not earlier ones are answered; a context manager."""

    def __init__(self, port: int, kinds: Mapping[Kind, float], rate: float, sign: Sign | None = None) -> None:
        """*rate* is requests a second; *port* may be that of a proxy; *sign* is for a service that asks for tokens."""
        self._kinds, self._rate, self._sign = kinds, rate, sign
        self._shown: Shown = deque(maxlen=200)
        self._outcomes: deque[Outcome] = deque()
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(THREADS)
        connect = partial(HTTPConnection, "127.0.0.1", port, timeout=PATIENCE)
        self._connections = defaultdict[int, HTTPConnection](connect)
        """Each thread has one of its own, so that every process of the service is asked."""
        self._clock = threading.Thread(target=self._run)
        self.acknowledged: list[str] = []
        """The cards whose feedback was answered 200."""

    def __enter__(self) -> Self:
        """Begin."""
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask for nothing more, and wait for what is under way."""
        self._stop.set()
        self._clock.join()
        self._threads.shutdown()
        for connection in self._connections.values():
            connection.close()

    def taken(self) -> list[Outcome]:
        """The outcomes since this was last asked."""
        return [self._outcomes.popleft() for _ in range(len(self._outcomes))]

    def rush(self, count: int) -> None:
        """Open so many large charts at once, and return while most of them are under way."""
        for _ in range(count):
            self._threads.submit(self._send, LARGE, LARGE.body(self._shown))
        time.sleep(FOR_A_MOMENT)

    def _run(self) -> None:
        begin = time.monotonic()
        for tick in itertools.count():
            if self._stop.wait(max(0.0, begin + tick / self._rate - time.monotonic())):
                return
            (kind,) = CHOOSER.choices(list(self._kinds), list(self._kinds.values()))
            self._threads.submit(self._send, kind, kind.body(self._shown))

    def _send(self, kind: Kind, body: bytes) -> None:
        """Send a request, and note what came."""
        at, told = time.monotonic(), ""
        try:
            status, answer = self._answer(kind, body)
        except (OSError, HTTPException, HTTPError) as error:
            status, answer, told = None, b"", type(error).__name__
        if status is None or kind.announced:
            self._connections[threading.get_ident()].close()  # amid a request
        outcome = Outcome(kind.name, at, time.monotonic() - at, status, status == kind.wanted, told)
        self._outcomes.append(outcome)
        if outcome.good and kind in (CHART, LARGE):
            self._shown += [card["uuid"] for card in json.loads(answer)["cards"]]
        if outcome.good and kind is FEEDBACK:
            self.acknowledged += [one["card"] for one in json.loads(body)["feedback"]]

    def _answer(self, kind: Kind, body: bytes) -> tuple[int | None, bytes]:
        """The answer on the connection of this thread, which is made anew where the other side has closed it."""
        connection = self._connections[threading.get_ident()]
        if not connection.is_connected:
            connection.close()
        headers = {**(self._sign(kind.path) if self._sign else {}), "Content-Type": kind.media}
        if kind.announced:
            headers["Content-Length"] = str(kind.announced)
        connection.request("POST" if body else "GET", kind.path, body or None, headers)
        if kind.ends:
            connection.sock.shutdown(socket.SHUT_WR)
        answer = connection.getresponse()
        return answer.status, answer.data
