"""The order of evaluation at the order hooks (part 1), one line a step: the same facts, states, gates and words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial

from cds_service.clinical.cards import quiet
from cds_service.clinical.cards.quiet import Said
from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import Drafts, PatientFacts
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.order_limits import MOST_CARDS
from cds_service.clinical.orders import case, choose
from cds_service.clinical.orders.beside import Beside
from cds_service.clinical.states.derive import derive
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import wording


def evaluate(  # noqa: PLR0913 - what an evaluation is of
    facts: PatientFacts,
    drafts: Drafts,
    guidance: Guidance,
    today: date,
    max_cards: int,
    said: Iterable[Said] = (),
    *,
    off: frozenset[str] = frozenset(),
) -> Evaluation:
    """Decide what to say of *drafts*, of the patient whose *facts* these are; rows that are *off* are silent."""
    trace = Trace()
    if facts.deceased:
        trace.yes("DECEASED", "the patient is recorded as deceased: no cards (section 9.5)")
        return Evaluation((), tuple(trace.noted))
    s = derive(case.chart(facts, drafts), guidance, today)
    trace.later(partial(wording.trace_states, s))
    among = Beside(s, facts, drafts)
    judged = [case.of_draft(draft, among) for draft in drafts.listed if choose.is_judged(draft)]
    on = choose.rows_on(guidance, off, signing=drafts.signing)
    cards = [card for one in judged for card in choose.speaking(one, on, trace)]
    ordered = choose.in_display_order(choose.one_a_topic(cards, guidance, trace))
    if drafts.signing:
        ordered = [card for card in ordered if card.indicator != "info"]
    ordered, hushed = quiet.hush(ordered, said, s, trace)
    shown = choose.at_most(min(max_cards, MOST_CARDS), ordered, trace)
    levels = {card.id: card.level for card in shown}
    return Evaluation((), tuple(trace.noted), s.d.state, s.m.state, hushed, levels, order_cards=shown)
