"""What the order of a drug is to the rows (9.3; order hooks, part 2): by mouth, a trace, a supplement, a course."""

from __future__ import annotations

from cds_service.clinical.facts import MedicationOrder
from cds_service.clinical.rules import gates
from cds_service.clinical.states import therapy
from cds_service.clinical.states.derive import States

MAGNESIUM, CHELATING, RALTEGRAVIR = gates.MAGNESIUM_PRODUCTS, "mg-chelating", "mg-blocking"
ACTIVE = therapy.ACTIVE_FORM


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
