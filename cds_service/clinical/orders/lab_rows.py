"""The rows on tests that are being ordered: O10 (25(OH)D too soon), O11 (1,25(OH)2D in place of it)."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.cards import d_parts, drafts, findings
from cds_service.clinical.cards.drafts import ACTIVE_D_LAB, VITAMIN_D_LAB
from cds_service.clinical.days import add_months, days_between
from cds_service.clinical.facts import Drafted, Source
from cds_service.clinical.orders.case import OrderCase
from cds_service.clinical.orders.parts import dated, offers
from cds_service.clinical.states.bands import D
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.kidney import G3
from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words.card import Text
from cds_service.clinical.words.order_card import REMOVE, Change, OrderCard

RIGHT_TEST_IN = (
    "ckd", "dialysis", "transplant", "hypercalcaemia", "hypocalcaemia", "hypoparathyroidism", "granulomatous",
    "tuberculosis", "williams", "hypervitaminosis-d", "primary-hyperparathyroidism", "lymphoma", "vitd-soft-hold",
    "stone-history", "active-vitd-indication", "calcitriol-test",
)  # fmt: skip
"""Conditions in which 1,25(OH)2D is a test with a reason (O11)."""
SETTLED = (D.DEF, D.INS, D.OK, D.NOBAND)


def too_soon(case: OrderCase) -> OrderCard | None:
    """O10: 25(OH)D again before it can have settled: three months after its result, or after a course began."""
    s, draft = case.s, case.draft
    if not case.adult or draft.lab is None or draft.lab.analyte != VITAMIN_D_LAB or draft.repeats:
        return None
    if s.d.state not in SETTLED or s.d.provisional or s.calcium.high:
        return None
    if not s.known(Source.VITAMIN_D, Source.MEDICATIONS, Source.CHEMISTRY):
        return None
    expected = _due(s)
    if expected is None:
        return None
    due, summary = expected
    day = draft.lab.occurrence or s.today
    if days_between(day, due) <= s.guidance.order_rows.O10.tolerance_days:
        return None
    suggestions = offers(case, Change("move", on=due), REMOVE)
    name = s.guidance.labs[VITAMIN_D_LAB].name
    found = (say.FOUND_TEST(test=name, date=str(day)), *findings.found_vitamin_d(s))
    return OrderCard("O10", "info", summary, draft.place, name, found=found, suggestions=suggestions)


def _due(s: States) -> tuple[date, Text] | None:
    """From when it is not too soon: b, a course before its month 3; else a, a result of the last three months."""
    course, months = s.therapy.course, s.limits.repeat.recheck_months
    recheck = drafts.course_recheck(s)
    if course is not None and course.s is not None and course.month3 is not None and recheck is not None:
        if s.today < course.month3:
            return recheck, say.S_O10_COURSE(date=str(course.s), due=str(recheck))
        if course.month3 > s.d.day:
            return None
    due = add_months(s.d.day, months)
    if due <= s.today:
        return None
    return due, say.S_O10_RESULT(**dated(d_parts.driving(s)), due=str(due))


def wrong_test(case: OrderCase) -> OrderCard | None:
    """O11: 1,25(OH)2D where nothing gives a reason for it, neither the chart nor the draft."""
    s, draft = case.s, case.draft
    codes = s.guidance.order_rows.O11.codes
    if not case.adult or not any(code in codes for code in draft.codes):
        return None
    if not s.known(Source.CONDITIONS, Source.KIDNEY, Source.CHEMISTRY) or s.d.state in (D.HIGH, D.TOX):
        return None
    if s.kidney.stage >= G3 or s.calcium.high or s.calcium.low or any(case.has(concept) for concept in RIGHT_TEST_IN):
        return None
    fitting = s.known(Source.VITAMIN_D) and not _recent(s) and not case.is_under_way(VITAMIN_D_LAB, _day(draft))
    changes = (Change("recode", test=VITAMIN_D_LAB), REMOVE) if fitting else (REMOVE,)
    so = () if fitting else (say.SO_NO_TEST(),)
    name = s.guidance.labs[ACTIVE_D_LAB].name
    found = (say.FOUND_TEST(test=name, date=str(_day(draft) or s.today)), *findings.found_vitamin_d(s))
    return OrderCard("O11", "info", say.S_O11(), draft.place, name, found, so, suggestions=offers(case, *changes))


def _day(draft: Drafted) -> date | None:
    return None if draft.lab is None else draft.lab.occurrence


def _recent(s: States) -> bool:
    """Whether a 25(OH)D of the last three months can be used."""
    last = s.d.last
    return last is not None and last.day is not None and add_months(last.day, s.limits.repeat.recheck_months) > s.today
