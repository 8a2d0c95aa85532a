"""Which blocks a card holds, each in its short form (section 14.3): by its entry in `cards.toml`, profile and G-ADV."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.clinical.rules.gates import Gates
from cds_service.clinical.states.derive import States
from cds_service.clinical.words import phrases, wording
from cds_service.clinical.words.card import Card, Indicator, Text

ADVICE = frozenset({"B-CONCURRENT"})
"""The blocks of cards that advise magnesium (G-ADV)."""
BACKGROUND = ("B-CKD", "B-OBESE", "B-CONCURRENT", "B-D3", "B-TWOWAY")
"""What makes way first, and of which a card holds one at most: the first whose rule holds. A critical card has none."""
CKD_BLOCK = "B-CKD"


def holds(s: States, gates: Gates, card_id: str, name: str) -> bool:
    """Whether *card_id* may hold the block *name*: it lists it, the profile has it, and G-ADV allows it."""
    guidance = s.guidance
    allowed = name not in guidance.profile.blocks_left_out and (gates.advice or name not in ADVICE)
    return allowed and name in guidance.cards[card_id].blocks


def block(s: States, gates: Gates, card_id: str, name: str, *, when: bool = True) -> list[Text]:
    """The block *name*, where *card_id* holds it and its rule does: *when*."""
    return [phrases.BLOCKS[name]()] if when and holds(s, gates, card_id, name) else []


def target(s: States, gates: Gates, card_id: str) -> list[Text]:
    """B-TARGET, a part of the first line."""
    return [phrases.BLOCKS["B-TARGET"](target=wording.target(s))] if holds(s, gates, card_id, "B-TARGET") else []


def background(s: States, gates: Gates, card_id: str, indicator: Indicator, when: Mapping[str, bool]) -> Text | None:
    """The first background block of *card_id* whose rule holds, as *when* says of each; none if it is critical."""
    if indicator == "critical":
        return None
    for name in BACKGROUND:
        if when.get(name) and holds(s, gates, card_id, name):
            return phrases.BLOCKS[name]()
    return None


def with_ckd(s: States, card: Card) -> Card:
    """R9: *card* with B-CKD for its background, where it may hold it; on dialysis the unit decides."""
    if card.indicator == "critical" or CKD_BLOCK not in s.guidance.cards[card.id].blocks:
        return card
    so = (*card.so, phrases.SO_DIALYSIS_UNIT()) if s.kidney.dialysis else card.so
    return card.changed(so=so, background=phrases.BLOCKS[CKD_BLOCK]())
