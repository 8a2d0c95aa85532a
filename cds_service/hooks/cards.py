"""Cards into CDS Hooks JSON (rows 97 to 149): wording filled in and escaped here, drafts through `fhir/orders`."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from cds_service.clinical import phrases
from cds_service.clinical.card import DrugDraft, RecordText, Text
from cds_service.fhir.valuesets import BASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from cds_service.clinical.card import Card, Draft, Suggestion, Value
    from cds_service.clinical.guidance_types import CardEntry, Guidance
    from cds_service.fhir.orders import Json, Orders

TOPIC_SYSTEM = f"{BASE}CodeSystem/card-topic"
UNQUOTABLE = re.compile(r"[`\s\x00-\x1f\x7f-\x9f]+")
"""What would end inline code or break a line."""
REMEMBERED = 4096
SENTENCES = ("summary.", "say.", "because.")
"""Texts that begin a sentence: a drug's name at their beginning takes a capital letter."""


class Block(NamedTuple):
    """A block of the detail: its text, its length in words, whether it is always shown."""

    text: str
    words: int
    always: bool


class CardWriter:
    """Writes the cards of one guidance; built once."""

    def __init__(self, guidance: Guidance, orders: Orders) -> None:
        """Prepare what does not change from card to card: source, links, blocks, labels of orders."""
        self._guidance = guidance
        self._orders = orders
        self._wording = guidance.wording
        label = self.fill(phrases.SOURCE_LABEL(profile=guidance.profile_name))
        self._sources = {name: _source(label, entry) for name, entry in guidance.cards.items()}
        self._links = {name: self._links_of(entry.links) for name, entry in guidance.cards.items()}
        self._obesity_links = {name: self._links_of(entry.obesity_links) for name, entry in guidance.cards.items()}
        self._reasons = {name: _reasons(entry, guidance) for name, entry in guidance.cards.items()}
        self._footer = self.fill(phrases.FOOTER())
        self._room = guidance.limits.card.max_words - _words(self._footer)
        # Drafts repeat from patient to patient; what is said of them holds no patient's data.
        self._label = lru_cache(maxsize=REMEMBERED)(self._draft_label)
        self._describe = lru_cache(maxsize=REMEMBERED)(self._description)
        self._block = lru_cache(maxsize=REMEMBERED)(self._find_block)

    def write(self, cards: Iterable[Card], patient_id: str) -> Json:
        """The response: `cards` in the order given, each draft with a temporary id of its own."""
        numbering = count(1)
        said: set[str] = set()
        return {"cards": [self._card(card, patient_id, numbering, said) for card in cards]}

    def _card(self, card: Card, patient_id: str, numbering: Iterator[int], said: set[str]) -> Json:
        written: Json = {
            "uuid": str(uuid4()),
            "summary": self.summary(card),
            "indicator": card.indicator,
            "detail": self.detail(card, said),
            "source": self._sources[card.id],
        }
        suggestions = [self._suggestion(suggestion, patient_id, numbering) for suggestion in card.suggestions]
        if suggestions:
            if len(suggestions) > 1:
                for place, suggestion in enumerate(suggestions):
                    suggestion["isRecommended"] = place == 0
            written["suggestions"] = suggestions
            written["selectionBehavior"] = "at-most-one"
        written["overrideReasons"] = self._reasons[card.id]
        links = self._links[card.id] + self._obesity_links[card.id] if card.obese else self._links[card.id]
        if links:
            written["links"] = links
        return written

    def summary(self, card: Card) -> str:
        """One plain sentence of at most 139 characters (row 100)."""
        text = self.fill(card.summary)
        most = self._guidance.limits.card.max_summary
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def detail(self, card: Card, said: set[str] | None = None) -> str:
        """Section 14.3: what was found, thresholds, reasons, sentences, then the blocks that fit, and the footer.

        A block that a more urgent card of the answer has *said* is not said again; those said here are added to it.
        What is about the patient stands on each card.

        At most 220 words. The footer, the blocks that are always shown and the sentences come first in the count; a
        sentence that would not fit, which takes more reasons than any patient met so far, is left out from the end.
        """
        noted = [f"- {self.fill(text)}" for text in card.also_noted]
        if noted:
            noted.insert(0, self.fill(phrases.ALSO_NOTED()))
        said = set() if said is None else said
        blocks = [block for name in card.blocks if (block := self._block(name, card.target)).text not in said]
        room = self._room - sum([_words(line) for line in noted])
        room -= sum([block.words for block in blocks if block.always])
        says, room = _fitting([self.fill(text) for text in card.says], room)
        shown = _with_optional(blocks, room)
        said.update(shown)
        paragraphs = [" ".join(says)] if says else []
        paragraphs += shown
        if noted:
            paragraphs.append("\n".join(noted))
        paragraphs.append(self._footer)
        return "\n\n".join(paragraphs)

    def _find_block(self, name: str, target: str) -> Block:
        values = {"B-TARGET": {"target": target}, "B-MAINT": {"maint": self._guidance.profile.maintenance}}
        block = phrases.BLOCKS[name](**values.get(name, {}))
        text = self.fill(block)
        return Block(text, _words(text), block.key in self._guidance.always_blocks)

    def _suggestion(self, suggestion: Suggestion, patient_id: str, numbering: Iterator[int]) -> Json:
        return {
            "label": self._suggestion_label(suggestion),
            "uuid": str(uuid4()),
            "actions": [self._action(draft, patient_id, f"draft-{next(numbering)}") for draft in suggestion.drafts],
        }

    def _action(self, draft: Draft, patient_id: str, draft_id: str) -> Json:
        reason = self.fill(draft.because)
        if isinstance(draft, DrugDraft):
            added = tuple([self.fill(text) for text in draft.added])
            resource = self._orders.medication_request(draft.order, patient_id, draft_id, reason, added)
            description = self._guidance.drugs[draft.order].description
        else:
            code, on, urgent = draft.code, draft.on, draft.urgent
            resource = self._orders.service_request(code, patient_id, draft_id, reason, on=on, urgent=urgent)
            description = self._describe(code, on, urgent)
        return {"type": "create", "description": description, "resource": resource}

    def _description(self, code: str, on: date | None, urgent: bool) -> str:  # noqa: FBT001 - as the draft has it
        name = self._guidance.labs[code].name
        if urgent:
            return self.fill(phrases.LAB_DESCRIPTION_URGENT(lab=name))
        if on is not None:
            return self.fill(phrases.LAB_DESCRIPTION_ON(lab=name, date=str(on)))
        return self.fill(phrases.LAB_DESCRIPTION(lab=name))

    def _suggestion_label(self, suggestion: Suggestion) -> str:
        """Derived from the drafts that are left, so that it never promises an order that was withdrawn."""
        drug = suggestion.drug
        labs = tuple([(lab.code, lab.on, lab.urgent) for lab in suggestion.labs])
        label = self._label(None if drug is None else drug.order, labs)
        if suggestion.note is None:
            return label
        return self.fill(phrases.LABEL_WITH_NOTE(label=label, note=suggestion.note))

    def _draft_label(self, order: str | None, labs: tuple[tuple[str, date | None, bool], ...]) -> str:
        names = ", ".join(self._lab_label(code, on) for code, on, _ in labs)
        if order is not None:
            label = self._guidance.drugs[order].label
            return self.fill(phrases.LABEL_AND_LABS(order=label, labs=names)) if names else label
        if all(urgent for _, _, urgent in labs):
            return self.fill(phrases.LABEL_LABS_URGENT(labs=names))
        return self.fill(phrases.LABEL_LABS(labs=names))

    def _lab_label(self, code: str, on: date | None) -> str:
        name = self._guidance.labs[code].analyte
        return name if on is None else self.fill(phrases.LABEL_LAB_ON(lab=name, date=str(on)))

    def _links_of(self, keys: Iterable[str]) -> list[Json]:
        """Links to verified sources only: one that is still to be checked is left out (section 14)."""
        evidence = self._guidance.evidence
        return [
            {"label": evidence[key].label, "url": evidence[key].url, "type": "absolute"}
            for key in keys
            if evidence[key].verified
        ]

    def fill(self, text: Text) -> str:
        """The wording of *text* with its values; a sentence that begins with a value begins with a capital letter."""
        template = self._wording[text.key]
        values = text.values
        if not values:
            return template
        for value in values.values():
            if type(value) is not str:
                values = {name: self._value(item) for name, item in values.items()}
                break
        filled = template.format_map(values)
        return filled[:1].upper() + filled[1:] if template[0] == "{" and text.key.startswith(SENTENCES) else filled

    def _value(self, value: Value) -> str:
        if isinstance(value, Text):
            return self.fill(value)
        if isinstance(value, tuple):
            return "; ".join(self.fill(text) for text in value)
        return quoted(value) if isinstance(value, RecordText) else value


def quoted(text: str) -> str:
    """Text of the record as inline code: nothing in it is read as markdown, HTML or an address (row 103)."""
    return f"`{UNQUOTABLE.sub(' ', text).strip() or ' '}`"


def _source(label: str, entry: CardEntry) -> Json:
    return {"label": label, "topic": {"system": TOPIC_SYSTEM, "code": entry.topic, "display": entry.display}}


def _reasons(entry: CardEntry, guidance: Guidance) -> list[Json]:
    """Rows 132 to 134: what a clinician may answer instead."""
    reasons = [guidance.feedback.reason[name] for name in guidance.feedback.topic[entry.topic].reasons]
    return [{"code": reason.code, "system": reason.system, "display": reason.display} for reason in reasons]


def _words(text: str) -> int:
    """Words are parted by single spaces or line ends: the wording and `_fitting` see to it."""
    return text.count(" ") + text.count("\n") + 1


def _fitting(texts: list[str], room: int) -> tuple[list[str], int]:
    """The *texts* that fit into *room* words, from the front; what room is left."""
    for place, text in enumerate(texts):
        words = _words(text)
        if words > room:
            return texts[:place], room
        room -= words
    return texts, room


def _with_optional(blocks: list[Block], room: int) -> list[str]:
    """The blocks that are always shown and, in order, the others while they fit; one that does not ends them."""
    shown = []
    full = False
    for block in blocks:
        if not block.always:
            full = full or block.words > room
            if full:
                continue
            room -= block.words
        shown.append(block.text)
    return shown
