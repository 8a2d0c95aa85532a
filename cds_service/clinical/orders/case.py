"""The facts that an order is judged by (order hooks, parts 3 and 4): the chart without it, and the orders beside it."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Drafted, Drafts, MedicationOrder, PatientFacts
from cds_service.clinical.orders.beside import Beside
from cds_service.clinical.orders.kinds import is_by_mouth
from cds_service.clinical.rules.gates import Closed
from cds_service.clinical.states.derive import States
from cds_service.clinical.states.people import Problems


class OrderCase(Datum, frozen=True):
    """One draft, and what it is judged by.

    `others` are the current orders of the chart and the other drafts, enough of each kind.
    """

    draft: Drafted
    among: Beside
    others: tuple[MedicationOrder, ...]

    @property
    def s(self) -> States:
        """The states of the chart, in which the tests of all drafts are under way."""
        return self.among.s

    @property
    def renews(self) -> bool:
        """Whether it continues an order that is in the chart."""
        return self.among.renews(self.draft)

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
        """Why no other drug or rhythm may be offered (part 4)."""
        return self.among.closed(self.others)

    def is_under_way(self, test: str, on: date | None) -> bool:
        """Whether *test* would repeat another one that is under way (section 17)."""
        return self.s.is_under_way(test, on, self.among.test_of(self.draft))

    def beside(self, drug_set: str) -> list[MedicationOrder]:
        """The others of *drug_set*, by mouth where that is asked of it."""
        return [order for order in self.others if drug_set in order.sets]

    def by_mouth(self, drug_set: str) -> list[MedicationOrder]:
        """The others of *drug_set* that are taken by mouth."""
        return [order for order in self.beside(drug_set) if is_by_mouth(order, drug_set)]

    def has(self, concept: str, group: str | None = None) -> bool:
        """Whether the chart or the draft's own reasons name *concept*."""
        return self.s.problems.has(concept, group) or (concept, group) in self.draft.reasons


def chart(facts: PatientFacts, drafts: Drafts) -> PatientFacts:
    """*facts* without what is being written (part 3): re-signing is not its own duplicate."""
    written = drafts.written
    if not written:
        return facts
    return facts.changed(
        medications=tuple(o for o in facts.medications if f"MedicationRequest/{o.id}" not in written),
        lab_orders=tuple(o for o in facts.lab_orders if f"ServiceRequest/{o.id}" not in written),
    )


def of_draft(draft: Drafted, among: Beside) -> OrderCase:
    """The case of *draft*, which is one of those that are *among* each other."""
    return OrderCase(draft, among, among.others(draft))


def with_reasons(s: States, draft: Drafted) -> States:
    """*s* in which the draft's own reasons are on the problem list, and name the stage of the kidneys (O6)."""
    if not draft.reasons:
        return s
    known = s.problems
    problems = Problems(known.every, known.any_source | draft.reasons, known.by_code | draft.reasons)
    stages = {group for concept, group in draft.reasons if concept == "ckd"}
    ckd3 = bool(stages) and bool(stages - {"1", "2", None})
    return s.changed(problems=problems, kidney=s.kidney.changed(ckd3_firm=s.kidney.ckd3_firm or ckd3))
