"""Resources into PatientFacts: the one place where FHIR becomes facts (decision table, sections 3 to 9)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Availability, LabOrder, PatientFacts, Source
from cds_service.errors import WrongPatient
from cds_service.fhir.conditions import read_conditions
from cds_service.fhir.dates import earliest_day, latest_day
from cds_service.fhir.medications import read_medications
from cds_service.fhir.observations import Measurements, read_observations
from cds_service.fhir.page import ALL_READ, Page
from cds_service.fhir.terminology import VITAMIN_D, Terminology
from cds_service.fhir.views import (
    Condition,
    MedicationRequest,
    Observation,
    Patient,
    ServiceRequest,
    Subject,
    place_of,
)

LAB_ORDER_STATUS = frozenset({"active", "draft"})
EMPTY: Page[Any] = Page()


class Record(Datum, frozen=True):
    """The resources of one patient, by source, and whether each source could be read."""

    patient: Patient
    observations: Mapping[Source, Page[Observation]] = MappingProxyType({})
    conditions: Page[Condition] = EMPTY
    medications: Page[MedicationRequest] = EMPTY
    lab_orders: Page[ServiceRequest] = EMPTY
    availability: Mapping[Source, Availability] = MappingProxyType({})


def read(record: Record, terms: Terminology, *, d3_is_total: bool = False) -> PatientFacts:
    """Turn *record* into facts. *d3_is_total*: the site states that its D3 codes carry totals."""
    measured = read_observations(record.observations.values(), terms, d3_is_total=d3_is_total)
    patient = record.patient
    return PatientFacts(
        birth_date=latest_day(patient.birthDate),
        sex=_sex(patient.gender),
        deceased=_is_deceased(patient),
        vitamin_d=measured.of(VITAMIN_D),
        calcitriol_on_file=measured.calcitriol,
        magnesium=measured.of("magnesium"),
        calcium=measured.of("calcium"),
        albumin=measured.of("albumin"),
        phosphate=measured.of("phosphate"),
        pth=measured.of("pth"),
        potassium=measured.of("potassium"),
        egfr=measured.of("egfr"),
        creatinine=measured.of("creatinine"),
        bmi=measured.of("bmi"),
        height=measured.of("height"),
        weight=measured.of("weight"),
        pregnancy=tuple(measured.pregnancy),
        conditions=read_conditions(record.conditions, terms),
        medications=read_medications(record.medications, terms),
        lab_orders=_lab_orders(record.lab_orders, terms),
        pending=tuple(measured.pending),
        availability=_availability(record, measured),
    )


def _availability(record: Record, measured: Measurements) -> Mapping[Source, Availability]:
    """A pregnancy answer that could not be read leaves the source of such answers partial (section 9.6)."""
    if not measured.pregnancy_unclear or record.availability.get(Source.VITALS) is Availability.UNAVAILABLE:
        return record.availability
    return {**record.availability, Source.VITALS: Availability.PARTIAL}


def _is_deceased(patient: Patient) -> bool:
    """True, the word "true", or dated (section 9.5)."""
    said = patient.deceasedBoolean
    return said is True or (isinstance(said, str) and said.strip().lower() == "true") or bool(patient.deceasedDateTime)


def _sex(gender: str | None) -> Literal["male", "female"] | None:
    """The recorded sex, in any case; any other word is none."""
    said = (gender or "").strip().lower()
    if said == "male":
        return "male"
    return "female" if said == "female" else None


def _lab_orders(page: Page[ServiceRequest], terms: Terminology) -> tuple[LabOrder, ...]:
    """Active and draft orders by analyte (section 17); an order not to perform is none."""
    found = []
    for order in page.resources:
        analyte = None if order.code is None else terms.analyte_of_order(order.code)
        if order.status not in LAB_ORDER_STATUS or order.doNotPerform or analyte is None:
            continue
        period = order.occurrencePeriod
        occurrence = earliest_day(order.occurrenceDateTime or (period.start if period is not None else None))
        found.append(LabOrder(analyte, occurrence, earliest_day(order.authoredOn), order.id or ""))
    return tuple(found)


def check_patient(patient: Patient, patient_id: str) -> None:
    """Refuse a Patient that is not the context's (conformance row 44).

    Raises:
        WrongPatient: its id is another one.
    """
    if patient.id is not None and patient.id != patient_id:
        raise WrongPatient(
            "prefetch.patient is not the patient of context.patientId: send the Patient of the open chart"
        )


def check_subjects(key: str, page: Page[Any], patient_id: str) -> None:
    """Refuse resources whose subject is another patient; a missing subject is accepted (design contract).

    Raises:
        WrongPatient: names the prefetch key and the place, never the ids.
    """
    expected = f"Patient/{patient_id}"
    readable = not page.spoiled
    for place, resource in enumerate(page.resources):
        subject = resource.subject or getattr(resource, "patient", None)
        if readable and subject is not None and subject.reference == expected:
            continue
        unreadable = page.spoiled.get(place, ALL_READ) & {"subject", "patient"}
        if unreadable or not belongs(subject, patient_id):
            raise WrongPatient(
                f"prefetch.{key}: the {resource.resourceType} at match {place} has a subject that is not the patient "
                f"of context.patientId: send only resources of the open chart"
            )


def belongs(subject: Subject | None, patient_id: str) -> bool:
    """Whether *subject* is the patient; a missing one is accepted."""
    if subject is None or subject.reference is None:
        return True
    reference = subject.reference
    if reference.startswith("urn:uuid:"):
        return reference.removeprefix("urn:uuid:") == patient_id
    return place_of(reference) in (patient_id, f"Patient/{patient_id}")
