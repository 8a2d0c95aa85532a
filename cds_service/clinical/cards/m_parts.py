"""What the magnesium cards share: how one is built, the adjunct (R16), what several say."""

from __future__ import annotations

from cds_service.clinical.cards import drafts, findings, short_forms
from cds_service.clinical.cards.case import Case, Parts
from cds_service.clinical.cards.case import build as built
from cds_service.clinical.cards.drafts import CALCIUM_LAB, CREATININE_LAB, ECG, MAGNESIUM_LAB, POTASSIUM_LAB
from cds_service.clinical.facts import LabResult
from cds_service.clinical.rules.gates import Closed
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import age_in_days
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Card, Indicator, Suggestion, Text


def adjunct(case: Case) -> bool:
    """R16: magnesium alone as an adjunct to a vitamin D order, in `magnesium-aware` and by the adjunct gates."""
    s = case.s
    fits = s.m.state in (M.NORM, M.LAT) or (s.m.state is M.LOW and s.m.inside_range)
    beside = s.d.state is D.DEF and case.deficiency_is_treated
    return s.guidance.profile.adjunct_magnesium and fits and beside and not case.gates.adjunct


def urgent_set(s: States) -> tuple[Suggestion, ...]:
    """ECG, potassium, calcium, creatinine, and magnesium if its result is more than a day old; all urgent."""
    codes = [ECG, POTASSIUM_LAB, CALCIUM_LAB, CREATININE_LAB]
    if age_in_days(driving(s), s.today) > s.limits.repeat.magnesium_urgent:
        codes.append(MAGNESIUM_LAB)
    return drafts.labs(codes, drafts.magnesium_reason(s), urgent=True)


def build(case: Case, card_id: str, indicator: Indicator, summary: Text, parts: Parts) -> Card:
    """One magnesium card of *parts*; high-dose vitamin D is a background of any of them."""
    parts.background = {"B-TWOWAY": case.s.therapy.high_dose, **parts.background}
    return built(case, card_id, indicator, summary, parts)


def driving(s: States) -> LabResult:
    """The result behind the state.

    Raises:
        ValueError: magnesium has no driving result.
    """
    if s.m.result is None:
        raise ValueError("a banded magnesium has a driving result")
    return s.m.result


def unknown(case: Case, card_id: str) -> list[Text]:
    """What is known of a magnesium that is UNK, STALE or INDET, with B-MG."""
    return [*findings.unknown_magnesium(case.s), *short_forms.block(case.s, case.gates, card_id, "B-MG")]


def calcium_salts(s: States) -> list[Text]:
    """Section 19: calcium supplements are named where magnesium is low or low-normal."""
    return [phrases.BEWARE_CALCIUM_SALT_MAGNESIUM()] if s.therapy.taking("calcium-salts") else []


def depleting(s: States) -> bool:
    """R6: high-dose vitamin D while magnesium is LOW or LAT."""
    return s.therapy.high_dose and s.m.state in (M.LOW, M.LAT)


def first_of_g_mg(closed: tuple[Closed, ...]) -> tuple[Closed, ...]:
    """The first closed condition of G-MG, the other closed gates (section 15), and what was not available (9.6)."""
    first = next((item for item in closed if item.gate == "G-MG"), None)
    return tuple(item for item in closed if item.gate != "G-MG" or item is first or "source" in item.reason.values)
