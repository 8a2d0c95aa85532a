"""Rows of the M map: low magnesium (K-MGSEV, K-MGLOW; R15 to R17), and magnesium that is not known (R5).

K-MGORDER, K-HIDOSE and K-MGWASTE ask for it (rows 7 to 11).
"""

from __future__ import annotations

from datetime import date

from cds_service.clinical.cards import drafts, findings, short_forms
from cds_service.clinical.cards.case import Case, Parts
from cds_service.clinical.cards.drafts import CALCIUM_LAB, CREATININE_LAB, MAGNESIUM_LAB, POTASSIUM_LAB
from cds_service.clinical.cards.m_parts import (
    adjunct,
    build,
    calcium_salts,
    driving,
    first_of_g_mg,
    unknown,
    urgent_set,
)
from cds_service.clinical.days import add_days
from cds_service.clinical.rules.gates import Closed
from cds_service.clinical.rules.magnesium_request import Asks, stale_and_abnormal, wasting_drug
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card, Indicator, LabDraft, Suggestion, Text

KIDNEY_SOURCE = phrases.SOURCES["kidney"]()


def severe(case: Case) -> Card | None:
    """K-MGSEV, row 1: severe hypomagnesaemia. Urgent set, never an oral drug."""
    s = case.s
    if s.m.state is not M.SEV:
        return None
    result = driving(s)
    cut = s.limits.mg.severe
    summary = phrases.S_MGSEV(
        v=result.shown,
        u=result.unit,
        date=str(result.day),
        cut=wording.magnesium_cut(cut, result),
        cu=wording.magnesium_unit(result),
    )
    parts = Parts(
        found=findings.found_magnesium(s, *findings.wasting(s)),
        so=[phrases.SO_MGSEV()],
        beware=_beside_low(s),
        suggestions=urgent_set(s),
    )
    return build(case, "K-MGSEV", "critical", summary, parts)


def _beside_low(s: States) -> list[Text]:
    """R15 in K-MGLOW and K-MGSEV: digoxin, calcium and potassium, in one bullet: a critical card has no second."""
    risks = [phrases.RISK_DIGOXIN()] if s.therapy.taking("digoxin") else []
    if s.calcium.low and s.potassium_low:
        risks.append(phrases.RISK_CALCIUM_AND_POTASSIUM())
    elif s.calcium.low or s.potassium_low:
        risks.append(phrases.RISK_CALCIUM() if s.calcium.low else phrases.RISK_POTASSIUM())
    return [phrases.BEWARE_BESIDE_LOW_MAGNESIUM(risks=tuple(risks))] if risks else []


def low(case: Case) -> Card | None:
    """K-MGLOW, row 4: low; info inside the laboratory's range, urgent with digoxin or a very low calcium (R15)."""
    s = case.s
    if s.m.state is not M.LOW:
        return None
    closed = case.gates.adjunct if s.m.inside_range else case.gates.magnesium
    by_r16 = s.m.inside_range and adjunct(case)
    urgent = s.calcium.very_low or s.digoxin_alarm
    offered = not urgent and (by_r16 or (not s.m.inside_range and not closed))
    recheck = recheck_day(s) if offered and not by_r16 else None
    calcium = findings.found_calcium(s) if s.calcium.very_low else []
    risks, salts = _beside_low(s), calcium_salts(s)
    parts = Parts(
        found=findings.found_magnesium(s, *calcium, *findings.wasting(s)),
        beware=[*risks, *salts],
        background={"B-CONCURRENT": by_r16},
    )
    if urgent:
        parts.suggestions = urgent_set(s)
    elif s.m.inside_range:
        parts.suggestions = drafts.adjunct(s) if by_r16 else ()
    else:
        parts.suggestions = _low_suggestions(s, recheck)
    if offered:
        limit = [phrases.BEWARE_CKD_MAGNESIUM_LIMIT()] if s.kidney.reduced else []
        dose = short_forms.block(s, case.gates, "K-MGLOW", "B-MGDOSE")
        parts.beware = [*drafts.spacing(s), *risks, *limit, *dose, *salts]
        parts.then = None if recheck is None else phrases.THEN_RECHECK_MAGNESIUM(date=str(recheck))
    elif not s.digoxin_alarm and (not s.m.inside_range or s.d.state is D.DEF):
        parts.found += findings.found_egfr(s)
        parts.so = findings.why_not(s, phrases.NO_MG_ORDER, first_of_g_mg(closed))
    summary = _low_summary(case, urgent=urgent, offered=offered)
    return build(case, "K-MGLOW", _low_indicator(s, urgent=urgent), summary, parts)


def _low_indicator(s: States, *, urgent: bool) -> Indicator:
    if urgent:
        return "critical" if s.digoxin_alarm else drafts.alarm(s)
    return "info" if s.m.inside_range else "warning"


def _low_summary(case: Case, *, urgent: bool, offered: bool) -> Text:
    """The first row of section 14.1 that holds: digoxin, very low calcium, laboratory range, eGFR unknown, no order."""
    s = case.s
    result = driving(s)
    if urgent:
        phrase = phrases.S_MGLOW_DIGOXIN if s.digoxin_alarm else phrases.S_MGLOW_CALCIUM
        return phrase(v=result.shown, u=result.unit, date=str(result.day))
    value = {
        **wording.value_of(result, s),
        "cut": wording.magnesium_cut(s.limits.mg.low, result),
        "cu": wording.magnesium_unit(result),
    }
    if s.m.inside_range:
        advice = phrases.ADVISE_REVIEW() if case.gates.advice else ""
        return phrases.S_MGLOW_RANGE(**value, advice=advice)
    if offered:
        return phrases.S_MGLOW_WITH_D(**value) if s.d.low else phrases.S_MGLOW(**value)
    only_egfr = all(_is_kidney_unknown(closed) for closed in case.gates.magnesium)
    return phrases.S_MGLOW_EGFR(**value) if only_egfr else phrases.S_MGLOW_NONE(**value)


def _is_kidney_unknown(closed: Closed) -> bool:
    """Closed because there is no eGFR, or because the source of kidney results is not available: one ground."""
    return closed.reason == phrases.GATE_MG_EGFR() or closed.reason.values.get("source") == KIDNEY_SOURCE


def _low_suggestions(s: States, recheck: date | None) -> tuple[Suggestion, ...]:
    """The order with its *recheck*, where one is offered, and the tests that are not recent."""
    because = drafts.magnesium_reason(s)
    repeat = s.limits.repeat
    codes = [] if s.recent("potassium", repeat.potassium) else [POTASSIUM_LAB]
    codes += [] if s.recent("calcium", repeat.calcium) else [CALCIUM_LAB]
    codes += [CREATININE_LAB] if s.kidney.egfr_for_magnesium is None and not s.kidney.creatinine_in_window else []
    alone = drafts.labs(codes, because)
    if recheck is None:
        return alone
    others = alone[0].drafts if alone else ()
    order = drafts.magnesium_order(s, because)
    return (Suggestion((order, LabDraft(MAGNESIUM_LAB, because, recheck), *others)), *alone)


def recheck_day(s: States) -> date:
    """As-of + 4 weeks; + 2 weeks in stage G3; + 1 week with magnesium below 0.60 mmol/L; the shortest wins."""
    repeat = s.limits.repeat
    weeks = repeat.recheck_weeks_ckd if s.kidney.reduced else repeat.recheck_weeks
    if s.m.value < s.limits.mg.never_info_below:
        weeks = min(weeks, repeat.recheck_weeks_low)
    return add_days(s.today, 7 * weeks)


def never_rechecked(case: Case) -> Card | None:
    """K-MGORDER as a warning, row 7 (R5): severely low when last measured, and stale."""
    s = case.s
    if case.asks is not Asks.SEVERE or s.m.last is None:
        return None
    last = s.m.last
    summary = phrases.S_MGORDER_SEVERE(v=last.shown, u=last.unit, date=str(last.day))
    others = findings.wasting(s) if wasting_drug(s) is None else []
    return build(case, "K-MGORDER", "warning", summary, _asking(case, "K-MGORDER", _also_applies(case), others))


def _asking(case: Case, card_id: str, beware: list[Text], found: list[Text]) -> Parts:
    """What the cards that ask for magnesium share."""
    because = drafts.magnesium_reason(case.s)
    return Parts(
        found=[*unknown(case, card_id), *found],
        beware=beware,
        suggestions=drafts.labs([MAGNESIUM_LAB], because),
    )


def high_dose(case: Case) -> Card | None:
    """K-HIDOSE, row 9 (R5b): high-dose vitamin D without a usable magnesium."""
    if case.asks is not Asks.HIGH_DOSE:
        return None
    return build(case, "K-HIDOSE", "info", phrases.S_HIDOSE(), _asking(case, "K-HIDOSE", _also_applies(case), []))


def ask(case: Case) -> Card | None:
    """K-MGORDER, row 10 (R5c): a stale abnormal magnesium, and no vitamin D card that carries the request."""
    if case.asks is not Asks.ORDER:
        return None
    return _order(case, _also_applies(case))


def in_place_of_recheck(case: Case) -> Card:
    """K-MGORDER where K-TOOSOON or K-RECHECK goes, since its recheck is under way, with the request it carried (17)."""
    return _order(case, [])


def _order(case: Case, also: list[Text]) -> Card:
    s = case.s
    summary = phrases.S_MGORDER_TREATED()
    if stale_and_abnormal(s) and s.m.last is not None:
        band = phrases.BANDS[s.m.last_band or "open"]()
        summary = phrases.S_MGORDER(band=band, date=str(s.m.last.day))
    return build(case, "K-MGORDER", "info", summary, _asking(case, "K-MGORDER", also, []))


def wasting(case: Case) -> Card | None:
    """K-MGWASTE, row 11 (R5d): a drug or pair of drugs that wastes magnesium."""
    s = case.s
    drug = wasting_drug(s)
    if case.asks is not Asks.WASTE or drug is None:
        return None
    parts = _asking(case, "K-MGWASTE", [phrases.BEWARE_PPI()] if "ppi" in drug.sets else [], findings.wasting(case.s))
    return build(case, "K-MGWASTE", "info", phrases.S_MGWASTE(drug=drug.name), parts)


def _also_applies(case: Case) -> list[Text]:
    """R5: the sentences of the later reasons that also apply."""
    s, says = case.s, []
    if case.asks is Asks.SEVERE and s.therapy.high_dose:
        says.append(phrases.BEWARE_HIDOSE_TOO())
    if case.asks in (Asks.SEVERE, Asks.HIGH_DOSE) and s.d.low:
        says.append(phrases.BEWARE_VITAMIN_D_LOW_TOO())
    drug = wasting_drug(s)
    return says if drug is None else [*says, phrases.BEWARE_WASTING_TOO(drug=drug.name)]
