"""What the vitamin D cards share: how one is built, thresholds, sentences of R8, R10 and R15."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import course, drafts, phrases, wording
from cds_service.clinical.card import Card, Suggestion

if TYPE_CHECKING:
    from cds_service.clinical.card import Indicator, Text
    from cds_service.clinical.facts import LabResult
    from cds_service.clinical.states import States


def build(  # noqa: PLR0913 - a card has as many parts
    s: States,
    card_id: str,
    indicator: Indicator,
    summary: Text,
    says: list[Text],
    suggestions: tuple[Suggestion, ...],
    *,
    when: dict[str, bool] | None = None,
    obese: bool = False,
) -> Card:
    """One vitamin D card with its blocks (those in *when* only if their rule holds) and the finding K-PEDS may name."""
    result, shown = s.d.result, drafts.blocks(s, card_id, when)
    finding = "" if result is None else f"25(OH)D {result.shown} {result.unit}{wording.on(result, s)}"
    return Card(
        id=card_id,
        indicator=indicator,
        summary=summary,
        says=tuple(says),
        blocks=shown,
        target=wording.target(s) if "B-TARGET" in shown else "",
        suggestions=suggestions,
        finding=finding,
        found_on=None if result is None else result.day,
        obese=obese,
    )


def driving(s: States) -> LabResult:
    """The result behind the state.

    Raises:
        ValueError: 25(OH)D has no driving result.
    """
    if s.d.result is None:
        message = "a banded 25(OH)D has a driving result"
        raise ValueError(message)
    return s.d.result


def threshold(s: States) -> Text:
    """The cut-offs in force and the profile they belong to."""
    edges = wording.vitamin_d_edges(s)
    profile = s.guidance.profile_name
    if edges["lo"] == edges["hi"]:
        return phrases.THRESHOLD_D_ONE(profile=profile, lo=edges["lo"], cu=edges["cu"])
    return phrases.THRESHOLD_D(profile=profile, lo=edges["lo"], hi=edges["hi"], cu=edges["cu"])


def high_threshold(s: States) -> Text:
    """The caution and the toxic line, and the profile they belong to."""
    edges = wording.vitamin_d_edges(s)
    return phrases.THRESHOLD_D_HIGH(profile=s.guidance.profile_name, top=edges["top"], tox=edges["tox"], cu=edges["cu"])


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


def recheck_dated(s: States) -> list[Text]:
    """R2: while a course runs, the day it is rechecked."""
    recheck = drafts.course_recheck(s)
    return [phrases.SAY_RECHECK(date=str(recheck))] if course.running(s) and recheck is not None else []


def very_low_calcium(s: States) -> list[Text]:
    """R15: the card stays and says that calcium comes first."""
    return [phrases.SAY_CALCIUM_VERY_LOW()] if s.calcium.very_low else []
