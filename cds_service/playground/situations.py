"""The made-up patients that can be chosen: the golden requests of `fhir_fixtures/`, each with its day and guidance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from cds_service.errors import SettingsError
from cds_service.playground.introduced import INTRODUCED, Introduced

SYNTHETIC, NO_CARD, OTHER = "Synthetic patients", "No card, and why", "Safety and the rest"
FAMILIES = {"vitamin-d": "Vitamin D first", "magnesium": "Magnesium first"}
"""By what the topic of the first card begins with."""
PEOPLE = {one.situation: one.person for one in INTRODUCED}
WORKING_NOTE = "AMBIGUOUS:"
"""So begin the notes of `expected.json` on how an open point was read: they are for who works on the rules."""
GROUPS = (SYNTHETIC, *FAMILIES.values(), OTHER, NO_CARD)


class _Shown(msgspec.Struct):
    topic: str


class _Expected(msgspec.Struct):
    """What of `expected.json` says how a situation is to be evaluated and found."""

    title: str
    asOf: str  # noqa: N815 - the file's name
    cards: list[_Shown]
    reasoning: list[str] = []
    profile: str | None = None
    ckdOverlay: str | None = None  # noqa: N815 - the file's name


@dataclass(frozen=True, slots=True)
class Situation:
    """A made-up patient: its name for programs, its title, the day and guidance it is for, and its request.

    `person` is the made-up name of one that is introduced; `reasoning` is what was worked out by hand from the decision
    table.
    """

    name: str
    person: str
    title: str
    group: str
    as_of: date
    profile: str | None
    overlay: str | None
    reasoning: tuple[str, ...]
    file: Path
    """Where its request is: all of them are 2 MiB, and a process that answers calls shows few or none."""

    @property
    def body(self) -> bytes:
        """Its request."""
        return self.file.read_bytes()


class Situations:
    """Every situation, by name."""

    def __init__(self, found: Iterable[Situation]) -> None:
        """Keep what was *found*."""
        self._named = {situation.name: situation for situation in found}

    @property
    def first(self) -> Situation:
        """The one that is shown when the page opens."""
        return self._named[INTRODUCED[0].situation]

    def find(self, name: str) -> Situation | None:
        """The situation *name*, or `None`."""
        return self._named.get(name)

    def all(self) -> tuple[Situation, ...]:
        """Every one, by name."""
        return tuple(self._named.values())

    @property
    def introduced(self) -> tuple[Introduced, ...]:
        """Those that the page introduces."""
        return INTRODUCED

    @property
    def rest(self) -> list[Situation]:
        """All others, group by group, by title: what is searched."""
        shown = {one.situation for one in INTRODUCED}
        others = [situation for situation in self._named.values() if situation.name not in shown]
        return sorted(others, key=lambda one: (GROUPS.index(one.group), one.title.lower()))


@cache
def at_orders(folder: Path) -> tuple[Situation, ...]:
    """The situations of *folder* that are about an order.

    Raises:
        SettingsError: one cannot be read.
    """
    return tuple(_read(place) for place in sorted(folder.glob("orders/*/expected.json")))


@cache
def load(folder: Path) -> Situations:
    """Read the situations of *folder* in which a chart is opened.

    Raises:
        SettingsError: there are none, or one cannot be read.
    """
    found = [_read(place) for place in sorted(folder.glob("*/expected.json"))]
    missing = {one.situation for one in INTRODUCED} - {situation.name for situation in found}
    if missing:
        raise SettingsError(
            f"{folder.name}: these situations are missing: {', '.join(sorted(missing))} (CDS_PLAYGROUND=false)"
        )
    return Situations(found)


def _read(place: Path) -> Situation:
    request = place.with_name("request.json")
    try:
        request.stat()
        expected = msgspec.json.decode(place.read_bytes(), type=_Expected)
        return Situation(
            name=place.parent.name,
            person=PEOPLE.get(place.parent.name, ""),
            title=expected.title,
            group=_group(place.parent.name, expected),
            as_of=date.fromisoformat(expected.asOf),
            profile=expected.profile,
            overlay=expected.ckdOverlay,
            reasoning=tuple(line for line in expected.reasoning if not line.startswith(WORKING_NOTE)),
            file=request,
        )
    except (OSError, ValueError) as error:
        raise SettingsError(f"{place.parent.name}: the situation cannot be read: {error}") from error


def _group(name: str, expected: _Expected) -> str:
    if name.startswith("synthetic-"):
        return SYNTHETIC
    if not expected.cards:
        return NO_CARD
    topic = expected.cards[0].topic
    return next((group for family, group in FAMILIES.items() if topic.startswith(family)), OTHER)
