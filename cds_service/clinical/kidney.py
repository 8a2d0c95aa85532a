"""Kidney function (sections 3.5 and 9.4): which eGFR decides, the stage, what is known of CKD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical.days import days_between, whole_years
from cds_service.clinical.results import age_in_days, interval_of, usable_results

if TYPE_CHECKING:
    from datetime import date

    from cds_service.clinical.facts import LabResult, PatientFacts
    from cds_service.clinical.interval import Interval
    from cds_service.clinical.limit_types import KidneyLimits, Limits
    from cds_service.clinical.people import Problems

JUST_BELOW = Decimal("0.001")
ADULT = 18
G3, G4, G5 = 3, 4, 5
BLOOD = "blood"


@dataclass(frozen=True, slots=True)
class Egfr:
    """One eGFR in mL/min/1.73 m2, reported or computed from creatinine on *day*."""

    value: Decimal
    day: date
    computed: bool
    shown: str
    rank: tuple[int, int, float, int, int]


@dataclass(frozen=True, slots=True)
class Kidney:
    """The state of the kidneys. `stage` is G1 to G5 as 1 to 5, 0 where nothing is known.

    `ckd3_firm` leaves out text-only conditions; `egfr_for_magnesium` is the eGFR fresh enough for G-MG (9.4).
    """

    stage: int
    egfr: Egfr | None
    egfr_for_magnesium: Egfr | None
    creatinine_in_window: bool
    ckd3: bool
    ckd3_firm: bool
    ckd_known: bool
    dialysis: bool
    transplant: bool
    aki: bool
    race_variants: bool
    passed_over: date | None

    @property
    def reduced(self) -> bool:
        """Stage G3, or an eGFR of 30 to 59: the smaller magnesium dose and the earlier recheck (section 6.2)."""
        return self.stage == G3

    @property
    def advanced(self) -> bool:
        """Stage G4 or G5, or dialysis."""
        return self.stage >= G4 or self.dialysis


def assess(facts: PatientFacts, problems: Problems, limits: Limits, today: date) -> Kidney:
    """Derive the kidney state of *facts*."""
    found = _reported(facts, limits, today) + _computed(facts, limits, today, blood=False)
    every = sorted(found, key=lambda e: (e.rank, e.value, e.shown))
    newest = every[0] if every else None
    window = limits.windows.egfr
    staging = newest if newest is not None and days_between(newest.day, today) <= window else None
    firm = stage_of(staging, problems, limits.kidney, text=False)
    stage = max(stage_of(staging, problems, limits.kidney, text=True), _stage_by_blood(facts, staging, limits, today))
    for_magnesium = limits.windows.egfr_ckd if stage >= G3 else limits.windows.egfr
    fresh = newest if newest is not None and days_between(newest.day, today) <= for_magnesium else None
    creatinine = [r for r in usable_results(facts.creatinine, today, limits.card.future_days) if r.form != BLOOD]
    return Kidney(
        stage=stage,
        egfr=newest,
        egfr_for_magnesium=fresh,
        creatinine_in_window=bool(creatinine) and age_in_days(creatinine[0], today) <= for_magnesium,
        ckd3=stage >= G3,
        ckd3_firm=firm >= G3,
        ckd_known=_coded_stage(staging, problems, limits.kidney, text=False) >= G3
        or _persistent(every, staging, limits.kidney),
        dialysis=problems.has("dialysis"),
        transplant=problems.has("transplant"),
        aki=problems.has("aki"),
        race_variants=_race_variants(newest, every),
        passed_over=_passed_over(facts, newest),
    )


def stage_of(egfr: Egfr | None, problems: Problems, limits: KidneyLimits, *, text: bool) -> int:
    """The worse of the codes and the newest eGFR (section 9.4); with *text*, conditions known from text count."""
    by_value = 0 if egfr is None else stage_by_value(egfr.value, limits)
    return max(by_value, _coded_stage(egfr, problems, limits, text=text))


def stage_by_value(value: Decimal, limits: KidneyLimits) -> int:
    """Stage G1 to G5 of an eGFR (section 6.2)."""
    edges = (limits.g2_below, limits.g3_below, limits.g4_below, limits.g5_below)
    return 1 + sum(value < edge for edge in edges)


def _coded_stage(egfr: Egfr | None, problems: Problems, limits: KidneyLimits, *, text: bool) -> int:
    """Stage by codes; a bare N18 counts as G3 unless an eGFR of 60 or more is there."""
    worst = 0
    for condition in problems.every:
        if condition.from_text and not text:
            continue
        if condition.concept == "dialysis":
            worst = max(worst, G5)
        elif condition.concept == "ckd" and condition.group.isdigit():
            worst = max(worst, int(condition.group))
        elif condition.concept == "ckd" and (egfr is None or egfr.value < limits.g3_below):
            worst = max(worst, G3)
    return worst


def _persistent(every: list[Egfr], newest: Egfr | None, limits: KidneyLimits) -> bool:
    """Two eGFR below 60 at least 90 days apart, the newest being one of them (section 9.4)."""
    if newest is None or newest.value >= limits.g3_below:
        return False
    return any(e.value < limits.g3_below and days_between(e.day, newest.day) >= limits.persistent_days for e in every)


def _reported(facts: PatientFacts, limits: Limits, today: date) -> list[Egfr]:
    found = []
    for result in usable_results(facts.egfr, today, limits.card.future_days):
        value = counted_value(interval_of(result))
        r = result.recency
        rank = (r.day, 0, r.instant, r.code, r.status)
        found.append(Egfr(value, _day(result), computed=False, shown=result.shown, rank=rank))
    return found


def _stage_by_blood(facts: PatientFacts, staging: Egfr | None, limits: Limits, today: date) -> int:
    """A newer whole-blood creatinine gives no eGFR (section 3.5), but one that computes to G4 or G5 closes gates."""
    computed = sorted(_computed(facts, limits, today, blood=True), key=lambda e: (e.rank, e.value))
    if not computed or days_between(computed[0].day, today) > limits.windows.egfr:
        return 0
    if staging is not None and computed[0].day < staging.day:
        return 0
    stage = stage_by_value(computed[0].value, limits.kidney)
    return stage if stage >= G4 else 0


def _computed(facts: PatientFacts, limits: Limits, today: date, *, blood: bool) -> list[Egfr]:
    if facts.sex is None or facts.birth_date is None:
        return []
    found = []
    for result in usable_results(facts.creatinine, today, limits.card.future_days):
        value = interval_of(result)
        age = whole_years(facts.birth_date, _day(result))
        if (result.form == BLOOD) is not blood or not value.is_point or value.bound <= 0 or age < ADULT:
            continue
        egfr = ckd_epi_2021(value.bound, age, female=facts.sex == "female")
        r = result.recency
        rank = (r.day, 1, r.instant, 0, r.status)
        shown = str(int(egfr.to_integral_value()))
        found.append(Egfr(egfr, _day(result), computed=True, shown=shown, rank=rank))
    return found


def ckd_epi_2021(creatinine: Decimal, age: int, *, female: bool) -> Decimal:
    """EGFR in mL/min/1.73 m2 from serum *creatinine* in mg/dL, unrounded.

    Source: Inker 2021, doi 10.1056/NEJMoa2102953 (decision table, section 3.5).
    """
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = float(creatinine) / kappa
    value = 142 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age * (1.012 if female else 1.0)
    return Decimal(value)


def counted_value(interval: Interval) -> Decimal:
    """Text forms (section 3.5): `>n` counts as n, but `>59` as 60; `<n` as just below n."""
    if interval.is_point:
        return interval.bound
    if interval.low is not None:
        return Decimal(60) if interval.low == Decimal(59) else interval.low
    return interval.bound - JUST_BELOW


def _race_variants(newest: Egfr | None, every: list[Egfr]) -> bool:
    """Whether two race- or sex-labelled variants of one day were reported and the lower was used."""
    if newest is None or newest.computed:
        return False
    return any(e.rank == newest.rank and e.value != newest.value for e in every)


def _passed_over(facts: PatientFacts, newest: Egfr | None) -> date | None:
    """The day of an unusable eGFR or creatinine newer than the one used; the detail names it (section 4.5)."""
    days = [r.day for r in (*facts.egfr, *facts.creatinine) if r.interval is None and r.day is not None]
    latest = max(days, default=None)
    return latest if latest is not None and (newest is None or latest > newest.day) else None


def _day(result: LabResult) -> date:
    if result.day is None:
        message = "a usable result is dated"
        raise ValueError(message)
    return result.day
