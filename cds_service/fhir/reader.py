"""Resources into PatientFacts: the one place where FHIR becomes facts (decision table, sections 3 to 9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cds_service.clinical.facts import Availability, LabOrder, PatientFacts, Source
from cds_service.errors import WrongPatient
from cds_service.fhir.bundle import Page
from cds_service.fhir.conditions import read_conditions
from cds_service.fhir.dates import earliest_day, latest_day
from cds_service.fhir.medications import read_medications
from cds_service.fhir.observations import read_observations
from cds_service.fhir.terminology import VITAMIN_D

if TYPE_CHECKING:
    from cds_service.fhir.observations import Measurements
    from cds_service.fhir.terminology import Terminology
    from cds_service.fhir.views import (
        Condition,
        MedicationRequest,
        Observation,
        Patient,
        Resource,
        ServiceRequest,
        Subject,
    )

LAB_ORDER_STATUS = frozenset({"active", "draft"})


@dataclass(frozen=True, slots=True)
class Record:
    """The resources of one patient, by source, and whether each source could be read."""

    patient: Patient
    observations: dict[Source, Page[Observation]] = field(default_factory=dict)
    conditions: Page[Condition] = field(default_factory=Page)
    medications: Page[MedicationRequest] = field(default_factory=Page)
    lab_orders: Page[ServiceRequest] = field(default_factory=Page)
    availability: dict[Source, Availability] = field(default_factory=dict)


def read(record: Record, terms: Terminology, *, d3_is_total: bool = False) -> PatientFacts:
    """Turn *record* into facts. *d3_is_total*: the site states that its D3 codes carry totals."""
    measured = read_observations(record.observations.values(), terms, d3_is_total=d3_is_total)
    patient = record.patient
    return PatientFacts(
        birth_date=latest_day(patient.birthDate),
        sex=_sex(patient.gender),
        deceased=bool(patient.deceasedBoolean or patient.deceasedDateTime),
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


def _availability(record: Record, measured: Measurements) -> dict[Source, Availability]:
    """A pregnancy answer that could not be read leaves the source of such answers partial (section 9.6)."""
    if not measured.pregnancy_unclear or record.availability.get(Source.VITALS) is Availability.UNAVAILABLE:
        return record.availability
    return {**record.availability, Source.VITALS: Availability.PARTIAL}


def _sex(gender: str | None) -> Literal["male", "female"] | None:
    if gender == "male":
        return "male"
    return "female" if gender == "female" else None


def _lab_orders(page: Page[ServiceRequest], terms: Terminology) -> tuple[LabOrder, ...]:
    """Active and draft orders by analyte (section 17); an order not to perform is none."""
    found = []
    for order in page.resources:
        analyte = None if order.code is None else terms.analyte_of_order(order.code.codings())
        if order.status not in LAB_ORDER_STATUS or order.doNotPerform or analyte is None:
            continue
        period = order.occurrencePeriod
        occurrence = earliest_day(order.occurrenceDateTime or (period.start if period is not None else None))
        found.append(LabOrder(analyte, occurrence, earliest_day(order.authoredOn)))
    return tuple(found)


def check_patient(patient: Patient, patient_id: str) -> None:
    """Refuse a Patient that is not the context's (conformance row 44).

    Raises:
        WrongPatient: its id is another one.
    """
    if patient.id is not None and patient.id != patient_id:
        message = "prefetch.patient is not the patient of context.patientId: send the Patient of the open chart"
        raise WrongPatient(message)


def check_subjects(key: str, page: Page[Observation] | Page[Condition], patient_id: str) -> None:
    """Refuse resources whose subject is another patient; a missing subject is accepted (design contract).

    Raises:
        WrongPatient: names the prefetch key and the place, never the ids.
    """
    expected = f"Patient/{patient_id}"
    for place, resource in enumerate(page.resources):
        subject = _subject(resource)
        if subject is not None and subject.reference == expected and not page.spoiled:
            continue
        unreadable = page.spoiled.get(place, frozenset()) & {"subject", "patient"}
        if unreadable or not _belongs(subject, patient_id):
            message = (
                f"prefetch.{key}: the {resource.resourceType} at match {place} has a subject that is not the patient "
                f"of context.patientId: send only resources of the open chart"
            )
            raise WrongPatient(message)


def _subject(resource: Resource) -> Subject | None:
    found: Subject | None = getattr(resource, "subject", None) or getattr(resource, "patient", None)
    return found


def _belongs(subject: Subject | None, patient_id: str) -> bool:
    if subject is None or subject.reference is None:
        return True
    reference = subject.reference
    if reference.startswith("urn:uuid:"):
        return reference.removeprefix("urn:uuid:") == patient_id
    parts = reference.split("/_history/", maxsplit=1)[0].split("/")
    return parts[-1] == patient_id and (len(parts) == 1 or parts[-2] == "Patient")
