"""A FHIR Bundle of one patient, as it is exported, into the request that an EHR would send for that patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical.facts import Source
from cds_service.errors import MalformedRequest
from cds_service.hooks.registry import OBSERVATION_KEYS
from cds_service.playground.changes import analyte_of
from cds_service.playground.resources import bundle

if TYPE_CHECKING:
    from cds_service.fhir.terminology import Terminology
    from cds_service.playground.resources import Json

KEYS = {
    "Condition": Source.CONDITIONS,
    "MedicationRequest": Source.MEDICATIONS,
    "MedicationOrder": Source.MEDICATIONS,
    "ServiceRequest": Source.LAB_ORDERS,
}
READ_STATUS = {
    Source.MEDICATIONS: frozenset({"active", "completed", "stopped"}),
    Source.LAB_ORDERS: frozenset({"active", "draft"}),
}
"""What the queries of the discovery document ask for."""


def to_request(exported: Json, terms: Terminology) -> Json:
    """The `patient-view` request for the patient of the Bundle *exported*.

    Raises:
        MalformedRequest: it does not hold one Patient.
    """
    resources, patient, address = _unpack(exported)
    patient_id = str(patient.get("id") or "patient")
    keys: dict[Source, list[Json]] = {source: [] for source in Source if source is not Source.PATIENT}
    for resource in resources:
        source = _key(resource, terms)
        if source is not None:
            keys[source].append(_about(resource, patient_id, address))
    for source in OBSERVATION_KEYS:
        keys[source].sort(key=lambda resource: str(resource.get("effectiveDateTime", "")), reverse=True)
    return {
        "hook": "patient-view",
        "hookInstance": "playground",
        "context": {"userId": "Practitioner/playground", "patientId": patient_id},
        "prefetch": {
            Source.PATIENT.value: {**patient, "id": patient_id},
            **{source.value: bundle(found) for source, found in keys.items()},
        },
    }


def _unpack(exported: Json) -> tuple[list[Json], Json, str]:
    """The resources but the Patient, the Patient, and the address by which the others speak of the Patient."""
    listed = exported.get("entry")
    entries = [entry for entry in (listed if isinstance(listed, list) else ()) if isinstance(entry, dict)]
    resources = [entry["resource"] for entry in entries if isinstance(entry.get("resource"), dict)]
    patients = [resource for resource in resources if resource.get("resourceType") == "Patient"]
    if len(patients) != 1:
        message = f"A Bundle must hold one Patient; this one holds {len(patients)}"
        raise MalformedRequest(message)
    patient = patients[0]
    address = next((entry.get("fullUrl") for entry in entries if entry.get("resource") is patient), None)
    others = [resource for resource in resources if resource is not patient]
    return others, patient, address if isinstance(address, str) else ""


def _key(resource: Json, terms: Terminology) -> Source | None:
    kind = resource.get("resourceType")
    if kind == "Observation":
        return _observation_key(resource, terms)
    source = KEYS.get(kind) if isinstance(kind, str) else None
    if source in READ_STATUS and resource.get("status") not in READ_STATUS[source]:
        return None
    return source


def _observation_key(resource: Json, terms: Terminology) -> Source | None:
    analyte, _ = analyte_of(resource, terms)
    for source, analytes in OBSERVATION_KEYS.items():
        if analyte in analytes:
            return source
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    listed = [
        coding.get("code") for coding in (codings if isinstance(codings, list) else ()) if isinstance(coding, dict)
    ]
    codes = {code for code in listed if isinstance(code, str)}
    if codes & terms.pregnancy_question:
        return Source.VITALS
    return Source.VITAMIN_D if codes & terms.calcitriol else None


def _about(resource: Json, patient_id: str, address: str) -> Json:
    """*resource* with its subject by id where it named the Patient by the address in the Bundle."""
    subject = resource.get("subject")
    if not isinstance(subject, dict) or not address or subject.get("reference") != address:
        return resource
    return {**resource, "subject": {**subject, "reference": f"Patient/{patient_id}"}}
