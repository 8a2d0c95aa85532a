"""Low 25(OH)D without a course to judge: K-DDEF and K-DINS (rows 3, 8 and 9 of the D map; R10, R12, R13, R15, R17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, holds, phrases, wording
from cds_service.clinical.bands import D
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.drafts import CALCIUM_LAB, CREATININE_LAB, MAGNESIUM_LAB, PTH_LAB
from cds_service.clinical.vitamin_d_parts import build, driving, obesity, threshold

if TYPE_CHECKING:
    from cds_service.clinical.card import Suggestion, Text
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States


def low_with_very_low_calcium(s: States, _: Gates) -> Card | None:
    """K-DDEF or K-DINS, row 3 (R15): low 25(OH)D and very low calcium, whatever the course: urgent, no order."""
    calcium = s.calcium.result
    if not s.d.low or not s.calcium.very_low or calcium is None:
        return None
    result = driving(s)
    summary = phrases.S_CALCIUM_VERY_LOW(
        v=calcium.shown, u=calcium.unit, date=str(calcium.day), v2=result.shown, u2=result.unit
    )
    codes = [CALCIUM_LAB, MAGNESIUM_LAB, PTH_LAB, CREATININE_LAB]
    says = [
        *drafts.found_vitamin_d(s),
        *drafts.found_calcium(s),
        threshold(s),
        phrases.NO_D_ORDER(reasons=(phrases.GATE_CA(),)),
    ]
    name = "K-DDEF" if s.d.state is D.DEF else "K-DINS"
    suggestions = drafts.labs(codes, drafts.calcium_reason(s), urgent=True)
    return build(s, name, "critical", summary, says, suggestions, when=_low_blocks(s, course=False))


def deficient(s: States, gates: Gates) -> Card | None:
    """K-DDEF, row 8: deficient. Orders by R10, R12 and the Floor (R13); without one, why not."""
    if s.d.state is not D.DEF:
        return None
    edges = wording.vitamin_d_edges(s)
    value = {**wording.value_of(driving(s), s), "cut": edges["lo"], "cu": edges["cu"]}
    says = [*drafts.found_vitamin_d(s), threshold(s)]
    suggestions: tuple[Suggestion, ...] = ()
    if gates.course:
        summary = phrases.S_DDEF_NONE(**value)
        says += drafts.why_not(phrases.NO_D_ORDER, gates.course)
    else:
        summary = phrases.S_DDEF(**value)
        suggestions = tuple(drafts.treat_vitamin_d(s, order) for order in deficiency_orders(s))
        says += _order_sentences(s)
    says += _low_sentences(s)
    blocks = _low_blocks(s, course=bool(suggestions))
    return build(s, "K-DDEF", "warning", summary, says, suggestions, when=blocks, obese=obesity(s))


def deficiency_orders(s: States) -> list[str]:
    """S1, S2 and, by R10 and R12, S3 in their order (section 14.2)."""
    if s.guidance.profile.deficiency_orders == "daily":
        return [drafts.DAILY]
    weekly = list(drafts.WEEKLY)
    daily = drafts.DAILY_IN_OBESITY if obesity(s) else drafts.DAILY
    from_fifty = s.person.age is not None and s.person.age >= s.limits.people.daily_first_age
    if from_fifty and not s.d.floor:
        return [daily, *weekly]
    return [*weekly, daily] if from_fifty or obesity(s) else weekly


def insufficient(s: States, gates: Gates) -> Card | None:
    """K-DINS, row 9: insufficient. Daily D3; in obesity a second alternative with 4,000 IU (R10)."""
    if s.d.state is not D.INS:
        return None
    edges = wording.vitamin_d_edges(s)
    value = {**wording.value_of(driving(s), s), "lo": edges["lo"], "hi": edges["hi"], "cu": edges["cu"]}
    says = [*drafts.found_vitamin_d(s), threshold(s)]
    suggestions: tuple[Suggestion, ...] = ()
    if gates.course:
        summary = phrases.S_DINS_NONE(**value)
        says += drafts.why_not(phrases.NO_D_ORDER, gates.course)
    else:
        orders = [drafts.DAILY, *([drafts.DAILY_IN_OBESITY] if obesity(s) else [])]
        value["dose"] = "2,000-4,000" if obesity(s) else "2,000"
        suggestions = tuple(drafts.treat_vitamin_d(s, order) for order in orders)
        says += _order_sentences(s)
        if s.d.spanning:
            del value["lo"]
            summary = phrases.S_DINS_INTERVAL(**value)
        else:
            summary = phrases.S_DINS(**value)
    says += _low_sentences(s)
    blocks = _low_blocks(s, course=bool(suggestions))
    return build(s, "K-DINS", "info", summary, says, suggestions, when=blocks, obese=obesity(s))


def _order_sentences(s: States) -> list[Text]:
    """R17, where a vitamin D order is offered."""
    says = drafts.calcium_monitoring(s)
    if s.calcium.result is None:
        says.append(phrases.SAY_NO_CALCIUM())
    if s.problems.has("stone-history"):
        says.append(phrases.SAY_STONE_HISTORY())
    if s.problems.has("lactation"):
        says.append(phrases.SAY_LACTATION())
    if s.therapy.taking("calcium-salts"):
        says.append(phrases.SAY_CALCIUM_SALT())
    return says


def _low_sentences(s: States) -> list[Text]:
    return [*holds.soft(s), *drafts.supplements(s), *drafts.malabsorption(s)]


def _low_blocks(s: States, *, course: bool) -> dict[str, bool]:
    """Blocks with a condition (section 14.3). What follows a course, and what goes with it, is said beside one only."""
    return {"B-FLOOR": s.d.floor, "B-OBESE": obesity(s), "B-MAINT": course, "B-CONCURRENT": course}
