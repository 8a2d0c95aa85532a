"""Facts + guidance + today into States: everything the gates and cards ask about, decided once (section 9)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import add_days, days_between
from cds_service.clinical.factors import PHOSPHATE
from cds_service.clinical.facts import LabOrder, LabResult, PatientFacts, Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.limits import Limits, Pair, PendingRules
from cds_service.clinical.states import calcium, kidney, magnesium, people, therapy, vitamin_d
from cds_service.clinical.states.bands import M
from cds_service.clinical.states.calcium import Calcium
from cds_service.clinical.states.kidney import Kidney
from cds_service.clinical.states.magnesium import Magnesium
from cds_service.clinical.states.people import Person, Problems
from cds_service.clinical.states.results import highest_first, interval_of, own_range, usable_results, within
from cds_service.clinical.states.therapy import Therapy
from cds_service.clinical.states.vitamin_d import BandRules, VitaminD

G3, G4 = 3, 4


class Pending(Datum, frozen=True):
    """A test that is under way: its analyte (the code itself where it is of no value set) and the day it is for."""

    analyte: str
    day: date


class States(Datum, frozen=True):
    """What the logic knows of the patient on `today`. `indication` is the established indication, or empty.

    `newest` is the newest usable result of each companion analyte that has one, `under_way` the days of the tests that
    are pending, in order, by analyte; `lacking` are the sources that were not read whole.
    """

    facts: PatientFacts
    guidance: Guidance
    limits: Limits
    today: date
    problems: Problems
    person: Person
    kidney: Kidney
    calcium: Calcium
    therapy: Therapy
    d: VitaminD
    m: Magnesium
    indication: str
    newest: Mapping[str, LabResult]
    under_way: Mapping[str, tuple[date, ...]]
    lacking: frozenset[Source]

    def known(self, *sources: Source) -> bool:
        """Whether every one of *sources* was read whole."""
        return self.lacking.isdisjoint(sources)

    def recent(self, analyte: str, days: int) -> bool:
        """Whether the newest usable result of *analyte* is at most *days* old ("if none <= N d", section 14.2)."""
        return within(self.newest.get(analyte), days, self.today)

    def is_under_way(self, test: str, on: date | None, but: Pending | None = None) -> bool:
        """Whether *test*, on that day or today, would repeat one that is under way, other than *but* (section 17)."""
        if not self.under_way:
            return False
        names, day, apart = {test, self.guidance.labs[test].code}, on or self.today, self.limits.pending.apart
        first, last = add_days(day, -apart), add_days(day, apart)
        listed = [self.under_way[name] for name in names if name in self.under_way]
        count = sum(bisect_right(days, last) - bisect_left(days, first) for days in listed)
        left_out = 1 if but is not None and but.analyte in names and first <= but.day <= last else 0
        return count > left_out

    @property
    def potassium_low(self) -> bool:
        """Potassium below 3.5 mmol/L within its window (R15)."""
        found = self.newest.get("potassium")
        if found is None or not within(found, self.limits.windows.potassium, self.today):
            return False
        return interval_of(found).is_under(self.limits.potassium.low_below)

    @property
    def digoxin_alarm(self) -> bool:
        """R15: low magnesium with digoxin, and magnesium below 0.60 mmol/L or potassium low: arrhythmia is near."""
        if self.m.state is not M.LOW or not self.therapy.taking("digoxin"):
            return False
        low = None if self.m.result is None else interval_of(self.m.result).low
        return low is None or low < self.limits.mg.digoxin_urgent_below or self.potassium_low

    @property
    def phosphate_high(self) -> bool:
        """Phosphate above its limit, in G3 and G4 alone (section 10)."""
        found = self.newest.get("phosphate")
        if found is None or self.kidney.stage not in (G3, G4):
            return False
        fresh = within(found, self.limits.windows.phosphate_hold, self.today)
        return fresh and interval_of(found).is_over(self.limits.phosphate.limit.for_family(found.family))

    @property
    def chemistry_window(self) -> int:
        """Days for which calcium and phosphate are fresh: shorter in CKD G4-G5 (section 5)."""
        windows = self.limits.windows
        return windows.chemistry_ckd if self.kidney.advanced else windows.chemistry


def derive(facts: PatientFacts, guidance: Guidance, today: date) -> States:
    """Derive every state of *facts*, in the order in which they depend on one another."""
    limits = guidance.limits
    problems = people.counting(facts, today, limits.windows.dialysis_code)
    person = people.describe(facts, problems, limits, today)
    facts = with_own_ranges(facts, person)
    usable = usable_companions(facts, limits, today)
    newest = {analyte: results[0] for analyte, results in usable.items() if results}
    renal = kidney.assess(facts, usable, problems, limits, today)
    window = limits.windows.chemistry_ckd if renal.advanced else limits.windows.chemistry
    ca = calcium.assess(facts, usable["calcium"], limits, today, ckd3=renal.ckd3, window=window)
    drugs = therapy.assess(facts.medications, limits.therapy, today)
    pth = newest.get("pth")
    indication = established_indication(problems, renal, ca, drugs, limits)
    rules = BandRules(
        guidance.profile,
        guidance.overlay if renal.ckd3_firm else None,
        indicated=bool(indication),
        pth_normal=pth is not None
        and within(pth, limits.windows.pth, today)
        and not _above(pth, limits.pth.raised_above),
    )
    d = vitamin_d.assess(facts, rules, limits, today, recent_d2=drugs.recent_d2, calcium_very_low=ca.very_low)
    short = renal.advanced or bool(drugs.taking("mg-wasting-strong"))
    digoxin = bool(drugs.taking("digoxin"))
    m = magnesium.assess(facts, limits, today, short_window=short, digoxin=digoxin, calcium_very_low=ca.very_low)
    return States(
        facts=facts,
        guidance=guidance,
        limits=limits,
        today=today,
        problems=problems,
        person=person,
        kidney=renal,
        calcium=ca,
        therapy=drugs,
        d=d,
        m=m,
        indication=indication,
        newest=newest,
        under_way=under_way(facts, limits.pending, today),
        lacking=facts.lacking,
    )


def with_own_ranges(facts: PatientFacts, person: Person) -> PatientFacts:
    """*facts* in which each result has the one range that its laboratory means for this patient (section 4.6)."""
    if not any(result.ranges for result in (*facts.magnesium, *facts.calcium, *facts.pth)):
        return facts

    def settled(results: tuple[LabResult, ...]) -> tuple[LabResult, ...]:
        return tuple(_with_own_range(result, facts, person) for result in results)

    magnesium, calcium, pth = settled(facts.magnesium), settled(facts.calcium), settled(facts.pth)
    return facts.changed(magnesium=magnesium, calcium=calcium, pth=pth)


def _with_own_range(result: LabResult, facts: PatientFacts, person: Person) -> LabResult:
    if not result.ranges:
        return result
    low, high = own_range(result.ranges, age=person.age, sex=facts.sex, pregnant=person.pregnant)
    return result.changed(reference_low=low, reference_high=high, ranges=())


def established_indication(problems: Problems, renal: Kidney, ca: Calcium, drugs: Therapy, limits: Limits) -> str:
    """The first established indication of section 2, or empty; never from a condition's text alone."""
    if problems.coded("osteoporosis"):
        return "osteoporosis"
    if problems.coded("vitd-deficiency"):
        return "vitamin D deficiency or osteomalacia on the problem list"
    if problems.coded("malabsorption"):
        return "malabsorption or bariatric surgery"
    if renal.ckd3_firm:
        return "CKD G3 or worse"
    if problems.coded("hypoparathyroidism", "hypoparathyroidism"):
        return "hypoparathyroidism"
    if problems.coded("hypocalcaemia") or ca.low:
        return "hypocalcaemia"
    drug = therapy.lowers_vitamin_d(drugs, limits.therapy)
    return "" if drug is None else f"a current drug that lowers vitamin D: {drug.name}"


def usable_companions(facts: PatientFacts, limits: Limits, today: date) -> dict[str, list[LabResult]]:
    """The usable results of each companion analyte, newest first (section 4.5); of calcium those that are plausible."""
    future = limits.card.future_days
    return {
        "calcium": calcium.plausible_results(facts, limits, today),
        "phosphate": usable_results(facts.phosphate, today, future, lambda r: highest_first(r, PHOSPHATE)),
        "pth": usable_results(facts.pth, today, future),
        "potassium": usable_results(facts.potassium, today, future),
        "creatinine": usable_results(facts.creatinine, today, future),
        "egfr": usable_results(facts.egfr, today, future),
    }


def under_way(facts: PatientFacts, rules: PendingRules, today: date) -> Mapping[str, tuple[date, ...]]:
    """Active or draft orders not more than 30 days past, and preliminary results at most 30 days old: their days."""
    if not (facts.lab_orders or facts.pending):
        return {}
    found: defaultdict[str, list[date]] = defaultdict(list)
    for order in facts.lab_orders:
        pending = pending_order(order, rules, today)
        if pending is not None:
            found[pending.analyte].append(pending.day)
    for test in facts.pending:
        if days_between(test.day, today) <= rules.preliminary:
            found[test.analyte].append(today)
    return {analyte: tuple(sorted(days)) for analyte, days in found.items()}


def pending_order(order: LabOrder, rules: PendingRules, today: date) -> Pending | None:
    """What *order* has under way: without a day of its own a test of today."""
    if order.occurrence is not None:
        fresh = days_between(order.occurrence, today) <= rules.occurrence_past
        return Pending(order.analyte, order.occurrence) if fresh else None
    fresh = order.authored is not None and days_between(order.authored, today) <= rules.authored
    return Pending(order.analyte, today) if fresh else None


def _above(result: LabResult, limit: Pair) -> bool:
    """Above the observation's own range, or without one above *limit*; an interval that may be above counts."""
    cut = result.reference_high if result.reference_high is not None else limit.for_family(result.family)
    high = interval_of(result).high
    return high is None or high > cut
