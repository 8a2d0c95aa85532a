"""What drafts are judged beside (order hooks, part 3): the current orders of the chart, and each other.

It is gathered once for a call, so that a draft costs no more where there are many others. Of orders that no row tells
apart so many are kept that one is left where another is the draft that asks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import replace
from fractions import Fraction
from heapq import nlargest
from itertools import islice

from cds_service.clinical.facts import Drafted, Drafts, LabOrder, MedicationOrder, PatientFacts, Source
from cds_service.clinical.orders.kinds import (
    ACTIVE,
    CHELATING,
    MAGNESIUM,
    RALTEGRAVIR,
    is_by_mouth,
    is_course_grade,
    is_supplement,
    is_trace,
)
from cds_service.clinical.rules import gates
from cds_service.clinical.rules.gates import Closed
from cds_service.clinical.states import derive, therapy
from cds_service.clinical.states.derive import Pending, States
from cds_service.clinical.states.therapy import COMBINATION, NUTRITIONAL, Same, is_current, same
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import order_phrases as say
from cds_service.clinical.words import phrases

REPLACEMENT_SOURCES = (
    Source.VITAMIN_D, Source.MAGNESIUM, Source.CHEMISTRY, Source.KIDNEY, Source.CONDITIONS, Source.MEDICATIONS
)  # fmt: skip
"""What must be known whole before another drug or rhythm is offered (part 4)."""
READ = frozenset({NUTRITIONAL, ACTIVE, MAGNESIUM, CHELATING, RALTEGRAVIR})
"""The sets of drugs that a row reads of an order beside a draft."""
ENOUGH = 2
"""Of what is the same: one, and one more where that is the draft that asks."""
PLACES = 9
"""Decimals that count of a sum before it is rounded: what is taken each seven days is a number a day without an end."""

Entry = tuple[int | None, MedicationOrder]
"""An order, and the place of the draft that it is, if it is one."""
Orders = tuple[MedicationOrder, ...]


class Beside:
    """All orders that there are at one call. *s* are the states of the chart without what is being written."""

    def __init__(self, s: States, facts: PatientFacts, drafts: Drafts) -> None:
        """Gather them; *facts* are those of the chart with what is being written."""
        current = sorted((o for o in s.facts.medications if is_current(o, s.today)), key=_order_key)
        entries: list[Entry] = [(None, order) for order in current]
        entries += [(draft.place, draft.drug) for draft in drafts.listed if draft.drug is not None]
        self.s = _with_tests(s, drafts)
        """The states, in which the tests of all drafts are under way (part 3)."""
        self._kept = [entries[place] for place in sorted(_kept(entries, s))]
        self._all = tuple(order for _, order in self._kept)
        self._places = {place for place, _ in self._kept}
        self._counted = Counter(same(order) for _, order in entries if NUTRITIONAL in order.sets)
        self._total = sum(map(_per_day, self._counted), Fraction(0))
        self._closed: dict[Orders, tuple[Closed, ...]] = {}
        written = [order for order in facts.medications if order.status != "draft"]
        self._signed = {f"MedicationRequest/{order.id}" for order in written}
        self._ingredients: defaultdict[str, set[str]] = defaultdict(set)
        self._takes_magnesium = False
        for order in facts.medications:
            if is_current(order, s.today):
                self._ingredients[order.name] |= order.sets
                self._takes_magnesium = self._takes_magnesium or is_by_mouth(order, MAGNESIUM)

    def others(self, draft: Drafted) -> Orders:
        """The orders beside *draft*: of each kind enough of them."""
        if draft.place not in self._places:
            return self._all
        return tuple(order for place, order in self._kept if place != draft.place)

    def total(self, drug: MedicationOrder, *, with_it: bool) -> int:
        """IU of vitamin D a day of all orders, with or without *drug* of a draft; identical ones once (7.4)."""
        identical = same(drug)
        left_out = not with_it and self._counted[identical] == 1
        return round(round(self._total - _per_day(identical) if left_out else self._total, PLACES))

    def closed(self, others: Orders) -> tuple[Closed, ...]:
        """Why no other drug or rhythm may be offered beside *others* (part 4): the gates of a course, and sources."""
        if others not in self._closed:
            self._closed[others] = _closed(self.s, others)
        return self._closed[others]

    def renews(self, draft: Drafted) -> bool:
        """Whether the same ingredient is current, or what *draft* is or follows is a signed order (part 3).

        By name; magnesium is one ingredient, whatever its salt, and a trace of it is none.
        """
        drug = draft.drug
        if drug is None:
            return False
        if not self._signed.isdisjoint(draft.own) or (self._takes_magnesium and is_by_mouth(drug, MAGNESIUM)):
            return True
        return bool(drug.name) and not drug.sets.isdisjoint(self._ingredients.get(drug.name, ()))

    def test_of(self, draft: Drafted) -> Pending | None:
        """What *draft* itself has under way."""
        lab = draft.lab
        return None if lab is None else derive.pending_order(_now(lab, self.s), self.s.limits.pending, self.s.today)


def _now(lab: LabOrder, s: States) -> LabOrder:
    """The test of a draft: one without a day is for today, whenever it was written."""
    return replace(lab, authored=s.today)


def _with_tests(s: States, drafts: Drafts) -> States:
    ordered = tuple(_now(draft.lab, s) for draft in drafts.listed if draft.lab is not None)
    if not ordered:
        return s
    facts = s.facts.changed(lab_orders=(*s.facts.lab_orders, *ordered))
    return s.changed(under_way=derive.under_way(facts, s.limits.pending, s.today))


def _order_key(order: MedicationOrder) -> tuple[str, ...]:
    """An order of its own, so that the order of entries decides nothing."""
    return (*therapy.order_key(order), str(order.parenteral), str(order.trace))


def _kept(entries: list[Entry], s: States) -> set[int]:
    """The places of the *entries* that are enough: of each kind the first doses and the largest, each with another.

    What a row finds at all, first or largest it finds among these, whichever draft is left out.
    """
    kinds: defaultdict[Hashable, defaultdict[Same, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, (_, order) in enumerate(entries):
        kinds[_kind(order, s)][same(order)].append(place)
    found: set[int] = set()
    for doses in kinds.values():
        for identical in (*islice(doses, ENOUGH), *nlargest(ENOUGH, doses, key=_per_day)):
            found.update(doses[identical][:ENOUGH])
    return found


def _kind(order: MedicationOrder, s: States) -> Hashable:
    """All that a row asks of an order beside a draft, but for how many IU it is."""
    dose, groups = order.dose, order.groups
    size = None if dose is None else (dose.is_once, dose.single >= s.limits.therapy.high_single)
    of_drug = (order.name, order.sets & READ, COMBINATION in groups, min(groups & say.GAPS.keys(), default=""))
    return (
        *of_drug,
        order.unresolved,
        order.parenteral,
        order.trace,
        size,
        is_course_grade(order, s),
        is_supplement(order, s),
    )


def _per_day(identical: Same) -> Fraction:
    _, _, dose = identical
    return Fraction(0) if dose is None else Fraction(dose.per_day)


def _closed(s: States, others: Orders) -> tuple[Closed, ...]:
    over = s.changed(therapy=s.therapy.with_current(tuple(map(_blocking, others))))
    found = list(gates.decide(over, Trace()).course)
    told = {str(item.reason.values.get("source")) for item in found}
    for source in REPLACEMENT_SOURCES:
        named = phrases.SOURCES[source.value]()
        if not s.known(source) and str(named) not in told:
            found.append(Closed("", gates.missing(s, source)))
    return tuple(found)


def _blocking(order: MedicationOrder) -> MedicationOrder:
    """The order as the gates read it: a trace closes none, and of one dose no IU a day is told."""
    if is_trace(order):
        return order.changed(sets=order.sets - {NUTRITIONAL})
    return order.changed(dose=None) if order.dose is not None and order.dose.is_once else order
