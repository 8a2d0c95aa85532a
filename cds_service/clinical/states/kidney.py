"""Kidney function (sections 3.5 and 9.4): which eGFR decides, the stage, what is known of CKD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import days_between, whole_years
from cds_service.clinical.facts import LabResult, PatientFacts
from cds_service.clinical.interval import Interval
from cds_service.clinical.limits import KidneyLimits, Limits
from cds_service.clinical.states.people import Problems
from cds_service.clinical.states.results import age_in_days, interval_of

JUST_BELOW = Decimal("0.001")
ADULT = 18
G3, G4, G5 = 3, 4, 5
BLOOD = "blood"


class Egfr(Datum, frozen=True):
    """One eGFR in mL/min/1.73 m2, reported or computed from creatinine on *day*."""

    value: Decimal
    day: date
    computed: bool
    shown: str
    rank: tuple[int, int, float, int, int]


class Kidney(Datum, frozen=True):
    """The state of the kidneys. `stage` is G1 to G5 as 1 to 5, 0 where nothing is known.

    `ckd3_firm` leaves out text-only conditions; `egfr_for_magnesium` is the eGFR fresh enough for G-MG (9.4);
    `by_blood` is what a whole-blood creatinine computes to, where that alone makes the stage.
    """

    stage: int
    egfr: Egfr | None
    egfr_for_magnesium: Egfr | None
    by_blood: Egfr | None
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
    def deciding(self) -> Egfr | None:
        """What the stage is told by: whole blood where that makes it, else the newest eGFR."""
        return self.by_blood or self.egfr

    @property
    def how(self) -> str:
        """How `deciding` came to be known."""
        if self.by_blood is not None:
            return BLOOD
        return "computed" if self.egfr is not None and self.egfr.computed else "reported"

    @property
    def reduced(self) -> bool:
        """Stage G3, or an eGFR of 30 to 59: the smaller magnesium dose and the earlier recheck (section 6.2)."""
        return self.stage == G3

    @property
    def advanced(self) -> bool:
        """Stage G4 or G5, or dialysis."""
        return self.stage >= G4 or self.dialysis


def assess(
    facts: PatientFacts, usable: Mapping[str, list[LabResult]], problems: Problems, limits: Limits, today: date
) -> Kidney:
    """Derive the kidney state of *facts*, of which the *usable* eGFR and creatinine count."""
    serum = [result for result in usable["creatinine"] if result.form != BLOOD]
    blood = [result for result in usable["creatinine"] if result.form == BLOOD]
    found = _reported(usable["egfr"]) + _computed(serum, facts)
    every = sorted(found, key=lambda e: (e.rank, e.value, e.shown))
    newest = every[0] if every else None
    window = limits.windows.egfr
    staging = newest if newest is not None and days_between(newest.day, today) <= window else None
    by_value = 0 if staging is None else stage_by_value(staging.value, limits.kidney)
    by_codes = _coded_stage(staging, problems, limits.kidney, text=False)
    stage = max(by_value, _coded_stage(staging, problems, limits.kidney, text=True))
    by_blood = _by_blood(_computed(blood, facts), staging, stage, limits, today)
    if by_blood is not None:
        stage = stage_by_value(by_blood.value, limits.kidney)
    for_magnesium = limits.windows.egfr_ckd if stage >= G3 else limits.windows.egfr
    fresh = newest if newest is not None and days_between(newest.day, today) <= for_magnesium else None
    return Kidney(
        stage=stage,
        egfr=newest,
        egfr_for_magnesium=fresh,
        by_blood=by_blood,
        creatinine_in_window=bool(serum) and age_in_days(serum[0], today) <= for_magnesium,
        ckd3=stage >= G3,
        ckd3_firm=max(by_value, by_codes) >= G3,
        ckd_known=by_codes >= G3 or _persistent(every, staging, limits.kidney),
        dialysis=problems.has("dialysis"),
        transplant=problems.has("transplant"),
        aki=problems.has("aki"),
        race_variants=by_blood is None and _race_variants(newest, every),
        passed_over=_passed_over(facts, newest),
    )


def stage_by_value(value: Decimal, limits: KidneyLimits) -> int:
    """Stage G1 to G5 of an eGFR (section 6.2)."""
    edges = (limits.g2_below, limits.g3_below, limits.g4_below, limits.g5_below)
    return 1 + sum([value < edge for edge in edges])


def _coded_stage(egfr: Egfr | None, problems: Problems, limits: KidneyLimits, *, text: bool) -> int:
    """Stage by codes, with *text* also by conditions known from text; a bare N18 is G3 unless an eGFR is 60 or more."""
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


def _reported(results: Iterable[LabResult]) -> list[Egfr]:
    found = []
    for result in results:
        value = counted_value(interval_of(result))
        r = result.recency
        rank = (r.day, 0, r.instant, r.code, r.status)
        found.append(Egfr(value, _day(result), computed=False, shown=result.shown, rank=rank))
    return found


def _by_blood(computed: list[Egfr], staging: Egfr | None, known: int, limits: Limits, today: date) -> Egfr | None:
    """A newer whole-blood creatinine gives no eGFR (section 3.5), but one that computes to G4 or G5 closes gates.

    On one date a reported eGFR decides. `None` where it makes the stage no worse than is *known*.
    """
    newest = min(computed, key=lambda e: (e.rank, e.value), default=None)
    if newest is None or days_between(newest.day, today) > limits.windows.egfr:
        return None
    if staging is not None and (newest.day < staging.day or (newest.day == staging.day and not staging.computed)):
        return None
    stage = stage_by_value(newest.value, limits.kidney)
    return newest if stage >= G4 and stage > known else None


def _computed(creatinine: Iterable[LabResult], facts: PatientFacts) -> list[Egfr]:
    """The eGFR of each *creatinine* that is one exact value of an adult whose age and sex are known."""
    if facts.sex is None or facts.birth_date is None:
        return []
    found = []
    for result in creatinine:
        value = interval_of(result)
        age = whole_years(facts.birth_date, _day(result))
        if not value.is_point or value.bound <= 0 or age < ADULT:
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
        above_59 = interval.low == Decimal(59) and not interval.low_closed
        return Decimal(60) if above_59 else interval.low
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
        raise ValueError("a usable result is dated")
    return result.day
