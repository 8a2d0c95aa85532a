"""Withdraws lab orders that are already under way, then duplicates (section 17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cds_service.clinical.card import LabDraft, Suggestion
from cds_service.clinical.days import days_between
from cds_service.clinical.drafts import MAGNESIUM_LAB, VITAMIN_D_LAB

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from cds_service.clinical.card import Card, Draft
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace

VITAMIN_D, MAGNESIUM = "vitamin-d", "magnesium"
ANALYTE_OF_DRAFT = {
    VITAMIN_D_LAB: VITAMIN_D, MAGNESIUM_LAB: MAGNESIUM, "17861-6": "ca-total", "2160-0": "creatinine",
    "2777-1": "phosphate", "2731-8": "pth", "2823-3": "potassium",
}  # fmt: skip
"""The analyte of each code that is drafted: its value set, else the code itself."""

ASKS_FOR = {
    "K-DORDER": VITAMIN_D_LAB, "K-STALE": VITAMIN_D_LAB, "K-RECHECK": VITAMIN_D_LAB, "K-TOOSOON": VITAMIN_D_LAB,
    "K-MGORDER": MAGNESIUM_LAB, "K-MGWASTE": MAGNESIUM_LAB, "K-HIDOSE": MAGNESIUM_LAB,
}  # fmt: skip
"""Cards that only ask for a test: without it they go."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A test that is under way: its analyte and the day it is for."""

    analyte: str
    day: date


def pending(s: States) -> tuple[Pending, ...]:
    """Active or draft orders not more than 30 days past, and preliminary results at most 30 days old."""
    rules = s.limits.pending
    found = []
    for order in s.facts.lab_orders:
        if order.occurrence is not None:
            if days_between(order.occurrence, s.today) <= rules.occurrence_past:
                found.append(Pending(order.analyte, order.occurrence))
        elif order.authored is not None and days_between(order.authored, s.today) <= rules.authored:
            found.append(Pending(order.analyte, s.today))
    found += [
        Pending(test.analyte, s.today)
        for test in s.facts.pending
        if days_between(test.day, s.today) <= rules.preliminary
    ]
    return tuple(found)


def withdraw_pending(cards: list[Card], s: States, trace: Trace) -> list[Card]:
    """Remove routine lab drafts already under way, and the cards that only ask for them; urgent ones stay."""
    under_way = pending(s)
    if not under_way:
        return cards
    kept = []
    for card in cards:
        trimmed = _without(card, lambda lab: _is_pending(lab, under_way, s))
        asked = ASKS_FOR.get(card.id)
        if asked is not None and asked in card.labs() and asked not in trimmed.labs():
            trace.yes("PENDING", "{} goes: {} is under way", card.id, asked)
            continue
        kept.append(trimmed)
    return kept


def _is_pending(lab: LabDraft, under_way: tuple[Pending, ...], s: States) -> bool:
    if lab.urgent:
        return False
    analyte, day = ANALYTE_OF_DRAFT.get(lab.code, lab.code), lab.on or s.today
    apart = s.limits.pending.apart
    return any(p.analyte == analyte and abs(days_between(p.day, day)) <= apart for p in under_way)


def deduplicate(cards: list[Card], trace: Trace) -> list[Card]:
    """Drop from later cards every lab code an earlier one offers; *cards* are in display order."""
    offered: set[str] = set()
    kept = []
    for card in cards:
        repeated = offered & card.labs()
        if repeated:
            trace.yes("DUPLICATE", "{} leaves {}", ", ".join(sorted(repeated)), card.id)
        trimmed = _without(card, _one_of(frozenset(repeated))) if repeated else card
        offered |= trimmed.labs()
        kept.append(trimmed)
    return kept


def _one_of(codes: frozenset[str]) -> Callable[[LabDraft], bool]:
    return lambda lab: lab.code in codes


def _without(card: Card, drop: Callable[[LabDraft], bool]) -> Card:
    """The card without the dropped labs; empty suggestions go, and alternatives that became equal are one."""
    suggestions: list[Suggestion] = []
    for suggestion in card.suggestions:
        drafts = tuple(draft for draft in suggestion.drafts if not _drops(draft, drop))
        if drafts and all(drafts != other.drafts for other in suggestions):
            suggestions.append(suggestion._replace(drafts=drafts))
    return replace(card, suggestions=_renamed(suggestions, card))


def _drops(draft: Draft, drop: Callable[[LabDraft], bool]) -> bool:
    return isinstance(draft, LabDraft) and drop(draft)


def _renamed(suggestions: list[Suggestion], card: Card) -> tuple[Suggestion, ...]:
    """A note that tells alternatives apart is no longer true of a single one left."""
    if len(suggestions) == 1 and len(card.suggestions) > 1:
        return (suggestions[0]._replace(note=None),)
    return tuple(suggestions)
