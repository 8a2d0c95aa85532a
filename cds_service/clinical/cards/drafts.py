"""Builds the drafts that several cards share: orders with their reasons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.clinical.days import add_months
from cds_service.clinical.facts import USABLE, LabResult
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import within
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import DrugDraft, Indicator, LabDraft, Note, Suggestion, Text

VITAMIN_D_LAB, MAGNESIUM_LAB, CALCIUM_LAB, CREATININE_LAB = "vitamin-d", "magnesium", "ca-total", "creatinine"
PHOSPHATE_LAB, PTH_LAB, POTASSIUM_LAB, ACTIVE_D_LAB, ECG = "phosphate", "pth", "potassium", "active-vitamin-d", "ecg"

LABS = (
    VITAMIN_D_LAB, MAGNESIUM_LAB, CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB, PTH_LAB, POTASSIUM_LAB, ACTIVE_D_LAB, ECG,
)  # fmt: skip
"""Every test the logic orders, by the analyte that orders under way have; `orders.toml` must have each."""

WEEKLY = ("d2-weekly", "d3-weekly")
DAILY, DAILY_IN_OBESITY, MAGNESIUM_DAILY = "d3-daily", "d3-daily-obesity", "magnesium-daily"
DRUGS = (*WEEKLY, DAILY, DAILY_IN_OBESITY, MAGNESIUM_DAILY)
"""Every drug order the logic drafts, beside the step-down orders that profiles name."""


def vitamin_d_reason(s: States) -> Text:
    """Why a lab or drug is drafted: the driving 25(OH)D."""
    return _because("25(OH)D", s.d.result)


def magnesium_reason(s: States) -> Text:
    """Why a lab or drug is drafted: the driving magnesium."""
    return _because("magnesium", s.m.result)


def calcium_reason(s: States) -> Text:
    """Why a lab is drafted: the calcium that counts."""
    return _because("calcium", s.calcium.result)


def _because(test: str, result: LabResult | None) -> Text:
    if result is None:
        return phrases.BECAUSE_UNKNOWN(test=test)
    if result.kind is not USABLE:
        return phrases.BECAUSE_UNUSABLE(test=test)
    return phrases.BECAUSE_RESULT(test=test, v=result.shown, u=result.unit, date=str(result.day))


def labs(tests: list[str], because: Text, *, on: date | None = None, urgent: bool = False) -> tuple[Suggestion, ...]:
    """One suggestion ordering *tests*; none where there is nothing to order."""
    if not tests:
        return ()
    return (Suggestion(tuple([LabDraft(test, because, on, urgent) for test in tests])),)


def alarm(s: States) -> Indicator:
    """R15: how urgent a very low calcium makes a card: critical while it is recent."""
    recent = within(s.calcium.result, s.limits.windows.very_low_calcium_critical, s.today)
    return "critical" if recent else "warning"


def in_three_months(s: States) -> date:
    """As-of + 3 calendar months (section 16)."""
    return add_months(s.today, s.limits.repeat.recheck_months)


def course_recheck(s: States) -> date | None:
    """S + 3 calendar months (R2), where the start of the course is known."""
    course = s.therapy.course
    return None if course is None or course.s is None else add_months(course.s, s.limits.repeat.recheck_months)


def treat_vitamin_d(s: States, orders: Iterable[str], note: Note = "") -> tuple[Suggestion, ...]:
    """Each of the vitamin D *orders* with its 25(OH)D recheck after three months."""
    because = vitamin_d_reason(s)
    recheck = LabDraft(VITAMIN_D_LAB, because, in_three_months(s))
    return tuple([Suggestion((DrugDraft(order, because), recheck), note) for order in orders])


def magnesium_order(s: States, because: Text) -> DrugDraft:
    """MR(Mg) with the spacing of chelating drugs (R17) and the limit in reduced kidney function (section 6.2)."""
    added = list(spacing(s))
    if s.kidney.reduced:
        added.append(phrases.BEWARE_CKD_MAGNESIUM_LIMIT())
    return DrugDraft(MAGNESIUM_DAILY, because, tuple(added))


def adjunct(s: States) -> tuple[Suggestion, ...]:
    """R16: MR(Mg) alone, as an optional adjunct."""
    return (Suggestion((magnesium_order(s, magnesium_reason(s)),), "adjunct"),)


def spacing(s: States) -> tuple[Text, ...]:
    """R17: one sentence for each current chelating drug, by its group."""
    said: dict[tuple[str, str], Text] = {}
    for order in s.therapy.taking("mg-chelating"):
        for group in sorted(order.groups & phrases.SPACING.keys()):
            said[group, order.name] = phrases.SPACING[group](drug=order.name)
    return tuple(said.values())
