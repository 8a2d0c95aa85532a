"""What the magnesium cards share: the case they read, how one is built, thresholds, the adjunct (R16), sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases, wording
from cds_service.clinical.bands import D, M
from cds_service.clinical.card import Card, Suggestion
from cds_service.clinical.drafts import CALCIUM_LAB, CREATININE_LAB, ECG, MAGNESIUM_LAB, POTASSIUM_LAB
from cds_service.clinical.magnesium_request import Asks
from cds_service.clinical.results import age_in_days

if TYPE_CHECKING:
    from cds_service.clinical.card import Indicator, Text
    from cds_service.clinical.facts import LabResult
    from cds_service.clinical.gates import Closed, Gates
    from cds_service.clinical.states import States


@dataclass(frozen=True, slots=True)
class Case:
    """What the M map reads: states, gates, the vitamin D card of this response, and who asks for magnesium (R5)."""

    s: States
    gates: Gates
    vitamin_d: Card | None
    asks: Asks

    @property
    def vitamin_d_id(self) -> str:
        """The id of the vitamin D card, or empty."""
        return "" if self.vitamin_d is None else self.vitamin_d.id


def adjunct(case: Case) -> bool:
    """R16: magnesium alone as an adjunct to a vitamin D order, in `magnesium-aware` and by the adjunct gates."""
    s = case.s
    fits = s.m.state in (M.NORM, M.LAT) or (s.m.state is M.LOW and s.m.inside_range)
    beside = case.vitamin_d_id == "K-DDEF" and case.vitamin_d is not None and case.vitamin_d.offers_drug
    return s.guidance.profile.adjunct_magnesium and s.d.state is D.DEF and fits and beside and not case.gates.adjunct


def urgent_set(s: States) -> tuple[Suggestion, ...]:
    """ECG, potassium, calcium, creatinine, and magnesium if its result is more than a day old; all urgent."""
    codes = [ECG, POTASSIUM_LAB, CALCIUM_LAB, CREATININE_LAB]
    if age_in_days(driving(s), s.today) > s.limits.repeat.magnesium_urgent:
        codes.append(MAGNESIUM_LAB)
    return drafts.labs(codes, drafts.magnesium_reason(s), urgent=True)


def build(  # noqa: PLR0913 - a card has as many parts
    s: States,
    card_id: str,
    indicator: Indicator,
    summary: Text,
    says: list[Text],
    suggestions: tuple[Suggestion, ...],
    *,
    when: dict[str, bool] | None = None,
) -> Card:
    """One magnesium card with its blocks (those in *when* only if their rule holds) and the finding K-PEDS may name."""
    result = s.m.result
    finding = "" if result is None else f"magnesium {result.shown} {result.unit}{wording.on(result, s)}"
    return Card(
        id=card_id,
        indicator=indicator,
        summary=summary,
        says=tuple(says),
        blocks=drafts.blocks(s, card_id, when),
        suggestions=suggestions,
        finding=finding if not s.m.unknown else "",
        found_on=None if result is None else result.day,
    )


def driving(s: States) -> LabResult:
    """The result behind the state.

    Raises:
        ValueError: magnesium has no driving result.
    """
    if s.m.result is None:
        message = "a banded magnesium has a driving result"
        raise ValueError(message)
    return s.m.result


def threshold(s: States) -> Text:
    """The bands as printed in the unit family of the result (section 6.1)."""
    result = driving(s)
    mg = s.limits.mg
    return phrases.THRESHOLD_MG(
        low=wording.magnesium_cut(mg.low, result),
        latent=wording.magnesium_cut(mg.latent, result),
        top=wording.magnesium_cut(mg.normal_to, result),
        cu=wording.magnesium_unit(result),
    )


def high_threshold(s: States, result: LabResult) -> Text:
    """The upper bands as printed in the unit family of *result*."""
    mg = s.limits.mg
    return phrases.THRESHOLD_MG_HIGH(
        top=wording.magnesium_cut(mg.normal_to, result),
        very_high=wording.magnesium_cut(mg.very_high, result),
        cu=wording.magnesium_unit(result),
    )


def two_way(s: States) -> list[Text]:
    """R6: the sentence, which is then always shown; without R6 B-TWOWAY is a block like others."""
    return [phrases.BLOCKS["B-TWOWAY"]()] if depleting(s) else []


def calcium_salts(s: States) -> list[Text]:
    """Section 19: calcium supplements are named where magnesium is low or low-normal."""
    return [phrases.SAY_CALCIUM_SALT_MAGNESIUM()] if s.therapy.taking("calcium-salts") else []


def wasting_names(s: States) -> str:
    """The current magnesium-wasting drugs by name (R17)."""
    return ", ".join(order.name for order in drafts.wasting_drugs(s))


def depleting(s: States) -> bool:
    """R6: high-dose vitamin D while magnesium is SEV, LOW or LAT."""
    return s.therapy.high_dose and s.m.state in (M.SEV, M.LOW, M.LAT)


def first_of_g_mg(closed: tuple[Closed, ...]) -> tuple[Closed, ...]:
    """The first closed condition of G-MG, the other closed gates (section 15), and what was not available (9.6)."""
    first = next((item for item in closed if item.gate == "G-MG"), None)
    return tuple(item for item in closed if item.gate != "G-MG" or item is first or "source" in item.reason.values)
