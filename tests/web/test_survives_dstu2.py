"""DSTU2, as the public sandbox sends it by default (section 4.1, row 78): read where it is plainly the same."""

from __future__ import annotations

import pytest

from tests.support import dstu2
from tests.web.calls import bundle, card, drugs, topics
from tests.web.conftest import Post


def test_dstu2(post: Post) -> None:
    """Row 78: DSTU2 is read: names as arrays, comments, `patient`, MedicationOrder, statuses as codes."""
    response = post(dstu2.request())

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert {"4018", "2418", "6574"} == drugs(response.get_json())


def test_dstu2_without_optional_keys(post: Post) -> None:
    """Section 4.1: the sandbox leaves out each key whose query failed; what is left is answered, without drugs."""
    request = dstu2.request()
    request["prefetch"] = {key: request["prefetch"][key] for key in ("patient", "vitaminD", "magnesium")}
    response = post(request)

    assert topics(response) == ["magnesium-low", "vitamin-d-deficiency"]
    assert frozenset() == drugs(response.get_json())


def test_dstu2_empty_chart(post: Post) -> None:
    """Section 4.1: the sandbox's own patient has neither result: empty Bundles, no cards, no fault."""
    request = dstu2.request(vitaminD=bundle(), magnesium=bundle())

    assert topics(post(request)) == []


def test_dstu2_comments(post: Post) -> None:
    """Row 78: what `comments` says of a haemolysed sample is read."""
    request = dstu2.request()
    resource = request["prefetch"]["magnesium"]["entry"][0]["resource"]
    resource["comments"] = "Specimen haemolysed"
    resource["valueQuantity"]["value"] = 2.2

    assert "haemolysed" in card(post(request), "unusable-result")["summary"]


@pytest.mark.parametrize(
    ("status", "held"), [("active", True), ("relapse", True), ("resolved", False), ("remission", False)]
)
def test_dstu2_clinical_status(post: Post, status: str, held: bool) -> None:  # noqa: FBT001 - a column of the table
    """Row 78: `clinicalStatus` as a code decides like the CodeableConcept of R4."""
    request = dstu2.request()
    resource = request["prefetch"]["conditions"]["entry"][0]["resource"]
    resource["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "31541009"}]}
    resource["clinicalStatus"] = status

    assert held == ("vitamin-d-hold" in topics(post(request)))


def test_dstu2_medication_order(post: Post) -> None:
    """Row 78: a MedicationOrder of magnesium counts as an order of magnesium: no second one is drafted."""
    request = dstu2.request()
    resource = request["prefetch"]["medications"]["entry"][0]["resource"]
    resource["medicationCodeableConcept"] = {"text": "magnesium oxide 400 MG Oral Tablet"}

    assert "6574" not in drugs(post(request).get_json())


def test_dstu2_old_order(post: Post) -> None:
    """Row 78: `dateWritten` starts a course: 50,000 IU weekly since four months and still deficient is resistance."""
    request = dstu2.request()
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
