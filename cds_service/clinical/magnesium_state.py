"""The state of magnesium (sections 4.3, 6.1, 9.2): which result drives it, its band, its flags. Always in mmol/L."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.bands import M, magnesium_band
from cds_service.clinical.facts import Kind, LabResult
from cds_service.clinical.results import (
    Choice,
    Standing,
    age_in_days,
    block,
    block_conflicts,
    block_future,
    choose,
    interval_of,
    newest_first,
    untrusted_results,
)

if TYPE_CHECKING:
    from datetime import date

    from cds_service.clinical.facts import PatientFacts
    from cds_service.clinical.limit_types import Limits, MagnesiumLimits

MG_PER_MMOL = Decimal("2.4305")
"""1 mmol/L of magnesium in mg/dL (section 4.1)."""

STAND_WHEN_HAEMOLYSED = (M.SEV, M.LOW)


@dataclass(frozen=True, slots=True)
class Magnesium:
    """The state of magnesium. `last_band` is the band of the newest usable result of any age.

    `inside_range`: LOW, yet inside the laboratory's own range (6.1). `high_in_range`: HIGH, yet not above it. `open`:
    the value is an interval, so its exact level is unknown. `problem`: why the state is INDET.
    """

    state: M
    result: LabResult | None
    last: LabResult | None
    last_band: M | None
    inside_range: bool
    high_in_range: bool
    open: bool
    implausible: bool
    problem: str
    passed_over: LabResult | None
    untrusted: tuple[LabResult, ...]

    @property
    def unknown(self) -> bool:
        """Whether M is UNK, STALE or INDET (R5)."""
        return self.state in (M.UNK, M.STALE, M.INDET)

    @property
    def value(self) -> Decimal:
        """The driving value (or its finite bound) in mmol/L."""
        if self.result is None:
            message = "no driving result"
            raise ValueError(message)
        return interval_of(self.result).bound


def assess(facts: PatientFacts, limits: Limits, today: date, *, short_window: bool, digoxin: bool) -> Magnesium:
    """Derive the state of magnesium as of *today*.

    *short_window*: a strongly magnesium-wasting drug, CKD G4-G5 or dialysis makes a good result age faster (5).
    """
    choice = _choose(facts, limits, today, short_window=short_window)
    last = choice.last_usable
    last_band = None if last is None else magnesium_band(interval_of(last), limits.mg)
    state, problem = _state(choice, last_band)
    driving = choice.newest if choice.newest is not None else last
    banded = state not in (M.UNK, M.STALE, M.INDET)
    value = driving.interval if driving is not None and banded else None
    return Magnesium(
        state=state,
        result=driving if state is not M.UNK else None,
        last=last,
        last_band=last_band,
        inside_range=state is M.LOW and driving is not None and not digoxin and _inside_range(driving, limits.mg),
        high_in_range=state is M.HIGH and driving is not None and _high_in_range(driving),
        open=value is not None and not value.is_point,
        implausible=value is not None and _is_implausible(value.bound, limits.mg),
        problem=problem,
        passed_over=choice.passed_over,
        untrusted=untrusted_results(choice, problem),
    )


def _choose(facts: PatientFacts, limits: Limits, today: date, *, short_window: bool) -> Choice:
    checked = [_guard(result, limits.mg) for result in facts.magnesium]
    future = block_future(checked, today, limits.card.future_days)
    ordered = block_conflicts(newest_first(future), lambda _: Decimal(1))
    undated = [result for result in facts.magnesium if result.day is None]
    windows = limits.windows
    in_range = windows.magnesium_in_range_short if short_window else windows.magnesium_in_range

    def window(result: LabResult) -> int:
        band = magnesium_band(interval_of(result), limits.mg)
        if band not in (M.LAT, M.NORM, None):
            return windows.magnesium_out_of_range
        return windows.magnesium_in_range_short if _was_low(ordered, result, limits, today) else in_range

    return choose(ordered, undated, today, in_range, window)


def _was_low(ordered: list[LabResult], result: LabResult, limits: Limits, today: date) -> bool:
    """Whether an earlier usable result at most 730 days old was LOW or SEV (section 5)."""
    for other in ordered:
        if other is result or other.kind is not Kind.USABLE:
            continue
        recent = age_in_days(other, today) <= limits.windows.magnesium_earlier_low
        if recent and magnesium_band(interval_of(other), limits.mg) in (M.LOW, M.SEV):
            return True
    return False


def _state(choice: Choice, last_band: M | None) -> tuple[M, str]:
    if choice.standing is Standing.NONE:
        return M.UNK, ""
    if choice.standing is Standing.BLOCKED:
        return M.INDET, choice.newest.problem if choice.newest is not None else ""
    if choice.standing is Standing.STALE:
        return M.STALE, ""
    return (M.INDET, "interval") if last_band is None else (last_band, "")


def _guard(result: LabResult, limits: MagnesiumLimits) -> LabResult:
    """Swapped units (4.3) and haemolysis (4.4) make a result untrusted."""
    if result.kind is not Kind.USABLE:
        return result
    if _looks_swapped(result, limits):
        return block(result, "swapped-unit")
    if result.haemolysed and magnesium_band(interval_of(result), limits) not in STAND_WHEN_HAEMOLYSED:
        return block(result, "haemolysed")
    return result


def _looks_swapped(result: LabResult, limits: MagnesiumLimits) -> bool:
    value, high = interval_of(result).bound, result.reference_high
    if high is None:
        return False
    if result.family == "molar":
        return value >= limits.swap_mmol_value_from and high >= limits.swap_mmol_range_high_from
    if result.family == "mass":
        in_mg = value * MG_PER_MMOL
        return in_mg < limits.swap_mg_value_below and high * MG_PER_MMOL <= limits.swap_mg_range_high_to
    return False


def _inside_range(result: LabResult, limits: MagnesiumLimits) -> bool:
    """LOW, but not below the laboratory's own low and at least 0.70 mmol/L (section 6.1)."""
    value = interval_of(result)
    if result.reference_low is None or value.low is None:
        return False
    return value.low >= result.reference_low and value.low >= limits.inside_laboratory_range_from


def _high_in_range(result: LabResult) -> bool:
    high = interval_of(result).high
    return result.reference_high is not None and high is not None and high <= result.reference_high


def _is_implausible(bound: Decimal, limits: MagnesiumLimits) -> bool:
    return bound > limits.implausible_above or bound < limits.implausible_below
