"""Texts of millions of characters: read in a time that grows with their length and no faster, and not kept."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

import pytest

from tests.web.calls import Json, bundle, changed, observation
from tests.web.conftest import Post

MILLION = 1_000_000
MARK = "Zyx"


def _medication(**elements: Any) -> Json:
    return bundle({"resourceType": "MedicationRequest", "status": "active", "intent": "order", **elements})


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


LONG = MARK + "1" * MILLION
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
}


@pytest.mark.parametrize("place", PLACES)
def test_long_text_is_read_and_let_go(post: Post, place: str) -> None:
    """A text of a million characters is answered (with squared effort it would take minutes), and nothing keeps it."""
    body = json.dumps(changed(**PLACES[place])).encode()
    other = body.replace(MARK.encode(), MARK.swapcase().encode())
    post(body).close()
    tracemalloc.start()
    try:
        response = post(other)
        response.close()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status_code == 200
    assert held < MILLION // 2
