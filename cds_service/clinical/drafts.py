"""Builds the drafts and texts that several cards share: lab orders, blocks, findings, sentences of R17."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cds_service.clinical import phrases, wording
from cds_service.clinical.card import DrugDraft, LabDraft, Suggestion
from cds_service.clinical.days import add_months
from cds_service.clinical.facts import Kind
from cds_service.clinical.numbers import grouped, short
from cds_service.clinical.therapy import NUTRITIONAL, is_supplement

if TYPE_CHECKING:
    from datetime import date

    from cds_service.clinical.card import Text
    from cds_service.clinical.facts import LabResult, Medication
    from cds_service.clinical.gates import Closed
    from cds_service.clinical.states import States

VITAMIN_D_LAB, MAGNESIUM_LAB, CALCIUM_LAB, CREATININE_LAB = "62292-8", "19123-9", "17861-6", "2160-0"
PHOSPHATE_LAB, PTH_LAB, POTASSIUM_LAB, ACTIVE_D_LAB, ECG = "2777-1", "2731-8", "2823-3", "62290-2", "11524-6"

LABS = (
    VITAMIN_D_LAB, MAGNESIUM_LAB, CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB, PTH_LAB, POTASSIUM_LAB, ACTIVE_D_LAB, ECG,
)  # fmt: skip
"""Every laboratory order the logic drafts; `orders.toml` must have each."""

WEEKLY = ("ergocalciferol-50000-weekly-8", "cholecalciferol-50000-weekly-8")
DAILY, DAILY_IN_OBESITY, MAGNESIUM_DAILY = (
    "cholecalciferol-2000-daily",
    "cholecalciferol-4000-daily",
    "magnesium-200-daily",
)
DRUGS = (*WEEKLY, DAILY, DAILY_IN_OBESITY, MAGNESIUM_DAILY)
"""Every drug order the logic drafts, beside the step-down orders that profiles name."""

NOTES = {
    "unit-property": phrases.NOTE_PROPERTY,
    "scaled": phrases.NOTE_SCALED,
    "blood": phrases.NOTE_BLOOD,
    "sum": phrases.NOTE_SUM,
    "below-detection": phrases.NOTE_BELOW_DETECTION,
    "d2-unreadable": phrases.NOTE_D2_UNREADABLE,
}


def vitamin_d_reason(s: States) -> Text:
    """Why a lab or drug is drafted: the driving 25(OH)D."""
    result = s.d.result
    return _because("25(OH)D", result) if result is not None else phrases.BECAUSE_UNKNOWN(test="25(OH)D")


def magnesium_reason(s: States) -> Text:
    """Why a lab or drug is drafted: the driving magnesium."""
    result = s.m.result
    return _because("magnesium", result) if result is not None else phrases.BECAUSE_UNKNOWN(test="magnesium")


def calcium_reason(s: States) -> Text:
    """Why a lab is drafted: the calcium that counts."""
    result = s.calcium.result
    return _because("calcium", result) if result is not None else phrases.BECAUSE_UNKNOWN(test="calcium")


def _because(test: str, result: LabResult) -> Text:
    if result.kind is not Kind.USABLE:
        return phrases.BECAUSE_UNUSABLE(test=test)
    return phrases.BECAUSE_RESULT(test=test, v=result.shown, u=result.unit, date=str(result.day))


def labs(codes: list[str], because: Text, *, on: date | None = None, urgent: bool = False) -> tuple[Suggestion, ...]:
    """One suggestion ordering *codes*; none where there is nothing to order."""
    if not codes:
        return ()
    return (Suggestion(None, tuple(LabDraft(code, because, on, urgent) for code in codes)),)


def in_three_months(s: States) -> date:
    """As-of + 3 calendar months (section 16)."""
    return add_months(s.today, s.limits.repeat.recheck_months)


def course_recheck(s: States) -> date | None:
    """S + 3 calendar months (R2), where the start of the course is known."""
    course = s.therapy.course
    return None if course is None or course.s is None else add_months(course.s, s.limits.repeat.recheck_months)


def treat_vitamin_d(s: States, order: str, note: Text | None = None) -> Suggestion:
    """A vitamin D order with its 25(OH)D recheck after three months."""
    because = vitamin_d_reason(s)
    recheck = LabDraft(VITAMIN_D_LAB, because, in_three_months(s))
    return Suggestion(note, (DrugDraft(order, because), recheck))


def magnesium_order(s: States) -> DrugDraft:
    """MR(Mg) with the spacing of chelating drugs (R17) and the limit in reduced kidney function (section 6.2)."""
    added = list(spacing(s))
    if s.kidney.reduced:
        added.append(phrases.SAY_CKD_MAGNESIUM_LIMIT())
    return DrugDraft(MAGNESIUM_DAILY, magnesium_reason(s), tuple(added))


def spacing(s: States) -> tuple[Text, ...]:
    """R17: one sentence for each current chelating drug, by its group."""
    said: dict[tuple[str, str], Text] = {}
    for order in s.therapy.taking("mg-chelating"):
        for group in sorted(order.groups & phrases.SAY_SPACING.keys()):
            said[group, order.name] = phrases.SAY_SPACING[group](drug=order.name)
    return tuple(said.values())


def blocks(s: States, card_id: str, when: Mapping[str, bool] | None = None) -> tuple[str, ...]:
    """The blocks of *card_id* in order (section 14.3); a block named in *when* only if its rule holds."""
    holds = when or NO_CONDITIONS
    left_out = s.guidance.profile.blocks_left_out
    listed = s.guidance.cards[card_id].blocks
    return tuple([name for name in listed if holds.get(name, True) and name not in left_out])


NO_CONDITIONS: Mapping[str, bool] = {}


def found_vitamin_d(s: States) -> list[Text]:
    """What was found for 25(OH)D, with its notes (section 14.3)."""
    result = s.d.result
    if result is None:
        return [phrases.FOUND_NO_D()]
    said = [
        phrases.FOUND_D(
            v=result.shown, u=result.unit, converted=wording.vitamin_d_converted(result), date=str(result.day)
        ),
        *notes(result),
    ]
    if s.d.provisional:
        said.append(phrases.NOTE_PROVISIONAL(why=phrases.PROVISIONAL[s.d.provisional]()))
    if s.d.implausible:
        said.append(phrases.NOTE_IMPLAUSIBLE())
    if s.d.spanning:
        said.append(phrases.NOTE_INTERVAL())
    return said + passed_over("vitamin-d", s.d.passed_over)


def found_magnesium(s: States) -> list[Text]:
    """What was found for magnesium, with its notes."""
    result = s.m.result
    if result is None:
        return [phrases.FOUND_NO_MG()]
    said = [
        phrases.FOUND_MG(
            v=result.shown, u=result.unit, converted=wording.magnesium_converted(result), date=str(result.day)
        ),
        *notes(result),
    ]
    if s.m.implausible:
        said.append(phrases.NOTE_IMPLAUSIBLE())
    if s.m.open:
        said.append(phrases.NOTE_SEVERE_OPEN())
    if result.haemolysed:
        said.append(phrases.NOTE_HAEMOLYSED())
    return said + passed_over("magnesium", s.m.passed_over)


def unknown_magnesium(s: States) -> list[Text]:
    """What is known where magnesium is UNK, STALE or INDET: older results are shown, not used."""
    if s.m.last is None:
        return [phrases.FOUND_NO_MG()]
    last = s.m.last
    converted = wording.magnesium_converted(last)
    band = phrases.BANDS[s.m.last_band or "open"]()
    return [phrases.FOUND_MG_OLD(v=last.shown, u=last.unit, converted=converted, date=str(last.day), band=band)]


def found_calcium(s: States) -> list[Text]:
    """The calcium that counts, and how it was corrected; a newer unusable one is named (section 4.5)."""
    result, form = s.calcium.result, s.calcium.form
    said = []
    if result is not None:
        how = phrases.CALCIUM_FORMS[form]()
        said.append(phrases.FOUND_CALCIUM(v=result.shown, u=result.unit, form=how, date=str(result.day)))
        if s.kidney.ckd3 and form in ("corrected", "computed"):
            said.append(phrases.SAY_CORRECTION_IN_CKD())
    day = s.calcium.passed_over
    if day is not None:
        said.append(phrases.FOUND_PASSED_OVER(analyte=phrases.ANALYTES["calcium"](), date=str(day)))
    return said


def calcium_threshold(s: States) -> list[Text]:
    """The limit of the hold, where calcium is above it (section 6.2)."""
    if not s.calcium.high or s.calcium.limit is None or s.calcium.result is None:
        return []
    ckd = s.kidney.ckd3 and s.calcium.form != "ionised"
    phrase = phrases.THRESHOLD_CALCIUM_CKD if ckd else phrases.THRESHOLD_CALCIUM
    unit = "mg/dL" if s.calcium.result.family == "mass" else "mmol/L"
    return [phrase(cut=short(s.calcium.limit), cu=unit)]


def found_egfr(s: States) -> list[Text]:
    """The eGFR that counts, computed or reported; a newer unusable one is named."""
    egfr = s.kidney.egfr
    said = []
    if egfr is not None:
        how = phrases.EGFR_HOW["computed" if egfr.computed else "reported"]()
        said.append(phrases.FOUND_EGFR(v=egfr.shown, how=how, date=str(egfr.day)))
    if s.kidney.race_variants:
        said.append(phrases.FOUND_RACE_VARIANTS())
    if s.kidney.passed_over is not None:
        analyte = phrases.ANALYTES["egfr"]()
        said.append(phrases.FOUND_PASSED_OVER(analyte=analyte, date=str(s.kidney.passed_over)))
    return said


def notes(result: LabResult) -> list[Text]:
    """The notes the reader left on *result*."""
    return [NOTES[note]() for note in result.notes if note in NOTES]


def passed_over(analyte: str, result: LabResult | None) -> list[Text]:
    """A newer result that held no measurement is named (section 4.5)."""
    if result is None:
        return []
    return [phrases.FOUND_PASSED_OVER(analyte=phrases.ANALYTES[analyte](), date=str(result.day))]


def why_not(phrase: phrases.Phrase, closed: tuple[Closed, ...]) -> list[Text]:
    """One sentence that lists the closed gates with their reasons."""
    return [phrase(reasons=tuple(item.reason for item in closed))] if closed else []


def supplements(s: States) -> list[Text]:
    """A supplement below 800 IU a day closes no gate; the detail names it (section 9.3)."""
    found = [o for o in s.therapy.taking(NUTRITIONAL) if is_supplement(o, s.limits.therapy)]
    total = sum(o.dose.per_day for o in found if o.dose is not None)
    return [phrases.SAY_SUPPLEMENT(n=grouped(total))] if found and total else []


def calcium_monitoring(s: States) -> list[Text]:
    """R17: a vitamin D order beside digoxin or a thiazide."""
    drug = s.therapy.first("digoxin", "thiazides")
    return [] if drug is None else [phrases.SAY_DIGOXIN_CALCIUM(drug=drug.name)]


def malabsorption(s: States) -> list[Text]:
    """R17: usual doses often fail in malabsorption and after bariatric surgery."""
    return [phrases.SAY_MALABSORPTION()] if s.problems.has("malabsorption") else []


def wasting_drugs(s: States) -> tuple[Medication, ...]:
    """The current drugs that waste magnesium (`mg-wasting`), each named once."""
    sets = ("mg-wasting-strong", "loop-diuretics", "thiazides", "ppi")
    return tuple({o.name: o for drug_set in sets for o in s.therapy.taking(drug_set)}.values())
