"""A hospital goes live: two weeks in silence, two for half of the patients, two for all, then off amid the load.

    make hospital                  # some three minutes; PATIENTS=400 make hospital

Two machines, which are two services with two processes each, share a PostgreSQL. A day is as many charts as patients
come on it, opened by several clients at once at either machine; the modes are changed by `cds-service mode`. What was
answered is counted here, and compared with what `/insights.json` tells. The status is 0 if all counts agree, if each
patient of the share saw cards always or never, and if no call that began 5 seconds after `off` got a card.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from subprocess import run
from threading import Event
from typing import Any, NamedTuple

import requests
from pydantic import Field
from pydantic_settings import BaseSettings

from tests.feedback.hospital import URL, chart
from tests.support import postgres
from tests.support.patients import AS_OF, mg, vitd
from tests.support.serving import COMMAND, Served, environment, serving, until

DAYS, CLIENTS, PATIENCE = 14, 8, 60.0
FOLLOWED = 5.0
"""Seconds in which every process follows a change."""
BOTH, SEVERE = ("magnesium-low", "vitamin-d-deficiency"), ("magnesium-severe-low", "vitamin-d-deficiency")
KINDS: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"vitamin_d": [vitd("14")], "magnesium": [mg("0.70")]}, BOTH),
    ({"vitamin_d": [vitd("40")], "magnesium": [mg("0.90")]}, ()),
    ({"vitamin_d": [vitd("14")], "magnesium": [mg("0.45")]}, SEVERE),
    ({"vitamin_d": [vitd("41")], "magnesium": [mg("0.95")]}, ()),
)
"""What is on file of patients, and the topics of the cards that are due."""


class Options(BaseSettings):
    """What the environment says; of fewer patients the report would not tell the counts, as they could be known."""

    patients: int = Field(default=200, ge=120)


class Opened(NamedTuple):
    """A chart that was opened: whose, when, how many cards it showed."""

    patient: int
    began: float
    cards: int


class Hospital:
    """Clients that open charts at both machines."""

    def __init__(self, machines: list[Served], patients: int) -> None:
        self._machines, self._patients = machines, patients
        self._session, self._turn = requests.Session(), count()

    def open(self, patient: int) -> Opened:
        """Open the chart of *patient*."""
        asked = chart(patient=f"patient-{patient}", **KINDS[patient % len(KINDS)][0])
        machine = self._machines[next(self._turn) % len(self._machines)]
        began = time.monotonic()
        response = self._session.post(f"{machine.url}{URL}", json=asked, timeout=PATIENCE)
        response.raise_for_status()
        return Opened(patient, began, len(response.json()["cards"]))

    def fortnight(self) -> list[Opened]:
        """Two weeks of charts: of each patient every third day."""
        coming = [patient for day in range(DAYS) for patient in range(self._patients) if (patient + day) % 3 == 0]
        with ThreadPoolExecutor(CLIENTS) as threads:
            return list(threads.map(self.open, coming))

    def until_stopped(self, stop: Event) -> Iterator[Opened]:
        """Charts, one after the other."""
        for patient in count():
            if stop.is_set():
                return
            yield self.open(patient % self._patients)


def due(patient: int) -> tuple[str, ...]:
    """The topics of the cards that are due to *patient*."""
    return KINDS[patient % len(KINDS)][1]


def counted(opened: list[Opened]) -> Counter[str]:
    """What the report should tell of charts: with cards, cards, once per patient; by topic the cards."""
    found: Counter[str] = Counter()
    for one in opened:
        found["charts"] += bool(due(one.patient))
        found.update(due(one.patient))
        found["cards"] += len(due(one.patient))
    found["once per patient and 30 days"] = sum(len(due(patient)) for patient in {one.patient for one in opened})
    return found


def told(report: dict[str, Any], arm: str) -> Counter[str]:
    """What the report tells of an arm."""
    found: Counter[str] = Counter()
    for row in report["modes"]:
        if row["cards were"] == arm:
            found.update({name: row[name] for name in ("charts", "cards", "once per patient and 30 days")})
    for row in report["mode topics"]:
        if row["cards were"] == arm:
            found[row["topic"]] = row["cards"]
    return found


def change(database: str, *words: str) -> float:
    """Change the mode; when the command had ended."""
    by = ("--by", "the hospital", "--why", "a trial", "--yes")
    settings = environment({"feedback": True, "database_url": database})
    run([COMMAND, "mode", *words, *by], env=settings, check=True, capture_output=True)
    return time.monotonic()


def live(database: str, hospital: Hospital, machine: Served) -> bool:
    """Go through all of it; whether all is as it should be."""
    weeks: dict[str, list[Opened]] = {}
    for name, mode in (("silent", "silent"), ("share", "share 50"), ("shown", "on")):
        change(database, *mode.split())
        time.sleep(FOLLOWED)
        weeks[name] = hospital.fortnight()
    seen: dict[int, set[bool]] = {}
    for one in weeks["share"]:
        if due(one.patient):
            seen.setdefault(one.patient, set()).add(bool(one.cards))
    stable = all(len(found) == 1 for found in seen.values())
    arms = {
        "silent": weeks["silent"],
        "share: shown": [one for one in weeks["share"] if seen.get(one.patient) == {True}],
        "share: silent": [one for one in weeks["share"] if seen.get(one.patient) == {False}],
        "shown": weeks["shown"],
    }
    as_answered = all(
        one.cards == (0 if "silent" in arm else len(due(one.patient))) for arm, opened in arms.items() for one in opened
    )
    total = sum(map(len, weeks.values()))
    until(lambda: calls(machine) == total, "the report never has all calls")
    report = requests.get(f"{machine.url}/insights.json", timeout=PATIENCE).json()
    same = True
    for arm, opened in arms.items():
        expected, found = counted(opened), told(report, arm)
        same = same and +expected == +found
        print(f"{arm}: sent {len(opened)} charts; expected {dict(sorted(expected.items()))}")
        print(f"{'as told' if +expected == +found else f'BUT TOLD {dict(sorted(found.items()))}'}")
    print(f"share 50: {sum(found == {True} for found in seen.values())} of {len(seen)} patients saw cards")
    late = switch_off(database, hospital)
    return stable and as_answered and same and late <= FOLLOWED


def calls(machine: Served) -> int:
    """How many calls the report has."""
    told = requests.get(f"{machine.url}/insights.json", timeout=PATIENCE).json()["clients"]
    return sum(row["calls"] for row in told)


def switch_off(database: str, hospital: Hospital) -> float:
    """Switch off amid the load; how long after the command the last call that got a card began."""
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(lambda: list(hospital.until_stopped(stop))) for _ in range(CLIENTS)]
        time.sleep(FOLLOWED)
        ended = change(database, "off", "--everywhere")
        time.sleep(2 * FOLLOWED)
        stop.set()
        opened = [one for client in clients for one in client.result()]
    late = max((one.began - ended for one in opened if one.cards), default=0.0)
    after = sum(one.began > ended for one in opened)
    print(
        f"off: {after} of {len(opened)} charts were opened after it; the last with a card began {late:+.1f} s after it"
    )
    return late


def main() -> int:
    """Run it; 0 if all is as it should be."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres.running()).fresh()
        settings: dict[str, Any] = {"workers": 2, "as_of": AS_OF, "feedback": True, "database_url": database}
        machines = [stack.enter_context(serving(**settings, mode="silent")) for _ in range(2)]
        good = live(database, Hospital(machines, Options().patients), machines[0])
    print("as it should be" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
