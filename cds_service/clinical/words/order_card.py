"""A card about an order that is being written (order hooks, part 7), and what it offers to do to that order."""

from __future__ import annotations

from datetime import date
from typing import Literal

from cds_service.clinical.datum import Datum
from cds_service.clinical.words.card import Indicator, LabDraft, Text


class Change(Datum, frozen=True):
    """What is done to the draft that a card is about.

    `remove` it; `replace` its drug by `order`, a key of `orders.toml`; give it the `weekly` rhythm of `order`; add the
    sentences `added` for the patient (`spacing`, `gap` from `drug`); `move` it to the day `on`; `recode` it to `test`.
    """

    kind: Literal["remove", "replace", "weekly", "spacing", "move", "recode"]
    order: str = ""
    added: tuple[Text, ...] = ()
    gap: Text | None = None
    drug: str = ""
    on: date | None = None
    test: str = ""


REMOVE = Change("remove")


class OrderSuggestion(Datum, frozen=True):
    """One click: what changes the draft comes first, tests after it (clients may stop at what they understand)."""

    change: Change | None
    labs: tuple[LabDraft, ...] = ()


class OrderCard(Datum, frozen=True):
    """One card about one draft: the row it is of, its parts, what it offers.

    `place` is that of the draft, `name` what it is called, `also` the other drafts of which the same is true. `level`
    is the IU a day, where more of it makes the card speak again. `asks`: it goes when nothing is left to offer.
    """

    id: str
    indicator: Indicator
    summary: Text
    place: int
    name: str
    found: tuple[Text, ...] = ()
    so: tuple[Text, ...] = ()
    beware: tuple[Text, ...] = ()
    suggestions: tuple[OrderSuggestion, ...] = ()
    also: tuple[str, ...] = ()
    level: int = 0
    asks: bool = False

    def tests(self) -> frozenset[str]:
        """The tests this card offers to order."""
        return frozenset(lab.test for suggestion in self.suggestions for lab in suggestion.labs)
