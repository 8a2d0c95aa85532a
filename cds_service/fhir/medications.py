"""MedicationRequests into orders (section 7): which drug sets, which dose, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cds_service.clinical.days import add_days, add_months
from cds_service.clinical.facts import Medication
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.dates import latest_day
from cds_service.fhir.dosage import count, days_of
from cds_service.fhir.drugs import MINERALS, NUTRITIONAL, Drug
from cds_service.fhir.views import Concept
from cds_service.fhir.views import Medication as MedicationView

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from cds_service.fhir.bundle import Page
    from cds_service.fhir.drugs import DrugMatch
    from cds_service.fhir.terminology import Terminology
    from cds_service.fhir.views import MedicationRequest, Quantity, Repeat

READ = frozenset({"active", "completed", "stopped", "draft"})


def read_medications(page: Page[MedicationRequest], terms: Terminology) -> tuple[Medication, ...]:
    """The orders of *page* that matter to any rule; those of other drugs are left out."""
    included = _included(page.included)
    found = []
    for place, request in enumerate(page.resources):
        order = _read(request, page.spoiled.get(place, frozenset()), included, terms)
        if order is not None:
            found.append(order)
    return tuple(found)


def _included(raw: Iterable[bytes]) -> dict[str, Concept]:
    """Included Medication resources by `Medication/id`."""
    found = {}
    for resource in raw:
        try:
            medication = msgspec.json.decode(resource, type=MedicationView)
        except UNREADABLE:
            continue
        if medication.resourceType == "Medication" and medication.id and medication.code is not None:
            found[f"Medication/{medication.id}"] = medication.code
    return found


def _read(
    request: MedicationRequest, spoiled: frozenset[str], included: dict[str, Concept], terms: Terminology
) -> Medication | None:
    """One order; an unreadable status counts as active, an unreadable drug could be any (unknown is not normal)."""
    status = "active" if "status" in spoiled else request.status or ""
    if status not in READ or request.intent == "option" or request.doNotPerform:
        return None
    drug = _drug(request, included)
    if not drug.codes and not drug.text:
        return Medication("", frozenset(), frozenset(), status, unresolved=True)
    matches = terms.drugs.classify(drug)
    if not matches or _local_route(request, terms):
        return None
    sets = frozenset(match.set for match in matches)
    start, bounds_end, supply_end = _span(request)
    counted = None
    if NUTRITIONAL in sets and "dosageInstruction" not in spoiled and not _is_calcifediol(matches):
        combination = bool(sets & MINERALS) or any(match.group == "combination" for match in matches)
        counted = count(request.dosageInstruction, drug.text, drug.codes, combination=combination)
    return Medication(
        name=_name(matches),
        sets=sets,
        groups=frozenset(match.group for match in matches if match.group),
        status=status,
        start=start,
        bounds_end=bounds_end,
        supply_end=supply_end,
        dose=counted,
    )


def _drug(request: MedicationRequest, included: dict[str, Concept]) -> Drug:
    concepts = []
    texts = []
    reference = request.medicationReference
    if request.medicationCodeableConcept is not None:
        concepts.append(request.medicationCodeableConcept)
    if request.medication is not None:
        if request.medication.concept is not None:
            concepts.append(request.medication.concept)
        reference = reference or request.medication.reference
    if reference is not None:
        target = _resolve(reference.reference, request, included)
        if target is not None:
            concepts.append(target)
        elif reference.display:
            texts.append(reference.display)
    codings = [coding for concept in concepts for coding in concept.codings()]
    texts += [concept.text for concept in concepts if concept.text]
    texts += [coding.display for coding in codings if coding.display]
    codes = tuple((coding.system, coding.code) for coding in codings if coding.code)
    return Drug(codes, " | ".join(dict.fromkeys(texts)).lower())


def _resolve(reference: str | None, request: MedicationRequest, included: dict[str, Concept]) -> Concept | None:
    """A contained (`#id`) or included Medication."""
    if reference is None:
        return None
    if reference.startswith("#"):
        return next((m.code for m in request.contained or () if m.id == reference[1:]), None)
    tail = "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])
    return included.get(tail)


def _is_calcifediol(matches: Sequence[DrugMatch]) -> bool:
    return any(match.group == "calcifediol" for match in matches)


def _name(matches: Sequence[DrugMatch]) -> str:
    """The name a card prints: a name found in the order's own text before one that belongs to a code."""
    vitamin_d = [match for match in matches if match.set in (NUTRITIONAL, "active-vitd")]
    listed = vitamin_d or [match for match in matches if match.set not in MINERALS] or matches
    named = [match for match in listed if match.by_name and match.name]
    return (named or [match for match in listed if match.name] or listed)[0].name


def _local_route(request: MedicationRequest, terms: Terminology) -> bool:
    """Topical, ophthalmic, otic, nasal, inhaled and vaginal orders never count."""
    for dosage in request.dosageInstruction or ():
        if dosage.route is None:
            continue
        words = [dosage.route.text, *(coding.display for coding in dosage.route.codings())]
        if any(word and terms.drugs.is_local(word.lower()) for word in words):
            return True
    return False


def _span(request: MedicationRequest) -> tuple[date | None, date | None, date | None]:
    """Start, stated end, end of supply (sections 9.3 and 9.7)."""
    repeat = _repeat(request)
    bounds = repeat.boundsPeriod if repeat is not None else None
    start = latest_day(bounds.start) if bounds is not None else None
    start = start or latest_day(request.authoredOn) or latest_day(request.dateWritten)
    end = latest_day(bounds.end) if bounds is not None else None
    if end is None and repeat is not None:
        end = _after(start, repeat.boundsDuration or repeat.boundsQuantity)
    supply = request.dispenseRequest.expectedSupplyDuration if request.dispenseRequest is not None else None
    return start, end, _after(start, supply)


def _repeat(request: MedicationRequest) -> Repeat | None:
    for dosage in request.dosageInstruction or ():
        if dosage.timing is not None and dosage.timing.repeat is not None:
            return dosage.timing.repeat
    return None


def _after(start: date | None, duration: Quantity | None) -> date | None:
    length = days_of(duration)
    if start is None or length is None:
        return None
    days, months = length
    return add_months(start, months) if months else add_days(start, days)
