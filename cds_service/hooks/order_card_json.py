"""Cards about orders into CDS Hooks JSON (order hooks, part 7): what changes the draft first, tests after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words.card import Text
from cds_service.clinical.words.order_card import Change, OrderCard, OrderSuggestion
from cds_service.fhir.draft_changes import changed
from cds_service.fhir.draft_orders import Draft
from cds_service.fhir.orders import Ordered
from cds_service.hooks.answers import Cards, CardSuggestion, DraftAction
from cds_service.hooks.card_json import CardWriter, Drafting, words
from cds_service.hooks.uuids import new_uuid


class OrderCardWriter:
    """Writes the cards of one call about its drafts."""

    def __init__(self, writer: CardWriter, drafts: Mapping[int, Draft], ordered: Ordered) -> None:
        """Take what writes the words of cards, the *drafts* by their places, and what belongs into orders of ours."""
        self._writer = writer
        self._guidance = writer.guidance
        self._drafts = drafts
        self._subject = ordered.subject
        self._drafting = Drafting(writer, ordered)

    def write(self, cards: Iterable[OrderCard]) -> tuple[Cards, tuple[OrderCard, ...]]:
        """The response, and the cards with the suggestions it has: one that makes no valid FHIR is left out."""
        written, kept = [], []
        for card in cards:
            suggestions = [(one, made) for one in card.suggestions if (made := self._suggestion(card, one)) is not None]
            kept.append(card.changed(suggestions=tuple(one for one, _ in suggestions)))
            written.append(self._writer.hook_card(card, self.detail(card), [made for _, made in suggestions]))
        return Cards(written), tuple(kept)

    def detail(self, card: OrderCard) -> str:
        """What was found, why nothing is offered, what to beware of, and of what else it is true."""
        fill, rules = self._writer.fill, self._guidance.limits.card
        also = [fill(say.SO_ALSO(drafts=", ".join(card.also)))] if card.also else []
        so, room = fitting([fill(text) for text in card.so], rules.max_words - words(*also))
        found, room = fitting([fill(text) for text in card.found], room)
        beware, room = fitting([f"- {fill(text)}" for text in card.beware[: rules.max_bullets_order]], room)
        paragraphs = [" ".join(found), " ".join(so), "\n".join(beware), *also]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)

    def _suggestion(self, card: OrderCard, suggestion: OrderSuggestion) -> CardSuggestion | None:
        actions = []
        if suggestion.change is not None:
            action = self._change(card, suggestion.change)
            if action is None:
                return None
            actions.append(action)
        actions += [self._drafting.create(lab) for lab in suggestion.labs]
        return CardSuggestion(self._label(suggestion), new_uuid(), actions)

    def _change(self, card: OrderCard, change: Change) -> DraftAction | None:
        draft, fill = self._drafts[card.place], self._writer.fill
        description = fill(self._description(card, change))
        if change.kind == "remove":
            return DraftAction("delete", description, resource_id=draft.place)
        added = tuple(fill(text) for text in change.added)
        resource = changed(draft, change, self._writer.orders, self._subject, added)
        return None if resource is None else DraftAction("update", description, resource)

    def _description(self, card: OrderCard, change: Change) -> Text:
        drugs, labs = self._guidance.drugs, self._guidance.labs
        if change.kind == "replace":
            return say.REPLACES(name=card.name, order=drugs[change.order].text)
        if change.kind == "weekly":
            return say.MAKES_WEEKLY(name=card.name, weeks=str(drugs[change.order].weeks))
        if change.kind == "spacing":
            return say.ADDS_SPACING(name=card.name)
        if change.kind == "move":
            return say.MOVES(name=card.name, date=str(change.on))
        if change.kind == "recode":
            return say.RECODES(name=card.name, lab=labs[change.test].name)
        return say.REMOVES(name=card.name)

    def _label(self, suggestion: OrderSuggestion) -> str:
        names = ", ".join(self._guidance.labs[lab.test].short for lab in suggestion.labs)
        urgent = bool(suggestion.labs) and all(lab.urgent for lab in suggestion.labs)
        return self._writer.fill(self._of_change(suggestion.change, names, urgent=urgent))

    def _of_change(self, change: Change | None, names: str, *, urgent: bool) -> Text:
        if change is None:
            return say.LABEL_ADD_NOW(labs=names) if urgent else say.LABEL_ADD(labs=names)
        if change.kind == "remove":
            if not names:
                return say.LABEL_REMOVE()
            return say.LABEL_REMOVE_AND_TEST_NOW(labs=names) if urgent else say.LABEL_REMOVE_AND_TEST(labs=names)
        if change.kind == "move":
            return say.LABEL_MOVE(date=str(change.on))
        if change.kind == "recode":
            return say.LABEL_RECODE()
        if change.kind == "spacing" and change.gap is not None:
            if len(change.added) > 1:
                return say.LABEL_SPACING_SEVERAL(drug=change.drug)
            return say.LABEL_SPACING(drug=change.drug, gap=change.gap)
        order = self._guidance.drugs[change.order]
        if change.kind == "weekly":
            return say.LABEL_WEEKLY(iu=f"{order.dose:,}", weeks=str(order.weeks))
        if order.weeks is None:
            return say.LABEL_REPLACE_DAILY(iu=f"{order.dose:,}")
        return say.LABEL_REPLACE_WEEKLY(iu=f"{order.dose:,}", weeks=str(order.weeks))


def fitting(texts: list[str], room: int) -> tuple[list[str], int]:
    """The *texts* that fit into *room* words, from the front; what room is left."""
    for place, text in enumerate(texts):
        length = words(text)
        if length > room:
            return texts[:place], room
        room -= length
    return texts, room
