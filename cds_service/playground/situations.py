"""The made-up patients that can be chosen: the golden requests of `fhir_fixtures/`, each with its day and guidance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from cds_service.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FIRST = (
    "vector-v02-deficient-nmol-low-magnesium",
    "vector-v03-insufficient-at-20-magnesium-unknown",
    "resistance-deficient-high-dose",
    "severe-hypomagnesaemia-with-deficiency",
    "vector-v10-toxic-level-with-hypercalcaemia-on-10000-iu",
    "ckd-g4-low-magnesium",
    "pregnant-deficient",
    "normal-patient-no-card",
)
"""What somebody new looks at first; the first of them is shown when the page opens."""
START, SYNTHETIC, NO_CARD, OTHER = "Start here", "Synthetic patients", "No card, and why", "Safety and the rest"
FAMILIES = {"vitamin-d": "Vitamin D first", "magnesium": "Magnesium first"}
"""By what the topic of the first card begins with."""
GROUPS = (START, SYNTHETIC, *FAMILIES.values(), OTHER, NO_CARD)


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

    `reasoning` is what was worked out by hand from the decision table.
    """

    name: str
    title: str
    group: str
    as_of: date
    profile: str | None
    overlay: str | None
    reasoning: tuple[str, ...]
    body: bytes


class Situations:
    """Every situation, by name."""

    def __init__(self, found: Iterable[Situation]) -> None:
        """Keep what was *found*."""
        self._named = {situation.name: situation for situation in found}

    @property
    def first(self) -> Situation:
        """The one that is shown when the page opens."""
        return self._named[FIRST[0]]

    def find(self, name: str) -> Situation | None:
        """The situation *name*, or `None`."""
        return self._named.get(name)

    def groups(self) -> Mapping[str, list[Situation]]:
        """Every situation once, in the groups of the list that a user chooses from."""
        found: dict[str, list[Situation]] = {group: [] for group in GROUPS}
        found[START] = [self._named[name] for name in FIRST]
        for situation in sorted(self._named.values(), key=lambda one: one.title.lower()):
            if situation.name not in FIRST:
                found[situation.group].append(situation)
        return found


@cache
def load(folder: Path) -> Situations:
    """Read the situations of *folder*.

    Raises:
        SettingsError: there are none, or one cannot be read.
    """
    found = [_read(place) for place in sorted(folder.glob("*/expected.json"))]
    missing = set(FIRST) - {situation.name for situation in found}
    if missing:
        message = f"{folder.name}: these situations are missing: {', '.join(sorted(missing))} (CDS_PLAYGROUND=false)"
        raise SettingsError(message)
    return Situations(found)


def _read(place: Path) -> Situation:
    try:
        expected = msgspec.json.decode(place.read_bytes(), type=_Expected)
        return Situation(
            name=place.parent.name,
            title=expected.title,
            group=_group(place.parent.name, expected),
            as_of=date.fromisoformat(expected.asOf),
            profile=expected.profile,
            overlay=expected.ckdOverlay,
            reasoning=tuple(expected.reasoning),
            body=(place.parent / "request.json").read_bytes(),
        )
    except (OSError, ValueError) as error:
        message = f"{place.parent.name}: the situation cannot be read: {error}"
        raise SettingsError(message) from error


def _group(name: str, expected: _Expected) -> str:
    if name.startswith("synthetic-"):
        return SYNTHETIC
    if not expected.cards:
        return NO_CARD
    topic = expected.cards[0].topic
    return next((group for family, group in FAMILIES.items() if topic.startswith(family)), OTHER)
