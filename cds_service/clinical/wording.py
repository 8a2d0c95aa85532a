"""The values that fill the wording: results, dates, cut-offs, numbers (decision table, sections 4.2 and 14)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.magnesium_state import MG_PER_MMOL
from cds_service.clinical.numbers import plain, short, spelled
from cds_service.clinical.results import age_in_days, interval_of
from cds_service.clinical.vitamin_d_state import NG_PER_NMOL

if TYPE_CHECKING:
    from cds_service.clinical.facts import Family, LabResult
    from cds_service.clinical.limit_types import Cut
    from cds_service.clinical.states import States

VITAMIN_D_UNITS: dict[Family, str] = {"mass": "ng/mL", "molar": "nmol/L", "equivalent": "nmol/L"}
MAGNESIUM_UNITS: dict[Family, str] = {"mass": "mg/dL", "molar": "mmol/L", "equivalent": "mEq/L"}


def on(result: LabResult, s: States, *, always: bool = False) -> str:
    """`{on}`: " on {date}", always in critical cards, in others when the result is more than 30 days old."""
    if result.day is None:
        return ""
    if always or age_in_days(result, s.today) > s.limits.card.date_after:
        return f" on {result.day}"
    return ""


def value_of(result: LabResult, s: States, *, always: bool = False) -> dict[str, str]:
    """`{v} {u}{on}` of *result*."""
    return {"v": result.shown, "u": result.unit, "on": on(result, s, always=always)}


def vitamin_d_edges(s: States) -> dict[str, str]:
    """`{lo}`, `{hi}` and `{cu}` of the deficient and insufficient bands in force."""
    family: Family = "mass" if s.d.result is None else s.d.result.family
    edges = s.d.edges
    return {
        "lo": short(edges.deficient),
        "hi": short(edges.insufficient),
        "top": short(edges.adequate_to),
        "tox": short(edges.high_to),
        "cu": VITAMIN_D_UNITS[family],
    }


def magnesium_cut(cut: Cut, result: LabResult) -> str:
    """A magnesium cut-off as printed in the unit family of *result*."""
    return f"{cut.printed(result.family):f}"


def magnesium_unit(result: LabResult) -> str:
    """`{cu}` of a magnesium result."""
    return MAGNESIUM_UNITS[result.family]


def vitamin_d_converted(result: LabResult) -> str:
    """The value in the other unit family, one decimal: for the detail."""
    value = interval_of(result)
    if result.family == "mass":
        return f"{spelled(value.scaled(1 / NG_PER_NMOL), 1)} nmol/L"
    return f"{spelled(value.scaled(NG_PER_NMOL), 1)} ng/mL"


def magnesium_converted(result: LabResult) -> str:
    """The value in mmol/L, or in mg/dL where it was reported in mmol/L; two decimals: for the detail."""
    value = interval_of(result)
    if result.family == "molar":
        return f"{spelled(value.scaled(MG_PER_MMOL), 2)} mg/dL"
    return f"{spelled(value, 2)} mmol/L"


def target(s: States) -> str:
    """`{target}`: the lowest value that is adequate, in both units; the overlay may raise it (section 2)."""
    profile = s.guidance.profile.target or s.guidance.profile.deficient_below
    mass, molar = profile.mass, profile.molar
    overlay = s.guidance.overlay
    if s.kidney.ckd3_firm and overlay.kind == "raise-target":
        mass, molar = max(mass, overlay.insufficient_below.mass), max(molar, overlay.insufficient_below.molar)
    return f"{plain(Decimal(mass))} ng/mL ({plain(Decimal(molar))} nmol/L)"
