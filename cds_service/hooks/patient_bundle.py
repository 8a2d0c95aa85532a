"""A FHIR Bundle of one patient, as it is exported, sorted into prefetch keys; and the request that follows from it.

A Bundle is no answer to the queries of the discovery document: what it does not hold may be on file all the same. So a
key without a resource in it is not sent, and its facts are unknown; without 25(OH)D or magnesium there is no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cds_service.clinical.facts import Source
from cds_service.errors import MalformedRequest, PrefetchUnavailable
from cds_service.fhir.orders import Json
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import LabConcept
from cds_service.hooks.patient_view import REQUIRED
from cds_service.hooks.registry import OBSERVATION_KEYS

KEYS = {
    "Condition": Source.CONDITIONS,
    "MedicationRequest": Source.MEDICATIONS,
    "MedicationOrder": Source.MEDICATIONS,
    "ServiceRequest": Source.LAB_ORDERS,
}
LED_TO = frozenset({"Medication", "Substance"})
"""What orders lead to by reference; it goes with them."""


class Sorted(NamedTuple):
    """The resources of a Bundle: the `patient` with an id, and by key those that a query would ask for.

    `led_to` are what orders refer to, and `odd` the entries that say something of the whole: those that are no
    resource, and OperationOutcomes.
    """

    patient: Json
    keys: Mapping[Source, list[Json]]
    led_to: list[Json]
    odd: list[Any]

    def request(self, prefetch: Json, who: str) -> Json:
        """The `patient-view` request for the patient with that *prefetch* beside them, asked by *who*."""
        return {
            "hook": "patient-view",
            "hookInstance": who,
            "context": {"userId": f"Practitioner/{who}", "patientId": self.patient["id"]},
            "prefetch": {Source.PATIENT.value: self.patient, **prefetch},
        }


def sort(exported: Mapping[str, Any], terms: Terminology) -> Sorted:
    """Sort the Bundle *exported*, observations newest first.

    Raises:
        MalformedRequest: it does not hold one Patient.
    """
    entries = _entries(exported)
    resources = [entry["resource"] for entry in entries if _holds_resource(entry)]
    patients = [resource for resource in resources if resource["resourceType"] == "Patient"]
    if len(patients) != 1:
        message = f"A Bundle must hold one Patient; this one holds {len(patients)}"
        raise MalformedRequest(message)
    (patient,) = patients
    patient_id = str(patient.get("id") or "patient")
    address = next(entry.get("fullUrl") for entry in entries if _holds_resource(entry) and entry["resource"] is patient)
    keys: dict[Source, list[Json]] = {source: [] for source in Source if source is not Source.PATIENT}
    for resource in resources:
        source = _key(resource, terms)
        if source is not None:
            keys[source].append(_about(resource, patient_id, address))
    for source in OBSERVATION_KEYS:
        keys[source].sort(key=lambda resource: str(resource.get("effectiveDateTime", "")), reverse=True)
    return Sorted(
        {**patient, "id": patient_id},
        keys,
        [resource for resource in resources if resource["resourceType"] in LED_TO],
        [e for e in entries if not _holds_resource(e) or e["resource"]["resourceType"] == "OperationOutcome"],
    )


def to_request(exported: Mapping[str, Any], terms: Terminology) -> Json:
    """The `patient-view` request for the patient of *exported*; what the Bundle says of itself counts for each key.

    That is its type, a next page, a total, an outcome, and an entry that is no resource: none of them is whole then.

    Raises:
        MalformedRequest: it does not hold one Patient.
        PrefetchUnavailable: it holds no result of 25(OH)D or magnesium, which does not mean that there is none.
    """
    found = sort(exported, terms)
    lacking = [source.value for source in found.keys if source in REQUIRED and not found.keys[source]]
    if lacking:
        message = (
            f"The Bundle holds nothing for {' and '.join(lacking)}, which does not say that there is none on file. If "
            f"there is none, say so: give a request whose prefetch has null for it."
        )
        raise PrefetchUnavailable(message)
    prefetch = {
        source.value: _part(exported, resources, found, source) for source, resources in found.keys.items() if resources
    }
    return found.request(prefetch, "evaluate")


def _part(exported: Mapping[str, Any], resources: list[Json], found: Sorted, source: Source) -> Json:
    """The *resources* of one key as a Bundle that is as whole as *exported*."""
    entries: list[Any] = [{"resource": resource} for resource in resources]
    if source is Source.MEDICATIONS:
        entries += [{"resource": resource, "search": {"mode": "include"}} for resource in found.led_to]
    entries += found.odd
    part: Json = {"resourceType": "Bundle", "entry": entries}
    part |= {name: exported[name] for name in ("type", "link", "issues") if name in exported}
    total = exported.get("total")
    if isinstance(total, int) and total > len(_entries(exported)):
        part["total"] = len(entries) + 1
    return part


def _entries(exported: Mapping[str, Any]) -> list[Any]:
    listed = exported.get("entry")
    return listed if isinstance(listed, list) else []


def _holds_resource(entry: Any) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)


def _key(resource: Json, terms: Terminology) -> Source | None:
    kind = resource["resourceType"]
    return _observation_key(resource, terms) if kind == "Observation" else KEYS.get(kind)


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


def analyte_of(resource: Json, terms: Terminology) -> tuple[str, str]:
    """The analyte and form that an Observation measures; empty where it is none of ours."""
    try:
        concept = msgspec.convert(resource.get("code"), LabConcept)
    except msgspec.ValidationError:
        return "", ""
    code = terms.measures(concept)
    return ("", "") if code is None else (code.analyte, code.form)


def _about(resource: Json, patient_id: str, address: object) -> Json:
    """*resource* with its subject by id where it named the Patient by the address in the Bundle."""
    subject = resource.get("subject")
    if not isinstance(subject, dict) or not address or subject.get("reference") != address:
        return resource
    return {**resource, "subject": {**subject, "reference": f"Patient/{patient_id}"}}
