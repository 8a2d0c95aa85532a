"""The values that fill the wording: results, dates, cut-offs, numbers (decision table, sections 4.2 and 14).

And the states as the trace tells them.
"""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical import factors
from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import LabResult
from cds_service.clinical.limits import Cut
from cds_service.clinical.numbers import plain, spelled
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import age_in_days, interval_of
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases
from cds_service.clinical.words.sentences import InWords


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


def vitamin_d_unit(s: States) -> str:
    """`{cu}` of the edges of 25(OH)D in force."""
    return factors.VITAMIN_D.unit("mass" if s.d.result is None else s.d.result.family)


def magnesium_cut(cut: Cut, result: LabResult) -> str:
    """A magnesium cut-off as printed in the unit family of *result*."""
    return f"{cut.printed(result.family):f}"


def magnesium_unit(result: LabResult) -> str:
    """`{cu}` of a magnesium result."""
    return "mEq/L" if result.family == "equivalent" else factors.MAGNESIUM.unit(result.family)


def vitamin_d_converted(result: LabResult) -> str:
    """The value in the other unit family, one decimal: for the detail."""
    value, (mass, molar, factor) = interval_of(result), factors.VITAMIN_D
    if result.family == "mass":
        return f"{spelled(value.scaled(1 / factor), 1)} {molar}"
    return f"{spelled(value.scaled(factor), 1)} {mass}"


def magnesium_converted(result: LabResult) -> str:
    """The value in mmol/L, or in mg/dL where it was reported in mmol/L; two decimals: for the detail."""
    value, (mass, molar, factor) = interval_of(result), factors.MAGNESIUM
    if result.family == "molar":
        return f"{spelled(value.scaled(factor), 2)} {mass}"
    return f"{spelled(value, 2)} {molar}"


def target(s: States) -> str:
    """`{target}`: the lowest value that is adequate, in both units; the overlay may raise it (section 2)."""
    profile = s.guidance.profile.target or s.guidance.profile.deficient_below
    mass, molar = profile.mass, profile.molar
    overlay = s.guidance.overlay
    if s.kidney.ckd3_firm and overlay.kind == "raise-target":
        mass, molar = max(mass, overlay.insufficient_below.mass), max(molar, overlay.insufficient_below.molar)
    return f"{plain(Decimal(mass))} ng/mL ({plain(Decimal(molar))} nmol/L)"


def trace_states(s: States, trace: Trace) -> None:
    """Note in *trace* what the patient's states are, and the results behind them."""
    d, m, egfr, course = s.d, s.m, s.kidney.deciding, s.therapy.course
    trace.yes("D", "{}: {} {}", d.state, Shown(d.result), _why(s, d.problem, d.provisional))
    trace.yes("M", "{}: {} {}", m.state, Shown(m.result), _why(s, m.problem, ""))
    trace.note(
        "KIDNEY",
        s.kidney.stage > 0,
        "stage {}: eGFR {}{}",
        f"G{s.kidney.stage}" if s.kidney.stage else "not known",
        egfr and f"{egfr.shown} of {egfr.day}",
        " in whole blood" if s.kidney.by_blood else "",
    )
    trace.note("INDICATION", s.indication, s.indication or "no established indication")
    if course is None:
        trace.no("COURSE", "no course-grade vitamin D order counts")
    else:
        trace.yes("COURSE", "S {}, month 3 from {}, {}", course.s, course.month3, course.ended or "current")


def _why(s: States, problem: str, provisional: str) -> InWords | str:
    """Why a result cannot be used, or is provisional."""
    if problem:
        return InWords(phrases.PROBLEMS[problem](), s.guidance.wording)
    return InWords(phrases.PROVISIONAL[provisional](), s.guidance.wording) if provisional else ""


class Shown(Datum, frozen=True):
    """A result as the trace tells it; spelled out only when the trace is read."""

    result: LabResult | None

    def __str__(self) -> str:
        r = self.result
        if r is None:
            return "no result to read"
        return f"{r.shown} {r.unit} ({r.code})".strip() + ("" if r.day is None else f" of {r.day}")
