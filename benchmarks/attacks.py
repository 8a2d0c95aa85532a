"""Attacks on the running service, and how others fare beside them.

    .venv/bin/python -m benchmarks.attacks                # each by itself: a line of what another client got meanwhile
    .venv/bin/python -m benchmarks.attacks --seconds 20 --only "keys at a name that hangs" --command OTHER/cds-service

An attack is something that an outsider, one client of several, or somebody with access to the disk does while others
open charts. Most are done again and again, side by side. `benchmarks/soak.py` has them take turns for an hour, in a
process of their own, so that whoever measures beside them is not slowed down by them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import requests
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.traffic import Client, Load
from tests.feedback.posting import FEEDBACK_URL, kept
from tests.support import database
from tests.support.serving import COMMAND
from tests.support.siege import HONEST, KEYLESS, OTHER, Siege, besieged, can_be_silenced
from tests.support.tokens import Issuer
from tests.support.wire import Wire, request
from tests.web.calls import URL, golden
from tests.web.holding import costly

PATIENCE, PAUSE = 30.0, 0.1
LARGE = 4 * 1024 * 1024 - 1
FLOOD = 200
"""Items of a body of the flood of feedback."""
CHARTS_A_SECOND, QUIET = 20.0, 2.0
"""Charts a second beside an attack that is measured; seconds before it."""
GIVES_WAY = 5
"""How much less often than others the attackers get a processor."""
AFTER = 3.0
"""Seconds after a lock in which a call may still be answered that waited for it."""
LIMIT = 250
"""Milliseconds that a chart of another client may take in 99 of 100 cases."""
Stop = Callable[[], None]


class Attack(NamedTuple):
    """What `begin` begins; it gives back what ends it."""

    begin: Callable[[Siege, Callable[[str], None]], Stop]
    """Its second argument is told what was answered otherwise than it should be."""
    needs_silence: bool = False
    """Whether it needs a name server that does not answer."""
    holds_tokens: bool = False
    """Whether no token can be noted meanwhile, so that calls with one are 503."""


def again(act: Callable[[Siege], int | None], beside: int, *answers: int | None, silence: bool = False) -> Attack:
    """Do it again and again, by so many side by side; it may have these *answers* (`None`: none), and no other."""

    def begin(siege: Siege, unexpected: Callable[[str], None]) -> Stop:
        over = threading.Event()

        def repeat() -> None:
            while not over.wait(PAUSE):
                try:
                    status = act(siege)
                except (OSError, requests.RequestException):
                    status = None
                if status not in answers:
                    unexpected(str(status))

        threads = [threading.Thread(target=repeat) for _ in range(beside)]
        for thread in threads:
            thread.start()

        def stop() -> None:
            over.set()
            for thread in threads:
                thread.join()

        return stop

    return Attack(begin, needs_silence=silence)


def once(change: Callable[[Path], None]) -> Attack:
    """Do something to the file of the database, and no more."""

    def begin(siege: Siege, _: Callable[[str], None]) -> Stop:
        change(siege.database)
        return lambda: None

    return Attack(begin)


def hold_lock(file: Callable[[Siege], Path], *, of_tokens: bool = False) -> Attack:
    """Hold the lock of a file of SQLite."""

    def begin(siege: Siege, _: Callable[[str], None]) -> Stop:
        ends = ExitStack()
        ends.enter_context(database.locked(file(siege)))
        return ends.close

    return Attack(begin, holds_tokens=of_tokens)


def _post(siege: Siege, body: Any, issuer: Issuer = OTHER, path: str = URL) -> int:
    url = f"{siege.served.url}{path}"
    return requests.post(url, json=body, headers=siege.head(issuer, path), timeout=PATIENCE).status_code


def _tell(siege: Siege, items: int, issuer: Issuer) -> tuple[int, list[str]]:
    """Send feedback on so many cards; the status, and the cards."""
    cards = [str(uuid.uuid4()) for _ in range(items)]
    told = {"outcome": "overridden", "outcomeTimestamp": "2026-03-02T08:15:30Z"}
    body = {"feedback": [{"card": card, **told} for card in cards]}
    return _post(siege, body, issuer, FEEDBACK_URL), cards


def _begin_body(siege: Siege, issuer: Issuer | None, sent: int) -> int | None:
    """Announce a large body, send so much of it, and wait for what comes."""
    headers = [f"{name}: {value}" for name, value in siege.head(issuer).items()]
    with Wire(siege.served.port, timeout=PATIENCE) as wire:
        answer = wire.send(request("POST", URL, *headers, f"Content-Length: {LARGE}"), b" " * sent).answer()
    return None if answer is None else answer.status


def _stop_reading(siege: Siege) -> int | None:
    """Ask for more than is read."""
    with Wire(siege.served.port, timeout=1) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(request("GET", "/openapi.json") * 200)
        threading.Event().wait(5)
    return None


def _unclear_head(siege: Siege) -> int | None:
    with Wire(siege.served.port, timeout=PATIENCE) as wire:
        answer = wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").answer()
    return None if answer is None else answer.status


ATTACKS = {
    "keys at a name that hangs": again(lambda s: _post(s, golden(), KEYLESS), 20, 401, silence=True),
    "a FHIR server at such a name": again(
        lambda s: _post(s, s.asking(s.servers["nameless"])), 20, 412, 503, silence=True
    ),
    "a FHIR server that hangs": again(lambda s: _post(s, s.asking(s.servers["mute"])), 20, 412, 503),
    "charts that cost much": again(lambda s: _post(s, costly(14_000)), 3, 200, 503),
    "bodies without a token": again(lambda s: _begin_body(s, None, LARGE - 1), 20, 401, None),
    "bodies that do not end": again(lambda s: _begin_body(s, OTHER, LARGE - 1), 10, 408, 503, None),
    "clients that stop reading": again(_stop_reading, 20, None),
    "heads with two hosts": again(_unclear_head, 5, 400),
    "a flood of feedback": again(lambda s: _tell(s, FLOOD, OTHER)[0], 24, 200, 503),
    "the database locked by another": hold_lock(lambda s: s.database),
    "the used tokens locked by another": hold_lock(
        lambda s: s.database.with_stem(f"{s.database.stem}-tokens"), of_tokens=True
    ),
    "the database removed": once(database.remove),
    "the database replaced by a backup": once(database.replace),
}


def possible() -> dict[str, Attack]:
    """The attacks that this machine can make."""
    silent = can_be_silenced()
    return {name: attack for name, attack in ATTACKS.items() if silent or not attack.needs_silence}


class Turns:
    """Attacks on a service, one after the other; a context manager. Make it before any thread is there.

    They have a process of their own, which gives way to the service: attackers have machines of their own.
    """

    def __init__(self, siege: Siege, seconds: float, attacks: dict[str, Attack]) -> None:
        """Each attack takes so many seconds."""
        self._attacks = attacks
        fork = multiprocessing.get_context("fork")  # what signs the tokens is in the memory of this process alone
        self._over = fork.Event()
        self._unexpected = fork.Value("i", 0)
        self._lock_held = fork.Array("d", [0.0, 0.0])
        self._process = fork.Process(target=self._run, args=(siege, seconds), daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End what is under way."""
        self._over.set()
        self._process.join(2 * PATIENCE)
        self._process.kill()

    @property
    def unexpected(self) -> int:
        """How often an attack was answered otherwise than it should be."""
        found: int = self._unexpected.value
        return found

    def held_tokens(self, at: float) -> bool:
        """Whether no token could be noted at this moment of `time.monotonic`, or just before."""
        began, ended = self._lock_held[:]
        return bool(began <= at <= (ended or at) + AFTER)

    def _run(self, siege: Siege, seconds: float) -> None:
        os.nice(GIVES_WAY)
        while True:
            for name, attack in self._attacks.items():
                if attack.holds_tokens:
                    self._lock_held[:] = [time.monotonic(), 0.0]
                stop = attack.begin(siege, partial(self._note, name))
                over = self._over.wait(seconds)
                stop()
                if attack.holds_tokens:
                    self._lock_held[1] = time.monotonic()
                if over:
                    return

    def _note(self, name: str, told: str) -> None:
        print(f"attack: {name}: {told}", flush=True)
        with self._unexpected.get_lock():
            self._unexpected.value += 1


class Teller:
    """A client that sends feedback without a pause worth the name, and notes what was acknowledged."""

    def __init__(self, siege: Siege) -> None:
        """Nothing is sent yet."""
        self._siege = siege
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.statuses: Counter[int | None] = Counter()
        self.acknowledged: set[str] = set()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send nothing more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                status, cards = _tell(self._siege, 1, HONEST)
            except requests.RequestException:
                self.statuses[None] += 1
                continue
            self.statuses[status] += 1
            if status == requests.codes.ok:
                self.acknowledged.update(cards)


def measure(name: str, attack: Attack, seconds: float, command: Path, **settings: Any) -> str:
    """A line: how charts and feedback of another client fared while the attack went on."""
    with (
        tempfile.TemporaryDirectory(prefix="cds-attack-") as place,
        besieged(Path(place), command=command, feedback=True, workers=2, **settings) as siege,
    ):
        turns = Turns(siege, seconds + PATIENCE, {name: attack})  # it has one turn
        with Load(siege.served.port, {Client.chart: 1}, CHARTS_A_SECOND, partial(siege.head, HONEST)) as load:
            time.sleep(QUIET)
            load.taken()
            with turns, Teller(siege) as teller:
                time.sleep(seconds)
                charts = load.taken()
        lost = len(teller.acknowledged - _stored(siege.database))
    times = [outcome.seconds * 1000 for outcome in charts]
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [0.0] * 99
    answers, told = _counted(Counter(chart.status for chart in charts)), _counted(teller.statuses)
    worst = f"p50 {cuts[49]:.0f}, p99 {cuts[98]:.0f}, at most {max(times, default=0):.0f} ms"
    verdict = "" if cuts[98] < LIMIT else f" (over {LIMIT})"
    return f"{name:34} charts {answers}: {worst}{verdict}; feedback {told}; acknowledged and lost: {lost}"


def _counted(statuses: Counter[int | None]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in statuses.items())


def _stored(file: Path) -> set[str]:
    try:
        return set(kept(f"sqlite:///{file}"))
    except SQLAlchemyError as error:
        print(f"the file cannot be read: {type(error).__name__}")
        return set()


def main() -> None:
    """Measure every attack, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="how long each lasts")
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="an attack; may be repeated")
    parser.add_argument("--command", type=Path, default=COMMAND, help="the service that is attacked")
    parser.add_argument("--auth", choices=["jwt", "off"], default="jwt", help="with tokens, or without")
    options = parser.parse_args()
    nothing = again(lambda _: None, 0)
    for name, attack in {"nothing": nothing, **possible()}.items():
        if not options.only or name in options.only:
            print(measure(name, attack, options.seconds, options.command, auth=options.auth), flush=True)


if __name__ == "__main__":
    main()
