"""Chooses the one magnesium card: the first row of the M map that answers (section 12.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases, wording
from cds_service.clinical.bands import D, M
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.days import add_days
from cds_service.clinical.drafts import (
    CALCIUM_LAB,
    CREATININE_LAB,
    ECG,
    MAGNESIUM_LAB,
    POTASSIUM_LAB,
)
from cds_service.clinical.magnesium_request import Asks, wasting_drug, who_asks
from cds_service.clinical.results import age_in_days

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from cds_service.clinical.card import Indicator, Text
    from cds_service.clinical.facts import LabResult
    from cds_service.clinical.gates import Closed, Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace


@dataclass(frozen=True, slots=True)
class Case:
    """What the M map reads: states, gates, the vitamin D card of this response, and who asks for magnesium (R5)."""

    s: States
    gates: Gates
    vitamin_d: Card | None
    asks: Asks

    @property
    def vitamin_d_id(self) -> str:
        """The id of the vitamin D card, or empty."""
        return "" if self.vitamin_d is None else self.vitamin_d.id


def choose(s: States, vitamin_d: Card | None, gates: Gates, trace: Trace) -> Card | None:
    """The magnesium card, or none."""
    name = "" if vitamin_d is None else vitamin_d.id
    asks = who_asks(s, name, critical=vitamin_d is not None and vitamin_d.indicator == "critical")
    case = Case(s, gates, vitamin_d, asks)
    trace.note("R5", asks is not Asks.NONE, asks.value)
    trace.note("R6", _depleting(s), "high dose: {}; magnesium {}", s.therapy.high_dose, s.m.state)
    trace.note("R16", adjunct(case), _adjunct_fact(case))
    for row in ROWS:
        card = row(case)
        if card is not None:
            trace.yes(f"M:{card.id}", row.__doc__ or "")
            return card
    trace.no("M:none", "no row of the M map answers: magnesium is {}", s.m.state)
    return None


def adjunct(case: Case) -> bool:
    """R16: magnesium alone as an adjunct to a vitamin D order, in `magnesium-aware` and by the adjunct gates."""
    s = case.s
    fits = s.m.state in (M.NORM, M.LAT) or (s.m.state is M.LOW and s.m.inside_range)
    beside = case.vitamin_d_id == "K-DDEF" and case.vitamin_d is not None and case.vitamin_d.offers_drug
    return s.guidance.profile.adjunct_magnesium and s.d.state is D.DEF and fits and beside and not case.gates.adjunct


def _adjunct_fact(case: Case) -> str:
    if not case.s.guidance.profile.adjunct_magnesium:
        return "the profile has no adjunct magnesium"
    if case.s.d.state is not D.DEF or case.vitamin_d is None or not case.vitamin_d.offers_drug:
        return "no vitamin D order for deficiency in this response"
    if case.gates.adjunct:
        return f"closed by {case.gates.adjunct[0].gate}"
    return f"magnesium is {case.s.m.state}"


def severe(case: Case) -> Card | None:
    """K-MGSEV, row 1: severe hypomagnesaemia. Urgent set, never an oral drug."""
    s = case.s
    if s.m.state is not M.SEV:
        return None
    result = _driving(s)
    cut = s.limits.mg.severe
    summary = phrases.S_MGSEV(
        v=result.shown,
        u=result.unit,
        date=str(result.day),
        cut=wording.magnesium_cut(cut, result),
        cu=wording.magnesium_unit(result),
    )
    threshold = phrases.THRESHOLD_MG_SEVERE(cut=wording.magnesium_cut(cut, result), cu=wording.magnesium_unit(result))
    says = [*drafts.found_magnesium(s), threshold, phrases.SAY_MGSEV(), *_two_way(s), *_low_sentences(s)]
    return _card(s, "K-MGSEV", "critical", summary, says, urgent_set(s), when={"B-TWOWAY": False})


def very_high(case: Case) -> Card | None:
    """K-MGVHIGH, row 2: very high magnesium. Urgent set, never a drug."""
    s = case.s
    if s.m.state is not M.VHIGH:
        return None
    result = _driving(s)
    summary = phrases.S_MGVHIGH(v=result.shown, u=result.unit, date=str(result.day))
    says = [*drafts.found_magnesium(s), _high_threshold(s, result), phrases.SAY_MGVHIGH()]
    return _card(s, "K-MGVHIGH", "critical", summary, says, urgent_set(s))


def high(case: Case) -> Card | None:
    """K-MGHIGH, row 3: high, unless it is not above the laboratory's own range (R15)."""
    s = case.s
    if s.m.state is not M.HIGH or s.m.high_in_range:
        return None
    result = _driving(s)
    summary = phrases.S_MGHIGH(
        **wording.value_of(result, s),
        cut=wording.magnesium_cut(s.limits.mg.normal_to, result),
        cu=wording.magnesium_unit(result),
    )
    days = s.limits.repeat.kidney_magnesium_high
    known = s.recent("creatinine", days) or s.recent("egfr", days)
    says = [*drafts.found_magnesium(s), _high_threshold(s, result), phrases.SAY_MGHIGH()]
    suggestions = drafts.labs([] if known else [CREATININE_LAB], drafts.magnesium_reason(s))
    return _card(s, "K-MGHIGH", "warning", summary, says, suggestions)


def low(case: Case) -> Card | None:
    """K-MGLOW, row 4: low; info inside the laboratory's range, critical beside a very low calcium (R15)."""
    s = case.s
    if s.m.state is not M.LOW:
        return None
    closed = case.gates.adjunct if s.m.inside_range else case.gates.magnesium
    by_r16 = s.m.inside_range and adjunct(case)
    offered = not s.calcium.very_low and (by_r16 or (not s.m.inside_range and not closed))
    says = [*drafts.found_magnesium(s), _threshold(s)]
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
        says += drafts.why_not(phrases.NO_MG_ORDER, _first_of_g_mg(closed))
        says += drafts.found_egfr(s)
    says += [*_two_way(s), *_low_sentences(s)]
    when = {"B-MGDOSE": offered, "B-CONCURRENT": by_r16, "B-TWOWAY": not _depleting(s)}
    return _card(s, "K-MGLOW", _low_indicator(s), _low_summary(case, offered=offered), says, suggestions, when=when)


def _low_indicator(s: States) -> Indicator:
    if s.calcium.very_low:
        return "critical"
    return "info" if s.m.inside_range else "warning"


def _low_summary(case: Case, *, offered: bool) -> Text:
    """The first row of section 14.1 that holds: very low calcium, laboratory range, eGFR unknown, no order, order."""
    s = case.s
    result = _driving(s)
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
    only_egfr = all(closed.reason.key == phrases.GATE_MG_EGFR.key for closed in case.gates.magnesium)
    return phrases.S_MGLOW_EGFR(**value) if only_egfr else phrases.S_MGLOW_NONE(**value)


def _first_of_g_mg(closed: tuple[Closed, ...]) -> tuple[Closed, ...]:
    """The first closed condition of G-MG and the other closed gates (section 15)."""
    first = next((item for item in closed if item.gate == "G-MG"), None)
    return tuple(item for item in closed if item.gate != "G-MG" or item is first)


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


def latent(case: Case) -> Card | None:
    """K-MGLAT, row 5: low-normal, beside a low 25(OH)D or a high dose (R6); with an order by R16."""
    s = case.s
    if s.m.state is not M.LAT or not (s.d.low or s.therapy.high_dose):
        return None
    result = _driving(s)
    value = {
        **wording.value_of(result, s),
        "lo": wording.magnesium_cut(s.limits.mg.low, result),
        "hi": wording.magnesium_cut(s.limits.mg.latent, result),
        "cu": wording.magnesium_unit(result),
    }
    offered = adjunct(case)
    says = [*drafts.found_magnesium(s), _threshold(s), *_two_way(s)]
    when = {"B-TWOWAY": False}
    if not offered:
        says += _calcium_salts(s)
        return _card(s, "K-MGLAT", "info", phrases.S_MGLAT(**value), says, (), when={**when, **_without_drug()})
    says += [phrases.SAY_ADJUNCT(), *drafts.spacing(s), *_calcium_salts(s)]
    suggestions = (Suggestion(None, (drafts.magnesium_order(s),)),)
    return _card(s, "K-MGLAT", "info", phrases.S_MGLAT_ORDER(**value), says, suggestions, when={**when, **_with_drug()})


def _without_drug() -> dict[str, bool]:
    return {"B-MGHELPS": False, "B-CONCURRENT": False, "B-MGDOSE": False}


def _with_drug() -> dict[str, bool]:
    return {"B-INTAKE": False, "B-CV": False}


def normal_adjunct(case: Case) -> Card | None:
    """K-MGADJ, row 6 (R16): in range, an optional adjunct to the vitamin D order."""
    s = case.s
    if s.m.state is not M.NORM or not adjunct(case):
        return None
    summary = phrases.S_MGADJ(**wording.value_of(_driving(s), s))
    says = [*drafts.found_magnesium(s), _threshold(s), phrases.SAY_ADJUNCT(), *drafts.spacing(s)]
    suggestions = (Suggestion(None, (drafts.magnesium_order(s),)),)
    return _card(s, "K-MGADJ", "info", summary, says, suggestions)


def never_rechecked(case: Case) -> Card | None:
    """K-MGORDER as a warning, row 7 (R5): severely low when last measured, and stale."""
    s = case.s
    if case.asks is not Asks.SEVERE or s.m.last is None:
        return None
    last = s.m.last
    summary = phrases.S_MGORDER_SEVERE(v=last.shown, u=last.unit, date=str(last.day))
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    return _card(s, "K-MGORDER", "warning", summary, says, drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s)))


def high_dose(case: Case) -> Card | None:
    """K-HIDOSE, row 9 (R5b): high-dose vitamin D without a usable magnesium."""
    s = case.s
    if case.asks is not Asks.HIGH_DOSE:
        return None
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return _card(s, "K-HIDOSE", "info", phrases.S_HIDOSE(), says, suggestions)


def ask(case: Case) -> Card | None:
    """K-MGORDER, row 10 (R5c): low 25(OH)D, or a stale abnormal magnesium."""
    s = case.s
    if case.asks is not Asks.ORDER:
        return None
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return _card(s, "K-MGORDER", "info", phrases.S_MGORDER(why=_why(case)), says, suggestions)


def _why(case: Case) -> Text:
    if case.s.d.low:
        treated = case.vitamin_d_id in ("K-TOOSOON", "K-RECHECK")
        return phrases.WHY_D_TREATED() if treated else phrases.WHY_D_LOW()
    return phrases.WHY_MG_LOW() if case.s.m.last_band is M.LOW else phrases.WHY_MG_HIGH()


def wasting(case: Case) -> Card | None:
    """K-MGWASTE, row 11 (R5d): a drug or pair of drugs that wastes magnesium."""
    s = case.s
    drug = wasting_drug(s)
    if case.asks is not Asks.WASTE or drug is None:
        return None
    says = [*drafts.unknown_magnesium(s), phrases.SAY_WASTING(drugs=_names(s))]
    says += [phrases.SAY_PPI()] if "ppi" in drug.sets else []
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return _card(s, "K-MGWASTE", "info", phrases.S_MGWASTE(drug=drug.name), says, suggestions)


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


def urgent_set(s: States) -> tuple[Suggestion, ...]:
    """ECG, potassium, calcium, creatinine, and magnesium if its result is more than a day old; all urgent."""
    codes = [ECG, POTASSIUM_LAB, CALCIUM_LAB, CREATININE_LAB]
    if age_in_days(_driving(s), s.today) > s.limits.repeat.magnesium_urgent:
        codes.append(MAGNESIUM_LAB)
    return drafts.labs(codes, drafts.magnesium_reason(s), urgent=True)


def _also_applies(case: Case) -> list[Text]:
    """R5: the sentences of the later reasons that also apply."""
    s, says = case.s, []
    if case.asks is Asks.SEVERE and s.therapy.high_dose:
        says.append(phrases.SAY_HIDOSE_TOO())
    if case.asks in (Asks.SEVERE, Asks.HIGH_DOSE) and s.d.low:
        says.append(phrases.SAY_VITAMIN_D_LOW_TOO())
    drug = wasting_drug(s)
    return says if drug is None else [*says, phrases.SAY_WASTING_TOO(drug=drug.name)]


def _low_sentences(s: States) -> list[Text]:
    """R15 and R17 in K-MGLOW and K-MGSEV: digoxin, calcium, potassium, wasting drugs, calcium salts."""
    says = [phrases.SAY_DIGOXIN_MAGNESIUM()] if s.therapy.taking("digoxin") else []
    says += [phrases.SAY_CALCIUM_AND_MAGNESIUM()] if s.calcium.low else []
    says += [phrases.SAY_POTASSIUM_AND_MAGNESIUM()] if s.potassium_low else []
    says += [phrases.SAY_WASTING(drugs=_names(s))] if drafts.wasting_drugs(s) else []
    return says + (_calcium_salts(s) if s.m.state is M.LOW else [])


def _two_way(s: States) -> list[Text]:
    """R6: the sentence, which is then always shown; without R6 B-TWOWAY is a block like others."""
    return [phrases.BLOCKS["B-TWOWAY"]()] if _depleting(s) else []


def _calcium_salts(s: States) -> list[Text]:
    """Section 19: calcium supplements are named where magnesium is low or low-normal."""
    return [phrases.SAY_CALCIUM_SALT_MAGNESIUM()] if s.therapy.taking("calcium-salts") else []


def _names(s: States) -> str:
    return ", ".join(order.name for order in drafts.wasting_drugs(s))


def _depleting(s: States) -> bool:
    """R6: high-dose vitamin D while magnesium is SEV, LOW or LAT."""
    return s.therapy.high_dose and s.m.state in (M.SEV, M.LOW, M.LAT)


def _driving(s: States) -> LabResult:
    if s.m.result is None:
        message = "a banded magnesium has a driving result"
        raise ValueError(message)
    return s.m.result


def _threshold(s: States) -> Text:
    result = _driving(s)
    mg = s.limits.mg
    return phrases.THRESHOLD_MG(
        low=wording.magnesium_cut(mg.low, result),
        latent=wording.magnesium_cut(mg.latent, result),
        top=wording.magnesium_cut(mg.normal_to, result),
        cu=wording.magnesium_unit(result),
    )


def _high_threshold(s: States, result: LabResult) -> Text:
    mg = s.limits.mg
    return phrases.THRESHOLD_MG_HIGH(
        top=wording.magnesium_cut(mg.normal_to, result),
        very_high=wording.magnesium_cut(mg.very_high, result),
        cu=wording.magnesium_unit(result),
    )


def _card(  # noqa: PLR0913 - a card has as many parts
    s: States,
    card_id: str,
    indicator: Indicator,
    summary: Text,
    says: list[Text],
    suggestions: tuple[Suggestion, ...],
    *,
    when: dict[str, bool] | None = None,
) -> Card:
    result = s.m.result
    finding = "" if result is None else f"magnesium {result.shown} {result.unit}{wording.on(result, s)}"
    return Card(
        id=card_id,
        indicator=indicator,
        summary=summary,
        says=tuple(says),
        blocks=drafts.blocks(s, card_id, when),
        suggestions=suggestions,
        finding=finding if not s.m.unknown else "",
        found_on=None if result is None else result.day,
    )
