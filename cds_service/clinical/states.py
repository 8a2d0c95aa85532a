"""Facts + guidance + today into States: everything the gates and cards ask about, decided once (section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.clinical import calcium, kidney, magnesium_state, people, therapy, vitamin_d_state
from cds_service.clinical.facts import Source
from cds_service.clinical.results import highest_first, interval_of, usable_results, within
from cds_service.clinical.vitamin_d_state import BandRules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cds_service.clinical.calcium import Calcium
    from cds_service.clinical.facts import LabResult, PatientFacts
    from cds_service.clinical.guidance_types import Guidance
    from cds_service.clinical.kidney import Kidney
    from cds_service.clinical.limit_types import Limits, Pair
    from cds_service.clinical.magnesium_state import Magnesium
    from cds_service.clinical.people import Person, Problems
    from cds_service.clinical.therapy import Therapy
    from cds_service.clinical.trace import Trace
    from cds_service.clinical.vitamin_d_state import VitaminD

G3, G4 = 3, 4
PHOSPHATE_MG_PER_MMOL = Decimal("3.0974")
"""1 mmol/L of phosphate, as phosphorus, in mg/dL (section 4.1)."""


@dataclass(frozen=True, slots=True)
class States:
    """What the logic knows of the patient on `today`. `indication` is the established indication, or empty.

    `newest` is the newest usable result of each companion analyte that has one.
    """

    facts: PatientFacts
    guidance: Guidance
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

    @property
    def limits(self) -> Limits:
        """The cut-offs and windows in force."""
        return self.guidance.limits

    def known(self, *sources: Source) -> bool:
        """Whether every one of *sources* was read whole."""
        return all(self.facts.known(source) for source in sources)

    def recent(self, analyte: str, days: int) -> bool:
        """Whether the newest usable result of *analyte* is at most *days* old ("if none <= N d", section 14.2)."""
        return within(self.newest.get(analyte), days, self.today)

    @property
    def potassium_low(self) -> bool:
        """Potassium below 3.5 mmol/L within its window (R15)."""
        found = self.newest.get("potassium")
        if found is None or not within(found, self.limits.windows.potassium, self.today):
            return False
        return interval_of(found).is_under(self.limits.potassium.low_below)

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


def derive(facts: PatientFacts, guidance: Guidance, today: date, trace: Trace) -> States:
    """Derive every state of *facts*, in the order in which they depend on one another."""
    limits = guidance.limits
    problems = people.counting(facts, today, limits.windows.dialysis_code)
    person = people.describe(facts, problems, limits, today)
    renal = kidney.assess(facts, problems, limits, today)
    window = limits.windows.chemistry_ckd if renal.advanced else limits.windows.chemistry
    ca = calcium.assess(facts, limits, today, ckd3=renal.ckd3, window=window)
    drugs = therapy.assess(facts.medications, limits.therapy, today)
    newest = newest_companions(facts, limits, today)
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
    d = vitamin_d_state.assess(facts, rules, limits, today, recent_d2=drugs.recent_d2)
    short = renal.advanced or bool(drugs.taking("mg-wasting-strong"))
    digoxin = bool(drugs.taking("digoxin"))
    m = magnesium_state.assess(facts, limits, today, short_window=short, digoxin=digoxin)
    states = States(
        facts=facts,
        guidance=guidance,
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
    )
    _trace(states, trace)
    return states


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


def newest_companions(facts: PatientFacts, limits: Limits, today: date) -> dict[str, LabResult]:
    """The newest usable result of each companion analyte (section 4.5)."""
    future = limits.card.future_days
    found = {
        "calcium": calcium.plausible_results(facts, limits, today),
        "phosphate": usable_results(facts.phosphate, today, future, lambda r: highest_first(r, PHOSPHATE_MG_PER_MMOL)),
        "pth": usable_results(facts.pth, today, future),
        "potassium": usable_results(facts.potassium, today, future),
        "creatinine": usable_results(facts.creatinine, today, future),
        "egfr": usable_results(facts.egfr, today, future),
    }
    return {analyte: results[0] for analyte, results in found.items() if results}


def _above(result: LabResult, limit: Pair) -> bool:
    """Above the observation's own range, or without one above *limit*; an interval that may be above counts."""
    cut = result.reference_high if result.reference_high is not None else limit.for_family(result.family)
    high = interval_of(result).high
    return high is None or high > cut


def _trace(s: States, trace: Trace) -> None:
    d, m, egfr, course = s.d, s.m, s.kidney.egfr, s.therapy.course
    trace.yes("D", "{}: {} {} {}", d.state, Shown(d.result), d.provisional, d.problem)
    trace.yes("M", "{}: {} {}", m.state, Shown(m.result), m.problem)
    trace.note(
        "KIDNEY", s.kidney.stage > 0, "stage G{}: eGFR {}", s.kidney.stage, egfr and f"{egfr.shown} of {egfr.day}"
    )
    trace.note("INDICATION", s.indication, s.indication or "no established indication")
    if course is None:
        trace.no("COURSE", "no course-grade vitamin D order counts")
    else:
        trace.yes("COURSE", "S {}, month 3 from {}, {}", course.s, course.month3, course.ended or "current")


@dataclass(frozen=True, slots=True)
class Shown:
    """A result as the trace tells it; spelled out only when the trace is read."""

    result: LabResult | None

    def __str__(self) -> str:
        r = self.result
        return "no result to read" if r is None else f"{r.shown} {r.unit} ({r.code}) of {r.day}"
