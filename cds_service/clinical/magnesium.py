"""Chooses the one magnesium card: the first row of the M map that answers (section 12.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases, wording
from cds_service.clinical.bands import D, M
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.drafts import CREATININE_LAB
from cds_service.clinical.magnesium_low import low, severe
from cds_service.clinical.magnesium_parts import (
    Case,
    adjunct,
    build,
    calcium_salts,
    depleting,
    driving,
    first_of_g_mg,
    high_threshold,
    threshold,
    two_way,
    urgent_set,
)
from cds_service.clinical.magnesium_request import Asks, who_asks
from cds_service.clinical.magnesium_unknown import ask, high_dose, never_rechecked, wasting

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace


def choose(s: States, vitamin_d: Card | None, gates: Gates, trace: Trace) -> Card | None:
    """The magnesium card, or none."""
    name = "" if vitamin_d is None else vitamin_d.id
    asks = who_asks(s, name, critical=vitamin_d is not None and vitamin_d.indicator == "critical")
    case = Case(s, gates, vitamin_d, asks)
    trace.note("R5", asks is not Asks.NONE, asks.value)
    trace.note("R6", depleting(s), "high dose: {}; magnesium {}", s.therapy.high_dose, s.m.state)
    trace.note("R16", adjunct(case), _adjunct_fact(case))
    for row in ROWS:
        card = row(case)
        if card is not None:
            trace.yes(f"M:{card.id}", row.__doc__ or "")
            return card
    trace.no("M:none", "no row of the M map answers: magnesium is {}", s.m.state)
    return None


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
    says = [*drafts.found_magnesium(s), high_threshold(s, result), phrases.SAY_MGVHIGH()]
    return build(s, "K-MGVHIGH", "critical", summary, says, urgent_set(s))


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
    says = [*drafts.found_magnesium(s), high_threshold(s, result), phrases.SAY_MGHIGH()]
    suggestions = drafts.labs([] if known else [CREATININE_LAB], drafts.magnesium_reason(s))
    return build(s, "K-MGHIGH", "warning", summary, says, suggestions)


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
    offered = adjunct(case)
    says = [*drafts.found_magnesium(s), threshold(s), *two_way(s)]
    when = {"B-TWOWAY": False}
    if not offered:
        if case.vitamin_d_id == "K-DDEF" and case.vitamin_d is not None and case.vitamin_d.offers_drug:
            says += drafts.why_not(phrases.NO_MG_ORDER, first_of_g_mg(case.gates.adjunct))
        says += calcium_salts(s)
        return build(s, "K-MGLAT", "info", phrases.S_MGLAT(**value), says, (), when={**when, **_without_drug()})
    says += [phrases.SAY_ADJUNCT(), *drafts.spacing(s), *calcium_salts(s)]
    suggestions = (Suggestion(None, (drafts.magnesium_order(s),)),)
    return build(s, "K-MGLAT", "info", phrases.S_MGLAT_ORDER(**value), says, suggestions, when={**when, **_with_drug()})


def _without_drug() -> dict[str, bool]:
    return {"B-MGHELPS": False, "B-CONCURRENT": False, "B-MGDOSE": False}


def _with_drug() -> dict[str, bool]:
    return {"B-INTAKE": False, "B-CV": False}


def normal_adjunct(case: Case) -> Card | None:
    """K-MGADJ, row 6 (R16): in range, an optional adjunct to the vitamin D order."""
    s = case.s
    if s.m.state is not M.NORM or not adjunct(case):
        return None
    summary = phrases.S_MGADJ(**wording.value_of(driving(s), s))
    says = [*drafts.found_magnesium(s), threshold(s), phrases.SAY_ADJUNCT(), *drafts.spacing(s)]
    suggestions = (Suggestion(None, (drafts.magnesium_order(s),)),)
    return build(s, "K-MGADJ", "info", summary, says, suggestions)


ROWS: tuple[Callable[[Case], Card | None], ...] = (
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
