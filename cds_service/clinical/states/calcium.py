"""Calcium (section 6.2): which result counts, corrected for albumin, and what it says about holds."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from decimal import Decimal
from typing import Self

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import days_between
from cds_service.clinical.factors import CALCIUM
from cds_service.clinical.facts import LabResult, PatientFacts
from cds_service.clinical.interval import Interval
from cds_service.clinical.limits import CalciumLimits, Limits
from cds_service.clinical.numbers import spelled
from cds_service.clinical.states.results import age_in_days, highest_first, interval_of, usable_results

FORM_RANK = {"ionised": 0, "corrected": 1, "computed": 2, "uncorrected": 3}


class Calcium(Datum, frozen=True):
    """The calcium that counts. `form`: ionised, corrected (by the laboratory), computed (with albumin), uncorrected.

    `limit` is what `high` is above, in the unit family of the result. `high` holds at any age of the result; `low`,
    `very_low` and `known` only inside the window. `severe`: severe hypercalcaemia (6.2). `known_normal`: at most 90
    days old and not above the limit of the hold.
    """

    result: LabResult | None
    form: str
    limit: Decimal | None
    high: bool
    severe: bool
    low: bool
    very_low: bool
    known: bool
    known_normal: bool
    passed_over: date | None

    @property
    def day(self) -> date | None:
        """The day of the result that counts."""
        return None if self.result is None else self.result.day


def assess(
    facts: PatientFacts, plausible: list[LabResult], limits: Limits, today: date, *, ckd3: bool, window: int
) -> Calcium:
    """Choose the calcium that counts of the *plausible* ones and compare it in the unit family it was reported in."""
    chosen, form = _choose(facts, plausible, limits, today)
    passed_over = _passed_over(facts, chosen)
    if chosen is None:
        return Calcium(None, "", None, *(False,) * 6, passed_over)
    value = interval_of(chosen)
    ionised = form == "ionised"
    limit = _limit(chosen, limits.calcium, ionised=ionised, ckd3=ckd3)
    severe_limit = limits.calcium.ionised_severe if ionised else limits.calcium.severe
    severe = value.low is not None and value.low >= severe_limit.for_family(chosen.family)
    high = severe or _is_high(value, limit)
    age = age_in_days(chosen, today)
    known = age <= window
    low_limit = limits.calcium.ionised_low if ionised else limits.calcium.low
    low_cut = low_limit.for_family(chosen.family)
    if ionised and chosen.reference_low is not None:
        low_cut = chosen.reference_low
    very_low_limit = limits.calcium.ionised_very_low if ionised else limits.calcium.very_low
    very_low = known and value.is_under(very_low_limit.for_family(chosen.family))
    return Calcium(
        result=chosen,
        form=form,
        limit=limit,
        high=high is True,
        severe=severe,
        low=known and (value.is_under(low_cut) or very_low),
        very_low=very_low,
        known=known,
        known_normal=high is False and age <= limits.windows.calcium_known_normal,
        passed_over=passed_over,
    )


def _limit(result: LabResult, limits: CalciumLimits, *, ionised: bool, ckd3: bool) -> Decimal:
    """The limit of the hold: KDOQI's in CKD G3 or worse; for ionised calcium the laboratory's own, where it has one."""
    if ionised:
        own = result.reference_high
        return own if own is not None else limits.ionised_high.for_family(result.family)
    return (limits.ckd_stop if ckd3 else limits.high).for_family(result.family)


def _is_high(value: Interval, limit: Decimal) -> bool | None:
    """Above the limit of the hold; `None` where an interval leaves it open (not known normal either)."""
    if value.is_over(limit):
        return True
    return False if value.high is not None and value.high <= limit else None


def _choose(
    facts: PatientFacts, plausible: list[LabResult], limits: Limits, today: date
) -> tuple[LabResult | None, str]:
    """Of the newest day the best form, then the newest; of those that are still as good the highest."""
    candidates: dict[tuple[int, float, int], list[tuple[LabResult, str]]] = {}
    albumins = Albumins.of(usable_results(facts.albumin, today, limits.card.future_days))
    for result in plausible:
        if result.day != plausible[0].day:
            break
        used, form = (result, result.form) if result.form != "total" else _corrected(result, albumins, limits.calcium)
        as_good = candidates.setdefault((FORM_RANK[form], result.recency.instant, result.recency.status), [])
        as_good.append((used, form))
    if not candidates:
        return None, ""
    best = candidates[min(candidates)]
    return best[0] if len(best) == 1 else min(best, key=lambda one: (highest_first(one[0], CALCIUM), str(one[0])))


class Albumins(Datum, frozen=True):
    """Albumin in g/dL by day: the lowest of each day, and the days in order, so that the nearest is found at once."""

    lowest: dict[int, Decimal]
    days: list[int]

    @classmethod
    def of(cls, results: list[LabResult]) -> Self:
        """Those of *results* that are one exact value."""
        lowest: dict[int, Decimal] = {}
        for result in results:
            value = interval_of(result)
            if value.is_point:
                day = _ordinal(result)
                lowest[day] = min(value.bound, lowest.get(day, value.bound))
        return cls(lowest, sorted(lowest))

    def nearest(self, day: int, most_days: int) -> Decimal | None:
        """The albumin nearest to *day*, at most so many days apart; of two as near the lower one."""
        place = bisect_left(self.days, day)
        near = [found for found in self.days[max(place - 1, 0) : place + 1] if abs(found - day) <= most_days]
        best = min(near, key=lambda found: (abs(found - day), self.lowest[found]), default=None)
        return None if best is None else self.lowest[best]


def _corrected(result: LabResult, albumins: Albumins, limits: CalciumLimits) -> tuple[LabResult, str]:
    """Total calcium + 0.8 x (4.0 - albumin g/dL) mg/dL, or + 0.02 x (40 - albumin g/L) mmol/L (section 6.2)."""
    grams = albumins.nearest(_ordinal(result), limits.albumin_days)
    if grams is None:
        return result, "uncorrected"
    shift = Decimal("0.8") * (4 - grams) if result.family == "mass" else Decimal("0.02") * (40 - 10 * grams)
    value = interval_of(result).plus(Interval.point(shift))
    unit = CALCIUM.unit(result.family)
    return result.changed(interval=value, reported=None, text=spelled(value), unit=unit), "computed"


def plausible_results(facts: PatientFacts, limits: Limits, today: date) -> list[LabResult]:
    """Usable calcium results newest first; those outside 1.0 to 5.0 mmol/L are passed over (section 4.3)."""
    usable = usable_results(facts.calcium, today, limits.card.future_days, lambda r: highest_first(r, CALCIUM))
    return [result for result in usable if _plausible(result, limits.calcium)]


def _plausible(result: LabResult, limits: CalciumLimits) -> bool:
    """Section 4.3; the limits are those of total calcium, so an ionised value is not judged by them."""
    if result.form == "ionised":
        return True
    return limits.plausible_from_mmol_L <= _in_mmol(result) <= limits.plausible_to_mmol_L


def _in_mmol(result: LabResult) -> Decimal:
    bound = interval_of(result).bound
    return bound / CALCIUM.factor if result.family == "mass" else bound


def _ordinal(result: LabResult) -> int:
    return result.day.toordinal() if result.day is not None else 0


def _passed_over(facts: PatientFacts, chosen: LabResult | None) -> date | None:
    days = [r.day for r in facts.calcium if r.interval is None and r.day is not None]
    latest = max(days, default=None)
    if latest is None or (chosen is not None and chosen.day is not None and days_between(chosen.day, latest) <= 0):
        return None
    return latest
