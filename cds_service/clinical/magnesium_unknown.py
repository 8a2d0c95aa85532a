"""Magnesium unknown, stale or untrusted: K-MGORDER, K-HIDOSE, K-MGWASTE (rows 7 to 11 of the M map; R5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases
from cds_service.clinical.bands import M
from cds_service.clinical.card import Card
from cds_service.clinical.drafts import MAGNESIUM_LAB
from cds_service.clinical.magnesium_parts import Case, build, wasting_names
from cds_service.clinical.magnesium_request import Asks, wasting_drug

if TYPE_CHECKING:
    from cds_service.clinical.card import Text


def never_rechecked(case: Case) -> Card | None:
    """K-MGORDER as a warning, row 7 (R5): severely low when last measured, and stale."""
    s = case.s
    if case.asks is not Asks.SEVERE or s.m.last is None:
        return None
    last = s.m.last
    summary = phrases.S_MGORDER_SEVERE(v=last.shown, u=last.unit, date=str(last.day))
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    says += [phrases.SAY_WASTING(drugs=wasting_names(s))] if drafts.wasting_drugs(s) and not wasting_drug(s) else []
    return build(s, "K-MGORDER", "warning", summary, says, drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s)))


def high_dose(case: Case) -> Card | None:
    """K-HIDOSE, row 9 (R5b): high-dose vitamin D without a usable magnesium."""
    s = case.s
    if case.asks is not Asks.HIGH_DOSE:
        return None
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return build(s, "K-HIDOSE", "info", phrases.S_HIDOSE(), says, suggestions)


def ask(case: Case) -> Card | None:
    """K-MGORDER, row 10 (R5c): low 25(OH)D, or a stale abnormal magnesium."""
    s = case.s
    if case.asks is not Asks.ORDER:
        return None
    says = [*drafts.unknown_magnesium(s), *_also_applies(case)]
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return build(s, "K-MGORDER", "info", phrases.S_MGORDER(why=_why(case)), says, suggestions)


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
    says = [*drafts.unknown_magnesium(s), phrases.SAY_WASTING(drugs=wasting_names(s))]
    says += [phrases.SAY_PPI()] if "ppi" in drug.sets else []
    suggestions = drafts.labs([MAGNESIUM_LAB], drafts.magnesium_reason(s))
    return build(s, "K-MGWASTE", "info", phrases.S_MGWASTE(drug=drug.name), says, suggestions)


def _also_applies(case: Case) -> list[Text]:
    """R5: the sentences of the later reasons that also apply."""
    s, says = case.s, []
    if case.asks is Asks.SEVERE and s.therapy.high_dose:
        says.append(phrases.SAY_HIDOSE_TOO())
    if case.asks in (Asks.SEVERE, Asks.HIGH_DOSE) and s.d.low:
        says.append(phrases.SAY_VITAMIN_D_LOW_TOO())
    drug = wasting_drug(s)
    return says if drug is None else [*says, phrases.SAY_WASTING_TOO(drug=drug.name)]
