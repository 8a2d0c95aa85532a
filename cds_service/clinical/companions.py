"""Cards that stand beside the two: hold, active vitamin D, intermittent D2, CKD, unusable result, pregnancy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases, wording
from cds_service.clinical.bands import D, M
from cds_service.clinical.card import Card, LabDraft, RecordText, Suggestion
from cds_service.clinical.days import days_between
from cds_service.clinical.drafts import (
    ACTIVE_D_LAB,
    CALCIUM_LAB,
    CREATININE_LAB,
    MAGNESIUM_LAB,
    PHOSPHATE_LAB,
    PTH_LAB,
    VITAMIN_D_LAB,
)
from cds_service.clinical.facts import Source
from cds_service.clinical.therapy import ACTIVE_FORM, NUTRITIONAL, is_course_grade

if TYPE_CHECKING:
    from cds_service.clinical.card import Indicator, Text
    from cds_service.clinical.facts import LabResult
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace

STATUS_CARDS = frozenset({
    "K-DDEF", "K-DINS", "K-DHIGH", "K-DTOX", "K-DMAINT", "K-RESIST", "K-TOOSOON",
    "K-MGSEV", "K-MGLOW", "K-MGLAT", "K-MGHIGH", "K-MGVHIGH",
})  # fmt: skip
"""Cards that tell a finding (R18, R19)."""


NOT_ADDED = {
    "R11": "no hard hold that matters here",
    "R7": "no current active vitamin D without an indication, or 25(OH)D not low or unknown",
    "R8": "no long intermittent D2, or another card carries the sentence",
    "R9": "CKD not known, or nothing in 25(OH)D or magnesium to read it with",
    "R14": "25(OH)D and magnesium are readable",
    "R18": "no pregnancy recorded, or no status card",
}
"""Why a companion card is not added, for the trace."""


def beside(s: States, chosen: list[Card], gates: Gates, trace: Trace) -> list[Card]:
    """The companion cards, independent of one another (step 5 of section 1)."""
    held = hold(s, gates)
    found = {
        "R11": held,
        "R7": active_vitamin_d(s),
        "R8": intermittent_d2(s, chosen, held=held is not None),
        "R9": kidney_disease(s, chosen),
        "R14": unusable_result(s),
        "R18": pregnancy(s, chosen),
    }
    for rule, card in found.items():
        trace.note(rule, card is not None, NOT_ADDED[rule] if card is None else "{} is added", card and card.id)
    return [card for card in found.values() if card is not None]


def hold(s: States, gates: Gates) -> Card | None:
    """K-HOLD (R11): a hard hold that matters, or severe hypercalcaemia whatever 25(OH)D is."""
    if not gates.holds or not (s.calcium.severe or _hold_matters(s, gates)):
        return None
    reason = gates.holds[0].reason
    says = [phrases.HOLD_ALL(reasons=tuple(h.reason for h in gates.holds)), *drafts.found_calcium(s)]
    says += drafts.calcium_threshold(s)
    says += [phrases.SAY_CALCIUM_SALT()] if s.therapy.taking("calcium-salts") else []
    blocks = drafts.blocks(s, "K-HOLD")
    calcium = s.calcium.result
    if s.calcium.severe and calcium is not None:
        summary = phrases.S_HOLD_CRITICAL(v=calcium.shown, u=calcium.unit, date=str(calcium.day))
        suggestions = _hold_labs(s, gates, critical=True)
        return Card("K-HOLD", "critical", summary, tuple(says), blocks, suggestions)
    current = s.therapy.taking(NUTRITIONAL) or s.therapy.taking(ACTIVE_FORM)
    summary = phrases.S_HOLD_CURRENT(reason=reason) if current else phrases.S_HOLD(reason=reason)
    return Card("K-HOLD", "warning", summary, tuple(says), blocks, _hold_labs(s, gates, critical=False))


def _hold_matters(s: States, gates: Gates) -> bool:
    nutritional = s.therapy.taking(NUTRITIONAL)
    active = s.therapy.taking(ACTIVE_FORM)
    if not (s.d.low or nutritional or active):
        return False
    only_conditions = not any(h.by_value for h in gates.holds)
    small = not active and not any(is_course_grade(o, s.limits.therapy) for o in nutritional)
    return not (only_conditions and s.calcium.known_normal and not s.d.low and small)


def _hold_labs(s: States, gates: Gates, *, critical: bool) -> tuple[Suggestion, ...]:
    """The union over the hard holds (section 14.2)."""
    ids = {h.id for h in gates.holds}
    repeat = s.limits.repeat
    wants_pth = ids & {"high-calcium", "hypercalcaemia", "granulomatous", "tuberculosis", "lymphoma"}
    wants_calcium = ids & {"high-calcium", "hypercalcaemia"} and not s.recent("calcium", repeat.calcium)
    by_condition = ids & {"hyperparathyroidism", "lymphoma"}
    wants_calcium = wants_calcium or (by_condition and not s.recent("calcium", repeat.calcium_hold_condition))
    because = (
        drafts.calcium_reason(s) if ids & {"high-calcium"} else phrases.BECAUSE_REASON(reason=gates.holds[0].reason)
    )
    if critical:
        found = [LabDraft(code, because, urgent=True) for code in (CALCIUM_LAB, CREATININE_LAB, PTH_LAB)]
    else:
        pth = [PTH_LAB] if wants_pth and not s.recent("pth", repeat.pth_hold) else []
        found = [LabDraft(code, because) for code in (*pth, *([CALCIUM_LAB] if wants_calcium else []))]
    if ids & {"granulomatous", "tuberculosis"}:
        found.append(LabDraft(ACTIVE_D_LAB, because))
    return (Suggestion(None, tuple(found)),) if found else ()


def active_vitamin_d(s: States) -> Card | None:
    """K-ACTIVED (R7): active vitamin D without an indication, 25(OH)D low or unknown.

    Not added while `conditions`, `kidney` or `chemistry` is unavailable: an indication cannot be excluded (9.6).
    """
    taking = s.therapy.taking(ACTIVE_FORM)
    if not taking or not (s.d.low or s.d.state is D.UNK):
        return None
    if not s.known(Source.CONDITIONS, Source.KIDNEY, Source.CHEMISTRY) or _indicated(s):
        return None
    drug = taking[0].name
    codes = [] if s.recent("calcium", s.limits.repeat.calcium) else [CALCIUM_LAB]
    found = drafts.found_vitamin_d(s) if s.d.result is not None else [phrases.FOUND_NO_D()]
    says = (*found, *drafts.found_calcium(s), phrases.SAY_ACTIVED())
    suggestions = drafts.labs(codes, drafts.calcium_reason(s))
    blocks = drafts.blocks(s, "K-ACTIVED")
    return Card("K-ACTIVED", "warning", phrases.S_ACTIVED(drug=drug), says, blocks, suggestions)


def _indicated(s: States) -> bool:
    """A legitimate indication of active vitamin D (R7), by code or value."""
    coded = s.problems.coded
    if s.kidney.ckd3_firm or coded("dialysis") or coded("transplant") or coded("active-vitd-indication"):
        return True
    if coded("hypoparathyroidism") or coded("hypocalcaemia") or s.calcium.low:
        return True
    names = {"alfacalcidol", "eldecalcitol"}
    return coded("osteoporosis") and any(o.name in names or o.groups & names for o in s.therapy.taking(ACTIVE_FORM))


def intermittent_d2(s: States, chosen: list[Card], *, held: bool) -> Card | None:
    """K-D2INT (R8): long intermittent ergocalciferol, where no other card carries the sentence. Text only."""
    order = s.therapy.intermittent_d2
    carriers = {"K-RESIST", "K-DMAINT", "K-RECHECK"}
    if order is None or order.start is None or held or any(card.id in carriers for card in chosen):
        return None
    days = days_between(order.start, s.today)
    if days <= s.limits.therapy.intermittent_card_days or s.d.state in (D.HIGH, D.TOX):
        return None
    says = (phrases.SAY_D2INT(drug=order.name, date=str(order.start)),)
    return Card("K-D2INT", "info", phrases.S_D2INT(), says, drafts.blocks(s, "K-D2INT"))


def kidney_disease(s: States, chosen: list[Card]) -> Card | None:
    """K-CKD (R9): CKD known by code or by two eGFR, and something to read beside it."""
    latent = any(card.id == "K-MGLAT" for card in chosen)
    matters = s.d.low or s.d.state is D.UNK or s.m.state in (M.SEV, M.LOW, M.HIGH, M.VHIGH) or latent
    if not s.kidney.ckd_known or not matters:
        return None
    says = [*drafts.found_egfr(s), *drafts.found_calcium(s)]
    codes: list[str] = []
    if s.kidney.dialysis:
        says.append(phrases.SAY_DIALYSIS_UNIT())
    else:
        codes = [
            code
            for code, analyte, days in (
                (PTH_LAB, "pth", s.limits.windows.pth),
                (CALCIUM_LAB, "calcium", s.chemistry_window),
                (PHOSPHATE_LAB, "phosphate", s.chemistry_window),
            )
            if not s.recent(analyte, days)
        ]
    because = phrases.BECAUSE_REASON(reason=phrases.TRIGGER_CKD())
    blocks = drafts.blocks(s, "K-CKD")
    return Card("K-CKD", "info", phrases.S_CKD(), tuple(says), blocks, drafts.labs(codes, because))


def unusable_result(s: States) -> Card | None:
    """K-DATA (R14): 25(OH)D or magnesium could not be used; one card for both."""
    d, m = s.d.state is D.INDET, s.m.state is M.INDET
    if not d and not m:
        return None
    says: list[Text] = []
    drafted: list[LabDraft] = []
    if d:
        says += _unusable(phrases.FOUND_UNUSABLE_D, s.d.problem, s.d.untrusted, s.d.last, "vitamin-d")
        drafted.append(LabDraft(VITAMIN_D_LAB, phrases.BECAUSE_UNUSABLE(test="25(OH)D")))
    if m:
        says += _unusable(phrases.FOUND_UNUSABLE_MG, s.m.problem, s.m.untrusted, s.m.last, "magnesium")
        drafted.append(LabDraft(MAGNESIUM_LAB, phrases.BECAUSE_UNUSABLE(test="magnesium")))
    summary = phrases.S_DATA(test=_test(s, d=d, m=m), reason=_problem(s, d=d, m=m))
    indicator: Indicator = "info"
    return Card("K-DATA", indicator, summary, tuple(says), (), (Suggestion(None, tuple(drafted)),))


def _test(s: States, *, d: bool, m: bool) -> str:
    if d and m:
        return "25(OH)D and magnesium"
    result = s.d.result if d else s.m.result
    name = "25(OH)D" if d else "Magnesium"
    return name if result is None or result.day is None else f"{name}{wording.on(result, s)}"


def _problem(s: States, *, d: bool, m: bool) -> Text:
    if d and m and s.d.problem != s.m.problem:
        return phrases.PROBLEMS["two"]()
    return phrases.PROBLEMS[s.d.problem if d else s.m.problem]()


def _unusable(
    phrase: phrases.Phrase,
    problem: str,
    untrusted: tuple[LabResult, ...],
    last: LabResult | None,
    analyte: str,
) -> list[Text]:
    """Why the newest result could not be used and what it says; an older one is shown, not used (section 4.5)."""
    day = next((str(result.day) for result in untrusted if result.day is not None), None)
    date = phrases.DATE_MISSING() if day is None else day
    values = tuple(_reported(result) for result in untrusted)
    said = [phrase(reason=phrases.PROBLEMS[problem](), date=date, values=values)]
    if last is not None and last not in untrusted:
        name = phrases.ANALYTES[analyte]()
        said.append(phrases.FOUND_SHOWN_NOT_USED(analyte=name, v=last.shown, u=last.unit, date=str(last.day)))
    return said


def _reported(result: LabResult) -> Text:
    if not result.shown:
        return phrases.REPORTED_NOTHING()
    return phrases.REPORTED(v=RecordText(f"{result.shown} {result.unit}"))


def pregnancy(s: States, chosen: list[Card]) -> Card | None:
    """K-PREG (R18): pregnancy recorded, and a status card is present."""
    if not s.person.pregnant or not any(card.id in STATUS_CARDS for card in chosen):
        return None
    says = (phrases.SAY_PREGNANCY(),)
    return Card("K-PREG", "info", phrases.S_PREG(), says, drafts.blocks(s, "K-PREG"))
