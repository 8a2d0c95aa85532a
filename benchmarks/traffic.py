"""What the runs under load share: requests of every kind, good and bad, and clients that send them and note what came.

A client keeps its connection open between requests, as an EHR does. It never tries again: what is lost is told.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import select
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any, NamedTuple, Self

from tests.support.fixtures import FOLDER, situations
from tests.support.wire import Wire, request

AS_OF = "2026-03-02"
"""The day that the golden requests are made for; the service is set to it."""
SERVICE = "/cds-services/vitamin-d-magnesium"
JSON = "application/json"
PATIENCE = 30.0
"""Seconds after which a client gives up on an answer."""
SEED, THREADS, OBSERVATIONS = 8, 24, 1000
OPENED = 3
"""How often the chart of a patient is opened: often enough for a topic to be quiet, too seldom to pile up answers."""
TOO_LARGE = 5 * 1024 * 1024
PAGES = ("/docs", "/docs/reference/cards", "/readyz", "/cds-services")
OPEN_PAGES = ("/", "/metrics")
"""Pages that are there for everybody as long as nobody needs a token."""
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
    reused: bool = False
    """Whether the connection had served a request before."""

    @property
    def good(self) -> bool:
        """Whether the answer is the one that the request deserves."""
        return self.status == self.wanted


class Template:
    """A golden request that can be put for any patient."""

    def __init__(self, body: bytes) -> None:
        """*body* is the request."""
        self._body = body
        self._patient = json.dumps(json.loads(body)["context"]["patientId"])[1:-1].encode()

    def of(self, patient: str) -> bytes:
        """The request for *patient*."""
        return self._body.replace(self._patient, patient.encode())


def golden() -> list[Template]:
    """The golden requests of the usual guidance."""
    usual = {"asOf": AS_OF, "profile": "magnesium-aware", "ckdOverlay": "kdoqi-2003"}
    return [Template(found.body) for found in situations() if usual.items() <= found.expected.items()]


def large() -> Template:
    """A golden request with a thousand Observations under 25(OH)D, newest first."""
    body = json.loads((FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "request.json").read_bytes())
    entries = body["prefetch"]["vitaminD"]["entry"]
    for number in range(OBSERVATIONS - len(entries)):
        entry = json.loads(json.dumps(entries[0]))
        day = date(2025, 6, 1) - timedelta(days=number)
        entry["resource"] |= {"id": f"old-{number}", "effectiveDateTime": day.isoformat()}
        entries.append(entry)
    return Template(json.dumps(body).encode())


class Requests:
    """Makes requests, and remembers the cards that came, so that there is feedback to give."""

    def __init__(self, seed: int) -> None:
        """Nothing has been asked yet."""
        self._chooser = random.Random(seed)  # noqa: S311 - no secret
        self._golden, self._large = golden(), large()
        self._opened = itertools.count()
        self._cards: deque[Any] = deque(maxlen=200)

    def chart(self) -> bytes:
        """A chart is opened."""
        return self._chooser.choice(self._golden).of(self._patient())

    def large_chart(self) -> bytes:
        """A chart with a thousand Observations is opened."""
        return self._large.of(self._patient())

    def incomplete(self) -> bytes:
        """A chart without what is required, and no server to ask for it."""
        body = json.loads(self.chart())
        del body["prefetch"]["vitaminD"]
        body.pop("fhirServer", None)
        return json.dumps(body).encode()

    def answered(self, body: bytes) -> None:
        """Cards came."""
        self._cards.extend(json.loads(body)["cards"])

    def feedback(self) -> tuple[str, bytes]:
        """Feedback on a card that came, or on one that nobody knows; and the card."""
        try:
            card = self._cards.popleft()
        except IndexError:
            card = {"uuid": str(uuid.uuid4())}
        item: dict[str, Any] = {"card": card["uuid"], "outcomeTimestamp": "2026-03-02T08:15:30Z"}
        if card.get("suggestions") and self._chooser.random() < 0.3:  # noqa: PLR2004 - the share that is accepted
            item |= {"outcome": "accepted", "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}]}
        else:
            item["outcome"] = "overridden"
            if card.get("overrideReasons"):
                reason = self._chooser.choice(card["overrideReasons"])
                item["overrideReason"] = {"reason": {name: reason[name] for name in ("code", "system")}}
        return card["uuid"], json.dumps({"feedback": [item]}).encode()

    def _patient(self) -> str:
        return f"load-{next(self._opened) // OPENED}"


class Client:
    """One client, for one thread, with a connection of its own; `port` may be that of a proxy."""

    def __init__(self, port: int, requests: Requests, sign: Sign | None = None) -> None:
        """Connects when it first asks; *sign* is for a service that asks for tokens."""
        self._port = port
        self._requests = requests
        self._sign = sign
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.kept: list[str] = []
        """The cards whose feedback was answered 200."""

    # Good requests.

    def chart(self) -> Outcome:
        """Open a chart."""
        return self._cards("chart", self._requests.chart())

    def large(self) -> Outcome:
        """Open a chart with a thousand Observations."""
        return self._cards("large", self._requests.large_chart())

    def feedback(self) -> Outcome:
        """Answer a card."""
        card, body = self._requests.feedback()
        outcome, _ = self._ask("feedback", "POST", f"{SERVICE}/feedback", body)
        if outcome.good:
            self.kept.append(card)
        return outcome

    def page(self) -> Outcome:
        """Look at a page."""
        pages = PAGES if self._sign else PAGES + OPEN_PAGES
        return self._ask("page", "GET", random.choice(pages))[0]  # noqa: S311 - no secret

    # Bad ones.

    def broken(self) -> Outcome:
        """JSON that ends too early."""
        return self._ask("broken", "POST", SERVICE, self._requests.chart()[:-20], wanted=400)[0]

    def wrong_type(self) -> Outcome:
        """Not JSON at all."""
        return self._ask("wrong type", "POST", SERVICE, b"patient=1", "application/x-www-form-urlencoded", 415)[0]

    def unknown(self) -> Outcome:
        """A service that is not there."""
        return self._ask("unknown", "POST", f"{SERVICE}-and-iron", self._requests.chart(), wanted=404)[0]

    def incomplete(self) -> Outcome:
        """A required prefetch key lacks."""
        return self._ask("incomplete", "POST", SERVICE, self._requests.incomplete(), wanted=412)[0]

    def too_large(self) -> Outcome:
        """A body beyond the limit is announced, and begins."""
        head = request("POST", SERVICE, *self._lines(), f"Content-Length: {TOO_LARGE}")
        return self._raw("too large", 413, head + b" " * 4096)

    def cut_short(self) -> Outcome:
        """Half a body, and then no more."""
        return self._raw("cut short", 400, self._half(), end=True)

    def too_slow(self) -> Outcome:
        """Half a body, and then silence."""
        return self._raw("too slow", 408, self._half())

    def _half(self) -> bytes:
        whole = request("POST", SERVICE, *self._lines(), body=self._requests.chart())
        return whole[: len(whole) // 2]

    def _lines(self) -> list[str]:
        signed = self._sign(SERVICE) if self._sign else {}
        return [f"{name}: {value}" for name, value in {"Content-Type": JSON, **signed}.items()]

    def _cards(self, kind: str, body: bytes) -> Outcome:
        outcome, answer = self._ask(kind, "POST", SERVICE, body)
        if outcome.good:
            self._requests.answered(answer)
        return outcome

    def _ask(
        self, kind: str, method: str, path: str, body: bytes | None = None, media: str = JSON, wanted: int = 200
    ) -> tuple[Outcome, bytes]:
        """Send a request and read its answer."""
        self._let_go_if_closed()
        at, reused = time.monotonic(), self._connection.sock is not None
        try:
            signed = self._sign(path) if self._sign and path.startswith("/cds-services") else {}
            self._connection.request(method, path, body, {**signed, "Content-Type": media} if body else signed)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Outcome(kind, at, time.monotonic() - at, None, wanted, type(error).__name__, reused), b""
        return Outcome(kind, at, time.monotonic() - at, response.status, wanted, "", reused), answer

    def _let_go_if_closed(self) -> None:
        """Close a connection that the server has closed meanwhile, as HTTP clients do before they use one again."""
        held = self._connection.sock
        if held is not None and select.select([held], [], [], 0)[0]:
            self._connection.close()

    def _raw(self, kind: str, wanted: int, sent: bytes, *, end: bool = False) -> Outcome:
        """Send bytes on a connection of their own and read the answer."""
        at = time.monotonic()
        try:
            with Wire(self._port, timeout=PATIENCE) as wire:
                wire.send(sent)
                if end:
                    wire.end()
                answer = wire.answer()
        except (OSError, http.client.HTTPException) as error:
            return Outcome(kind, at, time.monotonic() - at, None, wanted, type(error).__name__)
        return Outcome(kind, at, time.monotonic() - at, answer.status if answer else None, wanted)

    def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(OSError):
            self._connection.close()


Kind = Callable[[Client], Outcome]
GOOD: dict[Kind, float] = {Client.chart: 64, Client.large: 2, Client.feedback: 10, Client.page: 8}
BAD: dict[Kind, float] = {
    Client.broken: 4, Client.wrong_type: 3, Client.unknown: 3, Client.incomplete: 3,
    Client.too_large: 2, Client.cut_short: 1, Client.too_slow: 0.2,
}  # fmt: skip
"""Kinds of requests, and how often they come beside one another."""


class Load:
    """Requests at a steady rate, whether or not earlier ones are answered; a context manager."""

    def __init__(self, port: int, kinds: dict[Kind, float], rate: float, sign: Sign | None = None) -> None:
        """*kinds* are asked for as often as their weights say; *rate* is requests a second."""
        self._port, self._kinds, self._rate, self._sign = port, kinds, rate, sign
        self._requests = Requests(SEED)
        self._own = threading.local()
        self._clients: list[Client] = []
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._under_way = 0
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(THREADS)
        self._clock = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Begin."""
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask for nothing more, and wait for what is under way."""
        self._stop.set()
        self._clock.join()
        self._threads.shutdown()
        for client in self._clients:
            client.close()

    def taken(self) -> list[Outcome]:
        """The outcomes since this was last asked."""
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    def rush(self, count: int) -> None:
        """Open so many large charts at once, and return while most of them are under way."""
        for _ in range(count):
            self._threads.submit(self._send, Client.large)
        while self._under_way < count // 2:
            time.sleep(0.001)

    def kept(self) -> list[str]:
        """The cards whose feedback was answered 200."""
        return [card for client in self._clients for card in client.kept]

    def _run(self) -> None:
        chooser = random.Random(SEED)  # noqa: S311 - no secret
        begin = time.monotonic()
        for tick in itertools.count():
            if self._stop.wait(max(0.0, begin + tick / self._rate - time.monotonic())):
                return
            self._threads.submit(self._send, *chooser.choices(list(self._kinds), list(self._kinds.values())))

    def _send(self, kind: Kind) -> None:
        if not hasattr(self._own, "client"):
            self._own.client = Client(self._port, self._requests, self._sign)
            self._clients.append(self._own.client)
        with self._lock:
            self._under_way += 1
        outcome = kind(self._own.client)
        with self._lock:
            self._under_way -= 1
            self._outcomes.append(outcome)
