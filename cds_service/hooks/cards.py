"""Cards into CDS Hooks JSON (rows 97 to 149): wording filled in and escaped here, drafts through `fhir/orders`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

from cds_service.clinical import phrases
from cds_service.clinical.card import DrugDraft, LabDraft, Text
from cds_service.fhir.terminology import BASE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.clinical.card import Card, Draft, Suggestion, Value
    from cds_service.clinical.guidance_types import Guidance
    from cds_service.fhir.orders import Json, Orders

TOPIC_SYSTEM = f"{BASE}CodeSystem/card-topic"
MARKDOWN = re.compile(r"[\\`*_\[\]|~]|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
"""What would be read as markdown or HTML in a value: escaped, since clients may render it (row 103)."""


class CardWriter:
    """Writes the cards of one guidance; built once."""

    def __init__(self, guidance: Guidance, orders: Orders) -> None:
        """Prepare what does not change from card to card: sources, links, word counts."""
        self._guidance = guidance
        self._orders = orders
        self._wording = guidance.wording
        self._label = self._fill(phrases.SOURCE_LABEL(profile=guidance.profile_name))
        self._links = {name: self._links_of(entry.links) for name, entry in guidance.cards.items()}
        self._obesity_links = {name: self._links_of(entry.obesity_links) for name, entry in guidance.cards.items()}
        self._footer = self._fill(phrases.FOOTER())

    def write(self, cards: Iterable[Card], patient_id: str) -> Json:
        """The response: `cards` in the order given, each draft with a temporary id of its own."""
        numbering = iter(range(1, 10_000))
        return {"cards": [self._card(card, patient_id, numbering) for card in cards]}

    def _card(self, card: Card, patient_id: str, numbering: Iterable[int]) -> Json:
        entry = self._guidance.cards[card.id]
        written: Json = {
            "uuid": str(uuid4()),
            "summary": self.summary(card),
            "indicator": card.indicator,
            "detail": self.detail(card),
            "source": {
                "label": self._label,
                "topic": {"system": TOPIC_SYSTEM, "code": entry.topic, "display": entry.display},
            },
        }
        if card.suggestions:
            several = len(card.suggestions) > 1
            written["suggestions"] = [
                self._suggestion(suggestion, patient_id, numbering, recommended=(place == 0) if several else None)
                for place, suggestion in enumerate(card.suggestions)
            ]
            written["selectionBehavior"] = "at-most-one"
        links = self._links[card.id] + (self._obesity_links[card.id] if card.obese else [])
        if links:
            written["links"] = links
        return written

    def summary(self, card: Card) -> str:
        """One plain sentence of at most 139 characters (row 100)."""
        text = self._fill(card.summary)
        most = self._guidance.limits.card.max_summary
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def detail(self, card: Card) -> str:
        """Section 14.3: what was found, thresholds, reasons, sentences, then the blocks that fit, and the footer.

        At most 220 words. The footer, the blocks that are always shown and the sentences come first in the count; a
        sentence that would not fit, which takes more reasons than any patient met so far, is left out from the end.
        """
        noted = [f"- {self._fill(text, escape=True)}" for text in card.also_noted]
        if noted:
            noted.insert(0, self._fill(phrases.ALSO_NOTED()))
        always = [block.key in self._guidance.always_blocks for block in card.blocks]
        blocks = [self._fill(block, escape=True) for block in card.blocks]
        room = self._guidance.limits.card.max_words - _words(self._footer) - sum(map(_words, noted))
        room -= sum(_words(text) for text, keep in zip(blocks, always, strict=True) if keep)
        says, room = _fitting((self._fill(text, escape=True) for text in card.says), room)
        shown = _with_optional(blocks, always, room)
        paragraphs = [" ".join(says), *shown, "\n".join(noted), self._footer]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)

    def _suggestion(
        self, suggestion: Suggestion, patient_id: str, numbering: Iterable[int], *, recommended: bool | None
    ) -> Json:
        written: Json = {"label": self._suggestion_label(suggestion), "uuid": str(uuid4())}
        if recommended is not None:
            written["isRecommended"] = recommended
        written["actions"] = [self._action(draft, patient_id, numbering) for draft in suggestion.drafts]
        return written

    def _action(self, draft: Draft, patient_id: str, numbering: Iterable[int]) -> Json:
        draft_id = f"draft-{next(iter(numbering))}"
        reason = self._fill(draft.because)
        if isinstance(draft, DrugDraft):
            added = tuple(self._fill(text) for text in draft.added)
            resource = self._orders.medication_request(draft.order, patient_id, draft_id, reason, added)
            description = self._guidance.drugs[draft.order].description
        else:
            resource = self._orders.service_request(
                draft.code, patient_id, draft_id, reason, on=draft.on, urgent=draft.urgent
            )
            description = self._lab_description(draft)
        return {"type": "create", "description": description, "resource": resource}

    def _lab_description(self, draft: LabDraft) -> str:
        name = self._guidance.labs[draft.code].name
        if draft.urgent:
            return self._fill(phrases.LAB_DESCRIPTION_URGENT(lab=name))
        if draft.on is not None:
            return self._fill(phrases.LAB_DESCRIPTION_ON(lab=name, date=str(draft.on)))
        return self._fill(phrases.LAB_DESCRIPTION(lab=name))

    def _suggestion_label(self, suggestion: Suggestion) -> str:
        """Derived from the drafts that are left, so that it never promises an order that was withdrawn."""
        labs = ", ".join(self._lab_label(lab) for lab in suggestion.labs)
        drug = suggestion.drug
        if drug is not None:
            label = self._guidance.drugs[drug.order].label
            label = self._fill(phrases.LABEL_AND_LABS(order=label, labs=labs)) if labs else label
        elif all(lab.urgent for lab in suggestion.labs):
            label = self._fill(phrases.LABEL_LABS_URGENT(labs=labs))
        else:
            label = self._fill(phrases.LABEL_LABS(labs=labs))
        if suggestion.note is None:
            return label
        return self._fill(phrases.LABEL_WITH_NOTE(label=label, note=suggestion.note))

    def _lab_label(self, lab: LabDraft) -> str:
        name = self._guidance.labs[lab.code].analyte
        return name if lab.on is None else self._fill(phrases.LABEL_LAB_ON(lab=name, date=str(lab.on)))

    def _links_of(self, keys: Iterable[str]) -> list[Json]:
        """Links to verified sources only: one that is still to be checked is left out (section 14)."""
        evidence = self._guidance.evidence
        return [
            {"label": evidence[key].label, "url": evidence[key].url, "type": "absolute"}
            for key in keys
            if evidence[key].verified
        ]

    def _fill(self, text: Text, *, escape: bool = False) -> str:
        template = self._wording[text.key]
        if not text.values:
            return template
        filled = template.format_map({name: self._value(value, escape=escape) for name, value in text.values.items()})
        return filled[:1].upper() + filled[1:] if template.startswith("{") else filled

    def _value(self, value: Value, *, escape: bool) -> str:
        if isinstance(value, Text):
            return self._fill(value, escape=escape)
        if isinstance(value, tuple):
            return "; ".join(self._fill(text, escape=escape) for text in value)
        return MARKDOWN.sub(r"\\\g<0>", value) if escape else value


def _words(text: str) -> int:
    return len(text.split())


def _fitting(texts: Iterable[str], room: int) -> tuple[list[str], int]:
    """The *texts* that fit into *room* words, from the front; what room is left."""
    kept = []
    for text in texts:
        if _words(text) > room:
            break
        room -= _words(text)
        kept.append(text)
    return kept, room


def _with_optional(blocks: list[str], always: list[bool], room: int) -> list[str]:
    """The blocks that are always shown and, in order, the others while they fit; one that does not ends them."""
    shown = []
    full = False
    for text, keep in zip(blocks, always, strict=True):
        if keep:
            shown.append(text)
        elif not full and _words(text) <= room:
            room -= _words(text)
            shown.append(text)
        else:
            full = True
    return shown
