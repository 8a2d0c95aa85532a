"""Low magnesium: K-MGSEV and K-MGLOW (rows 1 and 4 of the M map; R15, R16, R17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases, wording
from cds_service.clinical.bands import D, M
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.days import add_days
from cds_service.clinical.drafts import CALCIUM_LAB, CREATININE_LAB, MAGNESIUM_LAB, POTASSIUM_LAB
from cds_service.clinical.magnesium_parts import (
    Case,
    adjunct,
    build,
    calcium_salts,
    depleting,
    driving,
    first_of_g_mg,
    threshold,
    two_way,
    urgent_set,
    wasting_names,
)

if TYPE_CHECKING:
    from datetime import date

    from cds_service.clinical.card import Indicator, Text
    from cds_service.clinical.gates import Closed
    from cds_service.clinical.states import States

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
    threshold = phrases.THRESHOLD_MG_SEVERE(cut=wording.magnesium_cut(cut, result), cu=wording.magnesium_unit(result))
    says = [*drafts.found_magnesium(s), threshold, phrases.SAY_MGSEV(), *two_way(s), *_low_sentences(s)]
    return build(s, "K-MGSEV", "critical", summary, says, urgent_set(s), when={"B-TWOWAY": False})


def _low_sentences(s: States) -> list[Text]:
    """R15 and R17 in K-MGLOW and K-MGSEV: digoxin, calcium, potassium, wasting drugs, calcium salts."""
    says = [phrases.SAY_DIGOXIN_MAGNESIUM()] if s.therapy.taking("digoxin") else []
    says += [phrases.SAY_CALCIUM_AND_MAGNESIUM()] if s.calcium.low else []
    says += [phrases.SAY_POTASSIUM_AND_MAGNESIUM()] if s.potassium_low else []
    says += [phrases.SAY_WASTING(drugs=wasting_names(s))] if drafts.wasting_drugs(s) else []
    return says + (calcium_salts(s) if s.m.state is M.LOW else [])


def low(case: Case) -> Card | None:
    """K-MGLOW, row 4: low; info inside the laboratory's range, critical beside a very low calcium (R15)."""
    s = case.s
    if s.m.state is not M.LOW:
        return None
    closed = case.gates.adjunct if s.m.inside_range else case.gates.magnesium
    by_r16 = s.m.inside_range and adjunct(case)
    offered = not s.calcium.very_low and (by_r16 or (not s.m.inside_range and not closed))
    says = [*drafts.found_magnesium(s), threshold(s)]
    if s.calcium.very_low:
        suggestions = urgent_set(s)
        says += drafts.found_calcium(s)
    elif s.m.inside_range:
        says.append(phrases.SAY_INSIDE_RANGE())
        suggestions = (Suggestion(None, (drafts.magnesium_order(s),)),) if by_r16 else ()
    else:
        suggestions = _low_suggestions(s, offered=offered)
    if offered:
        says += drafts.spacing(s)
        says += [phrases.SAY_CKD_MAGNESIUM_LIMIT()] if s.kidney.reduced else []
    elif not s.m.inside_range or s.d.state is D.DEF:
        says += drafts.why_not(phrases.NO_MG_ORDER, first_of_g_mg(closed))
        says += drafts.found_egfr(s)
    says += [*two_way(s), *_low_sentences(s)]
    when = {"B-MGDOSE": offered, "B-CONCURRENT": by_r16, "B-TWOWAY": not depleting(s)}
    return build(s, "K-MGLOW", _low_indicator(s), _low_summary(case, offered=offered), says, suggestions, when=when)


def _low_indicator(s: States) -> Indicator:
    if s.calcium.very_low:
        return "critical"
    return "info" if s.m.inside_range else "warning"


def _low_summary(case: Case, *, offered: bool) -> Text:
    """The first row of section 14.1 that holds: very low calcium, laboratory range, eGFR unknown, no order, order."""
    s = case.s
    result = driving(s)
    if s.calcium.very_low:
        return phrases.S_MGLOW_CALCIUM(v=result.shown, u=result.unit, date=str(result.day))
    value = {
        **wording.value_of(result, s),
        "cut": wording.magnesium_cut(s.limits.mg.low, result),
        "cu": wording.magnesium_unit(result),
    }
    if s.m.inside_range:
        return phrases.S_MGLOW_RANGE(**value)
    if offered:
        return phrases.S_MGLOW_WITH_D(**value) if s.d.low else phrases.S_MGLOW(**value)
    only_egfr = all(_is_kidney_unknown(closed) for closed in case.gates.magnesium)
    return phrases.S_MGLOW_EGFR(**value) if only_egfr else phrases.S_MGLOW_NONE(**value)


def _is_kidney_unknown(closed: Closed) -> bool:
    """Closed because there is no eGFR, or because the source of kidney results is not available: one ground."""
    return closed.reason.key == phrases.GATE_MG_EGFR.key or closed.reason.values.get("source") == KIDNEY_SOURCE


def _low_suggestions(s: States, *, offered: bool) -> tuple[Suggestion, ...]:
    because = drafts.magnesium_reason(s)
    repeat = s.limits.repeat
    codes = [] if s.recent("potassium", repeat.potassium) else [POTASSIUM_LAB]
    codes += [] if s.recent("calcium", repeat.calcium) else [CALCIUM_LAB]
    codes += [CREATININE_LAB] if s.kidney.egfr_for_magnesium is None and not s.kidney.creatinine_in_window else []
    alone = drafts.labs(codes, because)
    if not offered:
        return alone
    recheck = drafts.labs([MAGNESIUM_LAB], because, on=recheck_day(s))[0].drafts
    others = alone[0].drafts if alone else ()
    return (Suggestion(None, (drafts.magnesium_order(s), *recheck, *others)), *alone)


def recheck_day(s: States) -> date:
    """As-of + 4 weeks; + 2 weeks in stage G3; + 1 week with magnesium below 0.60 mmol/L; the shortest wins."""
    repeat = s.limits.repeat
    weeks = repeat.recheck_weeks_ckd if s.kidney.reduced else repeat.recheck_weeks
    if s.m.value < s.limits.mg.never_info_below:
        weeks = min(weeks, repeat.recheck_weeks_low)
    return add_days(s.today, 7 * weeks)
