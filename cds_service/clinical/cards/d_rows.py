"""Rows 3 to 9 of the D map: low 25(OH)D (K-DDEF, K-DINS), and 25(OH)D on or after a course (K-DMAINT to K-RESIST).

R1 to R4, R10, R12, R13, R15 and R17 shape them.
"""

from __future__ import annotations

from cds_service.clinical.cards import drafts, findings, short_forms
from cds_service.clinical.cards.case import Case, Parts, build
from cds_service.clinical.cards.d_parts import (
    driving,
    intermittent,
    maintenance,
    obesity,
    treatment,
    very_low_calcium,
)
from cds_service.clinical.cards.drafts import CALCIUM_LAB, CREATININE_LAB, MAGNESIUM_LAB, PTH_LAB, VITAMIN_D_LAB
from cds_service.clinical.days import days_between
from cds_service.clinical.facts import Source
from cds_service.clinical.numbers import short
from cds_service.clinical.states.bands import D
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.therapy import lowers_vitamin_d
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card, Indicator, Suggestion, Text


def low_with_very_low_calcium(case: Case) -> Card | None:
    """K-DDEF or K-DINS, row 3 (R15): low 25(OH)D and very low calcium, whatever the course: urgent, no order."""
    s = case.s
    calcium = s.calcium.result
    if not s.d.low or not s.calcium.very_low or calcium is None:
        return None
    result = driving(s)
    summary = phrases.S_CALCIUM_VERY_LOW(
        v=calcium.shown, u=calcium.unit, date=str(calcium.day), v2=result.shown, u2=result.unit
    )
    name = "K-DDEF" if s.d.state is D.DEF else "K-DINS"
    codes = [CALCIUM_LAB, MAGNESIUM_LAB, PTH_LAB, CREATININE_LAB]
    parts = Parts(
        found=[*findings.found_vitamin_d(s), *findings.found_calcium(s)],
        so=[phrases.NO_D_ORDER(reasons=(phrases.GATE_CA(),))],
        beware=short_forms.block(s, case.gates, name, "B-FLOOR", when=s.d.floor),
        background={"B-OBESE": obesity(s)},
        suggestions=drafts.labs(codes, drafts.calcium_reason(s), urgent=True),
    )
    return build(case, name, drafts.alarm(s), summary, parts)


def deficient(case: Case) -> Card | None:
    """K-DDEF, row 8: deficient. Orders by R10, R12 and the Floor (R13); without one, why not."""
    s = case.s
    if s.d.state is not D.DEF:
        return None
    value = {**wording.value_of(driving(s), s), "cut": short(s.d.edges.deficient), "cu": wording.vitamin_d_unit(s)}
    parts = _low_parts(case, "K-DDEF", deficiency_orders(s))
    if not case.gates.course:
        recheck = str(drafts.in_three_months(s))
        parts.then = phrases.THEN_RECHECK_AND_MAINTAIN(date=recheck, **maintenance(case))
        parts.background["B-CONCURRENT"] = True
    summary = phrases.S_DDEF_NONE(**value) if case.gates.course else phrases.S_DDEF(**value)
    return build(case, "K-DDEF", "info" if case.gates.held else "warning", summary, parts)


def deficiency_orders(s: States) -> list[str]:
    """S1, S2 and, by R10 and R12, S3 in their order (section 14.2)."""
    if s.guidance.profile.deficiency_orders == "daily":
        return [drafts.DAILY]
    weekly = list(drafts.WEEKLY)
    daily = drafts.DAILY_IN_OBESITY if obesity(s) else drafts.DAILY
    from_fifty = s.person.age is not None and s.person.age >= s.limits.people.daily_first_age
    if from_fifty and not s.d.floor:
        return [daily, *weekly]
    return [*weekly, daily] if from_fifty or obesity(s) else weekly


def insufficient(case: Case) -> Card | None:
    """K-DINS, row 9: insufficient. Daily D3; in obesity a second alternative with 4,000 IU (R10)."""
    s = case.s
    if s.d.state is not D.INS:
        return None
    value = {
        **wording.value_of(driving(s), s),
        "lo": short(s.d.edges.deficient),
        "hi": short(s.d.edges.insufficient),
        "cu": wording.vitamin_d_unit(s),
    }
    orders = [drafts.DAILY, *([drafts.DAILY_IN_OBESITY] if obesity(s) else [])]
    parts = _low_parts(case, "K-DINS", orders)
    if case.gates.course:
        return build(case, "K-DINS", "info", phrases.S_DINS_NONE(**value), parts)
    parts.then = phrases.THEN_RECHECK_FROM(date=str(drafts.in_three_months(s)))
    value["dose"] = "-".join(f"{s.guidance.drugs[order].dose:,}" for order in orders)
    advice = phrases.ADVISE_MAGNESIUM() if case.gates.advice else ""
    if s.d.spanning:
        del value["lo"]
        return build(case, "K-DINS", "info", phrases.S_DINS_INTERVAL(**value, advice=advice), parts)
    return build(case, "K-DINS", "info", phrases.S_DINS(**value, advice=advice), parts)


def _low_parts(case: Case, card_id: str, orders: list[str]) -> Parts:
    """What K-DDEF and K-DINS share. Beside K-HOLD no course is in sight: B-FLOOR stands alone there (R11)."""
    s, held, closed = case.s, case.gates.held, case.gates.course
    target = [] if held else short_forms.target(s, case.gates, card_id)
    parts = Parts(
        found=findings.found_vitamin_d(s, *target, *findings.magnesium_too(s)),
        so=findings.why_not(s, phrases.NO_D_ORDER, closed),
        background={"B-OBESE": obesity(s)},
    )
    floor = short_forms.block(s, case.gates, card_id, "B-FLOOR", when=s.d.floor)
    if closed:
        parts.beware = [*floor, *findings.malabsorption(s), *findings.held_softly(s), *findings.supplements(s)]
        parts.then = None if held else phrases.THEN_RECHECK()
        parts.suggestions = _calcium_first(s)
        return parts
    parts.beware = [
        *findings.calcium_monitoring(s),
        *([phrases.BEWARE_NO_CALCIUM()] if s.calcium.result is None else []),
        *floor,
        *findings.malabsorption(s),
        *findings.held_softly(s),
        *([phrases.BEWARE_STONE_HISTORY()] if s.problems.has("stone-history") else []),
        *([phrases.BEWARE_LACTATION()] if s.problems.has("lactation") else []),
        *([phrases.BEWARE_CALCIUM_SALT()] if s.therapy.taking("calcium-salts") else []),
        *findings.supplements(s),
    ]
    parts.suggestions = drafts.treat_vitamin_d(s, orders)
    return parts


def _calcium_first(s: States) -> tuple[Suggestion, ...]:
    """In CKD G3 or worse a calcium that is not known closes G-HOLD: it is asked for (section 14.2)."""
    if not s.kidney.ckd3 or s.calcium.known or s.kidney.dialysis or not s.known(Source.CHEMISTRY):
        return ()
    return drafts.labs([CALCIUM_LAB], drafts.calcium_reason(s))


def at_target(case: Case) -> Card | None:
    """K-DMAINT, row 4 (R4): at target on a high dose (a) or after a course (b)."""
    s = case.s
    path = case.course.at_target
    if path is None:
        return None
    closed = case.gates.step_down if path == "a" else case.gates.course
    order = s.guidance.profile.step_down_order
    may_fail = s.problems.has("malabsorption") or lowers_vitamin_d(s.therapy, s.limits.therapy) is not None
    parts = Parts(
        found=[*findings.found_vitamin_d(s, *short_forms.target(s, case.gates, "K-DMAINT")), *treatment(s)],
        so=findings.why_not(s, phrases.NO_D_ORDER, closed),
        beware=[*findings.malabsorption(s), *findings.held_softly(s)],
        background={"B-D3": intermittent(s)},
        then=None if closed or may_fail else phrases.THEN_MAINTAIN(**maintenance(case)),
    )
    parts.so += [phrases.SO_MAINTENANCE_MAY_FAIL()] if may_fail else []
    offered = order is not None and not closed and not may_fail
    if offered and order is not None:
        parts.suggestions = drafts.treat_vitamin_d(s, [order], "step-down" if path == "a" else "maintenance")
        parts.beware[:0] = findings.calcium_monitoring(s)
        recheck = str(drafts.in_three_months(s))
        parts.then = phrases.THEN_MAINTAIN_AND_RECHECK(date=recheck, **maintenance(case))
    value, maint = wording.value_of(driving(s), s), s.guidance.profile.maintenance
    summary = _maintenance_summary(path, value, maint, offered=offered)
    return build(case, "K-DMAINT", "info", summary, parts)


def _maintenance_summary(path: str, value: dict[str, str], maint: str, *, offered: bool) -> Text:
    if path == "a":
        return phrases.S_DMAINT_A(**value, maint=maint) if offered else phrases.S_DMAINT_A_NONE(**value)
    return phrases.S_DMAINT_B(**value, maint=maint) if offered else phrases.S_DMAINT_B_NONE(**value)


def recheck_due(case: Case) -> Card | None:
    """K-RECHECK, row 5 (R1): past month 3 without a 25(OH)D from month 3 on."""
    s = case.s
    treated = s.therapy.course
    if not case.course.overdue or treated is None or treated.s is None:
        return None
    target = short_forms.target(s, case.gates, "K-RECHECK") if s.d.result is not None else []
    parts = Parts(
        found=[*findings.found_vitamin_d(s, *target), *treatment(s)],
        beware=very_low_calcium(s),
        background={"B-D3": intermittent(s)},
        then=phrases.THEN_RECHECK_NOW(),
        suggestions=drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s)),
    )
    weeks = days_between(treated.s, s.today) // 7
    return build(case, "K-RECHECK", "info", phrases.S_RECHECK(n=str(weeks)), parts)


def too_soon(case: Case) -> Card | None:
    """K-TOOSOON, row 6 (R2): low, but the course has not reached month 3."""
    s = case.s
    treated, recheck = s.therapy.course, drafts.course_recheck(s)
    if not case.course.running or not s.d.low or treated is None or treated.s is None or recheck is None:
        return None
    days = days_between(treated.s, s.d.day)
    value = wording.value_of(driving(s), s)
    if days >= 0:
        summary = phrases.S_TOOSOON_A(**value, n=str(days))
    else:
        summary = phrases.S_TOOSOON_B(**value, recheck=str(recheck))
    parts = Parts(
        found=[*findings.found_vitamin_d(s), *treatment(s)],
        so=[phrases.SO_TOOSOON()],
        then=phrases.THEN_RECHECK_ON(date=str(recheck)),
        suggestions=drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=recheck),
    )
    return build(case, "K-TOOSOON", "info", summary, parts)


def resistant(case: Case) -> Card | None:
    """K-RESIST, row 7 (R3): still low at month 3 or later. No vitamin D order, no automatic increase."""
    s = case.s
    treated = s.therapy.course
    if not case.course.resistant or treated is None or treated.s is None:
        return None
    value = wording.value_of(driving(s), s)
    value["on"] = f"{value['on']}," if value["on"] else ""
    weeks = days_between(treated.s, s.d.day) // 7
    beside = [*short_forms.target(s, case.gates, "K-RESIST"), *findings.magnesium_too(s, also_in_range=True)]
    parts = Parts(
        found=[*findings.found_vitamin_d(s, *beside), *treatment(s)],
        so=[phrases.SO_RESIST(), *short_forms.block(s, case.gates, "K-RESIST", "B-RESIST")],
        beware=[*findings.malabsorption(s), *_drugs_behind_resistance(s), phrases.BEWARE_LOOK_FURTHER()],
        background={"B-OBESE": obesity(s), "B-TWOWAY": s.therapy.high_dose, "B-D3": intermittent(s)},
    )
    indicator: Indicator = "warning" if s.d.state is D.DEF else "info"
    return build(case, "K-RESIST", indicator, phrases.S_RESIST(**value, n=str(weeks)), parts)


def _drugs_behind_resistance(s: States) -> list[Text]:
    says = [phrases.BEWARE_LIVER()] if s.problems.has("liver") else []
    lowering = lowers_vitamin_d(s.therapy, s.limits.therapy)
    if lowering is not None:
        says.append(phrases.BEWARE_LOWERING_DRUG(drug=lowering.name))
    unclear = s.therapy.first("unclear-vitd")
    return says if unclear is None else [*says, phrases.BEWARE_UNCLEAR_DRUG(drug=unclear.name)]
