"""`evaluate` takes a plain FHIR Bundle: what it holds counts, and what it does not hold is unknown, never normal."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cds_service import MalformedRequest, PrefetchUnavailable, Response, WrongPatient, evaluate
from tests.support.fixtures import FOLDER, outline
from tests.support.for_each import for_each

AS_OF = date(2026, 3, 2)
GOLDEN = FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "request.json"


def request() -> dict[str, Any]:
    """The golden request: 25(OH)D 35 nmol/L and magnesium 0.72 mmol/L."""
    body: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"), parse_float=Decimal)
    return body


def resources() -> list[dict[str, Any]]:
    """All resources of the golden request, the Patient first."""
    held = request()["prefetch"].values()
    found = [value for value in held if value["resourceType"] == "Patient"]
    return found + [entry["resource"] for value in held for entry in value.get("entry", ())]


def bundle(*more: dict[str, Any], kind: str = "collection", **own: Any) -> dict[str, Any]:
    """The resources of the golden request and *more* as one Bundle, with members of its own."""
    entries = [{"resource": resource} for resource in (*resources(), *more)]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **own}


def about(kind: str, **elements: Any) -> dict[str, Any]:
    """A resource of the patient of the golden request."""
    patient = request()["context"]["patientId"]
    return {"resourceType": kind, "id": "another", "subject": {"reference": f"Patient/{patient}"}, **elements}


UNRELATED = (
    about("Condition", code={"text": "Migraine"}, clinicalStatus={"coding": [{"code": "active"}]}),
    about(
        "MedicationRequest", status="active", intent="order", medicationCodeableConcept={"text": "Paracetamol 500 mg"}
    ),
    about("ServiceRequest", status="active", intent="order", code={"text": "Chest X-ray"}),
    about(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "39156-5"}]},
        effectiveDateTime="2026-02-01",
        valueQuantity={"value": 24, "unit": "kg/m2", "system": "http://unitsofmeasure.org", "code": "kg/m2"},
    ),
)
"""One of each optional key that the golden request has nothing for."""


def details(answer: Response) -> dict[str, str]:
    """The details of the cards by topic; they name what is not available."""
    return {card["source"]["topic"]["code"]: card["detail"] for card in answer["cards"]}


def drugs(answer: Response) -> list[str]:
    """The drafts of medications."""
    return [
        action["description"]
        for card in answer["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if action["resource"]["resourceType"] == "MedicationRequest"
    ]


def test_whole_record_has_the_cards_of_the_request():
    """A Bundle with something for each key is answered as the request that holds the same."""
    sent = request()
    for resource, key in zip(UNRELATED, ("conditions", "medications", "labOrders", "vitals"), strict=True):
        sent["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}

    answer = evaluate(bundle(*UNRELATED), as_of=AS_OF)

    assert outline(dict(answer)) == outline(dict(evaluate(sent, as_of=AS_OF)))
    assert drugs(answer)


@for_each(("lacking", "source"), [(0, "conditions"), (1, "medications")])
def test_what_the_bundle_lacks_is_unknown(lacking: int, source: str):
    """Without a condition or an order in the Bundle no drug is drafted: it is no answer that there is none on file."""
    held = [resource for place, resource in enumerate(UNRELATED) if place != lacking]
    answer = evaluate(bundle(*held), as_of=AS_OF)

    assert {"vitamin-d-deficiency", "magnesium-low"} <= details(answer).keys()
    assert drugs(answer) == []
    assert f"{source} not available" in details(answer)["vitamin-d-deficiency"]


@for_each("key", ["magnesium", "vitaminD"])
def test_required_key_without_a_result_is_refused(key: str):
    """A Bundle without a result of 25(OH)D or magnesium does not say that there is none: it is refused, by name."""
    results = [entry["resource"] for entry in request()["prefetch"][key]["entry"]]
    exported = bundle()
    exported["entry"] = [entry for entry in exported["entry"] if entry["resource"] not in results]

    assert len(exported["entry"]) < len(resources())
    with pytest.raises(PrefetchUnavailable, match=f"nothing for {key}, .* null"):
        evaluate(exported, as_of=AS_OF)


@for_each(
    "own",
    [
        {"link": [{"relation": "next", "url": "https://fhir.example/next"}]},
        {"kind": "transaction"},
        {"kind": "searchset", "total": 100},
    ],
    ids=["next page", "transaction", "total"],
)
def test_bundle_that_is_not_whole_drafts_no_drug(own: dict[str, Any]):
    """A next page, a total above the entries or a type of another purpose: the results count, the rest is in part."""
    answer = evaluate(bundle(*UNRELATED, **own), as_of=AS_OF)

    assert {"vitamin-d-deficiency", "magnesium-low"} <= details(answer).keys()
    assert drugs(answer) == []


def test_entry_that_is_no_resource_could_be_anything():
    """An entry that cannot be read leaves every key in part: no drug is drafted."""
    exported = bundle(*UNRELATED)
    exported["entry"].append({"resource": None})

    assert drugs(evaluate(exported, as_of=AS_OF)) == []


def test_outcome_that_something_was_withheld():
    """An OperationOutcome in the Bundle that says so counts for every key."""
    issue = {"severity": "warning", "code": "suppressed"}
    withheld = {"resourceType": "OperationOutcome", "issue": [issue]}

    assert drugs(evaluate(bundle(*UNRELATED, withheld), as_of=AS_OF)) == []


def test_medication_is_found_where_the_order_refers_to_it():
    """A Medication in the Bundle goes with the order that refers to it: calcitriol that is current closes G-AD."""
    code = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1894"}], "text": "calcitriol"}
    medication = {"resourceType": "Medication", "id": "m", "code": code}
    order = about(
        "MedicationRequest", status="active", intent="order", medicationReference={"reference": "Medication/m"}
    )

    answer = evaluate(bundle(*UNRELATED, medication, order), as_of=AS_OF)

    assert "active vitamin D is already ordered" in details(answer)["vitamin-d-deficiency"]


def test_results_of_somebody_else_are_refused():
    """Whoever else a resource is about, nothing is answered."""
    stranger = {**UNRELATED[0], "subject": {"reference": "Patient/somebody-else"}}

    with pytest.raises(WrongPatient):
        evaluate(bundle(stranger), as_of=AS_OF)


@for_each("entry", [None, [], {}, [{"resource": {"resourceType": "Condition"}}]])
def test_bundle_without_a_patient_is_refused(entry: Any):
    """Without a Patient, or with two, it is not known whose record it is."""
    with pytest.raises(MalformedRequest, match="this one holds 0"):
        evaluate({"resourceType": "Bundle", "entry": entry}, as_of=AS_OF)
    with pytest.raises(MalformedRequest, match="this one holds 2"):
        evaluate(bundle({"resourceType": "Patient", "id": "second"}), as_of=AS_OF)


def test_bundle_is_left_alone():
    """The Bundle is read, not changed."""
    given = bundle(*UNRELATED)

    evaluate(given, as_of=AS_OF)

    assert given == bundle(*UNRELATED)
