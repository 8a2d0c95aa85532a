"""DSTU2, as the public sandbox sends it by default (section 4.1, row 78): read where it is plainly the same."""

from __future__ import annotations

import pytest

from tests.web.calls import Json, bundle, card, drugs, topics
from tests.web.conftest import Post

DSTU2_PATIENT = "smart-1288992"


def _dstu2(**prefetch: Json) -> Json:
    """A patient-view call of the sandbox with its default server: no encounterId, resources of FHIR 1.0.2."""
    subject = {"reference": f"Patient/{DSTU2_PATIENT}"}

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
        "id": DSTU2_PATIENT,
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
        "context": {"patientId": DSTU2_PATIENT, "userId": "Practitioner/COREPRACTITIONER1"},
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


def test_dstu2(post: Post) -> None:
    """Row 78: DSTU2 is read: names as arrays, comments, `patient`, MedicationOrder, statuses as codes."""
    response = post(_dstu2())

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert {"4018", "2418", "6574"} == drugs(response.get_json())


def test_dstu2_without_optional_keys(post: Post) -> None:
    """Section 4.1: the sandbox leaves out each key whose query failed; what is left is answered, without drugs."""
    request = _dstu2()
    request["prefetch"] = {key: request["prefetch"][key] for key in ("patient", "vitaminD", "magnesium")}
    response = post(request)

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert frozenset() == drugs(response.get_json())


def test_dstu2_empty_chart(post: Post) -> None:
    """Section 4.1: the sandbox's own patient has neither result: empty Bundles, no cards, no fault."""
    request = _dstu2(vitaminD=bundle(), magnesium=bundle())

    assert topics(post(request)) == []


def test_dstu2_comments(post: Post) -> None:
    """Row 78: what `comments` says of a haemolysed sample is read."""
    request = _dstu2()
    resource = request["prefetch"]["magnesium"]["entry"][0]["resource"]
    resource["comments"] = "Specimen haemolysed"
    resource["valueQuantity"]["value"] = 2.2

    assert "haemolysed" in card(post(request), "unusable-result")["summary"]


@pytest.mark.parametrize(
    ("status", "held"), [("active", True), ("relapse", True), ("resolved", False), ("remission", False)]
)
def test_dstu2_clinical_status(post: Post, status: str, held: bool) -> None:  # noqa: FBT001 - a column of the table
    """Row 78: `clinicalStatus` as a code decides like the CodeableConcept of R4."""
    request = _dstu2()
    resource = request["prefetch"]["conditions"]["entry"][0]["resource"]
    resource["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "31541009"}]}
    resource["clinicalStatus"] = status

    assert held == ("vitamin-d-hold" in topics(post(request)))


def test_dstu2_medication_order(post: Post) -> None:
    """Row 78: a MedicationOrder of magnesium counts as an order of magnesium: no second one is drafted."""
    request = _dstu2()
    resource = request["prefetch"]["medications"]["entry"][0]["resource"]
    resource["medicationCodeableConcept"] = {"text": "magnesium oxide 400 MG Oral Tablet"}

    assert "6574" not in drugs(post(request).get_json())


def test_dstu2_old_order(post: Post) -> None:
    """Row 78: `dateWritten` starts a course: 50,000 IU weekly since four months and still deficient is resistance."""
    request = _dstu2()
    resource = request["prefetch"]["medications"]["entry"][0]["resource"]
    resource["dateWritten"] = "2025-10-01"
    resource["medicationCodeableConcept"] = {"text": "ergocalciferol 50000 UNT Oral Capsule"}
    resource["dosageInstruction"] = [
        {
            "text": "1 capsule weekly",
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnits": "wk"}},
            "doseQuantity": {"value": 50_000, "unit": "[iU]"},
        }
    ]

    assert "vitamin-d-resistance" in topics(post(request))
