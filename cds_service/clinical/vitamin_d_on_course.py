"""25(OH)D on or after a course: K-DMAINT, K-RECHECK, K-TOOSOON, K-RESIST (rows 4 to 7 of the D map; R1 to R4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import course, drafts, holds, phrases, wording
from cds_service.clinical.bands import D
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.days import days_between
from cds_service.clinical.drafts import MAGNESIUM_LAB, VITAMIN_D_LAB
from cds_service.clinical.magnesium_request import Asks, wasting_drug, who_asks
from cds_service.clinical.therapy import lowers_vitamin_d
from cds_service.clinical.vitamin_d_parts import (
    build,
    driving,
    intermittent,
    obesity,
    threshold,
    treatment,
    very_low_calcium,
)

if TYPE_CHECKING:
    from cds_service.clinical.card import Indicator, Suggestion, Text
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States


def at_target(s: States, gates: Gates) -> Card | None:
    """K-DMAINT, row 4 (R4): at target on a high dose (a) or after a course (b)."""
    path = course.at_target(s)
    if path is None:
        return None
    result = driving(s)
    closed = gates.step_down if path == "a" else gates.course
    order = s.guidance.profile.step_down_order
    may_fail = s.problems.has("malabsorption") or lowers_vitamin_d(s.therapy, s.limits.therapy) is not None
    offered = order is not None and not closed and not may_fail
    value, maint = wording.value_of(result, s), s.guidance.profile.maintenance
    summary = _maintenance_summary(path, value, maint, offered=offered)
    says = [*drafts.found_vitamin_d(s), threshold(s), *treatment(s)]
    says.append(phrases.SAY_STEP_DOWN() if path == "a" else phrases.SAY_MAINTENANCE())
    suggestions: tuple[Suggestion, ...] = ()
    if offered and order is not None:
        note = phrases.LABEL_STEP_DOWN() if path == "a" else None
        suggestions = (drafts.treat_vitamin_d(s, order, note),)
        says += drafts.calcium_monitoring(s)
    else:
        says += drafts.why_not(phrases.NO_D_ORDER, closed)
        says += [phrases.SAY_MAINTENANCE_MAY_FAIL()] if may_fail else []
    says += [*drafts.malabsorption(s), *holds.soft(s)]
    return build(s, "K-DMAINT", "info", summary, says, suggestions, when={"B-D3": intermittent(s)})


def _maintenance_summary(path: str, value: dict[str, str], maint: str, *, offered: bool) -> Text:
    if path == "a":
        return phrases.S_DMAINT_A(**value, maint=maint) if offered else phrases.S_DMAINT_A_NONE(**value)
    return phrases.S_DMAINT_B(**value, maint=maint) if offered else phrases.S_DMAINT_B_NONE(**value)


def recheck_due(s: States, _: Gates) -> Card | None:
    """K-RECHECK, row 5 (R1): past month 3 without a 25(OH)D from month 3 on."""
    treated = s.therapy.course
    if not course.overdue(s) or treated is None or treated.s is None:
        return None
    weeks = days_between(treated.s, s.today) // 7
    found = drafts.found_vitamin_d(s)
    says = [*found, *treatment(s), *very_low_calcium(s)]
    suggestions = drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s))
    summary = phrases.S_RECHECK(n=str(weeks))
    return build(s, "K-RECHECK", "info", summary, says, suggestions, when={"B-D3": intermittent(s)})


def too_soon(s: States, _: Gates) -> Card | None:
    """K-TOOSOON, row 6 (R2): low, but the course has not reached month 3."""
    treated, recheck = s.therapy.course, drafts.course_recheck(s)
    if not course.running(s) or not s.d.low or treated is None or treated.s is None or recheck is None:
        return None
    result = driving(s)
    days = days_between(treated.s, s.d.day)
    value = wording.value_of(result, s)
    if days >= 0:
        summary = phrases.S_TOOSOON_A(**value, n=str(days))
    else:
        summary = phrases.S_TOOSOON_B(**value, recheck=str(recheck))
    says = [*drafts.found_vitamin_d(s), threshold(s), *treatment(s), phrases.SAY_TOOSOON(date=str(recheck))]
    says += very_low_calcium(s)
    suggestions = drafts.labs([VITAMIN_D_LAB], drafts.vitamin_d_reason(s), on=recheck)
    return build(s, "K-TOOSOON", "info", summary, says, suggestions)


def resistant(s: States, _: Gates) -> Card | None:
    """K-RESIST, row 7 (R3): still low at month 3 or later. No vitamin D order, no automatic increase."""
    treated = s.therapy.course
    if not course.resistant(s) or treated is None or treated.s is None:
        return None
    result = driving(s)
    value = wording.value_of(result, s)
    value["on"] = f"{value['on']}," if value["on"] else ""
    weeks = days_between(treated.s, s.d.day) // 7
    asks = who_asks(s, "K-RESIST", critical=False) is Asks.RESIST
    says = [*drafts.found_vitamin_d(s), threshold(s), *treatment(s), phrases.SAY_RESIST(), *very_low_calcium(s)]
    says += [*drafts.malabsorption(s), *_drugs_behind_resistance(s)]
    if asks:
        says += drafts.unknown_magnesium(s)
        drug = wasting_drug(s)
        says += [] if drug is None else [phrases.SAY_WASTING_TOO(drug=drug.name)]
    suggestions = drafts.labs([MAGNESIUM_LAB] if asks else [], drafts.vitamin_d_reason(s))
    indicator: Indicator = "warning" if s.d.state is D.DEF else "info"
    summary = phrases.S_RESIST(**value, n=str(weeks))
    says += [phrases.BLOCKS["B-TWOWAY"]()] if s.therapy.high_dose else []
    when = {"B-OBESE": obesity(s), "B-D3": intermittent(s), "B-TWOWAY": not s.therapy.high_dose}
    return build(s, "K-RESIST", indicator, summary, says, suggestions, when=when, obese=obesity(s))


def _drugs_behind_resistance(s: States) -> list[Text]:
    says = [phrases.SAY_LIVER()] if s.problems.has("liver") else []
    lowering = lowers_vitamin_d(s.therapy, s.limits.therapy)
    if lowering is not None:
        says.append(phrases.SAY_LOWERING_DRUG(drug=lowering.name))
    unclear = s.therapy.first("unclear-vitd")
    return says if unclear is None else [*says, phrases.SAY_UNCLEAR_DRUG(drug=unclear.name)]
