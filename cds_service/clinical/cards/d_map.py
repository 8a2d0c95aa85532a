"""Chooses the one vitamin D card: the first row of the D map that answers (section 12.1); it may ask for magnesium."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cds_service.clinical.cards import drafts, findings
from cds_service.clinical.cards.case import Case, Parts, Row, build, first_answer
from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.clinical.cards.d_parts import driving, high_level_labs, obesity, recheck_dated, toxicity_labs
from cds_service.clinical.cards.d_rows import (
    at_target,
    deficient,
    insufficient,
    low_with_very_low_calcium,
    recheck_due,
    resistant,
    too_soon,
)
from cds_service.clinical.cards.drafts import MAGNESIUM_LAB, VITAMIN_D_LAB
from cds_service.clinical.days import whole_months
from cds_service.clinical.numbers import short
from cds_service.clinical.rules.magnesium_request import Asks, stale_and_abnormal, wasting_drug, who_asks
from cds_service.clinical.states.bands import D
from cds_service.clinical.states.derive import States
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card, LabDraft, Suggestion, Text
from cds_service.clinical.words.sentences import InWords


def choose(case: Case, trace: Trace) -> Card | None:
    """The vitamin D card, or none."""
    trace.later(partial(_trace_modifiers, case))
    card = first_answer(ROWS, case, "D", trace)
    if card is None:
        trace.no("D:none", "no row of the D map answers: 25(OH)D is {}", case.s.d.state)
    return card


def _trace_modifiers(case: Case, trace: Trace) -> None:
    """Note R10, R12, R13, R15 and T-D, which shape cards rather than choose them."""
    s, trigger = case.s, case.trigger
    trace.note("R10", obesity(s), "BMI {}", s.person.bmi)
    older = s.d.state is D.DEF and (s.person.age or 0) >= s.limits.people.daily_first_age
    trace.note("R12", older, "age {}, 25(OH)D {}", s.person.age, s.d.state)
    trace.note("R13", s.d.floor, "25(OH)D below the Floor: {}", s.d.floor)
    beside = s.m.inside_range or s.m.high_in_range or s.calcium.low or s.potassium_low or s.digoxin_alarm
    trace.note("R15", beside, "laboratory's range {}, calcium low {}", s.m.inside_range, s.calcium.low)
    if trigger is None:
        trace.no("T-D", "25(OH)D is {}; no trigger", s.d.state)
    else:
        trace.yes(f"T-D {trigger.number}", "{}", InWords(trigger.reason, s.guidance.wording))


def with_request(case: Case, card: Card | None) -> Case:
    """R5, decided once the D map has answered with *card*: the case with who asks, and the card with what it asks."""
    carries = card is not None and CATALOGUE[card.id].carries
    asks = who_asks(case.s, "" if card is None else card.id, carries=carries)
    if card is not None:
        card = REQUESTS[asks](case.s, card) if asks in REQUESTS else card
    return case.changed(vitamin_d=card, asks=asks)


def _carried(s: States, card: Card) -> Card:
    """R5c: the test is the last action of each suggestion, or the only suggestion; one under way is not asked again."""
    test = LabDraft(MAGNESIUM_LAB, drafts.magnesium_reason(s))
    if s.is_under_way(test.test, test.on):
        return card.changed(beware=(*card.beware, phrases.BEWARE_MAGNESIUM_UNDER_WAY(), *_wasting_too(s)))
    carried = tuple(item.changed(drafts=(*item.drafts, test)) for item in card.suggestions)
    beware = (*card.beware, _check_magnesium_too(s), *_wasting_too(s))
    return card.changed(beware=beware, suggestions=carried or (Suggestion((test,)),))


def _check_magnesium_too(s: States) -> Text:
    last = s.m.last
    if last is None or not stale_and_abnormal(s):
        return phrases.BEWARE_CHECK_MAGNESIUM_TOO()
    band = phrases.BANDS[s.m.last_band or "open"]()
    return phrases.BEWARE_MAGNESIUM_WAS(band=band, v=last.shown, u=last.unit, date=str(last.day))


def _wasting_too(s: States) -> list[Text]:
    drug = wasting_drug(s)
    return [] if drug is None else [phrases.BEWARE_WASTING_TOO(drug=drug.name)]


def _with_resistance(s: States, card: Card) -> Card:
    """R5a: the test is all that K-RESIST offers."""
    return card.changed(
        found=(*card.found, *findings.unknown_magnesium(s)),
        beware=(*card.beware, *_wasting_too(s)),
        suggestions=drafts.labs([MAGNESIUM_LAB], drafts.vitamin_d_reason(s)),
    )


def _both(s: States, card: Card) -> Card:
    """R5e: both tests, or 25(OH)D alone."""
    (alone,) = card.suggestions
    magnesium = LabDraft(MAGNESIUM_LAB, alone.labs[0].because)
    together = Suggestion((*alone.drafts, magnesium), "both")
    found = (*card.found, *findings.unknown_magnesium(s))
    return card.changed(found=found, suggestions=(together, Suggestion(alone.drafts, "alone")))


REQUESTS: Mapping[Asks, Callable[[States, Card], Card]] = {
    Asks.CARRIED: _carried,
    Asks.RESIST: _with_resistance,
    Asks.BOTH: _both,
}
"""How a vitamin D card asks for magnesium, where it is the one that does."""


def toxic(case: Case) -> Card | None:
    """K-DTOX, row 1: 25(OH)D above the toxic line."""
    s = case.s
    if s.d.state is not D.TOX:
        return None
    result = driving(s)
    cut, unit = short(s.d.edges.high_to), wording.vitamin_d_unit(s)
    summary = phrases.S_DTOX(v=result.shown, u=result.unit, date=str(result.day), cut=cut, cu=unit)
    parts = Parts(
        found=findings.found_vitamin_d(s, *findings.found_calcium(s)),
        beware=[phrases.BEWARE_DTOX()],
        suggestions=toxicity_labs(s),
    )
    return build(case, "K-DTOX", "critical", summary, parts)


def high(case: Case) -> Card | None:
    """K-DHIGH, row 2: 25(OH)D above the caution line."""
    s = case.s
    if s.d.state is not D.HIGH:
        return None
    result = driving(s)
    cut, unit = short(s.d.edges.adequate_to), wording.vitamin_d_unit(s)
    summary = phrases.S_DHIGH(**wording.value_of(result, s), cut=cut, cu=unit)
    parts = Parts(
        found=findings.found_vitamin_d(s, *findings.found_calcium(s)),
        beware=[phrases.BEWARE_DHIGH()],
        suggestions=high_level_labs(s),
    )
    return build(case, "K-DHIGH", "warning", summary, parts)


def ask_for_vitamin_d(case: Case) -> Card | None:
    """K-DORDER, row 10: no result to read and a trigger T-D; offers both tests by R5e."""
    s = case.s
    trigger = case.trigger
    if trigger is None:
        return None
    reason = phrases.BECAUSE_REASON(reason=trigger.reason)
    on = drafts.course_recheck(s) if case.course.running else None
    parts = Parts(
        found=findings.no_vitamin_d(s),
        then=recheck_dated(case),
        suggestions=drafts.labs([VITAMIN_D_LAB], reason, on=on),
    )
    return build(case, "K-DORDER", "info", phrases.S_DORDER(reason=trigger.reason), parts)


def stale(case: Case) -> Card | None:
    """K-STALE, row 11: the last value is too old to act on and was low, high, or the dose is high."""
    s = case.s
    if s.d.state is not D.STALE:
        return None
    if s.d.last_band not in (D.DEF, D.HIGH, D.TOX) and not s.therapy.high_dose:
        return None
    result = driving(s)
    summary = phrases.S_STALE(v=result.shown, u=result.unit, n=str(whole_months(s.d.day, s.today)))
    on = drafts.course_recheck(s) if case.course.running else None
    parts = Parts(
        found=findings.found_vitamin_d(s),
        so=[phrases.SO_STALE(band=phrases.BANDS[s.d.last_band or "open"]())],
        then=recheck_dated(case),
        suggestions=drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=on),
    )
    return build(case, "K-STALE", "info", summary, parts)


ROWS: tuple[Row, ...] = (
    toxic,
    high,
    low_with_very_low_calcium,
    at_target,
    recheck_due,
    too_soon,
    resistant,
    deficient,
    insufficient,
    ask_for_vitamin_d,
    stale,
)
"""The D map, from the top."""
