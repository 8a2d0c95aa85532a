"""The rows on magnesium that is being ordered: O1 (high magnesium), O2a to O2c (kidneys, myasthenia), O13, O13r."""

from __future__ import annotations

from cds_service.clinical.cards import drafts, findings, m_parts
from cds_service.clinical.cards.drafts import CREATININE_LAB
from cds_service.clinical.days import days_between
from cds_service.clinical.facts import MedicationOrder, Source
from cds_service.clinical.orders.case import OrderCase
from cds_service.clinical.orders.kinds import CHELATING, MAGNESIUM, RALTEGRAVIR, is_by_mouth
from cds_service.clinical.orders.parts import (
    card,
    creatinine_unless_known,
    dated,
    labs_of,
    magnesium_unless_known,
    offers,
    remove,
    tests,
)
from cds_service.clinical.states.bands import M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.kidney import G4, stage_by_value
from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Indicator, Text
from cds_service.clinical.words.order_card import REMOVE, Change, OrderCard

LOW = (M.LOW, M.SEV)


def high_magnesium(case: OrderCase) -> OrderCard | None:
    """O1: oral magnesium at a very high or high magnesium; inside the laboratory's range nothing is said (4.6)."""
    s = case.s
    if s.m.state is M.VHIGH:
        result = m_parts.driving(s)
        labs = labs_of(m_parts.urgent_set(s))
        summary = say.S_O1_VERY_HIGH(**dated(result))
        return card(case, "O1", "critical", summary, remove(case, labs), found=findings.found_magnesium(s))
    if s.m.state is not M.HIGH or s.m.high_in_range:
        return None
    result = m_parts.driving(s)
    cut = wording.magnesium_cut(s.limits.mg.normal_to, result)
    summary = say.S_O1_HIGH(**dated(result), cut=cut, cu=wording.magnesium_unit(result))
    labs = tests(drafts.magnesium_reason(s), *creatinine_unless_known(s, s.limits.repeat.kidney_magnesium_high))
    return card(case, "O1", "warning", summary, remove(case, labs), found=findings.found_magnesium(s))


def kidneys(case: OrderCase) -> OrderCard | None:
    """O2a: oral magnesium with kidneys that do not clear it; a low magnesium makes it likely to be meant."""
    s = case.s
    kidney = failing_kidneys(s)
    if kidney is None:
        return None
    row = s.guidance.order_rows.O2a
    level = tests(drafts.magnesium_reason(s), *magnesium_unless_known(s, row.magnesium_days))
    function = tests(phrases.BECAUSE_KIDNEYS(reason=kidney), *creatinine_unless_known(s, row.kidney_days))
    labs = () if s.kidney.dialysis else (*level, *function)
    suggestions = (*offers(case, REMOVE), *offers(case, labs=labs))
    low = s.m.state in LOW
    indicator: Indicator = "info" if low else "warning"
    summary = say.S_O2A_LOW(kidney=kidney) if low else say.S_O2A(kidney=kidney)
    so = [phrases.SO_DIALYSIS_UNIT()] if s.kidney.dialysis else []
    found = findings.unknown_magnesium(s) if s.m.unknown else findings.found_magnesium(s)
    return card(case, "O2a", indicator, summary, suggestions, found=found, so=so)


def failing_kidneys(s: States) -> Text | None:
    """`{kidney}`: dialysis, acute failure, stage G4 or G5 (9.4), the first that is so."""
    renal, egfr = s.kidney, s.kidney.egfr
    if renal.dialysis:
        return say.KIDNEY_DIALYSIS()
    if renal.aki:
        return say.KIDNEY_AKI()
    if renal.stage < G4:
        return None
    if renal.by_blood is not None:
        return say.KIDNEY_BLOOD(n=renal.by_blood.shown, date=str(renal.by_blood.day))
    fresh = egfr is not None and days_between(egfr.day, s.today) <= s.limits.windows.egfr
    if egfr is not None and fresh and stage_by_value(egfr.value, s.limits.kidney) >= G4:
        return say.KIDNEY_EGFR(n=egfr.shown, date=str(egfr.day))
    if any(p.concept == "ckd" and p.group == str(renal.stage) for p in s.problems.every):
        return say.KIDNEY_CODED(n=str(renal.stage))
    return say.KIDNEY_STAGE(n=str(renal.stage))


def kidneys_in_doubt(case: OrderCase) -> OrderCard | None:
    """O2b: oral magnesium, no kidney result of the last year, and a reason to doubt the kidneys."""
    s, row = case.s, case.s.guidance.order_rows.O2b
    reason = _doubt(s)
    known = s.recent("creatinine", row.days) or _has_egfr(s, row.days)
    if not case.adult or reason is None or known or not s.known(Source.KIDNEY):
        return None
    labs = offers(case, labs=tests(phrases.BECAUSE_KIDNEYS(reason=reason), CREATININE_LAB))
    return card(case, "O2b", "info", say.S_O2B(reason=reason), labs, asks=True)


def _has_egfr(s: States, days: int) -> bool:
    return s.kidney.egfr is not None and days_between(s.kidney.egfr.day, s.today) <= days


def _doubt(s: States) -> Text | None:
    age, egfr = s.person.age, s.kidney.egfr
    if age is not None and age >= s.guidance.order_rows.O2b.age_from:
        return say.KIDNEY_AGE(n=str(age))
    if s.problems.has("ckd"):
        return say.KIDNEY_CKD()
    if s.kidney.transplant:
        return say.KIDNEY_TRANSPLANT()
    if egfr is not None and egfr.value < s.limits.kidney.g3_below:
        return say.KIDNEY_EGFR(n=egfr.shown, date=str(egfr.day))
    return None


def myasthenia(case: OrderCase) -> OrderCard | None:
    """O2c: oral magnesium with myasthenia gravis."""
    if not case.adult or not case.s.problems.has("myasthenia"):
        return None
    return card(case, "O2c", "info", say.S_O2C(), offers(case, REMOVE))


def binding_drug(case: OrderCase) -> OrderCard | None:
    """O13: magnesium newly beside an oral drug that binds it, and no word yet of how far apart."""
    if not case.adult or case.renews or case.draft.spaced:
        return None
    binding = _binding(case)
    if not binding:
        return None
    first, group = binding[0]
    added = tuple(_sentence(order, group) for order, group in binding)
    gap = say.GAPS[group]()
    change = Change("spacing", added=added, gap=gap, drug=first.name if len(binding) == 1 else f"{first.name}")
    beside = say.FOUND_OTHERS(drugs=", ".join(_names_beside(case)))
    return card(case, "O13", "info", say.S_O13(drug=first.name, gap=gap), offers(case, change), found=[beside])


def _binding(case: OrderCase) -> list[tuple[MedicationOrder, str]]:
    """The pairs that are new: the draft itself beside magnesium, or each drug beside a draft of magnesium.

    Of orders with one name the first counts.
    """
    if is_by_mouth(case.drug, CHELATING):
        drugs = [case.drug] if case.by_mouth(MAGNESIUM) else []
    else:
        drugs = list({order.name: order for order in reversed(case.by_mouth(CHELATING))}.values())
    found = [(order, group) for order in drugs for group in sorted(order.groups & say.GAPS.keys())[:1]]
    return sorted(found, key=lambda pair: pair[0].name)


def _names_beside(case: OrderCase) -> list[str]:
    """The other half of the pair."""
    other = MAGNESIUM if is_by_mouth(case.drug, CHELATING) else CHELATING
    return sorted({order.name for order in case.by_mouth(other)})


def _sentence(order: MedicationOrder, group: str) -> Text:
    """The sentence that the patient reads (R17); a label's interval is worded so that it is known again."""
    if group == "check-label":
        return say.SPACING_BY_LABEL(drug=order.name)
    return phrases.SPACING[group](drug=order.name)


def raltegravir(case: OrderCase) -> OrderCard | None:
    """O13r: magnesium newly beside raltegravir, which spacing does not protect."""
    if not case.adult or case.renews:
        return None
    beside = case.beside(RALTEGRAVIR) if is_by_mouth(case.drug, MAGNESIUM) else case.by_mouth(MAGNESIUM)
    if not beside:
        return None
    return card(case, "O13r", "warning", say.S_O13R(), offers(case, REMOVE))
