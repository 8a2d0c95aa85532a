"""What the vitamin D course says of a result (R1 to R4, section 13), and why 25(OH)D is asked for (T-D, section 11)."""

from __future__ import annotations

from typing import Literal

from cds_service.clinical.datum import Datum
from cds_service.clinical.days import days_between
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.therapy import lowers_vitamin_d
from cds_service.clinical.trace import Trace, Verdict, no, yes
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Text


class CourseVerdicts(Datum, frozen=True):
    """What is so of the course: R1 to R3 with their reasons, and the path of R4."""

    overdue: Verdict
    running: Verdict
    resistant: Verdict
    at_target: Literal["a", "b"] | None


def judge(s: States, trace: Trace) -> CourseVerdicts:
    """Decide R1 to R4 once; *trace* says of each whether it holds and why."""
    judged = CourseVerdicts(overdue(s), running(s), resistant(s), at_target(s))
    trace.add("R1", judged.overdue)
    trace.add("R2", judged.running)
    trace.add("R3", judged.resistant)
    trace.note("R4", judged.at_target is not None, "path {}: 25(OH)D is {}", judged.at_target, s.d.state)
    return judged


def overdue(s: States) -> Verdict:
    """R1: a course past month 3 without a 25(OH)D that can be banded from month 3 on, where a recheck matters."""
    course = s.therapy.course
    if course is None or course.month3 is None or course.month3 > s.today:
        return no("no course that has reached month 3")
    if s.d.state in (D.HIGH, D.TOX, D.INDET):
        return no("25(OH)D is {}", s.d.state)
    if s.d.banded_on is not None and s.d.banded_on >= course.month3:
        return no("a 25(OH)D of {} is from month 3 or later", s.d.banded_on)
    if s.d.last_band in (D.DEF, D.INS):
        return yes("month 3 was {}; the last 25(OH)D was {}", course.month3, s.d.last_band)
    if s.therapy.high_dose:
        return yes("month 3 was {}; the dose is high", course.month3)
    if s.indication:
        return yes("month 3 was {}; {}", course.month3, s.indication)
    return no("the last 25(OH)D was not low, no high dose, no established indication")


def running(s: States) -> Verdict:
    """R2: a course that has not reached month 3."""
    course = s.therapy.course
    if course is None or course.month3 is None or course.month3 <= s.today:
        return no("no course before its month 3")
    return yes("a course since {}; month 3 is {}", course.s, course.month3)


def resistant(s: States) -> Verdict:
    """R3: still low at month 3 or later, unless the course had ended more than 60 days before the result."""
    course = s.therapy.course
    if course is None or course.month3 is None or not s.d.low:
        return no("no course with a known start, or 25(OH)D not low")
    if s.d.day < course.month3:
        return no("the 25(OH)D is from before month 3 ({})", course.month3)
    gap = s.limits.therapy.resistance_gap_days
    if course.ended is not None and days_between(course.ended, s.d.day) > gap:
        return no("the course ended {}, more than {} days before the result", course.ended, gap)
    return yes("still {} on {}, month 3 was {}", s.d.state, s.d.day, course.month3)


def at_target(s: States) -> Literal["a", "b"] | None:
    """R4: adequate on a high dose (a, step down), or after a course that has ended (b, maintenance)."""
    if s.d.state is not D.OK:
        return None
    course = s.therapy.course
    above = s.therapy.daily_total > s.limits.therapy.step_down_above_per_day
    if s.therapy.high_dose and above and (course is None or course.s is None or s.d.day >= course.s):
        return "a"
    if course is None or course.s is None or course.ended is None or s.d.day < course.s:
        return None
    return None if s.therapy.taking("nutritional-vitd") else "b"


class Trigger(Datum, frozen=True):
    """The trigger that fired: its number in section 11 and its reason."""

    number: int
    reason: Text


def order_trigger(s: States) -> Trigger | None:
    """T-D: the first trigger that holds, where 25(OH)D is not known. Conditions count by code alone (section 8)."""
    if s.d.state is not D.UNK:
        return None
    coded = s.problems.coded
    if coded("vitd-deficiency"):
        return Trigger(1, phrases.TRIGGER_DEFICIENCY())
    if s.kidney.ckd_known:
        return Trigger(2, phrases.TRIGGER_CKD())
    if s.person.obese and s.limits.trigger.obesity and s.guidance.profile.obesity_rule:
        return Trigger(3, phrases.TRIGGER_OBESITY())
    if coded("malabsorption"):
        return Trigger(4, phrases.TRIGGER_MALABSORPTION())
    if coded("osteoporosis"):
        return Trigger(5, phrases.TRIGGER_OSTEOPOROSIS())
    if s.m.state is M.SEV or (s.m.state is M.LOW and not s.m.inside_range):
        return Trigger(6, phrases.TRIGGER_MAGNESIUM())
    drug = lowers_vitamin_d(s.therapy, s.limits.therapy)
    return None if drug is None else Trigger(7, phrases.TRIGGER_DRUG(drug=drug.name))
