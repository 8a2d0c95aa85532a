"""The state of magnesium (sections 4.3, 6.1, 9.2): which result drives it, its band, its flags. Always in mmol/L."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal

from cds_service.clinical.datum import Datum
from cds_service.clinical.factors import MAGNESIUM
from cds_service.clinical.facts import USABLE, LabResult, PatientFacts
from cds_service.clinical.limits import Limits, MagnesiumLimits
from cds_service.clinical.states.bands import M, magnesium_band
from cds_service.clinical.states.results import (
    FRESH,
    NONE,
    STALE,
    UNDETERMINED,
    Analyte,
    Judged,
    age_in_days,
    block,
    interval_of,
    judge,
)

STAND_WHEN_HAEMOLYSED = (M.SEV, M.LOW)
UNKNOWN = (M.UNK, M.STALE, M.INDET)
ABNORMAL = (M.SEV, M.LOW, M.HIGH, M.VHIGH)
TOO_HIGH = (M.HIGH, M.VHIGH)
ALARMS = frozenset({M.SEV, *TOO_HIGH})
GOOD = (M.LAT, M.NORM, None)
OTHERWISE = {UNDETERMINED: M.INDET, STALE: M.STALE, NONE: M.UNK}
"""The state where no fresh result has a band."""


class Magnesium(Datum, frozen=True):
    """The state of magnesium. `last_band` is the band of the newest usable result of any age.

    `was_severe`: not known now, but severely low when last usable; or in a result without a date, or one of
    several that contradict one another (G-SEV).
    `inside_range`: LOW, yet inside the laboratory's own range (6.1). `high_in_range`: HIGH, yet not above it;
    `last_inside_range` says either of the newest usable result of any age. `open`: the value is an interval, so its
    exact level is unknown. `problem`: why the state is INDET. `beside`: results that cannot be used and do not take
    this alarm away (section 5).
    """

    state: M
    result: LabResult | None
    last: LabResult | None
    last_band: M | None
    was_severe: bool
    inside_range: bool
    high_in_range: bool
    last_inside_range: bool
    open: bool
    implausible: bool
    problem: str
    passed_over: LabResult | None
    untrusted: tuple[LabResult, ...]
    beside: tuple[LabResult, ...]

    @property
    def unknown(self) -> bool:
        """Whether M is UNK, STALE or INDET (R5)."""
        return self.state in UNKNOWN

    @property
    def abnormal(self) -> bool:
        """Whether M is SEV, LOW, HIGH or VHIGH (R9)."""
        return self.state in ABNORMAL

    @property
    def value(self) -> Decimal:
        """The driving value (or its finite bound) in mmol/L."""
        if self.result is None:
            raise ValueError("no driving result")
        return interval_of(self.result).bound


def assess(
    facts: PatientFacts,
    limits: Limits,
    today: date,
    *,
    short_window: bool,
    digoxin: bool,
    calcium_very_low: bool,
) -> Magnesium:
    """Derive the state of magnesium as of *today*.

    *short_window*: a strongly magnesium-wasting drug, CKD G4-G5 or dialysis makes a good result age faster (5). No
    unusable result takes an alarm away: severe, high and very high, and low with digoxin or a very low calcium.
    """

    def band(result: LabResult) -> M | None:
        return magnesium_band(interval_of(result), limits.mg)

    def long_window(usable: Sequence[LabResult]) -> int:
        windows = limits.windows
        short = short_window or _was_low(usable, band, windows.magnesium_earlier_low, today)
        return windows.magnesium_in_range_short if short else windows.magnesium_in_range

    def window(result: LabResult, found: M | None, usable: Sequence[LabResult]) -> int:
        if found not in GOOD:
            return limits.windows.magnesium_out_of_range
        return long_window([other for other in usable if other is not result])

    alarms = ALARMS | {M.LOW} if digoxin or calcium_very_low else ALARMS
    found = judge(
        [_guard(result, limits.mg) for result in facts.magnesium],
        Analyte(band, alarms, window, long_window, lambda _: Decimal(1), limits.card.future_days),
        today,
    )
    last, driving = found.last, found.driving
    last_band = found.band if found.band is not None or last is None else band(last)
    state = found.state(OTHERWISE)
    banded = found.standing is FRESH
    value = driving.interval if driving is not None and banded else None
    low_in_range = last is not None and last_band is M.LOW and not digoxin and _inside_range(last, limits.mg)
    high_in_range = last is not None and last_band is M.HIGH and _high_in_range(last)
    return Magnesium(
        state=state,
        result=None if found.standing is NONE else driving,
        last=last,
        last_band=last_band,
        was_severe=(not banded and last_band is M.SEV)
        or any(band(result) is M.SEV for result in (*found.undated, *_in_conflict(found))),
        inside_range=banded and low_in_range,
        high_in_range=banded and high_in_range,
        last_inside_range=low_in_range or high_in_range,
        open=value is not None and not value.is_point,
        implausible=value is not None and _is_implausible(value.bound, limits.mg),
        problem=found.problem,
        passed_over=found.passed_over,
        untrusted=found.untrusted,
        beside=found.beside,
    )


def _in_conflict(found: Judged[M]) -> list[LabResult]:
    """The results that would be usable if they did not contradict one another."""
    return [result for result in found.untrusted if result.problem == "conflict" and result.interval is not None]


def _was_low(usable: Iterable[LabResult], band: Callable[[LabResult], M | None], days: int, today: date) -> bool:
    """Whether one of the *usable* results, at most so many *days* old, was LOW or SEV (section 5)."""
    return any(age_in_days(result, today) <= days and band(result) in (M.LOW, M.SEV) for result in usable)


def _guard(result: LabResult, limits: MagnesiumLimits) -> LabResult:
    """Swapped units (4.3) and haemolysis (4.4) make a result untrusted."""
    if result.kind is not USABLE:
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
        in_mg = value * MAGNESIUM.factor
        return in_mg < limits.swap_mg_value_below and high * MAGNESIUM.factor <= limits.swap_mg_range_high_to
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
