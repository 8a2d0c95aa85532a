"""Facts about the person (section 9.5): age, pregnancy, obesity, and the conditions that count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import days_between, whole_years
from cds_service.clinical.facts import LabResult, PatientFacts, Problem, Source
from cds_service.clinical.limits import Limits
from cds_service.clinical.states.results import interval_of, usable_results, within

COUNT_WHEN_INACTIVE = frozenset({"transplant", "williams"})
"""Concepts that count even when inactive (section 8); bariatric surgery is a group of `malabsorption`."""

TOLD_OF_PREGNANCY = (Source.CONDITIONS, Source.VITALS)


class Problems(Datum, frozen=True):
    """The conditions that count, and by value set: `any_source` from a code or text, `by_code` from a code."""

    every: tuple[Problem, ...]
    any_source: frozenset[tuple[str, str | None]]
    by_code: frozenset[tuple[str, str | None]]

    def has(self, concept: str, group: str | None = None) -> bool:
        """Whether a counting condition of *concept* is there, from a code or from text (closes gates)."""
        return (concept, group) in self.any_source

    def coded(self, concept: str, group: str | None = None) -> bool:
        """The same from codes alone: triggers, indications and whatever opens something."""
        return (concept, group) in self.by_code


def counting(facts: PatientFacts, today: date, dialysis_days: int) -> Problems:
    """Leave only the conditions that count (section 8)."""
    every = tuple([c for c in facts.conditions if _counts(c, today, dialysis_days)])
    return Problems(every, _index(every), _index([c for c in every if not c.from_text]))


def _index(conditions: Iterable[Problem]) -> frozenset[tuple[str, str | None]]:
    """Each value set, and each of its sub-groups."""
    return frozenset([key for c in conditions for key in ((c.concept, None), (c.concept, c.group))])


def _counts(condition: Problem, today: date, dialysis_days: int) -> bool:
    if condition.active or condition.concept in COUNT_WHEN_INACTIVE or condition.group == "bariatric":
        return True
    last = condition.last_day
    return condition.concept == "dialysis" and last is not None and days_between(last, today) <= dialysis_days


class Person(Datum, frozen=True):
    """Age in whole years (the youngest possible), pregnancy, obesity. `pregnancy_known`: either answer is recorded."""

    age: int | None
    male: bool
    pregnant: bool
    pregnancy_known: bool
    obese: bool
    bmi: Decimal | None


def describe(facts: PatientFacts, problems: Problems, limits: Limits, today: date) -> Person:
    """Derive the person from *facts*."""
    age = None if facts.birth_date is None else whole_years(facts.birth_date, today)
    pregnant = is_pregnant(facts, problems, limits, today)
    bmi = body_mass_index(facts, limits, today)
    obese = problems.coded("obesity") or (bmi is not None and bmi >= limits.obesity.bmi)
    known = pregnant or facts.lacking.isdisjoint(TOLD_OF_PREGNANCY)
    return Person(age, facts.sex == "male", pregnant, known, obese, bmi)


def is_pregnant(facts: PatientFacts, problems: Problems, limits: Limits, today: date) -> bool:
    """Pregnancy as of *today*, from a Condition or from 82810-3; a newer "not pregnant" cancels both (section 9.5).

    An answer of a day to come (another time zone, a slip) closes a gate, but opens none: "not pregnant" waits.
    """
    if not facts.pregnancy and not problems.has("pregnancy"):
        return False
    people = limits.people
    told = max((a.day for a in facts.pregnancy if a.pregnant), default=None)
    denied = max((a.day for a in facts.pregnancy if not a.pregnant and a.day <= today), default=None)
    if told is not None and days_between(told, today) < people.pregnancy_answer_days and _stands(told, denied):
        return True
    lately = denied is not None and days_between(denied, today) < people.pregnancy_answer_days
    for condition in problems.every:
        if condition.concept != "pregnancy":
            continue
        if condition.day is None:
            if not lately:
                return True
        elif days_between(condition.day, today) < people.pregnancy_condition_days and _stands(condition.day, denied):
            return True
    return False


def _stands(recorded: date, denied: date | None) -> bool:
    """Whether a record of pregnancy is not older than the newest "not pregnant"."""
    return denied is None or recorded >= denied


def body_mass_index(facts: PatientFacts, limits: Limits, today: date) -> Decimal | None:
    """BMI in kg/m2: 39156-5, else weight over height squared, unrounded; `None` when unknown or implausible."""
    future, body = limits.card.future_days, limits.windows.body
    reported = next(iter(usable_results(facts.bmi, today, future)), None)
    if reported is not None and within(reported, body, today):
        return _plausible(interval_of(reported).bound, limits)
    weight = next(iter(usable_results(facts.weight, today, future)), None)
    height = next((h for h in usable_results(facts.height, today, future) if _adult(h, facts, limits)), None)
    if weight is None or height is None or not within(weight, body, today):
        return None
    metres = interval_of(height).bound
    if metres <= 0:
        return None
    return _plausible(interval_of(weight).bound / (metres * metres), limits)


def _plausible(bmi: Decimal, limits: Limits) -> Decimal | None:
    return bmi if limits.obesity.plausible_bmi_from <= bmi <= limits.obesity.plausible_bmi_to else None


def _adult(height: LabResult, facts: PatientFacts, limits: Limits) -> bool:
    if height.day is None or facts.birth_date is None:
        return False
    return whole_years(facts.birth_date, height.day) >= limits.obesity.adult_height_age
