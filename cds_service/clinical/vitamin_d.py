"""Chooses the one vitamin D card: the first row of the D map that answers (section 12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import course, drafts, holds, phrases, wording
from cds_service.clinical.bands import D
from cds_service.clinical.card import Card
from cds_service.clinical.days import days_between, whole_months
from cds_service.clinical.drafts import (
    CALCIUM_LAB,
    CREATININE_LAB,
    MAGNESIUM_LAB,
    PHOSPHATE_LAB,
    PTH_LAB,
    VITAMIN_D_LAB,
)
from cds_service.clinical.magnesium_request import Asks, wasting_drug, who_asks
from cds_service.clinical.results import age_in_days
from cds_service.clinical.therapy import lowers_vitamin_d
from cds_service.clinical.trigger import order_trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.clinical.card import Indicator, LabDraft, Suggestion, Text
    from cds_service.clinical.facts import LabResult
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace


def choose(s: States, gates: Gates, trace: Trace) -> Card | None:
    """The vitamin D card, or none; the trace says for R1 to R4 whether each holds and why."""
    trace.add("R1", course.overdue(s))
    trace.add("R2", course.running(s))
    trace.add("R3", course.resistant(s))
    path = course.at_target(s)
    trace.note("R4", path is not None, "path {}: 25(OH)D is {}", path, s.d.state)
    _trace_modifiers(s, trace)
    for row in ROWS:
        card = row(s, gates)
        if card is not None:
            trace.yes(f"D:{card.id}", row.__doc__ or "")
            return card
    trace.no("D:none", "no row of the D map answers: 25(OH)D is {}", s.d.state)
    return None


def _trace_modifiers(s: States, trace: Trace) -> None:
    """Note R10, R12, R13, R15 and T-D, which shape cards rather than choose them."""
    trace.note("R10", _obesity(s), "BMI {}", s.person.bmi)
    older = s.d.state is D.DEF and (s.person.age or 0) >= s.limits.people.daily_first_age
    trace.note("R12", older, "age {}, 25(OH)D {}", s.person.age, s.d.state)
    trace.note("R13", s.d.floor, "25(OH)D below the Floor: {}", s.d.floor)
    beside = s.m.inside_range or s.m.high_in_range or s.calcium.low or s.potassium_low
    trace.note("R15", beside, "laboratory's range {}, calcium low {}", s.m.inside_range, s.calcium.low)
    trigger = order_trigger(s) if s.d.state is D.UNK else None
    if trigger is None:
        trace.no("T-D", "25(OH)D is {}; no trigger", s.d.state)
    else:
        trace.yes(f"T-D {trigger.number}", trigger.reason.key)


def toxic(s: States, _: Gates) -> Card | None:
    """K-DTOX, row 1: 25(OH)D above the toxic line."""
    if s.d.state is not D.TOX:
        return None
    result = _driving(s)
    edges = wording.vitamin_d_edges(s)
    codes = [CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB]
    if age_in_days(result, s.today) > s.limits.repeat.vitamin_d_toxic:
        codes.append(VITAMIN_D_LAB)
    summary = phrases.S_DTOX(v=result.shown, u=result.unit, date=str(result.day), cut=edges["tox"], cu=edges["cu"])
    says = [*drafts.found_vitamin_d(s), _high_threshold(s), *drafts.found_calcium(s), phrases.SAY_DTOX()]
    return _card(s, "K-DTOX", "critical", summary, says, drafts.labs(codes, drafts.vitamin_d_reason(s), urgent=True))


def high(s: States, _: Gates) -> Card | None:
    """K-DHIGH, row 2: 25(OH)D above the caution line."""
    if s.d.state is not D.HIGH:
        return None
    result = _driving(s)
    edges = wording.vitamin_d_edges(s)
    summary = phrases.S_DHIGH(**wording.value_of(result, s), cut=edges["top"], cu=edges["cu"])
    codes = [] if s.recent("calcium", s.limits.repeat.calcium) else [CALCIUM_LAB]
    says = [*drafts.found_vitamin_d(s), _high_threshold(s), *drafts.found_calcium(s), phrases.SAY_DHIGH()]
    return _card(s, "K-DHIGH", "warning", summary, says, drafts.labs(codes, drafts.vitamin_d_reason(s)))


def low_with_very_low_calcium(s: States, _: Gates) -> Card | None:
    """K-DDEF or K-DINS, row 3 (R15): low 25(OH)D and very low calcium, whatever the course: urgent, no order."""
    calcium = s.calcium.result
    if not s.d.low or not s.calcium.very_low or calcium is None:
        return None
    result = _driving(s)
    summary = phrases.S_CALCIUM_VERY_LOW(
        v=calcium.shown, u=calcium.unit, date=str(calcium.day), v2=result.shown, u2=result.unit
    )
    codes = [CALCIUM_LAB, MAGNESIUM_LAB, PTH_LAB, CREATININE_LAB]
    says = [
        *drafts.found_vitamin_d(s),
        *drafts.found_calcium(s),
        _threshold(s),
        phrases.NO_D_ORDER(reasons=(phrases.GATE_CA(),)),
    ]
    name = "K-DDEF" if s.d.state is D.DEF else "K-DINS"
    suggestions = drafts.labs(codes, drafts.calcium_reason(s), urgent=True)
    return _card(s, name, "critical", summary, says, suggestions, when=_low_blocks(s))


def at_target(s: States, gates: Gates) -> Card | None:
    """K-DMAINT, row 4 (R4): at target on a high dose (a) or after a course (b)."""
    path = course.at_target(s)
    if path is None:
        return None
    result = _driving(s)
    closed = gates.step_down if path == "a" else gates.course
    order = s.guidance.profile.step_down_order
    may_fail = s.problems.has("malabsorption") or lowers_vitamin_d(s.therapy, s.limits.therapy) is not None
    offered = order is not None and not closed and not may_fail
    value, maint = wording.value_of(result, s), s.guidance.profile.maintenance
    summary = _maintenance_summary(path, value, maint, offered=offered)
    says = [*drafts.found_vitamin_d(s), _threshold(s), *_course(s)]
    says.append(phrases.SAY_STEP_DOWN() if path == "a" else phrases.SAY_MAINTENANCE())
    suggestions: tuple[Suggestion, ...] = ()
    if offered and order is not None:
        note = phrases.LABEL_STEP_DOWN() if path == "a" else None
        suggestions = (drafts.treat_vitamin_d(s, order, note),)
        says += drafts.calcium_monitoring(s)
    else:
        says += drafts.why_not(phrases.NO_D_ORDER, closed)
        says += [phrases.SAY_MAINTENANCE_MAY_FAIL()] if may_fail else []
    says += [*drafts.malabsorption(s), *holds.soft(s)]
    return _card(s, "K-DMAINT", "info", summary, says, suggestions, when={"B-D3": _intermittent(s)})


def _maintenance_summary(path: str, value: dict[str, str], maint: str, *, offered: bool) -> Text:
    if path == "a":
        return phrases.S_DMAINT_A(**value, maint=maint) if offered else phrases.S_DMAINT_A_NONE(**value)
    return phrases.S_DMAINT_B(**value, maint=maint) if offered else phrases.S_DMAINT_B_NONE(**value)


def recheck_due(s: States, _: Gates) -> Card | None:
    """K-RECHECK, row 5 (R1): past month 3 without a 25(OH)D from month 3 on."""
    treated = s.therapy.course
    if not course.overdue(s) or treated is None or treated.s is None:
        return None
    weeks = days_between(treated.s, s.today) // 7
    found = drafts.found_vitamin_d(s)
    says = [*found, *_course(s), *_very_low_calcium(s)]
    suggestions = drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s))
    summary = phrases.S_RECHECK(n=str(weeks))
    return _card(s, "K-RECHECK", "info", summary, says, suggestions, when={"B-D3": _intermittent(s)})


def too_soon(s: States, _: Gates) -> Card | None:
    """K-TOOSOON, row 6 (R2): low, but the course has not reached month 3."""
    treated, recheck = s.therapy.course, drafts.course_recheck(s)
    if not course.running(s) or not s.d.low or treated is None or treated.s is None or recheck is None:
        return None
    result = _driving(s)
    days = days_between(treated.s, s.d.day)
    value = wording.value_of(result, s)
    if days >= 0:
        summary = phrases.S_TOOSOON_A(**value, n=str(days))
    else:
        summary = phrases.S_TOOSOON_B(**value, recheck=str(recheck))
    says = [*drafts.found_vitamin_d(s), _threshold(s), *_course(s), phrases.SAY_TOOSOON(date=str(recheck))]
    says += _very_low_calcium(s)
    suggestions = drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=recheck)
    return _card(s, "K-TOOSOON", "info", summary, says, suggestions)


def resistant(s: States, _: Gates) -> Card | None:
    """K-RESIST, row 7 (R3): still low at month 3 or later. No vitamin D order, no automatic increase."""
    treated = s.therapy.course
    if not course.resistant(s) or treated is None or treated.s is None:
        return None
    result = _driving(s)
    value = wording.value_of(result, s)
    value["on"] = f"{value['on']}," if value["on"] else ""
    weeks = days_between(treated.s, s.d.day) // 7
    asks = who_asks(s, "K-RESIST", critical=False) is Asks.RESIST
    says = [*drafts.found_vitamin_d(s), _threshold(s), *_course(s), phrases.SAY_RESIST(), *_very_low_calcium(s)]
    says += [*drafts.malabsorption(s), *_drugs_behind_resistance(s)]
    if asks:
        says += drafts.unknown_magnesium(s)
        drug = wasting_drug(s)
        says += [] if drug is None else [phrases.SAY_WASTING_TOO(drug=drug.name)]
    suggestions = drafts.labs([MAGNESIUM_LAB] if asks else [], drafts.vitamin_d_reason(s))
    indicator: Indicator = "warning" if s.d.state is D.DEF else "info"
    summary = phrases.S_RESIST(**value, n=str(weeks))
    says += [phrases.BLOCKS["B-TWOWAY"]()] if s.therapy.high_dose else []
    when = {"B-OBESE": _obesity(s), "B-D3": _intermittent(s), "B-TWOWAY": not s.therapy.high_dose}
    return _card(s, "K-RESIST", indicator, summary, says, suggestions, when=when, obese=_obesity(s))


def _drugs_behind_resistance(s: States) -> list[Text]:
    says = [phrases.SAY_LIVER()] if s.problems.has("liver") else []
    lowering = lowers_vitamin_d(s.therapy, s.limits.therapy)
    if lowering is not None:
        says.append(phrases.SAY_LOWERING_DRUG(drug=lowering.name))
    unclear = s.therapy.first("unclear-vitd")
    return says if unclear is None else [*says, phrases.SAY_UNCLEAR_DRUG(drug=unclear.name)]


def deficient(s: States, gates: Gates) -> Card | None:
    """K-DDEF, row 8: deficient. Orders by R10, R12 and the Floor (R13); without one, why not."""
    if s.d.state is not D.DEF:
        return None
    edges = wording.vitamin_d_edges(s)
    value = {**wording.value_of(_driving(s), s), "cut": edges["lo"], "cu": edges["cu"]}
    says = [*drafts.found_vitamin_d(s), _threshold(s)]
    suggestions: tuple[Suggestion, ...] = ()
    if gates.course:
        summary = phrases.S_DDEF_NONE(**value)
        says += drafts.why_not(phrases.NO_D_ORDER, gates.course)
    else:
        summary = phrases.S_DDEF(**value)
        suggestions = tuple(drafts.treat_vitamin_d(s, order) for order in deficiency_orders(s))
        says += _order_sentences(s)
    says += _low_sentences(s)
    return _card(s, "K-DDEF", "warning", summary, says, suggestions, when=_low_blocks(s), obese=_obesity(s))


def deficiency_orders(s: States) -> list[str]:
    """S1, S2 and, by R10 and R12, S3 in their order (section 14.2)."""
    if s.guidance.profile.deficiency_orders == "daily":
        return [drafts.DAILY]
    weekly = list(drafts.WEEKLY)
    daily = drafts.DAILY_IN_OBESITY if _obesity(s) else drafts.DAILY
    from_fifty = s.person.age is not None and s.person.age >= s.limits.people.daily_first_age
    if from_fifty and not s.d.floor:
        return [daily, *weekly]
    return [*weekly, daily] if from_fifty or _obesity(s) else weekly


def insufficient(s: States, gates: Gates) -> Card | None:
    """K-DINS, row 9: insufficient. Daily D3; in obesity a second alternative with 4,000 IU (R10)."""
    if s.d.state is not D.INS:
        return None
    edges = wording.vitamin_d_edges(s)
    value = {**wording.value_of(_driving(s), s), "lo": edges["lo"], "hi": edges["hi"], "cu": edges["cu"]}
    says = [*drafts.found_vitamin_d(s), _threshold(s)]
    suggestions: tuple[Suggestion, ...] = ()
    if gates.course:
        summary = phrases.S_DINS_NONE(**value)
        says += drafts.why_not(phrases.NO_D_ORDER, gates.course)
    else:
        orders = [drafts.DAILY, *([drafts.DAILY_IN_OBESITY] if _obesity(s) else [])]
        value["dose"] = "2,000-4,000" if _obesity(s) else "2,000"
        suggestions = tuple(drafts.treat_vitamin_d(s, order) for order in orders)
        says += _order_sentences(s)
        if s.d.spanning:
            del value["lo"]
            summary = phrases.S_DINS_INTERVAL(**value)
        else:
            summary = phrases.S_DINS(**value)
    says += _low_sentences(s)
    return _card(s, "K-DINS", "info", summary, says, suggestions, when=_low_blocks(s), obese=_obesity(s))


def _order_sentences(s: States) -> list[Text]:
    """R17, where a vitamin D order is offered."""
    says = drafts.calcium_monitoring(s)
    if s.problems.has("stone-history"):
        says.append(phrases.SAY_STONE_HISTORY())
    if s.problems.has("lactation"):
        says.append(phrases.SAY_LACTATION())
    if s.therapy.taking("calcium-salts"):
        says.append(phrases.SAY_CALCIUM_SALT())
    return says


def _low_sentences(s: States) -> list[Text]:
    return [*holds.soft(s), *drafts.supplements(s), *drafts.malabsorption(s)]


def ask_for_vitamin_d(s: States, _: Gates) -> Card | None:
    """K-DORDER, row 10: no result to read and a trigger T-D; offers both tests by R5e."""
    if s.d.state is not D.UNK:
        return None
    trigger = order_trigger(s)
    if trigger is None:
        return None
    both = who_asks(s, "K-DORDER", critical=False) is Asks.BOTH
    says = [phrases.FOUND_ONLY_CALCITRIOL() if s.facts.calcitriol_on_file else phrases.FOUND_NO_D()]
    says += [phrases.SAY_TRIGGER(reason=trigger.reason), *_vitamin_d_recheck_dated(s)]
    reason = phrases.BECAUSE_REASON(reason=trigger.reason)
    on = drafts.course_recheck(s) if course.running(s) else None
    suggestions = drafts.labs([VITAMIN_D_LAB], reason, on=on)
    if both:
        alone = suggestions[0]
        magnesium: LabDraft = drafts.labs([MAGNESIUM_LAB], reason)[0].labs[0]
        together = type(alone)(phrases.LABEL_BOTH(), (*alone.drafts, magnesium))
        suggestions = (together, type(alone)(phrases.LABEL_D_ALONE(), alone.drafts))
        says += [*drafts.unknown_magnesium(s), phrases.SAY_ASK_BOTH()]
    return _card(s, "K-DORDER", "info", phrases.S_DORDER(reason=trigger.reason), says, suggestions)


def stale(s: States, _: Gates) -> Card | None:
    """K-STALE, row 11: the last value is too old to act on and was low, high, or the dose is high."""
    if s.d.state is not D.STALE:
        return None
    if s.d.last_band not in (D.DEF, D.HIGH, D.TOX) and not s.therapy.high_dose:
        return None
    result = _driving(s)
    summary = phrases.S_STALE(v=result.shown, u=result.unit, n=str(whole_months(s.d.day, s.today)))
    says = [*drafts.found_vitamin_d(s), phrases.SAY_STALE(), *_vitamin_d_recheck_dated(s)]
    on = drafts.course_recheck(s) if course.running(s) else None
    return _card(s, "K-STALE", "info", summary, says, drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=on))


ROWS: tuple[Callable[[States, Gates], Card | None], ...] = (
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


def _card(  # noqa: PLR0913 - a card has as many parts
    s: States,
    card_id: str,
    indicator: Indicator,
    summary: Text,
    says: list[Text],
    suggestions: tuple[Suggestion, ...],
    *,
    when: dict[str, bool] | None = None,
    obese: bool = False,
) -> Card:
    result, shown = s.d.result, drafts.blocks(s, card_id, when)
    finding = "" if result is None else f"25(OH)D {result.shown} {result.unit}{wording.on(result, s)}"
    return Card(
        id=card_id,
        indicator=indicator,
        summary=summary,
        says=tuple(says),
        blocks=shown,
        target=wording.target(s) if "B-TARGET" in shown else "",
        suggestions=suggestions,
        finding=finding,
        found_on=None if result is None else result.day,
        obese=obese,
    )


def _driving(s: States) -> LabResult:
    if s.d.result is None:
        message = "a banded 25(OH)D has a driving result"
        raise ValueError(message)
    return s.d.result


def _threshold(s: States) -> Text:
    edges = wording.vitamin_d_edges(s)
    profile = s.guidance.profile_name
    if edges["lo"] == edges["hi"]:
        return phrases.THRESHOLD_D_ONE(profile=profile, lo=edges["lo"], cu=edges["cu"])
    return phrases.THRESHOLD_D(profile=profile, lo=edges["lo"], hi=edges["hi"], cu=edges["cu"])


def _high_threshold(s: States) -> Text:
    edges = wording.vitamin_d_edges(s)
    return phrases.THRESHOLD_D_HIGH(profile=s.guidance.profile_name, top=edges["top"], tox=edges["tox"], cu=edges["cu"])


def _low_blocks(s: States) -> dict[str, bool]:
    return {"B-FLOOR": s.d.floor, "B-OBESE": _obesity(s)}


def _obesity(s: States) -> bool:
    """R10: obese, and the profile has the obesity rule."""
    return s.person.obese and s.guidance.profile.obesity_rule


def _intermittent(s: States) -> bool:
    """R8: intermittent ergocalciferol is current."""
    return s.therapy.intermittent_d2 is not None


def _course(s: States) -> list[Text]:
    treated = s.therapy.course
    if treated is None or treated.s is None:
        return []
    return [phrases.FOUND_COURSE(drug=treated.order.name, date=str(treated.s))]


def _vitamin_d_recheck_dated(s: States) -> list[Text]:
    recheck = drafts.course_recheck(s)
    return [phrases.SAY_RECHECK(date=str(recheck))] if course.running(s) and recheck is not None else []


def _very_low_calcium(s: States) -> list[Text]:
    """R15: the card stays and says that calcium comes first."""
    return [phrases.SAY_CALCIUM_VERY_LOW()] if s.calcium.very_low else []
