"""Chooses the one magnesium card: the first row of the M map that answers (section 12.2)."""

from __future__ import annotations

from functools import partial

from cds_service.clinical.cards import drafts, findings, short_forms
from cds_service.clinical.cards.case import Case, Parts, Row, first_answer
from cds_service.clinical.cards.drafts import CREATININE_LAB
from cds_service.clinical.cards.m_parts import (
    adjunct,
    build,
    calcium_salts,
    depleting,
    driving,
    first_of_g_mg,
    urgent_set,
)
from cds_service.clinical.cards.m_rows import ask, high_dose, low, never_rechecked, severe, wasting
from cds_service.clinical.rules.magnesium_request import Asks
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card


def choose(case: Case, trace: Trace) -> Card | None:
    """The magnesium card, or none."""
    trace.later(partial(_trace_modifiers, case))
    card = first_answer(ROWS, case, "M", trace)
    if card is None:
        trace.no("M:none", "no row of the M map answers: magnesium is {}", case.s.m.state)
    return card


def _trace_modifiers(case: Case, trace: Trace) -> None:
    """Note R5, R6 and R16."""
    s = case.s
    trace.note("R5", case.asks is not Asks.NONE, case.asks.value)
    trace.note("R6", depleting(s), "high dose: {}; magnesium {}", s.therapy.high_dose, s.m.state)
    trace.note("R16", adjunct(case), _adjunct_fact(case))


def _adjunct_fact(case: Case) -> str:
    if not case.s.guidance.profile.adjunct_magnesium:
        return "the profile has no adjunct magnesium"
    if case.s.d.state is not D.DEF or case.vitamin_d is None or not case.vitamin_d.offers_drug:
        return "no vitamin D order for deficiency in this response"
    if case.gates.adjunct:
        return f"closed by {case.gates.adjunct[0].gate}"
    return f"magnesium is {case.s.m.state}"


def very_high(case: Case) -> Card | None:
    """K-MGVHIGH, row 2: very high magnesium. Urgent set, never a drug."""
    s = case.s
    if s.m.state is not M.VHIGH:
        return None
    result = driving(s)
    summary = phrases.S_MGVHIGH(v=result.shown, u=result.unit, date=str(result.day))
    parts = Parts(found=findings.found_magnesium(s), beware=[phrases.BEWARE_MGVHIGH()], suggestions=urgent_set(s))
    return build(case, "K-MGVHIGH", "critical", summary, parts)


def high(case: Case) -> Card | None:
    """K-MGHIGH, row 3: high, unless it is not above the laboratory's own range (R15)."""
    s = case.s
    if s.m.state is not M.HIGH or s.m.high_in_range:
        return None
    result = driving(s)
    summary = phrases.S_MGHIGH(
        **wording.value_of(result, s),
        cut=wording.magnesium_cut(s.limits.mg.normal_to, result),
        cu=wording.magnesium_unit(result),
    )
    days = s.limits.repeat.kidney_magnesium_high
    known = s.recent("creatinine", days) or s.recent("egfr", days)
    parts = Parts(
        found=findings.found_magnesium(s),
        beware=[phrases.BEWARE_MGHIGH()],
        suggestions=drafts.labs([] if known else [CREATININE_LAB], drafts.magnesium_reason(s)),
    )
    return build(case, "K-MGHIGH", "warning", summary, parts)


def latent(case: Case) -> Card | None:
    """K-MGLAT, row 5: low-normal, beside a low 25(OH)D or a high dose (R6); with an order by R16."""
    s = case.s
    if s.m.state is not M.LAT or not (s.d.low or s.therapy.high_dose):
        return None
    result = driving(s)
    value = {
        **wording.value_of(result, s),
        "lo": wording.magnesium_cut(s.limits.mg.low, result),
        "hi": wording.magnesium_cut(s.limits.mg.latent, result),
        "cu": wording.magnesium_unit(result),
    }
    parts = Parts(
        found=findings.found_magnesium(s, *short_forms.block(s, case.gates, "K-MGLAT", "B-MG")),
        beware=calcium_salts(s),
    )
    if adjunct(case):
        _add_adjunct(case, "K-MGLAT", parts)
        return build(case, "K-MGLAT", "info", phrases.S_MGLAT_ORDER(**value), parts)
    if case.deficiency_is_treated:
        parts.so = findings.why_not(s, phrases.NO_MG_ORDER, first_of_g_mg(case.gates.adjunct))
    advice = phrases.ADVISE_REVIEW_SENTENCE() if case.gates.advice else ""
    return build(case, "K-MGLAT", "info", phrases.S_MGLAT(**value, advice=advice), parts)


def _add_adjunct(case: Case, card_id: str, parts: Parts) -> None:
    """R16: the order and what to beware of with it: spacing (R17), B-MGDOSE, that it is optional."""
    s = case.s
    parts.beware = [*drafts.spacing(s), *short_forms.block(s, case.gates, card_id, "B-MGDOSE"), *parts.beware]
    parts.background["B-CONCURRENT"] = True
    parts.suggestions = drafts.adjunct(s)


def normal_adjunct(case: Case) -> Card | None:
    """K-MGADJ, row 6 (R16): in range, an optional adjunct to the vitamin D order."""
    s = case.s
    if s.m.state is not M.NORM or not adjunct(case):
        return None
    parts = Parts(found=findings.found_magnesium(s, *short_forms.block(s, case.gates, "K-MGADJ", "B-MG")))
    _add_adjunct(case, "K-MGADJ", parts)
    return build(case, "K-MGADJ", "info", phrases.S_MGADJ(**wording.value_of(driving(s), s)), parts)


def without_adjunct(cards: list[Card], case: Case) -> list[Card]:
    """R16 where the vitamin D order turns out not to be shown: K-MGADJ goes, K-MGLAT and K-MGLOW have no order."""
    m = case.s.m
    if m.state not in (M.NORM, M.LAT) and not m.inside_range:
        return cards
    alone = case.changed(vitamin_d=None)
    rows = {"K-MGADJ": normal_adjunct, "K-MGLAT": latent, "K-MGLOW": low}
    found = [rows[card.id](alone) if card.offers_drug and card.id in rows else card for card in cards]
    return [card for card in found if card is not None]


ROWS: tuple[Row, ...] = (
    severe,
    very_high,
    high,
    low,
    latent,
    normal_adjunct,
    never_rechecked,
    high_dose,
    ask,
    wasting,
)
"""The M map, from the top; rows 8 and 12 give no card, another one carries the request."""
