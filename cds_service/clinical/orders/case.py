"""The facts that an order is judged by (order hooks, parts 3 and 4): the chart without it, and the orders beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Dose, Drafted, Drafts, MedicationOrder, PatientFacts, Source
from cds_service.clinical.rules import gates
from cds_service.clinical.rules.gates import Closed
from cds_service.clinical.states import derive, therapy
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.people import Problems
from cds_service.clinical.states.therapy import NUTRITIONAL, is_past
from cds_service.clinical.trace import Trace
from cds_service.clinical.words import phrases

MAGNESIUM, CHELATING, RALTEGRAVIR = gates.MAGNESIUM_PRODUCTS, "mg-chelating", "mg-blocking"
ACTIVE = therapy.ACTIVE_FORM
REPLACEMENT_SOURCES = (
    Source.VITAMIN_D, Source.MAGNESIUM, Source.CHEMISTRY, Source.KIDNEY, Source.CONDITIONS, Source.MEDICATIONS
)  # fmt: skip
"""What must be known whole before another drug or rhythm is offered (part 4)."""


class OrderCase(Datum, frozen=True):
    """One draft, and what it is judged by.

    `s` are the states of the chart, in which the tests of the other drafts are under way. `others` are the current
    orders of the chart and the other drafts; `renews`: it continues an order that is in the chart.
    """

    s: States
    draft: Drafted
    others: tuple[MedicationOrder, ...]
    renews: bool

    @property
    def drug(self) -> MedicationOrder:
        """The drug of the draft.

        Raises:
            ValueError: it is an order of a test.
        """
        if self.draft.drug is None:
            message = "a row on drugs is asked about drugs"
            raise ValueError(message)
        return self.draft.drug

    @property
    def adult(self) -> bool:
        """Whether rows for adults speak: an unknown birth date counts as one (part 8)."""
        return self.s.person.age is None or self.s.person.age >= self.s.limits.people.adult_age

    def closed(self) -> tuple[Closed, ...]:
        """Why no other drug or rhythm may be offered (part 4): the gates of a course over the others, and sources."""
        current = tuple(map(_blocking, self.others))
        over = self.s.changed(therapy=self.s.therapy.with_current(current))
        found = list(gates.decide(over, Trace()).course)
        told = {str(item.reason.values.get("source")) for item in found}
        for source in REPLACEMENT_SOURCES:
            named = phrases.SOURCES[source.value]()
            if not self.s.known(source) and str(named) not in told:
                found.append(Closed("", gates.missing(self.s, source)))
        return tuple(found)

    def beside(self, drug_set: str) -> list[MedicationOrder]:
        """The others of *drug_set*, by mouth where that is asked of it."""
        return [order for order in self.others if drug_set in order.sets]

    def by_mouth(self, drug_set: str) -> list[MedicationOrder]:
        """The others of *drug_set* that are taken by mouth."""
        return [order for order in self.beside(drug_set) if is_by_mouth(order, drug_set)]

    def has(self, concept: str, group: str | None = None) -> bool:
        """Whether the chart or the draft's own reasons name *concept*."""
        return self.s.problems.has(concept, group) or (concept, group) in self.draft.reasons


def is_by_mouth(order: MedicationOrder, drug_set: str) -> bool:
    """Whether *order* counts as one of *drug_set* by mouth: magnesium in a product with a little of much does not."""
    return drug_set in order.sets and not order.parenteral and not (drug_set == MAGNESIUM and order.trace)


def is_supplement(order: MedicationOrder, s: States) -> bool:
    """Of class supplement (9.3): also a product with a little of much whose dose is not known."""
    return is_trace(order) or therapy.is_supplement(order, s.limits.therapy)


def is_course_grade(order: MedicationOrder, s: States) -> bool:
    """Of class course-grade (9.3)."""
    return not is_trace(order) and therapy.is_course_grade(order, s.limits.therapy)


def is_trace(order: MedicationOrder) -> bool:
    """Vitamin D of unknown dose among a little of much: that much is sure, that it is little."""
    return order.trace and order.dose is None


def _blocking(order: MedicationOrder) -> MedicationOrder:
    """The order as the gates read it: a trace closes none, and of one dose no IU a day is told."""
    if is_trace(order):
        return order.changed(sets=order.sets - {NUTRITIONAL})
    return order.changed(dose=None) if order.dose is not None and order.dose.is_once else order


def chart(facts: PatientFacts, drafts: Drafts) -> PatientFacts:
    """*facts* without what is being written (part 3): re-signing is not its own duplicate."""
    written = drafts.written
    if not written:
        return facts
    return facts.changed(
        medications=tuple(o for o in facts.medications if f"MedicationRequest/{o.id}" not in written),
        lab_orders=tuple(o for o in facts.lab_orders if f"ServiceRequest/{o.id}" not in written),
    )


def of_draft(draft: Drafted, s: States, facts: PatientFacts, drafts: Drafts) -> OrderCase:
    """The case of *draft*; *facts* are those of the chart with what is being written."""
    beside = [other for other in drafts.listed if other.place != draft.place]
    current = sorted((o for o in s.facts.medications if _is_current(o, s.today)), key=_order_key)
    others = (*current, *(other.drug for other in beside if other.drug is not None))
    return OrderCase(_with_tests(s, beside), draft, others, _renews(draft, facts, s.today))


def _order_key(order: MedicationOrder) -> tuple[str, ...]:
    """An order of its own, so that the order of entries decides nothing."""
    return (*therapy.order_key(order), str(order.parenteral), str(order.trace))


def _is_current(order: MedicationOrder, today: date) -> bool:
    return order.status == "active" and not is_past(order, today)


def _with_tests(s: States, beside: Iterable[Drafted]) -> States:
    """The tests of the other drafts are under way (part 3): one without a day today."""
    ordered = tuple(replace(other.lab, authored=s.today) for other in beside if other.lab is not None)
    if not ordered:
        return s
    facts = s.facts.changed(lab_orders=(*s.facts.lab_orders, *ordered))
    return s.changed(under_way=derive.under_way(facts, s.limits.pending, s.today))


def _renews(draft: Drafted, facts: PatientFacts, today: date) -> bool:
    """The same ingredient is current, or what it is or follows is a signed order (part 3)."""
    drug = draft.drug
    if drug is None:
        return False
    for order in facts.medications:
        if order.status != "draft" and f"MedicationRequest/{order.id}" in draft.own:
            return True
        if _is_current(order, today) and _same_ingredient(order, drug):
            return True
    return False


def _same_ingredient(one: MedicationOrder, other: MedicationOrder) -> bool:
    """By name; magnesium is one ingredient, whatever its salt, and a trace of it is none."""
    if is_by_mouth(one, MAGNESIUM) and is_by_mouth(other, MAGNESIUM):
        return True
    return bool(one.name) and one.name == other.name and bool(one.sets & other.sets)


def with_reasons(s: States, draft: Drafted) -> States:
    """*s* in which the draft's own reasons are on the problem list, and name the stage of the kidneys (O6)."""
    if not draft.reasons:
        return s
    known = s.problems
    problems = Problems(known.every, known.any_source | draft.reasons, known.by_code | draft.reasons)
    stages = {group for concept, group in draft.reasons if concept == "ckd"}
    ckd3 = bool(stages) and bool(stages - {"1", "2", None})
    return s.changed(problems=problems, kidney=s.kidney.changed(ckd3_firm=s.kidney.ckd3_firm or ckd3))


def total(orders: Iterable[MedicationOrder]) -> int:
    """IU of vitamin D a day of *orders* together, identical ones once; what is not known is not added up."""
    counted = therapy.distinct(o for o in orders if NUTRITIONAL in o.sets)
    return round(sum(o.dose.per_day for o in counted if o.dose is not None))


def is_once(dose: Dose | None) -> bool:
    """Whether there is one dose and no more."""
    return dose is not None and dose.is_once
