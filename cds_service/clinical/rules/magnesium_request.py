"""R5: where magnesium is unknown, stale or untrusted, exactly one card asks for it. Decided once, read by both maps."""

from __future__ import annotations

from enum import StrEnum

from cds_service.clinical.days import whole_months
from cds_service.clinical.facts import MedicationOrder
from cds_service.clinical.states.bands import M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import within


class Asks(StrEnum):
    """Which card asks for magnesium."""

    NONE = "nobody: magnesium is known, or dialysis"
    URGENT = "the vitamin D card with a very low calcium asks urgently"
    SEVERE = "K-MGORDER as a warning: severely low and not rechecked"
    RESIST = "K-RESIST carries the request (a)"
    HIGH_DOSE = "K-HIDOSE (b)"
    CARRIED = "the vitamin D card carries the request (c)"
    ORDER = "K-MGORDER (c)"
    WASTE = "K-MGWASTE (d)"
    BOTH = "K-DORDER offers both tests (e)"


def who_asks(s: States, vitamin_d_card: str, *, carries: bool) -> Asks:
    """Apply R5, given the vitamin D card of the response (empty without one) and whether it may carry the request."""
    if not s.m.unknown:
        return Asks.NONE
    if s.calcium.very_low and vitamin_d_card in ("K-DDEF", "K-DINS"):
        return Asks.URGENT
    if not s.kidney.dialysis and s.m.state is M.STALE and s.m.last_band is M.SEV:
        return Asks.SEVERE
    if vitamin_d_card == "K-RESIST":
        return Asks.RESIST
    if s.kidney.dialysis:
        return Asks.NONE
    if s.therapy.high_dose:
        return Asks.HIGH_DOSE
    if s.d.low or stale_and_abnormal(s):
        return Asks.CARRIED if carries else Asks.ORDER
    if wasting_drug(s) is not None:
        return Asks.WASTE
    return Asks.BOTH if vitamin_d_card == "K-DORDER" else Asks.NONE


def stale_and_abnormal(s: States) -> bool:
    """R5c: the last magnesium is stale, was LOW, HIGH or VHIGH outside the laboratory's range, and not too long ago."""
    if s.m.state is not M.STALE or s.m.last is None or s.m.last_inside_range:
        return False
    recent = within(s.m.last, s.limits.windows.stale, s.today)
    return recent and s.m.last_band in (M.LOW, M.HIGH, M.VHIGH)


def wasting_drug(s: States) -> MedicationOrder | None:
    """R5d: a drug, or a pair of drugs, that asks for a magnesium test; never on dialysis (section 13)."""
    taking = s.therapy.taking
    if s.kidney.dialysis:
        return None
    strong = s.therapy.first("mg-wasting-strong")
    if strong is not None:
        return strong
    loop, thiazide, digoxin = taking("loop-diuretics"), taking("thiazides"), taking("digoxin")
    months = s.limits.therapy.wasting_ppi_months
    for ppi in taking("ppi"):
        long = ppi.start is not None and whole_months(ppi.start, s.today) >= months
        if long and (loop or thiazide or digoxin):
            return ppi
    return loop[0] if loop and (thiazide or digoxin) else None
