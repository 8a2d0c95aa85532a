"""What the vitamin D cards share: how one is built, and what R2, R8, R10 and R15 say on them."""

from __future__ import annotations

from cds_service.clinical.cards import drafts
from cds_service.clinical.cards.case import Case
from cds_service.clinical.cards.drafts import CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB, VITAMIN_D_LAB
from cds_service.clinical.facts import LabResult
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.results import age_in_days
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Suggestion, Text, Value


def driving(s: States) -> LabResult:
    """The result behind the state.

    Raises:
        ValueError: 25(OH)D has no driving result.
    """
    if s.d.result is None:
        raise ValueError("a banded 25(OH)D has a driving result")
    return s.d.result


def toxicity_labs(s: States) -> tuple[Suggestion, ...]:
    """What a toxic 25(OH)D asks for, urgently; 25(OH)D itself only if its result is old (section 14.2)."""
    codes = [CALCIUM_LAB, CREATININE_LAB, PHOSPHATE_LAB]
    if age_in_days(driving(s), s.today) > s.limits.repeat.vitamin_d_toxic:
        codes.append(VITAMIN_D_LAB)
    return drafts.labs(codes, drafts.vitamin_d_reason(s), urgent=True)


def high_level_labs(s: States) -> tuple[Suggestion, ...]:
    """What a high 25(OH)D asks for: calcium, if none is recent (section 14.2)."""
    codes = [] if s.recent("calcium", s.limits.repeat.calcium) else [CALCIUM_LAB]
    return drafts.labs(codes, drafts.vitamin_d_reason(s))


def obesity(s: States) -> bool:
    """R10: obese, and the profile has the obesity rule."""
    return s.person.obese and s.guidance.profile.obesity_rule


def intermittent(s: States) -> bool:
    """R8: intermittent ergocalciferol is current."""
    return s.therapy.intermittent_d2 is not None


def treatment(s: States) -> list[Text]:
    """The drug and the day the course is counted from."""
    treated = s.therapy.course
    if treated is None or treated.s is None:
        return []
    return [phrases.FOUND_COURSE(drug=treated.order.name, date=str(treated.s))]


def recheck_dated(case: Case) -> Text | None:
    """R2: while a course runs, the day it is rechecked."""
    recheck = drafts.course_recheck(case.s)
    return phrases.THEN_RECHECK_ON(date=str(recheck)) if case.course.running and recheck is not None else None


def maintenance(case: Case) -> dict[str, Value]:
    """`{maint}` and `{advice}` of B-MAINT: its magnesium half only where G-ADV is open."""
    advice: Value = phrases.ADVISE_WITH_MAINTENANCE() if case.gates.advice else ""
    return {"maint": case.s.guidance.profile.maintenance, "advice": advice}


def very_low_calcium(s: States) -> list[Text]:
    """R15: the card stays and says that calcium comes first."""
    return [phrases.BEWARE_CALCIUM_VERY_LOW()] if s.calcium.very_low else []
