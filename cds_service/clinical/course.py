"""What the vitamin D course says about a result: overdue, running, resistant, at target (R1 to R4, section 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cds_service.clinical.bands import D
from cds_service.clinical.days import days_between
from cds_service.clinical.trace import Verdict, no, yes

if TYPE_CHECKING:
    from cds_service.clinical.states import States


def overdue(s: States) -> Verdict:
    """R1: a course past month 3 without a 25(OH)D from month 3 on, where a recheck matters."""
    course = s.therapy.course
    if course is None or course.month3 is None or course.month3 > s.today:
        return no("no course that has reached month 3")
    if s.d.state in (D.HIGH, D.TOX, D.INDET):
        return no("25(OH)D is {}", s.d.state)
    later = next((r for r in s.d.usable if r.day is not None and r.day >= course.month3), None)
    if later is not None:
        return no("a 25(OH)D of {} is from month 3 or later", later.day)
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
    if s.therapy.high_dose and (course is None or course.s is None or s.d.day >= course.s):
        return "a"
    if course is None or course.s is None or course.ended is None or s.d.day < course.s:
        return None
    return None if s.therapy.taking("nutritional-vitd") else "b"
