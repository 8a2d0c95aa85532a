"""Display order and folding (section 18)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.clinical.card import Card
    from cds_service.clinical.trace import Trace

ORDER = (
    "K-DTOX", "K-MGSEV", "K-MGVHIGH", "K-HOLD", "K-DHIGH", "K-MGHIGH", "K-MGLOW", "K-RESIST", "K-HIDOSE", "K-ACTIVED",
    "K-DDEF", "K-DINS", "K-TOOSOON", "K-RECHECK", "K-MGORDER", "K-MGWASTE", "K-MGLAT", "K-MGADJ", "K-CKD", "K-DMAINT",
    "K-D2INT", "K-DORDER", "K-STALE", "K-PREG", "K-PEDS", "K-DATA",
)  # fmt: skip
"""The only display order, inside one level of urgency."""

PLACE = {name: place for place, name in enumerate(ORDER)}
LEVEL = {"critical": 0, "warning": 1, "info": 2}


def in_display_order(cards: Iterable[Card]) -> list[Card]:
    """Critical, then warning, then info; inside a level the order of section 18."""
    return sorted(cards, key=lambda card: (LEVEL[card.indicator], PLACE[card.id]))


def fold(cards: list[Card], max_cards: int, trace: Trace) -> tuple[Card, ...]:
    """Keep every critical and warning card and info cards up to *max_cards*; the rest become one line each."""
    if len(cards) <= max_cards:
        return tuple(cards)
    urgent = [card for card in cards if card.indicator != "info"]
    info = [card for card in cards if card.indicator == "info"]
    room = max(max_cards - len(urgent), 0)
    shown, folded = [*urgent, *info[:room]], info[room:]
    if not shown or not folded:
        return tuple(cards)
    for card in folded:
        trace.yes("FOLD", "{} is one line under {}", card.id, shown[-1].id)
    shown[-1] = replace(shown[-1], also_noted=tuple(card.summary for card in folded))
    return tuple(shown)
