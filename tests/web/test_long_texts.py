"""Very long texts: read in a time that grows with their length and no faster, and not kept."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

from tests.web.calls import Json, bundle, changed, observation
from tests.web.conftest import Post

LENGTH = 100_000
MARK = "Zyx"


def _medication(**elements: Any) -> Json:
    return bundle({"resourceType": "MedicationRequest", "status": "active", "intent": "order", **elements})


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


NOTE = [{"text": "hemoly" * (LENGTH // 6) + MARK}]
LONG = MARK + "1" * LENGTH
PLACES: dict[str, Json] = {
    "ATC code": {
        "medications": _medication(medicationCodeableConcept=_coded("http://www.whocc.no/atc", f"A11CC05{LONG}"))
    },
    "drug text": {"medications": _medication(medicationCodeableConcept={"text": f"vitamin d {LONG}"})},
    "ICD-10 code": {
        "conditions": bundle(
            {"resourceType": "Condition", "code": _coded("http://hl7.org/fhir/sid/icd-10-cm", f"N18.3{LONG}")}
        )
    },
    "unit": {"magnesium": bundle(observation("19123-9", 0.72, LONG))},
    "value": {"magnesium": bundle(observation("19123-9", f"1.{LONG}", "mg/dL"))},
    "numerals": {"magnesium": bundle(observation("19123-9", f"{'1,1' * (LENGTH // 3)}{MARK}", "mg/dL"))},
    "coded value": {
        "magnesium": bundle(observation("19123-9", None, "", valueQuantity=None, valueCodeableConcept={"text": LONG}))
    },
    "text of a range": {
        "magnesium": bundle(
            observation("19123-9", 1.7, "mg/dL", referenceRange=[{"low": {"value": 1.6}, "text": f"> {LONG}"}])
        )
    },
    "population of a range": {
        "magnesium": bundle(
            observation(
                "19123-9",
                1.7,
                "mg/dL",
                referenceRange=[{"low": {"value": 1.6}, "appliesTo": [{"text": f"not {LONG}"}]}],
            )
        )
    },
    "note": {"magnesium": bundle(observation("19123-9", 1.7, "mg/dL", note=NOTE))},
    "date": {"magnesium": bundle(observation("19123-9", 1.7, "mg/dL", f"2026{LONG}"))},
    "type of a Bundle": {"conditions": bundle(type=LONG, total=LONG)},
}


def test_long_text_is_read_and_let_go(post: Post) -> None:
    """A text of 100,000 characters is answered (with squared effort it would take minutes), and nothing keeps it."""
    bodies = {place: json.dumps(changed(**held)).encode() for place, held in PLACES.items()}
    others = {place: body.replace(MARK.encode(), MARK.swapcase().encode()) for place, body in bodies.items()}
    for body in bodies.values():
        post(body).close()
    tracemalloc.start()
    try:
        answered = {place: post(body).status_code for place, body in others.items()}
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert set(answered.values()) == {200}, answered
    assert held < LENGTH // 2
