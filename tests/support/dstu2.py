"""FHIR of the old version DSTU2 (1.0.2), as the public sandbox has it by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import json_server
from tests.web.calls import Json, bundle

PATIENT = "smart-1288992"


def request(**prefetch: Json) -> Json:
    """A patient-view call of the sandbox with its default server: no encounterId, resources of FHIR 1.0.2."""
    subject = {"reference": f"Patient/{PATIENT}"}

    def result(name: str, code: str, value: float, unit: str) -> Json:
        return {
            "resourceType": "Observation",
            "id": name,
            "meta": {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00.000-04:00"},
            "text": {"status": "generated", "div": "<div>2026-02-20: x</div>"},
            "status": "final",
            "category": {
                "coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "laboratory"}],
                "text": "Laboratory",
            },
            "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "x"}], "text": "x"},
            "subject": subject,
            "effectiveDateTime": "2026-02-20",
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
            "referenceRange": [
                {"low": {"value": 1.7}, "high": {"value": 2.6}, "meaning": {"coding": [{"code": "normal"}]}}
            ],
            "comments": "fasting sample",
        }

    condition = {
        "resourceType": "Condition",
        "id": "condition-1",
        "patient": subject,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}], "text": "Depression"},
        "category": {"coding": [{"system": "http://hl7.org/fhir/condition-category", "code": "diagnosis"}]},
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "onsetDateTime": "2006-11-22",
    }
    order = {
        "resourceType": "MedicationOrder",
        "id": "order-1",
        "dateWritten": "2025-12-01",
        "status": "active",
        "patient": subject,
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "617314"}],
            "text": "atorvastatin 20 MG Oral Tablet",
        },
        "dosageInstruction": [
            {
                "text": "1 daily",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnits": "d"}},
                "doseQuantity": {"value": 1, "unit": "{tablet}"},
            }
        ],
        "dispenseRequest": {"numberOfRepeatsAllowed": 1, "quantity": {"value": 90, "unit": "{tablet}"}},
    }
    patient = {
        "resourceType": "Patient",
        "id": PATIENT,
        "identifier": [{"type": {"text": "Medical record number"}, "system": "http://hospital.example", "value": "1"}],
        "active": True,
        "name": [{"use": "official", "family": ["Adams"], "given": ["Daniel", "X."]}],
        "telecom": [{"system": "email", "value": "daniel.adams@example.com"}],
        "gender": "male",
        "birthDate": "1965-12-23",
        "careProvider": [{"reference": "Practitioner/COREPRACTITIONER1"}],
    }
    return {
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "hook": "patient-view",
        "fhirServer": "https://launch.smarthealthit.org/v/r2/fhir",
        "context": {"patientId": PATIENT, "userId": "Practitioner/COREPRACTITIONER1"},
        "prefetch": {
            "patient": patient,
            "vitaminD": bundle(result("d-1", "62292-8", 14, "ng/mL")),
            "magnesium": bundle(result("mg-1", "19123-9", 1.6, "mg/dL")),
            "chemistry": bundle(result("ca-1", "17861-6", 9.4, "mg/dL")),
            "kidney": bundle(result("egfr-1", "33914-3", 85, "mL/min/{1.73_m2}")),
            "vitals": bundle(result("bmi-1", "39156-5", 24, "kg/m2")),
            "conditions": bundle(condition),
            "medications": bundle(order),
            "labOrders": bundle(),
            **prefetch,
        },
    }


@contextmanager
def serving(*observations: str) -> Iterator[str]:
    """A server of DSTU2 with the patient and the results of these prefetch keys; its base URL.

    It knows no MedicationRequest and no ServiceRequest: they have come with later versions.
    """
    prefetch = request()["prefetch"]
    results = bundle(*(entry["resource"] for key in observations for entry in prefetch[key]["entry"]))
    known = {
        "/metadata": {"resourceType": "Conformance", "fhirVersion": "1.0.2", "kind": "instance"},
        "/Patient": bundle(prefetch["patient"]),
        f"/Patient/{PATIENT}": prefetch["patient"],
        "/Condition": prefetch["conditions"],
        "/Observation": results,
        "/MedicationOrder": prefetch["medications"],
    }

    def answer(method: str, path: str) -> tuple[int, Any]:
        del method
        found = known.get(path.removesuffix("/_search"))
        if found is None:
            issue = {"severity": "error", "code": "not-supported", "diagnostics": f"Unknown: {path}"}
            return 404, {"resourceType": "OperationOutcome", "issue": [issue]}
        return 200, found

    with json_server.serving(answer) as url:
        yield url
