"""What is in force for this client, topic and patient. Pure: nothing here reads a clock, a database or a setting.

What somebody chose comes from three places: the database weighs more than the registry, the registry more than the
settings. Within one place a topic weighs more than a client, a client more than the whole service. `off` for a client
or the service is decided before anything is read, so no choice for a topic lifts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

ALL = 100
CRITICAL = "critical"
DIGITS = 16
"""Of a digest in hexadecimal, those that give the place of a patient."""


class Mode(StrEnum):
    """What becomes of cards: shown; held back and counted; not made; shown for a part of the patients."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"
    SHARE = "share"


class Choice(NamedTuple):
    """A mode; for `share`, of how many patients in a hundred the cards are shown."""

    mode: Mode
    percent: float = 0

    def __str__(self) -> str:
        """As it is written: `silent`, `share 50`."""
        return f"{self.mode} {self.percent:g}" if self.mode is Mode.SHARE else str(self.mode)

    def shows(self, place: float | None) -> bool:
        """Whether a patient at this *place* from 0 to 1 sees cards; one whose place is not known does not."""
        if self.mode is Mode.SHARE:
            return place is not None and place * ALL < self.percent
        return self.mode is Mode.ON


ON, SILENT = Choice(Mode.ON), Choice(Mode.SILENT)


class Scope(NamedTuple):
    """For whom a choice is: a client, a topic, both; empty: all of them."""

    client: str = ""
    topic: str = ""

    def __str__(self) -> str:
        """In words."""
        parts = [f"{kind} {name}" for kind, name in (("client", self.client), ("topic", self.topic)) if name]
        return ", ".join(parts) or "service"


SERVICE = Scope()
Chosen = Mapping[Scope, Choice]


def read(text: str) -> Choice:
    """A choice as it is written.

    Raises:
        ValueError: it means nothing.
    """
    word, _, percent = text.strip().partition(" ")
    try:
        mode = Mode(word)
        choice = Choice(mode, float(percent)) if mode is Mode.SHARE else Choice(mode)
    except ValueError as error:
        raise ValueError(f"{text!r} is no mode: expected on, silent, off, or share and a number such as 50") from error
    if (mode is not Mode.SHARE and percent) or (mode is Mode.SHARE and not 0 < choice.percent < ALL):
        raise ValueError(f"{text!r}: a share is more than 0 and less than {ALL}, and no other mode has a number")
    if mode is Mode.SHARE and float(f"{choice.percent:g}") != choice.percent:
        raise ValueError(f"{text!r}: a share is a number of six digits at most, so that it is kept as it is written")
    return choice


def read_or_silent(text: str) -> Choice:
    """The same of what stands in a database: what means nothing there is `silent`."""
    try:
        return read(text)
    except ValueError:
        return SILENT


def place_of(digest: str) -> float:
    """The place from 0 to 1 of the patient with this keyed *digest*: the same at every start, in every process."""
    return int(digest[:DIGITS], 16) / float(16**DIGITS)


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force for one client: usually, and for the topics that have their own.

    `critical_stays`: a critical card is shown also where its topic is silent or shared; not where it is off.
    """

    usual: Choice = ON
    topics: Mapping[str, Choice] = field(default_factory=dict)
    critical_stays: bool = False

    @property
    def is_off(self) -> bool:
        """Whether nothing is to be read."""
        return self.usual.mode is Mode.OFF

    @property
    def is_plain(self) -> bool:
        """Whether every card is shown, whosever it is."""
        return self.usual == ON and not self.topics

    @property
    def off_topics(self) -> frozenset[str]:
        """The topics that are off, where not everything is."""
        return frozenset(topic for topic, choice in self.topics.items() if choice.mode is Mode.OFF)

    def of(self, topic: str) -> Choice:
        """The choice for *topic*."""
        return self.usual if self.is_off else self.topics.get(topic, self.usual)

    def shows(self, topic: str, indicator: str, place: float | None) -> bool:
        """Whether a card of *topic* is shown to a patient at this *place*."""
        choice = self.of(topic)
        kept = self.critical_stays and indicator == CRITICAL and choice.mode is not Mode.OFF
        return kept or choice.shows(place)

    def held(self) -> InForce:
        """The same where it is no longer known what is in force: nothing new is shown, and `off` stays off."""
        return InForce(
            _held(self.usual), {topic: _held(choice) for topic, choice in self.topics.items()}, self.critical_stays
        )

    def __str__(self) -> str:
        """In a few words."""
        topics = "; ".join(f"{topic} {choice}" for topic, choice in sorted(self.topics.items()))
        return f"{self.usual} ({topics})" if topics else str(self.usual)


EVERYTHING_ON = InForce()


def _held(choice: Choice) -> Choice:
    return choice if choice.mode is Mode.OFF else SILENT


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen, the weightiest place first."""

    places: tuple[Chosen, ...]
    critical_stays: bool = False

    def of(self, client: str) -> InForce:
        """What is in force for *client*."""
        usual = self._first(client, "")
        named = {scope.topic for place in self.places for scope in place if scope.topic}
        topics = {topic: choice for topic in sorted(named) if (choice := self._first(client, topic)) != usual}
        return InForce(usual, topics, self.critical_stays)

    def clients(self) -> set[str]:
        """The clients that have a choice of their own."""
        return {scope.client for place in self.places for scope in place if scope.client}

    def _first(self, client: str, topic: str) -> Choice:
        scopes = (Scope(client, topic), Scope("", topic), Scope(client), SERVICE)
        return next((place[scope] for place in self.places for scope in scopes if scope in place), ON)


def silenced(before: InForce, after: InForce, critical_topics: Iterable[str]) -> list[str]:
    """Those of *critical_topics* whose critical cards fewer patients see *after* than *before*."""
    return [topic for topic in critical_topics if _see_critical(after, topic) < _see_critical(before, topic)]


def _see_critical(force: InForce, topic: str) -> float:
    """Of how many patients in a hundred critical cards are shown."""
    return ALL if force.shows(topic, CRITICAL, None) else force.of(topic).percent
