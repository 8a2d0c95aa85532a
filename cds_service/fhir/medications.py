"""MedicationRequests into orders (section 7): which drug sets, which dose, from when to when."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.days import add_days, add_months
from cds_service.clinical.facts import MedicationOrder
from cds_service.fhir.dates import latest_day
from cds_service.fhir.dosage import count, days_of, dosages_of
from cds_service.fhir.drug_elements import DrugReader
from cds_service.fhir.drugs import COMBINATION, MINERALS, NUTRITIONAL, PARENTERAL, TRACE
from cds_service.fhir.page import Page
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import Dosage, MedicationRequest, Quantity, Repeat

READ = frozenset({"active", "completed", "stopped", "draft"})


def read_medications(page: Page[MedicationRequest], terms: Terminology) -> tuple[MedicationOrder, ...]:
    """The orders of *page* that matter to any rule; those of other drugs are left out."""
    reader = DrugReader(page.included, terms.drugs)
    found = []
    for request, spoiled in page.each():
        order = _read(request, spoiled, reader, terms)
        if order is not None:
            found.append(order)
    return tuple(found)


def _read(
    request: MedicationRequest, spoiled: frozenset[str], reader: DrugReader, terms: Terminology
) -> MedicationOrder | None:
    """One order; an unreadable status counts as active, an unknown drug could be any (unknown is not normal)."""
    status = "active" if "status" in spoiled else request.status or ""
    if status not in READ or request.intent == "option" or request.doNotPerform:
        return None
    return read_order(request, reader, terms, status)


def read_order(
    request: MedicationRequest, reader: DrugReader, terms: Terminology, status: str
) -> MedicationOrder | None:
    """The order that *request* is, of this *status*; `None` where it is of a drug that matters to no rule."""
    hints = reader.hints(request)
    drug = hints.drug
    if drug is not None and not drug.sets:
        return None
    dosages = dosages_of(request)
    routes = [text for dosage in dosages if dosage.route is not None for text in dosage.route.texts()]
    if any(map(terms.drugs.is_local, routes)):  # topical, ophthalmic, otic, nasal, inhaled, vaginal
        return None
    start, bounds_end, supply_end = _span(request, dosages)
    known_as = request.id or ""
    if drug is None:
        return MedicationOrder(
            "", frozenset(), frozenset(), status, start, bounds_end, supply_end, unresolved=True, id=known_as
        )
    name, sets, groups = drug
    counted = None
    if NUTRITIONAL in sets and "calcifediol" not in groups:
        combination = COMBINATION in groups or bool(sets & MINERALS)
        each = hints.each(combination=combination)
        counted = count(dosages, each, combination=combination)
    return MedicationOrder(
        name, sets, groups, status, start, bounds_end, supply_end, counted,
        id=known_as,
        parenteral=PARENTERAL in hints.tells or any(map(terms.drugs.is_parenteral, routes)),
        trace=TRACE in hints.tells,
    )  # fmt: skip


def _span(request: MedicationRequest, dosages: list[Dosage]) -> tuple[date | None, date | None, date | None]:
    """Start, stated end, end of supply (sections 9.3 and 9.7)."""
    repeat = _repeat(dosages)
    bounds = repeat.boundsPeriod if repeat is not None else None
    start = latest_day(bounds.start) if bounds is not None else None
    start = start or latest_day(request.authoredOn) or latest_day(request.dateWritten)
    end = latest_day(bounds.end) if bounds is not None else None
    if end is None and repeat is not None:
        end = _after(start, repeat.boundsDuration or repeat.boundsQuantity)
    supply = request.dispenseRequest.expectedSupplyDuration if request.dispenseRequest is not None else None
    return start, end, _after(start, supply)


def _repeat(dosages: list[Dosage]) -> Repeat | None:
    for dosage in dosages:
        if dosage.timing is not None and dosage.timing.repeat is not None:
            return dosage.timing.repeat
    return None


def _after(start: date | None, duration: Quantity | None) -> date | None:
    length = days_of(duration)
    if start is None or length is None:
        return None
    days, months = length
    return add_months(start, months) if months else add_days(start, days)
