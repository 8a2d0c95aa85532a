"""The case that the rows of both maps read, what they build, and how the row that answers is found (section 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cds_service.clinical.cards import short_forms
from cds_service.clinical.datum import Datum
from cds_service.clinical.rules.course import CourseVerdicts, Trigger
from cds_service.clinical.rules.gates import Gates
from cds_service.clinical.rules.magnesium_request import Asks
from cds_service.clinical.states.derive import States
from cds_service.clinical.trace import Trace
from cds_service.clinical.words.card import Card, Indicator, Suggestion, Text


class Case(Datum, frozen=True):
    """What is decided before a row is asked: states, gates, the course (R1 to R4) and why 25(OH)D is asked for (T-D).

    Once the D map has answered, also its card and who asks for magnesium (R5).
    """

    s: States
    gates: Gates
    course: CourseVerdicts
    trigger: Trigger | None
    vitamin_d: Card | None = None
    asks: Asks = Asks.NONE

    @property
    def deficiency_is_treated(self) -> bool:
        """Whether K-DDEF offers a vitamin D order in this response."""
        return self.vitamin_d is not None and self.vitamin_d.id == "K-DDEF" and self.vitamin_d.offers_drug


@dataclass(slots=True)
class Parts:
    """What a row puts together before its card is built: the parts of `Card`, and which backgrounds have their rule."""

    found: list[Text]
    so: list[Text] = field(default_factory=list)
    beware: list[Text] = field(default_factory=list)
    background: dict[str, bool] = field(default_factory=dict)
    then: Text | None = None
    suggestions: tuple[Suggestion, ...] = ()


def build(case: Case, card_id: str, indicator: Indicator, summary: Text, parts: Parts) -> Card:
    """One card of *parts*, with the background that its rules give it."""
    return Card(
        id=card_id,
        indicator=indicator,
        summary=summary,
        found=tuple(parts.found),
        so=tuple(parts.so),
        beware=tuple(parts.beware),
        background=short_forms.background(case.s, case.gates, card_id, indicator, parts.background),
        then=parts.then,
        suggestions=parts.suggestions,
    )


Row: TypeAlias = Callable[[Case], Card | None]
"""A row of a map: its card where it answers."""


def first_answer(rows: tuple[Row, ...], case: Case, name: str, trace: Trace) -> Card | None:
    """The card of the first of *rows* that answers *case*; *trace* says which, in the map called *name*."""
    for row in rows:
        card = row(case)
        if card is not None:
            trace.yes(f"{name}:{card.id}", row.__doc__ or "")
            return card
    return None
