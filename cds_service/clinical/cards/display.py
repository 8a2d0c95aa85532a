"""What is shown in the end: under 18 only critical cards (R19), display order and folding (section 18)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.clinical.guidance_types import CardEntry
from cds_service.clinical.states.derive import States
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card

PLACE = {name: place for place, name in enumerate(CATALOGUE)}
LEVEL = {"critical": 0, "warning": 1, "info": 2}


def in_display_order(cards: Iterable[Card]) -> list[Card]:
    """Critical, then warning, then info; inside a level the order of section 18."""
    return sorted(cards, key=lambda card: (LEVEL[card.indicator], PLACE[card.id]))


def fold(cards: list[Card], max_cards: int, entries: Mapping[str, CardEntry], trace: Trace) -> tuple[Card, ...]:
    """Keep every critical and warning card and info cards up to *max_cards*; the rest become one line each."""
    counted = [card for card in cards if not CATALOGUE[card.id].stays]
    if len(counted) <= max_cards:
        return tuple(cards)
    info = [card.id for card in counted if card.indicator == "info"]
    room = max(max_cards - (len(counted) - len(info)), 0)
    folded = info[room:]
    shown = [card for card in cards if card.id not in folded]
    if not shown or not folded:
        return tuple(cards)
    place = _carrier(shown, room)
    for card_id in folded:
        trace.yes("FOLD", "{} is one line under {}", card_id, shown[place].id)
    titles = tuple(entries[card_id].display for card_id in folded)
    shown[place] = shown[place].changed(also_noted=titles)
    return tuple(shown)


def _carrier(shown: list[Card], room: int) -> int:
    """Which card notes the folded ones: the last that is not critical; without room for info cards, of the urgent."""
    levels = ("warning", "info") if room else ("warning",)
    milder = [place for place, card in enumerate(shown) if card.indicator in levels]
    urgent = [place for place, card in enumerate(shown) if card.indicator != "info"]
    return (milder or urgent or [len(shown) - 1])[-1]


def only_critical(cards: list[Card], s: States, trace: Trace) -> list[Card]:
    """R19: keep critical cards; add K-PEDS if a status card had been chosen, K-DINS only with a very low calcium."""
    age = s.person.age
    if age is None or age >= s.limits.people.adult_age:
        trace.no("R19", "age {}: as for an adult", age)
        return cards
    told = [card for card in in_display_order(cards) if CATALOGUE[card.id].status and _tells(card, s)]
    trace.yes("R19", "age {}: {} finding(s) behind K-PEDS", age, len(told))
    kept = [card for card in cards if card.indicator == "critical"]
    if not told:
        return kept
    summary = phrases.S_PEDS(finding=_finding(told[0], s))
    found = (phrases.FOUND_IN_CHILD(finding=_finding(told[0], s, dated=True)),)
    return [*kept, Card("K-PEDS", "info", summary, found=found, so=(phrases.SO_PEDS(),))]


def _finding(card: Card, s: States, *, dated: bool = False) -> str:
    """The result that *card* tells: a very low calcium, always with its day, before the 25(OH)D beside it."""
    if card.id.startswith("K-MG"):
        name, result = "magnesium", s.m.result
    elif s.d.low and s.calcium.very_low:
        name, result, dated = "calcium", s.calcium.result, True
    else:
        name, result = "25(OH)D", s.d.result
    if result is None:
        raise ValueError("a card that tells a finding has a result")
    return f"{name} {result.shown} {result.unit}{wording.on(result, s, always=dated)}"


def _tells(card: Card, s: States) -> bool:
    """Insufficiency alone is no finding for a child; beside a very low calcium it is, unless its own card stays."""
    return card.id != "K-DINS" or (s.calcium.very_low and card.indicator == "warning")
