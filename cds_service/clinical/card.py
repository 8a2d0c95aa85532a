"""What to show, not yet how: cards, drafts of orders, texts as keys and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Value: TypeAlias = "str | Text | tuple[Text, ...]"
Indicator = Literal["info", "warning", "critical"]


class RecordText(str):
    """Text that came out of the record as it was written there: whoever renders it must escape it."""

    __slots__ = ()


class Text(NamedTuple):
    """A key of `wording.toml` and the values that fill it; a value may be a text itself, or several."""

    key: str
    values: Mapping[str, Value]


class DrugDraft(NamedTuple):
    """A MedicationRequest to draft: a key of `orders.toml`, its reason, sentences added for the patient."""

    order: str
    because: Text
    added: tuple[Text, ...] = ()


class LabDraft(NamedTuple):
    """A ServiceRequest to draft: LOINC code, the day it is for, urgency, the result it is about."""

    code: str
    because: Text
    on: date | None = None
    urgent: bool = False


Draft = DrugDraft | LabDraft


class Suggestion(NamedTuple):
    """One click: all its drafts apply together. Alternatives are separate suggestions; `note` is added to a label."""

    note: Text | None
    drafts: tuple[Draft, ...]

    @property
    def labs(self) -> tuple[LabDraft, ...]:
        """The laboratory orders in it."""
        return tuple(draft for draft in self.drafts if isinstance(draft, LabDraft))

    @property
    def drug(self) -> DrugDraft | None:
        """The medication order in it, if any."""
        return next((draft for draft in self.drafts if isinstance(draft, DrugDraft)), None)


@dataclass(frozen=True, slots=True)
class Card:
    """One card of the catalogue (section 14).

    `says` are the finding, thresholds, reasons and sentences, always shown; `blocks` (names of section 14.3, with
    `target` for B-TARGET) are added while they fit;
    `also_noted` holds the summaries of cards folded into this one. `finding` is the result a K-PEDS card names,
    `found_on` its day. `obese`: the links of B-OBESE are added.
    """

    id: str
    indicator: Indicator
    summary: Text
    says: tuple[Text, ...] = ()
    blocks: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    also_noted: tuple[Text, ...] = ()
    finding: str = ""
    found_on: date | None = None
    obese: bool = False
    target: str = ""

    def labs(self) -> frozenset[str]:
        """The LOINC codes this card offers to order."""
        return frozenset(lab.code for suggestion in self.suggestions for lab in suggestion.labs)

    @property
    def offers_drug(self) -> bool:
        """Whether any suggestion drafts a medication."""
        return any(suggestion.drug is not None for suggestion in self.suggestions)
