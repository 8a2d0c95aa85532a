"""Under 18 (R19): adult doses are withheld; only critical cards stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, phrases
from cds_service.clinical.card import Card
from cds_service.clinical.companions import STATUS_CARDS
from cds_service.clinical.display import in_display_order

if TYPE_CHECKING:
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace


def only_critical(cards: list[Card], s: States, trace: Trace) -> list[Card]:
    """R19: keep critical cards; add K-PEDS if a status card other than K-DINS had been chosen."""
    age = s.person.age
    if age is None or age >= s.limits.people.adult_age:
        trace.no("R19", "age {}: as for an adult", age)
        return cards
    told = [card for card in in_display_order(cards) if card.id in STATUS_CARDS and card.id != "K-DINS"]
    trace.yes("R19", "age {}: {} finding(s) behind K-PEDS", age, len(told))
    kept = [card for card in cards if card.indicator == "critical"]
    if not told:
        return kept
    first = told[0]
    dated = first.finding if str(first.found_on) in first.finding else f"{first.finding} on {first.found_on}"
    says = (phrases.SAY_PEDS(finding=dated),)
    summary = phrases.S_PEDS(finding=first.finding)
    return [*kept, Card("K-PEDS", "info", summary, says, drafts.blocks(s, "K-PEDS"))]
