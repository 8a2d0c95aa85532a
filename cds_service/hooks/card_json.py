"""Cards as CDS Hooks has them (rows 97 to 149): wording filled in and escaped here, drafts through `fhir/orders`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import count

from msgspec import UNSET

from cds_service.clinical.cards.drafts import MAGNESIUM_DAILY, MAGNESIUM_LAB, VITAMIN_D_LAB
from cds_service.clinical.guidance_types import CardEntry, Guidance
from cds_service.clinical.words import phrases
from cds_service.clinical.words.card import Card, Draft, DrugDraft, Note, Suggestion, Text
from cds_service.clinical.words.order_card import OrderCard
from cds_service.clinical.words.sentences import say
from cds_service.fhir.orders import Ordered, Orders
from cds_service.fhir.valuesets import BASE
from cds_service.hooks.answers import (
    CardLink,
    Cards,
    CardSource,
    CardSuggestion,
    CardTopic,
    DraftAction,
    HookCard,
    OverrideReason,
)
from cds_service.hooks.uuids import new_uuid

TOPIC_SYSTEM = f"{BASE}CodeSystem/card-topic"
REMEMBERED = 4096
BLOCK = "block."
"""How the keys of blocks begin."""


@dataclass(frozen=True, slots=True)
class AboutPages:
    """Where the pages behind the cards are: under `base`, the public address, by the service's own `profile`."""

    base: str
    profile: str

    def of(self, topic: str, profile: str) -> str:
        """The page of *topic*, for a caller who is answered by *profile*."""
        asked = "" if profile == self.profile else f"?profile={profile}"
        return f"{self.base}/about/{topic}{asked}"


class CardWriter:
    """Writes the cards of one guidance; built once."""

    def __init__(self, guidance: Guidance, orders: Orders, about: AboutPages | None = None) -> None:
        """Prepare what does not change from card to card: source, links, labels of orders.

        Without *about*, where no public address is known, cards do not link the page of their topic.
        """
        self.guidance = guidance
        self.orders = orders
        self._about = about
        self._wording = guidance.wording
        label = self.fill(phrases.SOURCE_LABEL(profile=guidance.profile_name))
        entries = {**guidance.cards, **guidance.order_cards}
        self._sources = {name: _source(label, entry) for name, entry in entries.items()}
        self._reasons = {name: _reasons(entry, guidance) for name, entry in entries.items()}
        # Drafts and blocks repeat from patient to patient; what is said of them holds no patient's data.
        self._label = lru_cache(maxsize=REMEMBERED)(self._draft_label)
        self.describe = lru_cache(maxsize=REMEMBERED)(self._description)
        self._links = lru_cache(maxsize=REMEMBERED)(self._find_links)

    def write(self, cards: Iterable[Card], ordered: Ordered) -> Cards:
        """The response: *cards* in the order given, each draft with a temporary id of its own."""
        drafting = Drafting(self, ordered)
        return Cards([self._card(card, drafting) for card in cards])

    def _card(self, card: Card, drafting: Drafting) -> HookCard:
        detail, blocks = self._detail(card)
        return self.hook_card(card, detail, [self._suggestion(one, drafting) for one in card.suggestions], blocks)

    def hook_card(
        self, card: Card | OrderCard, detail: str, suggestions: list[CardSuggestion], blocks: tuple[str, ...] = ()
    ) -> HookCard:
        """*card* with its *detail*, which holds *blocks*, and its *suggestions*; what stands on each of its kind."""
        if len(suggestions) > 1:
            for place, suggestion in enumerate(suggestions):
                suggestion.is_recommended = place == 0
        return HookCard(
            uuid=new_uuid(),
            summary=self.summary(card),
            indicator=card.indicator,
            detail=detail,
            source=self._sources[card.id],
            suggestions=suggestions or UNSET,
            selection_behavior="at-most-one" if suggestions else UNSET,
            override_reasons=self._reasons[card.id],
            links=self._links(card.id, blocks) or UNSET,
        )

    def summary(self, card: Card | OrderCard) -> str:
        """One plain sentence of at most 139 characters (row 100)."""
        text = self.fill(card.summary)
        most = self.guidance.limits.card.max_summary
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def _detail(self, card: Card) -> tuple[str, tuple[str, ...]]:
        """The detail (section 14.3), and the names of the blocks that it holds.

        What is too long loses bullets of part 3 from the end, the background first. If even that is too long, which
        takes more flags than any chart has met, it loses those from the end of part 1.
        """
        fill, rules = self.fill, self.guidance.limits.card
        critical = card.indicator == "critical"
        background = () if card.background is None else (card.background,)
        bullets = (*card.beware, *background)[: rules.max_bullets_critical if critical else rules.max_bullets]
        found, so, beware = [[fill(text) for text in texts] for texts in (card.found, card.so, bullets)]
        then = [] if card.then is None or critical else [fill(card.then)]
        too_many = words(*found, *so, *beware, *then) - rules.max_words
        while too_many > 0 and beware:
            too_many -= words(beware.pop())
        while too_many > 0 and len(found) > 1:
            too_many -= words(found.pop())
        lines = [" ".join(line) for line in (found, so) if line]
        listed = "\n".join([f"- {bullet}" for bullet in (*beware, *then)])
        lines += [listed] if listed else []
        if card.also_noted:
            noted = [fill(phrases.ALSO_NOTED()), *(f"- {title}" for title in card.also_noted)]
            lines.append("\n".join(noted))
        left = (*card.found[: len(found)], *card.so, *bullets[: len(beware)])
        return "\n\n".join(lines), tuple([text.key[len(BLOCK) :] for text in left if text.key.startswith(BLOCK)])

    def _suggestion(self, suggestion: Suggestion, drafting: Drafting) -> CardSuggestion:
        actions = [drafting.create(draft) for draft in suggestion.drafts]
        return CardSuggestion(self._suggestion_label(suggestion), new_uuid(), actions)

    def _description(self, test: str, on: date | None, urgent: bool) -> str:  # noqa: FBT001 - as the draft has it
        name = self.guidance.labs[test].name
        if urgent:
            return self.fill(phrases.LAB_DESCRIPTION_URGENT(lab=name))
        if on is not None:
            return self.fill(phrases.LAB_DESCRIPTION_ON(lab=name, date=str(on)))
        return self.fill(phrases.LAB_DESCRIPTION(lab=name))

    def _suggestion_label(self, suggestion: Suggestion) -> str:
        """Derived from the drafts that are left, so that it never promises an order that was withdrawn."""
        drug = suggestion.drug
        labs = tuple([(lab.test, lab.on, lab.urgent) for lab in suggestion.labs])
        return self._label(None if drug is None else drug.order, labs, suggestion.note)

    def _draft_label(self, order: str | None, labs: tuple[tuple[str, date | None, bool], ...], note: Note) -> str:
        """Section 14.2."""
        if order is not None:
            return self._drug_label(order, {test: on for test, on, _ in labs}, note)
        names = [self._lab_label(test, on) for test, on, _ in labs]
        if all(urgent for _, _, urgent in labs):
            return self.fill(phrases.LABEL_LABS_URGENT(labs=", ".join(names)))
        if note == "both":
            return self.fill(phrases.LABEL_BOTH(labs=" and ".join(names)))
        if note == "alone" and not any(on for _, on, _ in labs):
            return self.fill(phrases.LABEL_ALONE(lab=names[0]))
        return names[0] if note == "alone" else self.fill(phrases.LABEL_LABS(labs=", ".join(names)))

    def _drug_label(self, order: str, labs: Mapping[str, date | None], note: Note) -> str:
        """The drug, then its recheck, then the tests that are done at once."""
        label = self.guidance.drugs[order].label
        if note in phrases.LABEL_NOTES:
            label = self.fill(phrases.LABEL_NOTES[note](label=label))
        own = MAGNESIUM_LAB if order == MAGNESIUM_DAILY else VITAMIN_D_LAB
        for test, on in labs.items():
            if on is not None and test == own == MAGNESIUM_LAB:
                label = self.fill(phrases.LABEL_RECHECK(label=label, date=str(on)))
            elif on is not None:
                lab = self.guidance.labs[test].short
                label = self.fill(phrases.LABEL_RECHECK_OF(label=label, lab=lab, date=str(on)))
        now = [test for test, on in labs.items() if on is None]
        if now == [MAGNESIUM_LAB]:
            return self.fill(phrases.LABEL_AND_MAGNESIUM(label=label))
        names = ", ".join(self._lab_label(test, None) for test in now)
        return self.fill(phrases.LABEL_AND_LABS(label=label, labs=names)) if now else label

    def _lab_label(self, test: str, on: date | None) -> str:
        name = self.guidance.labs[test].short
        return name if on is None else self.fill(phrases.LABEL_LAB_ON(lab=name, date=str(on)))

    def _find_links(self, card_id: str, blocks: tuple[str, ...]) -> list[CardLink]:
        """The page of the topic, then sources: the card's own, those of its *blocks*; each once, the first few.

        A source that is still to be checked is left out (section 14).
        """
        guidance = self.guidance
        entry = guidance.entry(card_id)
        keys = dict.fromkeys([*entry.links, *(key for name in blocks for key in guidance.topics.block[name].links)])
        sources = [source for source in map(guidance.evidence.__getitem__, keys) if source.verified]
        found = [(source.label, source.url or "") for source in sources[: guidance.limits.card.max_sources]]
        if self._about is not None:
            page = self._about.of(entry.topic, guidance.profile_name)
            found.insert(0, (self.fill(phrases.ABOUT_LINK()), page))
        return [CardLink(label, url, "absolute") for label, url in found]

    def fill(self, text: Text) -> str:
        """The wording of *text* with its values."""
        return say(text, self._wording)


class Drafting:
    """Drafts the orders of one answer, each with a temporary id of its own."""

    def __init__(self, writer: CardWriter, ordered: Ordered) -> None:
        """With the words of *writer*; *ordered* is what belongs into each order."""
        self._writer = writer
        self._ordered = ordered
        self._numbering = count(1)
        self._because: Text | None = None
        self._reason = ""

    def create(self, draft: Draft) -> DraftAction:
        """The action that orders *draft*. Drafts that follow one another mostly have one reason: it is said once."""
        writer, orders = self._writer, self._writer.orders
        if draft.because is not self._because:
            self._because, self._reason = draft.because, writer.fill(draft.because)
        ordered, draft_id, reason = self._ordered, f"draft-{next(self._numbering)}", self._reason
        if isinstance(draft, DrugDraft):
            added = tuple([writer.fill(text) for text in draft.added])
            resource = orders.medication_request(draft.order, ordered, draft_id, reason, added)
            description = writer.guidance.drugs[draft.order].description
        else:
            test, on, urgent = draft.test, draft.on, draft.urgent
            resource = orders.service_request(test, ordered, draft_id, reason, on=on, urgent=urgent)
            description = writer.describe(test, on, urgent)
        return DraftAction("create", description, resource)


def words(*texts: str) -> int:
    """How many words *texts* have together."""
    return len(" ".join(texts).split())


def _source(label: str, entry: CardEntry) -> CardSource:
    return CardSource(label, CardTopic(TOPIC_SYSTEM, entry.topic, entry.display))


def _reasons(entry: CardEntry, guidance: Guidance) -> list[OverrideReason]:
    """Rows 132 to 134: what a clinician may answer instead."""
    topic = guidance.feedback.topic[entry.topic]
    reasons = [(name, guidance.feedback.reason[name]) for name in topic.reasons]
    return [OverrideReason(one.code, one.system, topic.displays.get(name, one.display)) for name, one in reasons]
