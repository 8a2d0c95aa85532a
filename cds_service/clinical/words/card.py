"""What to show, not yet how: cards, drafts of orders, texts as keys and values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal, TypeAlias

from cds_service.clinical.datum import Datum

Value: TypeAlias = "str | Text | tuple[Text, ...]"
Indicator = Literal["info", "warning", "critical"]


class RecordText(str):
    """Text that came out of the record as it was written there: it must be escaped where it is shown."""

    __slots__ = ()


class Text(Datum, frozen=True):
    """A key of `wording.toml` and the values that fill it; a value may be a text itself, or several."""

    key: str
    values: Mapping[str, Value]


class DrugDraft(Datum, frozen=True):
    """A MedicationRequest to draft: a key of `orders.toml`, its reason, sentences added for the patient."""

    order: str
    because: Text
    added: tuple[Text, ...] = ()


class LabDraft(Datum, frozen=True):
    """A ServiceRequest to draft: a test of `orders.toml`, the day it is for, urgency, the result it is about."""

    test: str
    because: Text
    on: date | None = None
    urgent: bool = False


Draft = DrugDraft | LabDraft


Note = Literal["", "step-down", "maintenance", "adjunct", "both", "alone"]
"""What the label of a suggestion says beside its drafts (section 14.2)."""


class Suggestion(Datum, frozen=True):
    """One click: all its drafts apply together. Alternatives are separate suggestions."""

    drafts: tuple[Draft, ...]
    note: Note = ""

    @property
    def labs(self) -> tuple[LabDraft, ...]:
        """The laboratory orders in it."""
        return tuple([draft for draft in self.drafts if type(draft) is LabDraft])

    @property
    def drug(self) -> DrugDraft | None:
        """The medication order in it, if any."""
        for draft in self.drafts:
            if type(draft) is DrugDraft:
                return draft
        return None


class Card(Datum, frozen=True):
    """One card of the catalogue (section 14), in the parts of its detail (section 14.3).

    `found` is one line, the driving result first; `so` is why nothing is offered. `beware` are bullets, the most
    dangerous first, and `background` the one that goes first; `then` is the recheck and what follows. `also_noted`
    holds the titles of cards folded into this one.
    """

    id: str
    indicator: Indicator
    summary: Text
    found: tuple[Text, ...] = ()
    so: tuple[Text, ...] = ()
    beware: tuple[Text, ...] = ()
    background: Text | None = None
    then: Text | None = None
    suggestions: tuple[Suggestion, ...] = ()
    also_noted: tuple[str, ...] = ()

    def labs(self) -> frozenset[str]:
        """The tests this card offers to order."""
        return frozenset([lab.test for one in self.suggestions for lab in one.drafts if type(lab) is LabDraft])

    @property
    def offers_drug(self) -> bool:
        """Whether any suggestion drafts a medication."""
        return any(suggestion.drug is not None for suggestion in self.suggestions)
