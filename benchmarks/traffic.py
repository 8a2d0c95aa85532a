"""What the runs under load share: requests of every kind, good and bad, sent at a steady rate, and what came of them.

Connections are kept open between requests, as an EHR keeps them. Nothing is tried again: what is lost is told.
"""

from __future__ import annotations

import itertools
import json
import queue
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

import requests
import urllib3

from benchmarks.payloads import with_observations
from tests.feedback.posting import FEEDBACK_URL, item
from tests.support.fixtures import situations
from tests.support.wire import PATIENCE, Wire, request
from tests.web.calls import TODAY, URL

SEED, THREADS, OBSERVATIONS = 8, 24, 1000
ANYBODY = b"patient-of-a-template"
OPENED = 3
"""How often the chart of a patient is opened: often enough for a topic to be quiet, too seldom to pile up answers."""
FOR_A_MOMENT = 0.02
"""Seconds in which no large chart is answered yet, if several are opened at once."""
Sign = Callable[[str], dict[str, str]]
"""The headers of a call of a path, with a token of its own."""


class Outcome(NamedTuple):
    """One request: what kind it was, when it was sent, how long it took, and the status; `None` where none came."""

    kind: str
    at: float
    seconds: float
    status: int | None
    wanted: int
    told: str = ""

    @property
    def good(self) -> bool:
        """Whether the answer is the one that the request deserves."""
        return self.status == self.wanted


class Requests:
    """Makes requests, and remembers the cards that came, so that there is feedback to give."""

    def __init__(self, seed: int) -> None:
        """Nothing has been asked yet."""
        usual = {"asOf": str(TODAY), "profile": "magnesium-aware", "ckdOverlay": "kdoqi-2003"}
        self._chooser = random.Random(seed)  # noqa: S311 - no secret
        self._golden = [_of_anybody(found.body) for found in situations() if usual.items() <= found.expected.items()]
        self._large = _of_anybody(with_observations(OBSERVATIONS))
        self._opened = itertools.count()
        self._cards: deque[str] = deque(maxlen=200)

    def chart(self) -> bytes:
        """A chart is opened."""
        return self._of_some_patient(self._chooser.choice(self._golden))

    def large(self) -> bytes:
        """A chart with a thousand Observations is opened."""
        return self._of_some_patient(self._large)

    def incomplete(self) -> bytes:
        """A chart without what is required, and no server to ask for it."""
        body = json.loads(self.chart())
        del body["prefetch"]["vitaminD"]
        body.pop("fhirServer", None)
        return json.dumps(body).encode()

    def feedback(self) -> bytes:
        """Feedback on a card that came, or on one that nobody knows."""
        card = self._cards.popleft() if self._cards else str(uuid.uuid4())
        return json.dumps({"feedback": [item(self._chooser) | {"card": card}]}).encode()

    def remember(self, answer: bytes) -> None:
        """Cards came."""
        self._cards.extend(card["uuid"] for card in json.loads(answer)["cards"])

    def _of_some_patient(self, body: bytes) -> bytes:
        return body.replace(ANYBODY, b"load-%d" % (next(self._opened) // OPENED))


def _of_anybody(body: bytes) -> bytes:
    """The request with a name in it that can be told from all else."""
    return body.replace(json.loads(body)["context"]["patientId"].encode(), ANYBODY)


class Kind(NamedTuple):
    """A kind of request: what is sent, and the status that it deserves."""

    name: str
    body: Callable[[Requests], bytes] | None
    wanted: int = 200
    path: str = URL
    media: str = "application/json"
    announced: int = 0
    """How many bytes the body is said to have; it has less, and is sent on a connection of its own."""
    ends: bool = False
    """Whether it is told that no more of such a body comes."""


CHART = Kind("chart", Requests.chart)
LARGE = Kind("large", Requests.large)
FEEDBACK = Kind("feedback", Requests.feedback, path=FEEDBACK_URL)
PAGES = ("/docs", "/docs/reference/cards", "/readyz", "/cds-services")
GOOD = {CHART: 64, LARGE: 2, FEEDBACK: 10, **{Kind("page", None, path=page): 2 for page in PAGES}}
BAD = {
    Kind("broken", lambda made: made.chart()[:-20], 400): 4,
    Kind("wrong type", lambda _: b"patient=1", 415, media="application/x-www-form-urlencoded"): 3,
    Kind("unknown", Requests.chart, 404, path=f"{URL}-and-iron"): 3,
    Kind("incomplete", Requests.incomplete, 412): 3,
    Kind("too large", lambda _: b" " * 4096, 413, announced=5 * 1024 * 1024): 2,
    Kind("cut short", Requests.chart, 400, announced=1024 * 1024, ends=True): 1,
    Kind("too slow", Requests.chart, 408, announced=1024 * 1024): 0.2,
}
"""Kinds of requests, and how often they come beside one another."""


class Load:
    """Requests at a steady rate, whether or not earlier ones are answered; a context manager."""

    def __init__(self, port: int, kinds: Mapping[Kind, float], rate: float, sign: Sign | None = None) -> None:
        """*rate* is requests a second; *port* may be that of a proxy; *sign* is for a service that asks for tokens."""
        self._port, self._kinds, self._rate, self._sign = port, kinds, rate, sign
        self._requests = Requests(SEED)
        self._own = threading.local()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(THREADS, initializer=self._connect)
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

    def taken(self) -> list[Outcome]:
        """The outcomes since this was last asked."""
        return [self._outcomes.get() for _ in range(self._outcomes.qsize())]

    def rush(self, count: int) -> None:
        """Open so many large charts at once, and return while most of them are under way."""
        for _ in range(count):
            self._threads.submit(self._send, LARGE, self._requests.large())
        time.sleep(FOR_A_MOMENT)

    def _connect(self) -> None:
        """Each thread has a connection of its own, so that every process of the service is asked."""
        self._own.connection = urllib3.HTTPConnectionPool("127.0.0.1", self._port, timeout=PATIENCE)

    def _run(self) -> None:
        chooser = random.Random(SEED)  # noqa: S311 - no secret
        kinds, weights = list(self._kinds), list(self._kinds.values())
        begin = time.monotonic()
        for tick in itertools.count():
            if self._stop.wait(max(0.0, begin + tick / self._rate - time.monotonic())):
                return
            (kind,) = chooser.choices(kinds, weights)
            self._threads.submit(self._send, kind, kind.body(self._requests) if kind.body else b"")

    def _send(self, kind: Kind, body: bytes) -> None:
        """Send a request, and note what came."""
        at, told = time.monotonic(), ""
        try:
            status, answer = self._cut(kind, body) if kind.announced else self._whole(kind, body)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            status, answer, told = None, b"", type(error).__name__
        self._outcomes.put(Outcome(kind.name, at, time.monotonic() - at, status, kind.wanted, told))
        if status != requests.codes.ok:
            return
        if kind.path == URL:
            self._requests.remember(answer)
        if kind.path == FEEDBACK_URL:
            self.acknowledged += [one["card"] for one in json.loads(body)["feedback"]]

    def _whole(self, kind: Kind, body: bytes) -> tuple[int, bytes]:
        method = "POST" if body else "GET"
        answer = self._own.connection.urlopen(method, kind.path, body or None, self._headers(kind), retries=False)
        return answer.status, answer.data

    def _cut(self, kind: Kind, body: bytes) -> tuple[int | None, bytes]:
        headers = {**self._headers(kind), "Content-Length": kind.announced}
        with Wire(self._port) as wire:
            wire.send(request("POST", kind.path, *(f"{name}: {value}" for name, value in headers.items())) + body)
            if kind.ends:
                wire.end()
            answer = wire.answer()
        return (answer.status, answer.body) if answer else (None, b"")

    def _headers(self, kind: Kind) -> dict[str, str]:
        return {**(self._sign(kind.path) if self._sign else {}), "Content-Type": kind.media}
