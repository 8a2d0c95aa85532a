"""Holds back the cards that the mode in force does not show, and notes what silent and shown cards are compared by.

An answer is written as if every card were shown, and then the others are taken out: so what is noted of a silent card
is what its clinician would have seen.
"""

from __future__ import annotations

from datetime import date

from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import USABLE, LabResult, PatientFacts
from cds_service.fhir.terminology import MAGNESIUM, VITAMIN_D
from cds_service.hooks.answers import Cards
from cds_service.hooks.memory import Chart, Places, ShownCard, Standing, WeighedCard
from cds_service.modes import InForce, Mode

NO_DAY = ""


def weigh(
    cards: tuple[ShownCard, ...], written: Cards, mode: InForce, chart: Chart, places: Places
) -> tuple[tuple[ShownCard, ...], tuple[WeighedCard, ...]]:
    """The *cards* that are left by *mode*, and all that it weighed; the others are taken out of what is *written*."""
    if mode.is_plain:
        return cards, tuple([WeighedCard(card.topic, card.indicator, Mode.ON, shown=True) for card in cards])
    place = places(chart) if _asks_for_places(mode) else None
    shown = [mode.shows(card.topic, card.indicator, place) for card in cards]
    weighed = [
        WeighedCard(card.topic, card.indicator, str(mode.of(card.topic).mode), is_shown)
        for card, is_shown in zip(cards, shown, strict=True)
        if mode.of(card.topic).mode is not Mode.OFF
    ]
    written.cards = [card for card, is_shown in zip(written.cards, shown, strict=True) if is_shown]
    left = [card for card, is_shown in zip(cards, shown, strict=True) if is_shown]
    return tuple(left), tuple(weighed)


def _asks_for_places(mode: InForce) -> bool:
    return any(choice.mode is Mode.SHARE for choice in (mode.usual, *mode.topics.values()))


def standings(facts: PatientFacts, evaluation: Evaluation, today: date) -> tuple[Standing, ...]:
    """How 25(OH)D and magnesium stand by *facts* and their *evaluation*; nothing where none was evaluated."""
    if not evaluation.vitamin_d:
        return ()
    # Every call comes here: what follows calls as little as it can.
    ordered = [order.analyte for order in facts.lab_orders] + [test.analyte for test in facts.pending]
    return (
        Standing(VITAMIN_D, evaluation.vitamin_d, _newest(facts.vitamin_d, today), VITAMIN_D in ordered),
        Standing(MAGNESIUM, evaluation.magnesium, _newest(facts.magnesium, today), MAGNESIUM in ordered),
    )


def analyte_of(topic: str) -> str:
    """Which analyte a card of *topic* is about; empty where it is about neither, or about more than results."""
    return next((analyte for analyte in (MAGNESIUM, VITAMIN_D) if analyte in topic), "")


def _newest(results: tuple[LabResult, ...], today: date) -> str:
    days = [one.day for one in results if one.day is not None and one.kind is USABLE and one.day <= today]
    return str(max(days)) if days else NO_DAY
