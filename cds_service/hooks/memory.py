"""What is remembered from one call to the next: cards that were shown, and what was said of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cds_service.clinical.quiet import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.clinical.evaluate import Evaluation
    from cds_service.clinical.guidance_types import FeedbackReason
    from cds_service.fhir.orders import Json

ANYONE = "anyone"
"""The client where no token is asked for."""


class Chart(NamedTuple):
    """Whose chart is open, where, and on which day. Server and patient are kept as one keyed digest only."""

    client: str
    server: str
    patient: str
    service: str
    hook: str
    day: date


class ShownCard(NamedTuple):
    """A card that was shown; each suggestion with the first day that a test in it is for."""

    uuid: str
    topic: str
    rule: str
    indicator: str
    level: int
    suggestions: tuple[tuple[str, date | None], ...]


class Answered(NamedTuple):
    """What was done with an earlier card of this chart. Without a `code` and `accepted` it was just dismissed."""

    topic: str
    day: date
    accepted: bool
    system: str | None
    code: str | None
    level: int
    indicator: str
    follow_up: date | None


class Memory(Protocol):
    """Remembers; never fails, and never keeps a call waiting."""

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """What was done with earlier cards of *chart*; nothing where it cannot be known."""

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Remember the cards that were *shown*, and the topics that were *quiet*."""


class NoMemory:
    """Remembers nothing."""

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """Nothing."""
        del chart
        return ()

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Nothing."""


FORGETFUL = NoMemory()


def said(memory: Memory, chart: Chart, reasons: Mapping[str, FeedbackReason]) -> Iterator[Said]:
    """What can quiet of what was said of *chart*: acceptances, and reasons of the guidance.

    *memory* is asked when the first is wanted: a chart without cards, and most have none, asks nothing of a database.
    """
    names = {(reason.system, reason.code): name for name, reason in reasons.items()}
    for one in memory.answers(chart):
        name = "" if one.accepted else names.get((one.system or "", one.code or ""))
        if name is not None:
            yield Said(one.topic, one.day, name, one.level, one.indicator, one.follow_up)


def shown_cards(evaluation: Evaluation, response: Json) -> tuple[ShownCard, ...]:
    """The cards of *response*, which were written from *evaluation*."""
    return tuple(
        ShownCard(
            written["uuid"],
            written["source"]["topic"]["code"],
            card.id,
            card.indicator,
            evaluation.levels[card.id],
            tuple(
                (suggestion["uuid"], min((lab.on for lab in drafted.labs if lab.on is not None), default=None))
                for suggestion, drafted in zip(written.get("suggestions", ()), card.suggestions, strict=True)
            ),
        )
        for card, written in zip(evaluation.cards, response["cards"], strict=True)
    )
