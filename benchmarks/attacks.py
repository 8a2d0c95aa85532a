"""Attacks on the running service: what an outsider, a client of several, or somebody at its disk does meanwhile."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests

from tests.feedback.posting import FEEDBACK_URL, item
from tests.support import database
from tests.support.siege import KEYLESS, OTHER, Siege, can_be_silenced
from tests.support.tokens import Issuer
from tests.support.wire import PATIENCE, Wire, request
from tests.web.calls import URL, golden
from tests.web.holding import costly

LARGE = 4 * 1024 * 1024 - 1
FLOOD = 200
"""Items of a body of the flood of feedback."""
TURN = 10
"""Seconds of one attack."""
GIVES_WAY = 5
"""How much less often than others the attackers get a processor: they have machines of their own."""
Unexpected = Counter[int | None]
"""How often an attack was answered otherwise than it should be, by status; `None` is no answer."""


@dataclass(frozen=True)
class Attack:
    """Something that is done again and again, by so many side by side; it may have these answers, and no other."""

    act: Callable[[Siege], int | None]
    beside: int = 1
    answers: Collection[int | None] = (None,)
    pause: float = 0.1
    """Seconds between two tries of one attacker."""
    needs_silence: bool = False
    """Whether it needs a name server that does not answer."""
    holds_tokens: bool = False
    """Whether no token can be noted meanwhile, so that calls with one are 503."""

    def run(self, siege: Siege) -> Unexpected:
        """Do it for a turn; what was unexpected."""
        end = time.monotonic() + TURN
        with ThreadPoolExecutor(self.beside) as threads:
            attackers = [threads.submit(self._repeat, siege, end) for _ in range(self.beside)]
        return sum((attacker.result() for attacker in attackers), Unexpected())

    def _repeat(self, siege: Siege, end: float) -> Unexpected:
        unexpected = Unexpected()
        while time.monotonic() < end:
            status = None
            with suppress(OSError, requests.RequestException):
                status = self.act(siege)
            if status not in self.answers:
                unexpected[status] += 1
            time.sleep(self.pause)
        return unexpected


def _post(siege: Siege, body: Any, issuer: Issuer = OTHER, path: str = URL) -> int:
    url = f"{siege.served.url}{path}"
    return requests.post(url, json=body, headers=siege.head(issuer, path), timeout=PATIENCE).status_code


def _flood(siege: Siege) -> int:
    chooser = random.Random()  # noqa: S311 - no secret
    return _post(siege, {"feedback": [item(chooser) for _ in range(FLOOD)]}, path=FEEDBACK_URL)


def _send(siege: Siege, *pieces: bytes) -> int | None:
    with Wire(siege.served.port) as wire:
        answer = wire.send(*pieces).answer()
    return answer.status if answer else None


def _begin_body(siege: Siege, issuer: Issuer | None) -> int | None:
    """Announce a large body, send all of it but a byte, and wait for what comes."""
    headers = [f"{name}: {value}" for name, value in siege.head(issuer).items()]
    return _send(siege, request("POST", URL, *headers, f"Content-Length: {LARGE}"), b" " * (LARGE - 1))


def _stop_reading(siege: Siege) -> None:
    """Ask for more than is read."""
    with Wire(siege.served.port, timeout=1) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(request("GET", "/openapi.json") * 200)
        threading.Event().wait(5)


def _hold_lock(file: Path) -> None:
    with database.locked(file):
        time.sleep(TURN)


ATTACKS = {
    "keys at a name that hangs": Attack(lambda s: _post(s, golden(), KEYLESS), 20, {401}, needs_silence=True),
    "a FHIR server at such a name": Attack(
        lambda s: _post(s, s.asking(s.servers["nameless"])), 20, {412, 503}, needs_silence=True
    ),
    "a FHIR server that hangs": Attack(lambda s: _post(s, s.asking(s.servers["mute"])), 20, {412, 503}),
    "charts that cost much": Attack(lambda s: _post(s, costly(14_000)), 3, {200, 503}),
    "bodies without a token": Attack(lambda s: _begin_body(s, None), 20, {401, None}),
    "bodies that do not end": Attack(lambda s: _begin_body(s, OTHER), 10, {408, 503, None}),
    "clients that stop reading": Attack(_stop_reading, 20),
    "heads with two hosts": Attack(
        lambda s: _send(s, b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 5, {400}
    ),
    "a flood of feedback": Attack(_flood, 24, {200, 503}),
    "the database locked by another": Attack(lambda s: _hold_lock(s.database)),
    "the used tokens locked by another": Attack(
        lambda s: _hold_lock(s.database.with_stem(f"{s.database.stem}-tokens")), holds_tokens=True
    ),
    "the database removed": Attack(lambda s: database.remove(s.database), pause=TURN),
    "the database replaced by a backup": Attack(lambda s: database.replace(s.database), pause=TURN),
}


def possible() -> list[str]:
    """The attacks that this machine can make."""
    silent = can_be_silenced()
    return [name for name, attack in ATTACKS.items() if silent or not attack.needs_silence]


@contextmanager
def attackers(siege: Siege) -> Iterator[Connection]:
    """A process that makes attacks: it is sent the name of one, and sends what was unexpected.

    Whoever measures beside it is not slowed down by it. It is forked, as what signs the tokens is in the memory of this
    process alone: make it before any thread is there.
    """
    fork = get_context("fork")
    orders, taken = fork.Pipe()
    process = fork.Process(target=_obey, args=(siege, taken), daemon=True)
    process.start()
    try:
        yield orders
    finally:
        process.kill()


def _obey(siege: Siege, orders: Connection) -> None:
    os.nice(GIVES_WAY)
    while True:
        orders.send(ATTACKS[orders.recv()].run(siege))
