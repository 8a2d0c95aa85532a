"""A FHIR Bundle of one patient becomes the request that an EHR would send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.errors import MalformedRequest
from cds_service.fhir.terminology import Terminology
from cds_service.playground.bundles import to_request
from cds_service.playground.changes import Trial
from cds_service.playground.trial import Playground
from tests.support.fixtures import outline
from tests.support.for_each import for_each
from tests.web.calls import golden, observation

ADDRESS = "urn:uuid:8e1f6b0e-5e0a-4a5f-8a4e-2f3f0a8f1c11"


def exported(request: dict[str, Any]) -> dict[str, Any]:
    """The resources of a request as one Bundle, as an EHR exports them: addressed by urn, in no order."""
    patient = {**request["prefetch"]["patient"], "id": "exported"}
    others = [
        {**entry["resource"], "subject": {"reference": ADDRESS}}
        for held in request["prefetch"].values()
        if held["resourceType"] == "Bundle"
        for entry in held.get("entry", ())
    ]
    entries = [{"resource": resource} for resource in reversed(others)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [*entries, {"fullUrl": ADDRESS, "resource": patient}],
    }


def test_exported_patient_has_the_same_cards(playground: Playground):
    """The patient of a Bundle has the cards that the same resources have as prefetch."""
    request = golden()
    sent = playground.open(Trial(text=json.dumps(request))).answer.response
    bundled = playground.open(Trial(text=json.dumps(exported(request)))).answer.response

    assert outline(bundled) == outline(sent)
    assert len(sent["cards"]) == 2


def test_each_resource_goes_to_its_key(terms: Terminology):
    """Observations by their code, orders and problems by their type; what no query asks for is left out."""
    resources = [
        {"resourceType": "Patient", "id": "p"},
        observation("1989-3", 20, "ng/mL", "2026-01-01"),
        observation("62292-8", 20, "ng/mL", "2026-02-01"),
        observation("19123-9", 2, "mg/dL"),
        observation("17861-6", 9, "mg/dL"),
        observation("98979-8", 90, "mL/min/{1.73_m2}"),
        observation("39156-5", 24, "kg/m2"),
        observation("82810-3", 1, ""),
        observation("62290-2", 30, "pg/mL", "2026-01-15"),
        observation("718-7", 14, "g/dL"),
        {"resourceType": "Condition", "id": "c"},
        {"resourceType": "MedicationRequest", "id": "m", "status": "active"},
        {"resourceType": "MedicationRequest", "id": "cancelled", "status": "cancelled"},
        {"resourceType": "ServiceRequest", "id": "s", "status": "draft"},
        {"resourceType": "ServiceRequest", "id": "done", "status": "completed"},
        {"resourceType": "Encounter", "id": "e"},
    ]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": resource} for resource in resources]}
    prefetch = to_request(bundle, terms)["prefetch"]
    sizes = {key: held["total"] for key, held in prefetch.items() if key != "patient"}
    days = [entry["resource"]["effectiveDateTime"] for entry in prefetch["vitaminD"]["entry"]]

    assert sizes == {
        "vitaminD": 3,
        "magnesium": 1,
        "chemistry": 1,
        "kidney": 1,
        "vitals": 2,
        "conditions": 1,
        "medications": 1,
        "labOrders": 1,
    }
    assert days == sorted(days, reverse=True)


@for_each("count", [0, 2])
def test_bundle_is_of_one_patient(terms: Terminology, count: int):
    """A Bundle without a Patient, or with two, is refused, and the number is told."""
    entries = [{"resource": {"resourceType": "Patient", "id": str(number)}} for number in range(count)]

    with pytest.raises(MalformedRequest, match=f"this one holds {count}"):
        to_request({"resourceType": "Bundle", "entry": entries}, terms)


@for_each("entry", [None, {}, {"resource": None}, {"resource": {"resourceType": 3}}, "x", []])
def test_entries_that_are_none_spoil_nothing(terms: Terminology, entry: Any):
    """An entry that holds no resource is passed over."""
    patient = {"resource": {"resourceType": "Patient"}}
    request = to_request({"resourceType": "Bundle", "entry": [entry, patient]}, terms)

    assert request["context"]["patientId"] == request["prefetch"]["patient"]["id"] == "patient"
