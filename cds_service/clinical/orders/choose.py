"""Which rows speak (order hooks, part 6): exclusions, tests under way, one card a topic, order, maximum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from cds_service.clinical.cards.display import LEVEL
from cds_service.clinical.cards.drafts import VITAMIN_D_LAB
from cds_service.clinical.facts import Drafted
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.orders import lab_rows, magnesium_rows, vitamin_d_rows
from cds_service.clinical.orders.case import OrderCase
from cds_service.clinical.orders.kinds import ACTIVE, CHELATING, MAGNESIUM, RALTEGRAVIR, is_by_mouth
from cds_service.clinical.states.therapy import NUTRITIONAL
from cds_service.clinical.trace import Trace
from cds_service.clinical.words.card import LabDraft
from cds_service.clinical.words.order_card import OrderCard, OrderSuggestion

Row = Callable[[OrderCase], OrderCard | None]

ROWS: Mapping[str, Row] = {
    "O1": magnesium_rows.high_magnesium,
    "O2a": magnesium_rows.kidneys,
    "O2b": magnesium_rows.kidneys_in_doubt,
    "O2c": magnesium_rows.myasthenia,
    "O3": vitamin_d_rows.held,
    "O4": vitamin_d_rows.magnesium_first,
    "O5": vitamin_d_rows.dose,
    "O6": vitamin_d_rows.active_form,
    "O7": vitamin_d_rows.high_dose,
    "O8": vitamin_d_rows.two_products,
    "O10": lab_rows.too_soon,
    "O11": lab_rows.wrong_test,
    "O13": magnesium_rows.binding_drug,
    "O13r": magnesium_rows.raltegravir,
}
"""Every row by its id."""
PLACE = ("O1", "O4", "O3", "O2a", "O5", "O6", "O13r", "O8", "O2b", "O2c", "O7", "O11", "O10", "O13")
"""The order of cards inside one level of urgency."""
REPLACES: Mapping[str, frozenset[str]] = {
    "O1": frozenset({"O2a", "O2b", "O2c", "O13", "O13r"}),
    "O2a": frozenset({"O2b", "O2c", "O13", "O13r"}),
    "O2b": frozenset({"O2c"}),
    "O3": frozenset({"O5", "O6", "O7", "O8"}),
    "O4": frozenset({"O5", "O6", "O7", "O8"}),
    "O5": frozenset({"O7", "O8"}),
}
"""What a row leaves no room for, of one draft; O3 as an info replaces none and gives way to O6."""


def rows_for(case: OrderCase) -> Iterator[str]:
    """The rows that are about an order of that kind."""
    drug = case.draft.drug
    if drug is None:
        yield from ("O10", "O11")
        return
    if is_by_mouth(drug, MAGNESIUM):
        yield from ("O1", "O2a", "O2b", "O2c")
    if drug.sets & {NUTRITIONAL, ACTIVE}:
        yield "O3"
    if NUTRITIONAL in drug.sets:
        yield from ("O4", "O5", "O7", "O8")
    if ACTIVE in drug.sets:
        yield "O6"
    if is_by_mouth(drug, MAGNESIUM) or is_by_mouth(drug, CHELATING):
        yield "O13"
    if is_by_mouth(drug, MAGNESIUM) or RALTEGRAVIR in drug.sets:
        yield "O13r"


def rows_of(topics: frozenset[str], guidance: Guidance) -> frozenset[str]:
    """The rows whose cards are of one of *topics*."""
    return frozenset(row for row in ROWS if guidance.entry(row).topic in topics) if topics else frozenset()


def is_judged(draft: Drafted) -> bool:
    """Whether this call is about *draft*, and its drug is known: one that could be any is only beside others."""
    return draft.judged and (draft.drug is None or not draft.drug.unresolved)


def is_ours(draft: Drafted, guidance: Guidance, *, signing: bool) -> bool:
    """Whether a draft that is judged is of a kind that a row of this hook is about (part 1)."""
    drug = draft.drug
    if not is_judged(draft):
        return False
    if drug is None:
        tests = draft.lab is not None and draft.lab.analyte == VITAMIN_D_LAB
        return not signing and (tests or any(code in guidance.order_rows.O11.codes for code in draft.codes))
    kinds = drug.sets & {NUTRITIONAL, ACTIVE, RALTEGRAVIR} or is_by_mouth(drug, MAGNESIUM)
    return bool(kinds) or (not signing and is_by_mouth(drug, CHELATING))


def rows_on(guidance: Guidance, off: frozenset[str], *, signing: bool) -> frozenset[str]:
    """The rows that may speak at this hook: those that guidance gives it and nobody has switched *off*."""
    given = {row for row, entry in guidance.order_rows.each() if (entry.sign if signing else entry.select)}
    return frozenset(given - off)


def speaking(case: OrderCase, on: frozenset[str], trace: Trace) -> list[OrderCard]:
    """The cards of one draft after exclusions and tests under way, by the rows that are *on*."""
    found: dict[str, OrderCard] = {}
    for row in rows_for(case):
        if row not in on:
            continue
        card = ROWS[row](case)
        if card is not None:
            found[row] = card
            trace.yes(row, "draft {}: {}", case.draft.place, ROWS[row].__doc__)
    kept = [_without(card, _under_way(case)) for card in _not_excluded(found, trace)]
    return [card for card in kept if card.suggestions or not card.asks]


def _not_excluded(found: Mapping[str, OrderCard], trace: Trace) -> list[OrderCard]:
    """Without the rows that another row of the same draft leaves no room for."""
    gone: set[str] = set()
    for row, card in found.items():
        replaced = REPLACES.get(row, frozenset())
        if row == "O3" and card.indicator == "info":
            replaced = frozenset()
            if "O6" in found:
                gone.add("O3")
                trace.yes("O6 > O3", "what stands on the problem list alone gives way")
        for other in sorted(replaced & found.keys()):
            gone.add(other)
            trace.yes(f"{row} > {other}", "of one draft the more important")
    return [card for row, card in found.items() if row not in gone]


def _under_way(case: OrderCase) -> Callable[[LabDraft], bool]:
    """Tests under way are not asked for again, urgent ones excepted (section 17)."""
    return lambda lab: not lab.urgent and case.is_under_way(lab.test, lab.on)


def _without(card: OrderCard, drop: Callable[[LabDraft], bool]) -> OrderCard:
    """The card without the dropped tests; suggestions that are empty go, and equal ones are one."""
    kept: list[OrderSuggestion] = []
    for suggestion in card.suggestions:
        left = suggestion.changed(labs=tuple(lab for lab in suggestion.labs if not drop(lab)))
        if (left.change is not None or left.labs) and left not in kept:
            kept.append(left)
    return card.changed(suggestions=tuple(kept))


def _one_of(tests: frozenset[str]) -> Callable[[LabDraft], bool]:
    return lambda lab: lab.test in tests


def one_a_topic(cards: Iterable[OrderCard], guidance: Guidance, trace: Trace) -> list[OrderCard]:
    """Of each topic the most urgent card, then that of the first draft; it names the others of which it is true."""
    topics: dict[str, list[OrderCard]] = {}
    for card in cards:
        topics.setdefault(guidance.entry(card.id).topic, []).append(card)
    kept = []
    for topic, listed in topics.items():
        first, *others = sorted(listed, key=lambda card: (LEVEL[card.indicator], card.place))
        names = dict.fromkeys(other.name for other in others if other.place != first.place)
        if others:
            trace.yes("TOPIC", "{}: one card for {} drafts", topic, len(listed))
        kept.append(first.changed(also=tuple(names)))
    return kept


def in_display_order(cards: Iterable[OrderCard]) -> list[OrderCard]:
    """Critical, then warning, then info; inside a level the order of part 6."""
    return sorted(cards, key=lambda card: (LEVEL[card.indicator], PLACE.index(card.id)))


def at_most(most: int, cards: Iterable[OrderCard], trace: Trace) -> tuple[OrderCard, ...]:
    """The first *most* of *cards*, and every critical one; a test is offered once, and what is left empty goes."""
    shown: list[OrderCard] = []
    offered: set[str] = set()
    for card in cards:
        if len(shown) >= most and card.indicator != "critical":
            trace.yes("MAXIMUM", "{} is not shown", card.id)
            continue
        left = _without(card, _one_of(frozenset(offered)))
        if left.asks and not left.suggestions:
            trace.yes("DUPLICATE", "{} goes: an earlier card asks for it", card.id)
            continue
        offered |= left.tests()
        shown.append(left)
    return tuple(shown)
