"""The order of evaluation (section 1 of the decision table), one line a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cds_service.clinical import (
    companions,
    display,
    gates,
    labs,
    magnesium,
    minors,
    quiet,
    sentences,
    states,
    vitamin_d,
)
from cds_service.clinical.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from cds_service.clinical.card import Card
    from cds_service.clinical.facts import PatientFacts
    from cds_service.clinical.guidance_types import Guidance
    from cds_service.clinical.quiet import Quiet, Said
    from cds_service.clinical.trace import Step


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The cards to show, in display order, and why. `vitamin_d` and `magnesium` are the states, empty if deceased.

    `quiet` are the cards that are not shown because of what was said earlier; `levels` has for each card's id how many
    thresholds its result has crossed.
    """

    cards: tuple[Card, ...]
    trace: tuple[Step, ...]
    vitamin_d: str = ""
    magnesium: str = ""
    quiet: tuple[Quiet, ...] = ()
    levels: Mapping[str, int] = field(default_factory=dict)


def evaluate(
    facts: PatientFacts, guidance: Guidance, today: date, max_cards: int, said: Iterable[Said] = ()
) -> Evaluation:
    """Decide what to show for *facts* on *today* by *guidance*; more than *max_cards* cards are folded.

    What was *said* of earlier cards may keep some quiet.
    """
    trace = Trace()
    if facts.deceased:
        trace.yes("DECEASED", "the patient is recorded as deceased: no cards (section 9.5)")
        return Evaluation((), tuple(trace.steps))
    s = states.derive(facts, guidance, today, trace)
    closed = gates.decide(s, trace)
    d = vitamin_d.choose(s, closed, trace)
    m = magnesium.choose(s, d, closed, trace)
    sentences.note(s, closed, trace)
    chosen = [card for card in (d, m) if card is not None]
    cards = [*chosen, *companions.beside(s, chosen, closed, trace)]
    cards = minors.only_critical(cards, s, trace)
    cards = labs.withdraw_pending(cards, s, trace)
    cards, hushed = quiet.hush(cards, said, s, trace)
    cards = labs.deduplicate(display.in_display_order(cards), trace)
    shown = display.fold(cards, max_cards, trace)
    levels = {card.id: quiet.level_of(card, s) for card in shown}
    return Evaluation(shown, tuple(trace.steps), s.d.state, s.m.state, hushed, levels)
