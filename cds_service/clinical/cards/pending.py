"""Withdraws lab orders that are already under way, then duplicates (section 17)."""

from __future__ import annotations

from collections.abc import Callable

from cds_service.clinical.cards.case import Case
from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.clinical.cards.drafts import MAGNESIUM_LAB
from cds_service.clinical.cards.m_rows import in_place_of_recheck
from cds_service.clinical.trace import Trace
from cds_service.clinical.words.card import Card, Draft, LabDraft, Suggestion


def withdraw_pending(cards: list[Card], case: Case, trace: Trace) -> list[Card]:
    """Remove routine lab drafts already under way, and the cards that only ask for them; urgent ones stay.

    A magnesium request that such a card carried (R5c) is not lost: K-MGORDER takes its place.
    """
    s = case.s
    if not s.under_way:
        return cards
    kept = []
    for card in cards:
        trimmed = _without(card, lambda lab: not lab.urgent and s.is_under_way(lab.test, lab.on))
        traits = CATALOGUE[card.id]
        if traits.asks and traits.asks in card.labs() and traits.asks not in trimmed.labs():
            trace.yes("PENDING", "{} goes: {} is under way", card.id, traits.asks)
            if traits.carries and MAGNESIUM_LAB in trimmed.labs():
                kept.append(in_place_of_recheck(case))
            continue
        kept.append(trimmed)
    return kept


def deduplicate(cards: list[Card], trace: Trace) -> list[Card]:
    """Drop from later cards every test an earlier one offers; *cards* are in display order."""
    offered: set[str] = set()
    kept = []
    for card in cards:
        labs = card.labs()
        repeated = labs & offered
        if repeated:
            trace.yes("DUPLICATE", "{} leaves {}", ", ".join(sorted(repeated)), card.id)
        kept.append(_without(card, _one_of(repeated)) if repeated else card)
        offered |= labs
    return kept


def _one_of(tests: frozenset[str]) -> Callable[[LabDraft], bool]:
    return lambda lab: lab.test in tests


def _without(card: Card, drop: Callable[[LabDraft], bool]) -> Card:
    """The card without the dropped labs; empty suggestions go, and alternatives that became equal are one."""
    suggestions: list[Suggestion] = []
    for suggestion in card.suggestions:
        drafts = tuple(draft for draft in suggestion.drafts if not _drops(draft, drop))
        if drafts and all(drafts != other.drafts for other in suggestions):
            suggestions.append(suggestion.changed(drafts=drafts))
    return card.changed(suggestions=_renamed(suggestions, card))


def _drops(draft: Draft, drop: Callable[[LabDraft], bool]) -> bool:
    return isinstance(draft, LabDraft) and drop(draft)


def _renamed(suggestions: list[Suggestion], card: Card) -> tuple[Suggestion, ...]:
    """A note that tells alternatives apart is no longer true of a single one left."""
    if len(suggestions) == 1 and len(card.suggestions) > 1:
        return (suggestions[0].changed(note=""),)
    return tuple(suggestions)
