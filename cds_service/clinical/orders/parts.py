"""What the cards about orders share: what they offer, how the draft was read, why nothing is offered in its place."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from cds_service.clinical.cards import drafts
from cds_service.clinical.cards.drafts import CREATININE_LAB, MAGNESIUM_LAB
from cds_service.clinical.facts import LabResult
from cds_service.clinical.numbers import grouped, short
from cds_service.clinical.orders.case import OrderCase
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import within
from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words.card import Indicator, LabDraft, Suggestion, Text
from cds_service.clinical.words.order_card import REMOVE, Change, OrderCard, OrderSuggestion

HOURS_A_DAY, DAYS_A_WEEK = 24, 7
ROUGHEST = 100
"""A rhythm is a fraction of days with no larger a denominator."""

Offers = tuple[OrderSuggestion, ...]


def card(  # noqa: PLR0913 - a card has as many parts
    case: OrderCase,
    row: str,
    indicator: Indicator,
    summary: Text,
    suggestions: Offers,
    *,
    found: Sequence[Text] = (),
    so: Sequence[Text] = (),
    beware: Sequence[Text] = (),
    level: int = 0,
    asks: bool = False,
) -> OrderCard:
    """The card of *row* about a drug: how the draft was read, and what was *found* beside it."""
    return OrderCard(
        id=row,
        indicator=indicator,
        summary=summary,
        place=case.draft.place,
        name=case.drug.name,
        found=(*found_draft(case), *found),
        so=tuple(so),
        beware=tuple(beware),
        suggestions=suggestions,
        level=level,
        asks=asks,
    )


def offers(case: OrderCase, *changes: Change, labs: tuple[LabDraft, ...] = (), alone: bool = True) -> Offers:
    """Each of *changes* that may be made, with *labs*; then, where they may stand *alone*, the labs.

    A draft without an id cannot be changed, one of an older version only be removed: nothing of ours stands beside it.
    """
    draft = case.draft
    labs = labs if draft.mixable else ()
    possible = [c for c in changes if (draft.removable if c.kind == "remove" else draft.changeable)]
    found = [OrderSuggestion(change, labs) for change in possible]
    return (*found, OrderSuggestion(None, labs)) if labs and alone else tuple(found)


def remove(case: OrderCase, labs: tuple[LabDraft, ...] = ()) -> Offers:
    """Remove the draft with *labs*, or *labs* alone."""
    return offers(case, REMOVE, labs=labs)


def labs_of(suggestions: tuple[Suggestion, ...]) -> tuple[LabDraft, ...]:
    """The tests of the first of *suggestions*, as cards of an open chart have them."""
    return suggestions[0].labs if suggestions else ()


def tests(because: Text, *codes: str) -> tuple[LabDraft, ...]:
    """Drafts of the tests *codes*."""
    return labs_of(drafts.labs(list(codes), because))


def creatinine_unless_known(s: States, days: int) -> tuple[str, ...]:
    """Creatinine, if neither it nor an eGFR is at most *days* old."""
    return () if s.recent("creatinine", days) or s.recent("egfr", days) else (CREATININE_LAB,)


def magnesium_unless_known(s: States, days: int) -> tuple[str, ...]:
    """Magnesium, if none usable is at most *days* old."""
    return () if within(s.m.last, days, s.today) else (MAGNESIUM_LAB,)


def dated(result: LabResult) -> dict[str, str]:
    """`{v} {u} on {date}` of *result*."""
    return {"v": result.shown, "u": result.unit, "date": str(result.day)}


def found_draft(case: OrderCase) -> list[Text]:
    """How the draft was read: its dose and rhythm, and whether its strength stands in the name."""
    drug = case.drug
    if drug.dose is None:
        return [say.FOUND_DRUG(drug=drug.name)]
    iu, from_name = grouped(drug.dose.single), [say.FOUND_FROM_NAME()] if case.draft.from_name else []
    if drug.dose.is_once:
        return [say.FOUND_ONCE(drug=drug.name, iu=iu), *from_name]
    return [say.FOUND_DOSE(drug=drug.name, **rhythm(drug.dose.single, drug.dose.interval_days)), *from_name]


def rhythm(single: Decimal, interval_days: Decimal) -> dict[str, str | Text]:
    """`{iu}`, `{interval}` and `{day}` of a dose."""
    return {
        "iu": grouped(single),
        "interval": interval(Fraction(interval_days).limit_denominator(ROUGHEST)),
        "day": grouped(single / interval_days),
    }


def interval(days: Fraction) -> Text:
    """How often, in words: from several times a day to every so many days."""
    if days == 1:
        return say.ONCE_A_DAY()
    a_day, a_week = 1 / days, DAYS_A_WEEK / days
    if a_day == 2:  # noqa: PLR2004 - has a word of its own
        return say.TWICE_A_DAY()
    if a_day.denominator == 1:
        return say.TIMES_A_DAY(n=str(a_day))
    if days < 1:
        return say.EVERY_HOURS(n=_number(days * HOURS_A_DAY))
    if days.denominator == 1:
        return say.EVERY_DAYS(n=str(days))
    if a_week == 2:  # noqa: PLR2004 - has a word of its own
        return say.TWICE_A_WEEK()
    return say.TIMES_A_WEEK(n=str(a_week)) if a_week.denominator == 1 else say.EVERY_DAYS(n=_number(days))


def _number(value: Fraction) -> str:
    return short(Decimal(value.numerator) / Decimal(value.denominator))
