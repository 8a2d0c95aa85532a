"""Cards that stand beside the two: hold, active vitamin D, intermittent D2, CKD, unusable result, pregnancy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cds_service.clinical.cards import drafts, findings, short_forms
from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.clinical.cards.drafts import (
    ACTIVE_D_LAB,
    CALCIUM_LAB,
    CREATININE_LAB,
    MAGNESIUM_LAB,
    PHOSPHATE_LAB,
    PTH_LAB,
    VITAMIN_D_LAB,
)
from cds_service.clinical.days import days_between
from cds_service.clinical.facts import MedicationOrder, Source
from cds_service.clinical.rules.gates import Gates, Hold
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import within
from cds_service.clinical.states.therapy import ACTIVE_FORM, NUTRITIONAL
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card, LabDraft, Suggestion, Text

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
    found = {
        "R11": hold(s, gates),
        "R7": active_vitamin_d(s, gates),
        "R8": intermittent_d2(s, chosen, gates),
        "R9": kidney_disease(s, chosen, gates),
        "R14": unusable_result(s),
        "R18": pregnancy(s, chosen),
    }
    trace.later(partial(_trace_added, found))
    return [card for card in found.values() if card is not None]


def _trace_added(found: Mapping[str, Card | None], trace: Trace) -> None:
    """Note by which rules cards were *found*, and why by others none."""
    for rule, card in found.items():
        trace.note(rule, card is not None, NOT_ADDED[rule] if card is None else "{} is added", card and card.id)


def hold(s: States, gates: Gates) -> Card | None:
    """K-HOLD (R11): a hard hold that matters, or severe hypercalcaemia whatever 25(OH)D is."""
    if not gates.held:
        return None
    reason = gates.holds[0].reason
    old = s.calcium.high and not within(s.calcium.result, s.limits.windows.calcium_hold_repeat, s.today)
    beware = [phrases.BEWARE_REPEAT_CALCIUM()] if old else []
    beware += [phrases.BEWARE_CALCIUM_SALT()] if s.therapy.taking("calcium-salts") else []
    severe = s.calcium.result if s.calcium.severe else None
    if severe is not None:
        summary = phrases.S_HOLD_CRITICAL(v=severe.shown, u=severe.unit, date=str(severe.day))
    elif s.therapy.taking(NUTRITIONAL) or s.therapy.taking(ACTIVE_FORM):
        summary = phrases.S_HOLD_CURRENT(reason=reason)
    else:
        summary = phrases.S_HOLD(reason=reason)
    return Card(
        "K-HOLD",
        "warning" if severe is None else "critical",
        summary,
        found=tuple(findings.found_calcium(s, first=s.calcium.high)),
        so=(phrases.HOLD_ALL(reasons=tuple(h.reason for h in gates.holds)),),
        beware=tuple(beware),
        suggestions=hold_labs(s, gates.holds, critical=severe is not None),
    )


def hold_labs(s: States, holds: tuple[Hold, ...], *, critical: bool) -> tuple[Suggestion, ...]:
    """The union over the hard *holds* (section 14.2)."""
    ids = {h.id for h in holds}
    repeat = s.limits.repeat
    wants_pth = ids & {"high-calcium", "hypercalcaemia", "granulomatous", "tuberculosis", "lymphoma"}
    wants_calcium = ids & {"high-calcium", "hypercalcaemia"} and not s.recent("calcium", repeat.calcium)
    by_condition = ids & {"hyperparathyroidism", "lymphoma"}
    wants_calcium = wants_calcium or (by_condition and not s.recent("calcium", repeat.calcium_hold_condition))
    because = drafts.calcium_reason(s) if ids & {"high-calcium"} else phrases.BECAUSE_REASON(reason=holds[0].reason)
    if critical:
        found = [LabDraft(code, because, urgent=True) for code in (CALCIUM_LAB, CREATININE_LAB, PTH_LAB)]
    else:
        pth = [PTH_LAB] if wants_pth and not s.recent("pth", repeat.pth_hold) else []
        found = [LabDraft(code, because) for code in (*pth, *([CALCIUM_LAB] if wants_calcium else []))]
    if ids & {"granulomatous", "tuberculosis"}:
        found.append(LabDraft(ACTIVE_D_LAB, because))
    return (Suggestion(tuple(found)),) if found else ()


def active_vitamin_d(s: States, gates: Gates) -> Card | None:
    """K-ACTIVED (R7): active vitamin D without an indication, 25(OH)D low or unknown.

    Not added while `conditions`, `kidney` or `chemistry` is unavailable: an indication cannot be excluded (9.6).
    """
    taking = s.therapy.taking(ACTIVE_FORM)
    if not taking or not (s.d.low or s.d.state is D.UNK):
        return None
    if not s.known(Source.CONDITIONS, Source.KIDNEY, Source.CHEMISTRY) or indicated(s, taking):
        return None
    drug = taking[0].name
    codes = [] if s.recent("calcium", s.limits.repeat.calcium) else [CALCIUM_LAB]
    return Card(
        "K-ACTIVED",
        "warning",
        phrases.S_ACTIVED(drug=drug),
        found=tuple(findings.found_vitamin_d(s, *findings.found_calcium(s))),
        so=(phrases.SO_ACTIVED(), *short_forms.block(s, gates, "K-ACTIVED", "B-ACTIVE")),
        suggestions=drafts.labs(codes, drafts.calcium_reason(s)),
    )


def indicated(s: States, drugs: tuple[MedicationOrder, ...]) -> bool:
    """A legitimate indication of active vitamin D (R7), by code or value, for one of *drugs*."""
    coded = s.problems.coded
    if s.kidney.ckd3_firm or coded("dialysis") or coded("transplant") or coded("active-vitd-indication"):
        return True
    if coded("hypoparathyroidism") or coded("hypocalcaemia") or s.calcium.low:
        return True
    names = {"alfacalcidol", "eldecalcitol"}
    return coded("osteoporosis") and any(o.name in names or o.groups & names for o in drugs)


def intermittent_d2(s: States, chosen: list[Card], gates: Gates) -> Card | None:
    """K-D2INT (R8): long intermittent ergocalciferol, where no other card carries the sentence. Text only."""
    order = s.therapy.intermittent_d2
    carriers = {"K-RESIST", "K-DMAINT", "K-RECHECK"}
    if order is None or order.start is None or gates.held or any(card.id in carriers for card in chosen):
        return None
    days = days_between(order.start, s.today)
    if days <= s.limits.therapy.intermittent_card_days or s.d.high:
        return None
    found = (phrases.FOUND_INTERMITTENT_D2(drug=order.name, date=str(order.start)),)
    return Card(
        "K-D2INT", "info", phrases.S_D2INT(), found=found, so=tuple(short_forms.block(s, gates, "K-D2INT", "B-D3"))
    )


def kidney_disease(s: States, chosen: list[Card], gates: Gates) -> Card | None:
    """K-CKD (R9): CKD known by code or by two eGFR, and something to read beside it."""
    if not s.kidney.ckd_known:
        return None
    if not (s.d.low or s.d.state is D.UNK or s.m.abnormal or any(card.id == "K-MGLAT" for card in chosen)):
        return None
    so, codes = short_forms.block(s, gates, "K-CKD", short_forms.CKD_BLOCK), list[str]()
    if s.kidney.dialysis:
        so.append(phrases.SO_DIALYSIS_UNIT())
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
    found = (*findings.found_egfr(s), *findings.found_calcium(s))
    suggestions = drafts.labs(codes, because)
    return Card("K-CKD", "info", phrases.S_CKD(), found=found, so=tuple(so), suggestions=suggestions)


def without_lab(cards: list[Card], s: States, trace: Trace) -> list[Card]:
    """R9: K-CKD that is left without a lab goes, unless magnesium is abnormal; the vitamin D card takes B-CKD."""
    if s.m.abnormal or not any(c.id == "K-CKD" and not c.suggestions for c in cards):
        return cards
    trace.no("R9", "K-CKD has no test to offer and goes")
    return [short_forms.with_ckd(s, card) for card in cards if card.id != "K-CKD"]


def unusable_result(s: States) -> Card | None:
    """K-DATA (R14): 25(OH)D or magnesium could not be used; one card for both."""
    d, m = s.d.state is D.INDET, s.m.state is M.INDET
    if not d and not m:
        return None
    says: list[Text] = []
    drafted: list[LabDraft] = []
    if d:
        says += findings.unusable_vitamin_d(s)
        drafted.append(LabDraft(VITAMIN_D_LAB, phrases.BECAUSE_UNUSABLE(test="25(OH)D")))
    if m:
        says += findings.unusable_magnesium(s)
        drafted.append(LabDraft(MAGNESIUM_LAB, phrases.BECAUSE_UNUSABLE(test="magnesium")))
    summary = phrases.S_DATA(test=_test(s, d=d, m=m), reason=_problem(s, d=d, m=m))
    return Card("K-DATA", "info", summary, found=tuple(says), suggestions=(Suggestion(tuple(drafted)),))


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


def pregnancy(s: States, chosen: list[Card]) -> Card | None:
    """K-PREG (R18): pregnancy recorded, and a status card is present."""
    if not s.person.pregnant or not any(CATALOGUE[card.id].status for card in chosen):
        return None
    return Card("K-PREG", "info", phrases.S_PREG(), so=(phrases.SO_PREGNANCY(),))
