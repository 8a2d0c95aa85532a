"""What is remembered from one call to the next: cards that were shown, and what was said of them.

`FeedbackKeeper` is all that is asked of its keeper: that is `feedback/`, and `NoFeedback` where none is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, NoReturn, Protocol

from cds_service.clinical.cards.quiet import Said
from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.guidance_types import Feedback, FeedbackReason
from cds_service.clinical.words.card import Card, Draft, LabDraft, Suggestion
from cds_service.clinical.words.order_card import OrderCard
from cds_service.errors import UnknownService
from cds_service.hooks.answers import Cards, HookCard
from cds_service.hooks.feedback_body import CardOutcome

ANYONE = "anyone"
"""The client where no token is asked for."""


@dataclass(slots=True)
class Chart:
    """Whose chart is open, where, and on which day. Server and patient are kept as one keyed digest only."""

    client: str
    server: str
    patient: str
    service: str
    hook: str
    day: date
    digest: tuple[bytes, str] | None = field(default=None, init=False)
    """The key, and the digest of server and patient that was made by it: a call asks for it more than once."""


class ShownCard(NamedTuple):
    """A card that was shown; each suggestion with the first day that a test in it is for."""

    uuid: str
    topic: str
    rule: str
    indicator: str
    level: int
    suggestions: tuple[tuple[str, date | None], ...]


class Standing(NamedTuple):
    """How one analyte stands in a chart: its band, the day of its newest usable result, whether a test is under way."""

    analyte: str
    band: str
    result_day: str
    ordered: bool


class WeighedCard(NamedTuple):
    """A card that was to be shown, by which mode, and whether it was."""

    topic: str
    indicator: str
    mode: str
    shown: bool


class Weighed(NamedTuple):
    """What is noted of one call: its chart, the cards that were not switched off, and how the analytes stand."""

    chart: Chart | None = None
    cards: tuple[WeighedCard, ...] = ()
    standings: tuple[Standing, ...] = ()

    @property
    def silent(self) -> tuple[WeighedCard, ...]:
        """The cards that were held back."""
        return tuple(card for card in self.cards if not card.shown)


NOTHING_WEIGHED = Weighed()
Places = Callable[[Chart], float | None]
"""The place from 0 to 1 of the patient of a chart, or `None` where it cannot be known."""


def nowhere(chart: Chart) -> None:
    """No place is known."""
    del chart


class Answered(NamedTuple):
    """What was done with an earlier card of this chart. Without a `code` and `accepted` it was just dismissed."""

    topic: str
    day: date
    accepted: bool
    system: str | None
    code: str | None
    level: int
    indicator: str
    follow_up: date | None


class CallRow(NamedTuple):
    """A call as the owner's page counts it; the last three are numbers of prefetch keys."""

    client: str
    service: str
    status: int
    milliseconds: float
    cards: int
    prefetched: int
    fetched: int
    lacking: int


class Memory(Protocol):
    """Remembers; never fails, and never keeps a call waiting."""

    def answers(self, chart: Chart) -> Iterable[Answered] | None:
        """What was done with earlier cards of *chart*; `None` where it cannot be known at once."""


class Told(NamedTuple):
    """What the owner is told of a period: tables by their names, and every client that called in it."""

    tables: Mapping[str, list[dict[str, Any]]]
    clients: tuple[str, ...]


class FeedbackKeeper(Memory, Protocol):
    """Keeps feedback, and what is to be known of calls: all that `web/` and the commands ask for."""

    @property
    def keeps(self) -> bool:
        """Whether anything is kept."""

    def begin(self) -> None:
        """Get ready, before the first call."""

    def called(self, row: CallRow, shown: tuple[ShownCard, ...], quiet: tuple[str, ...], weighed: Weighed) -> None:
        """Remember a call, soon: the cards that were *shown*, the topics that were *quiet*, and what was *weighed*."""

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Remember the same of a *chart* that was opened without a call that counts."""

    def place(self, chart: Chart) -> float | None:
        """The place from 0 to 1 of the patient of *chart*, always the same; `None` where it cannot be known."""

    def turn(self, client: str) -> AbstractContextManager[None]:
        """Have a turn to read feedback of *client* and keep it.

        Raises:
            UnknownService: none is kept.
            TooMuchFeedback: there is no turn to be had.
        """

    def save(self, client: str, service: str, items: list[CardOutcome], day: date, began: float) -> None:
        """Keep feedback; on the disk when this returns. The call *began* then, by `time.perf_counter`.

        Raises:
            StoreUnavailable: it is not kept.
        """

    def flush(self, seconds: float = 10) -> bool:
        """Wait until all is written that was noted so far; whether it was."""

    def can_write(self) -> bool:
        """Whether feedback can be kept now."""

    def told(self, first: date, last: date, client: str | None, offered: Feedback) -> Told:
        """The days from *first* to *last*, of one client or all; reasons are named as *offered*.

        Raises:
            StoreUnavailable: it cannot be read.
        """

    def close(self) -> None:
        """Write what waits, and stop."""


class NoFeedback:
    """A `FeedbackKeeper` that remembers nothing and takes no feedback."""

    keeps = False

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """Nothing."""
        del chart
        return ()

    def begin(self) -> None:
        """Nothing is to be done."""

    def called(self, row: CallRow, shown: tuple[ShownCard, ...], quiet: tuple[str, ...], weighed: Weighed) -> None:
        """Nothing is noted."""

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Nothing is noted."""

    def place(self, chart: Chart) -> None:
        """There is no key to know it by."""
        del chart

    def turn(self, client: str) -> NoReturn:
        """There is none, for any *client*.

        Raises:
            UnknownService: always.
        """
        del client
        raise UnknownService("Feedback is not kept here (CDS_FEEDBACK)")

    def save(self, client: str, service: str, items: list[CardOutcome], day: date, began: float) -> None:
        """Never asked: there is no turn."""

    def flush(self, seconds: float = 10) -> bool:
        """Nothing waits."""
        del seconds
        return True

    def can_write(self) -> bool:
        """Nothing can be kept."""
        return False

    def told(self, first: date, last: date, client: str | None, offered: Feedback) -> Told:
        """Nothing."""
        del first, last, client, offered
        return Told({}, ())

    def close(self) -> None:
        """Nothing is to be done."""


FORGETFUL = NoFeedback()


def said(
    memory: Memory, chart: Chart, reasons: Mapping[str, FeedbackReason], given_up: Callable[[], None]
) -> Iterator[Said]:
    """What can quiet of what was said of *chart*: acceptances, and reasons of the guidance.

    *memory* is asked when the first is wanted: a chart without cards, and most have none, asks nothing of a database.
    Where it does not know, that is *given_up*, and nothing was said.
    """
    answers = memory.answers(chart)
    if answers is None:
        given_up()
        return
    for one in answers:
        name = "" if one.accepted else _name(reasons, one.system or "", one.code or "")
        if name is not None:
            yield Said(one.topic, one.day, name, one.level, one.indicator, one.follow_up)


def _name(reasons: Mapping[str, FeedbackReason], system: str, code: str) -> str | None:
    """What the guidance calls a reason; `None` where it has none of that code."""
    return next((name for name, reason in reasons.items() if (reason.system, reason.code) == (system, code)), None)


def shown_cards(evaluation: Evaluation, response: Cards) -> tuple[ShownCard, ...]:
    """The cards of *response*, which were written from *evaluation*."""
    cards: tuple[Card | OrderCard, ...] = (*evaluation.cards, *evaluation.order_cards)
    levels = evaluation.levels
    return tuple(
        [
            ShownCard(
                written.uuid, written.source.topic.code, card.id, card.indicator, levels[card.id], _asked(card, written)
            )
            for card, written in zip(cards, response.cards, strict=True)
        ]
    )


def _asked(card: Card | OrderCard, written: HookCard) -> tuple[tuple[str, date | None], ...]:
    """Each suggestion that was *written* of *card*, with the first day that a test in it is for."""
    if not written.suggestions:
        return ()
    drafts = [one.drafts if isinstance(one, Suggestion) else one.labs for one in card.suggestions]
    return tuple([(made.uuid, _first_day(of)) for made, of in zip(written.suggestions, drafts, strict=True)])


def _first_day(drafts: tuple[Draft, ...]) -> date | None:
    days = [draft.on for draft in drafts if type(draft) is LabDraft and draft.on is not None]
    return min(days) if days else None
