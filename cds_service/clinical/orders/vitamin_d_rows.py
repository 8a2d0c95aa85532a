"""The rows on vitamin D that is being ordered: O3 and O4 (against a hold), O5 (dose), O6 (form), O7, O8 (how much)."""

from __future__ import annotations

from cds_service.clinical.cards import companions, d_parts, drafts, findings, m_parts
from cds_service.clinical.cards.drafts import (
    CALCIUM_LAB,
    CREATININE_LAB,
    DAILY,
    MAGNESIUM_LAB,
    PTH_LAB,
    VITAMIN_D_LAB,
    WEEKLY,
)
from cds_service.clinical.facts import MedicationOrder, Source
from cds_service.clinical.numbers import grouped, short
from cds_service.clinical.orders.case import OrderCase, with_reasons
from cds_service.clinical.orders.kinds import ACTIVE, MAGNESIUM, is_course_grade, is_supplement
from cds_service.clinical.orders.parts import card, dated, labs_of, offers, remove, rhythm
from cds_service.clinical.rules.gates import Hold, hard_holds
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.therapy import COMBINATION, NUTRITIONAL, distinct, same
from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Indicator, Text
from cds_service.clinical.words.order_card import REMOVE, Change, OrderCard

DEFICIENCY, PRIMARY = "vitd-deficiency", "hyperparathyroidism"
NOT_HERE = frozenset({"phosphate"})
"""A hold that stops our own orders and is no reason to interrupt another's (part 9)."""
FORMS = {"d2": WEEKLY[0], "d3": WEEKLY[1]}
"""The weekly course of each form of vitamin D."""


def held(case: OrderCase) -> OrderCard | None:
    """O3: vitamin D against a hold; the first reason that holds."""
    s, drug = case.s, case.drug
    active = ACTIVE in drug.sets
    if s.calcium.severe:
        return _severe(case)
    if active and s.kidney.dialysis:
        return None
    if s.d.state is D.TOX:
        return _toxic(case)
    if not active and is_supplement(drug, s):
        return None
    if s.d.state is D.HIGH:
        return _high(case)
    holds = tuple(hold for hold in hard_holds(s) if hold.id not in NOT_HERE and not (active and hold.id == PRIMARY))
    if not holds:
        return None
    if s.calcium.high or not s.calcium.known_normal:
        labs = labs_of(companions.hold_labs(s, holds, critical=False))
        summary = say.S_O3(drug=drug.name, reason=holds[0].reason)
        found = findings.found_calcium(s)
        return card(case, "O3", "warning", summary, remove(case, labs), found=found, so=_all_of(holds))
    return _work_up(case, holds) if active or is_course_grade(drug, s) else None


def _severe(case: OrderCase) -> OrderCard:
    s = case.s
    result = s.calcium.result
    if result is None:
        message = "a severe calcium has a result"
        raise ValueError(message)
    codes = [CALCIUM_LAB, CREATININE_LAB, PTH_LAB]
    labs = labs_of(drafts.labs(codes, drafts.calcium_reason(s), urgent=True))
    summary = say.S_O3_SEVERE(drug=case.drug.name, **dated(result))
    return card(case, "O3", "critical", summary, remove(case, labs), found=findings.found_calcium(s))


def _toxic(case: OrderCase) -> OrderCard:
    s = case.s
    cut, unit = short(s.d.edges.high_to), wording.vitamin_d_unit(s)
    summary = say.S_O3_TOXIC(**dated(d_parts.driving(s)), cut=cut, cu=unit)
    indicator: Indicator = "warning" if s.d.provisional else "critical"
    labs = labs_of(d_parts.toxicity_labs(s))
    return card(case, "O3", indicator, summary, remove(case, labs), found=findings.found_vitamin_d(s))


def _high(case: OrderCase) -> OrderCard:
    s = case.s
    cut, unit = short(s.d.edges.adequate_to), wording.vitamin_d_unit(s)
    summary = say.S_O3_HIGH(**dated(d_parts.driving(s)), cut=cut, cu=unit)
    labs = labs_of(d_parts.high_level_labs(s))
    return card(case, "O3", "warning", summary, remove(case, labs), found=findings.found_vitamin_d(s))


def _work_up(case: OrderCase, holds: tuple[Hold, ...]) -> OrderCard | None:
    """By the problem list alone, with a calcium that is known normal: only where a test is left to order."""
    s = case.s
    labs = labs_of(companions.hold_labs(s, holds, critical=False))
    summary = say.S_O3_WORK_UP(drug=case.drug.name, reason=holds[0].reason, date=str(s.calcium.day))
    so = [say.SO_CALCIUM_NORMAL()]
    found = findings.found_calcium(s)
    return card(case, "O3", "info", summary, offers(case, labs=labs), found=found, so=so, asks=True)


def _all_of(holds: tuple[Hold, ...]) -> list[Text]:
    return [phrases.HOLD_ALL(reasons=tuple(hold.reason for hold in holds))] if len(holds) > 1 else []


def magnesium_first(case: OrderCase) -> OrderCard | None:
    """O4: a course of vitamin D at a severely low magnesium; milder while magnesium is given, by any route."""
    s = case.s
    if s.m.state is not M.SEV or not is_course_grade(case.drug, s):
        return None
    result = m_parts.driving(s)
    cut = wording.magnesium_cut(s.limits.mg.severe, result)
    summary = say.S_O4(**dated(result), cut=cut, cu=wording.magnesium_unit(result))
    treated = any(not order.trace for order in case.beside(MAGNESIUM))
    indicator: Indicator = "warning" if treated else "critical"
    so = [say.SO_TREATED()] if treated else []
    labs = labs_of(m_parts.urgent_set(s))
    return card(case, "O4", indicator, summary, remove(case, labs), found=findings.found_magnesium(s), so=so)


def dose(case: OrderCase) -> OrderCard | None:
    """O5: more at a time or a day than is usual: c, a, b in this order. Only of a dose that is known."""
    row, counted = case.s.guidance.order_rows.O5, case.drug.dose
    if counted is None:
        return None
    if counted.single > row.single_above:
        summary = say.S_O5_SINGLE(iu=grouped(counted.single))
        return card(case, "O5", "warning", summary, offers(case, REMOVE), level=_level(case))
    if counted.is_once:
        return None
    told = rhythm(counted.single, counted.interval_days)
    weekly, closed = _weekly(case)
    if counted.interval_days < row.days_below and counted.per_day > row.per_day_above:
        meant = counted.single == row.weekly_single
        summary = say.S_O5_WEEKLY_MEANT(**told) if meant else say.S_O5_DAILY(**told)
        indicator: Indicator = "info" if case.s.problems.coded("malabsorption") else "warning"
        changes = (*weekly, REMOVE)
        return card(case, "O5", indicator, summary, offers(case, *changes), so=closed, level=_level(case))
    often = row.days_below <= counted.interval_days < row.often_days_below
    if not often or counted.single < row.often_single:
        return None
    summary = say.S_O5_OFTEN(**told)
    return card(case, "O5", "info", summary, offers(case, *weekly), so=closed, level=_level(case))


def _level(case: OrderCase) -> int:
    """IU a day, or of the one dose: more of it speaks again."""
    counted = case.drug.dose
    if counted is None:
        return 0
    return round(counted.single if counted.is_once else counted.per_day)


def _weekly(case: OrderCase) -> tuple[tuple[Change, ...], list[Text]]:
    """The weekly rhythm of the same drug (part 5), or why it is not offered.

    It tells to take one capsule, so a name that tells another strength, or that of a liquid, gets none.
    """
    s, drug, weekly_single = case.s, case.drug, case.s.guidance.order_rows.O5.weekly_single
    order = next((FORMS[group] for group in FORMS if group in drug.groups), None)
    fits = drug.dose is not None and drug.dose.single == weekly_single and case.draft.strengths <= {weekly_single}
    alone = drug.sets == {NUTRITIONAL} and COMBINATION not in drug.groups
    if order is None or not fits or not alone or s.guidance.profile.deficiency_orders != "weekly":
        return (), []
    closed = case.closed()
    return (
        ((), findings.why_not(s, say.SO_NO_REPLACEMENT, closed)) if closed else ((Change("weekly", order=order),), [])
    )


def active_form(case: OrderCase) -> OrderCard | None:
    """O6: active vitamin D for a simple deficiency: no indication in the chart, nor among the draft's own reasons."""
    s, drug = case.s, case.drug
    if not case.adult or not s.known(Source.CONDITIONS, Source.KIDNEY, Source.CHEMISTRY):
        return None
    if companions.indicated(with_reasons(s, case.draft), (drug,)):
        return None
    named = (DEFICIENCY, None) in case.draft.reasons
    if s.d.state in (D.DEF, D.INS):
        return _refill(case, named=named)
    if s.d.state not in (D.UNK, D.STALE) or not (named or s.problems.coded(DEFICIENCY)):
        return None
    labs = offers(case, labs=labs_of(drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s))))
    summary = say.S_O6_UNKNOWN(drug=drug.name)
    found = findings.found_vitamin_d(s)
    return card(case, "O6", "warning" if named else "info", summary, (*labs, *offers(case, REMOVE)), found=found)


def _refill(case: OrderCase, *, named: bool) -> OrderCard:
    s = case.s
    result = d_parts.driving(s)
    closed = case.closed()
    changes = [] if closed else [Change("replace", order=DAILY)]
    if changes and s.d.state is D.DEF and s.guidance.profile.deficiency_orders == "weekly":
        changes.append(Change("replace", order=WEEKLY[1]))
    indicator: Indicator = "warning" if named or s.d.state is D.DEF else "info"
    summary = say.S_O6(drug=case.drug.name, v=result.shown, u=result.unit)
    beware = [] if closed else findings.calcium_monitoring(s)
    found, so = findings.found_vitamin_d(s), findings.why_not(s, say.SO_NO_REPLACEMENT, closed)
    return card(case, "O6", indicator, summary, offers(case, *changes, REMOVE), found=found, so=so, beware=beware)


def high_dose(case: OrderCase) -> OrderCard | None:
    """O7: high-dose vitamin D while magnesium is not known, in the profile that pairs the two."""
    s, drug = case.s, case.drug
    if not case.adult or not s.guidance.profile.adjunct_magnesium or drug.dose is None or is_supplement(drug, s):
        return None
    if not s.m.unknown or not s.known(Source.MAGNESIUM) or s.kidney.dialysis or not _makes_high_dose(case):
        return None
    if case.is_under_way(MAGNESIUM_LAB, None):
        return None
    labs = labs_of(drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s)))
    found = findings.unknown_magnesium(s)
    return card(case, "O7", "info", say.S_O7(), offers(case, labs=labs), found=found, asks=True)


def _makes_high_dose(case: OrderCase) -> bool:
    """By itself, or with the others that were no high dose without it (7.4)."""
    limits, counted = case.s.limits.therapy, case.drug.dose
    if counted is None:
        return False
    if counted.single >= limits.high_single or counted.per_day > limits.high_per_day:
        return True
    was_high = case.among.total(case.drug, with_it=False) > limits.high_per_day or any(
        order.dose is not None and order.dose.single >= limits.high_single for order in case.beside(NUTRITIONAL)
    )
    return not was_high and case.among.total(case.drug, with_it=True) > limits.high_per_day


def two_products(case: OrderCase) -> OrderCard | None:
    """O8: another product beside this one, and more IU a day of both than the upper limit."""
    s, drug, row = case.s, case.drug, case.s.guidance.order_rows.O8
    if not case.adult or not _counts(drug, s):
        return None
    others = [order for order in distinct(case.beside(NUTRITIONAL)) if _counts(order, s) and same(order) != same(drug)]
    together = case.among.total(drug, with_it=True)
    if not others or together <= row.per_day_above:
        return None
    most = max(others, key=lambda order: (order.dose.per_day if order.dose else 0, order.name))
    indicator: Indicator = "warning" if together > row.warning_above else "info"
    summary = say.S_O8(drug=most.name, day=f"{together:,}")
    found = [say.FOUND_OTHERS(drugs=", ".join(sorted({order.name for order in others})))]
    return card(case, "O8", indicator, summary, offers(case, REMOVE), found=found, level=together)


def _counts(order: MedicationOrder, s: States) -> bool:
    """Vitamin D of which the IU a day are known, and more than a supplement."""
    known = order.dose is not None and not order.dose.is_once
    return known and NUTRITIONAL in order.sets and not is_supplement(order, s)
