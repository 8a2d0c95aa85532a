"""The order of evaluation (section 1 of the decision table), one line a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from types import MappingProxyType

from cds_service.clinical.cards import companions, d_map, display, findings, m_map, pending, quiet
from cds_service.clinical.cards.case import Case
from cds_service.clinical.cards.quiet import Quiet, Said
from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import PatientFacts
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.rules import course, gates
from cds_service.clinical.states.derive import derive
from cds_service.clinical.trace import Noted, Step, Trace, steps
from cds_service.clinical.words import wording
from cds_service.clinical.words.card import Card
from cds_service.clinical.words.order_card import OrderCard


class Evaluation(Datum, frozen=True):
    """The cards to show, in display order, and what was noted of why.

    `vitamin_d` and `magnesium` are the states, empty if deceased. `quiet` are the cards that are not shown because of
    what was said earlier; `levels` has for each card's id how many thresholds its result has crossed. `order_cards` are
    those of the order hooks, which have no others.
    """

    cards: tuple[Card, ...]
    noted: tuple[Noted, ...]
    vitamin_d: str = ""
    magnesium: str = ""
    quiet: tuple[Quiet, ...] = ()
    levels: Mapping[str, int] = MappingProxyType({})
    order_cards: tuple[OrderCard, ...] = ()

    @property
    def trace(self) -> tuple[Step, ...]:
        """Each step of the evaluation, and why."""
        return steps(self.noted)


def evaluate(
    facts: PatientFacts, guidance: Guidance, today: date, max_cards: int, said: Iterable[Said] = ()
) -> Evaluation:
    """Decide what to show for *facts* on *today* by *guidance*; more than *max_cards* cards are folded.

    What was *said* of earlier cards may keep some quiet.
    """
    trace = Trace()
    if facts.deceased:
        trace.yes("DECEASED", "the patient is recorded as deceased: no cards (section 9.5)")
        return Evaluation((), tuple(trace.noted))
    s = derive(facts, guidance, today)
    trace.later(partial(wording.trace_states, s))
    closed = gates.decide(s, trace)
    case = Case(s, closed, course.judge(s, trace), course.order_trigger(s))
    case = d_map.with_request(case, d_map.choose(case, trace))
    m = m_map.choose(case, trace)
    trace.later(partial(findings.trace_sentences, s, closed))
    chosen = [card for card in (case.vitamin_d, m) if card is not None]
    cards = [*chosen, *companions.beside(s, chosen, closed, trace)]
    cards = display.only_critical(cards, s, trace)
    cards = pending.withdraw_pending(cards, case, trace)
    cards, hushed = quiet.hush(cards, said, s, trace)
    if any(one.rule == "K-DDEF" for one in hushed):
        cards, hushed = quiet.adjunct_too(cards, m_map.without_adjunct(cards, case), hushed, s, trace)
    cards = pending.deduplicate(display.in_display_order(cards), trace)
    cards = companions.without_lab(cards, s, trace)
    shown = display.fold(cards, max_cards, guidance.cards, trace)
    levels = {card.id: quiet.level_of(card, s) for card in shown}
    return Evaluation(shown, tuple(trace.noted), s.d.state, s.m.state, hushed, levels)
