"""Every element of a rich request spoilt in turn, and any JSON or bytes at all: never a fault of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import every, tried
from tests.support.for_each import for_each
from tests.web.calls import (
    ANSWERED_OR_REFUSED,
    KEYS,
    OPTIONAL,
    PATIENT_ID,
    Json,
    bundle,
    changed,
    golden,
    paths,
)
from tests.web.conftest import Post

BODY = json.dumps(golden()).encode()


def _rich() -> Json:
    """A request with a resource of every kind: a course of vitamin D, a problem, an order."""
    reference = {"reference": f"Patient/{PATIENT_ID}"}
    dose = {"value": 50_000, "unit": "IU", "system": "http://unitsofmeasure.org", "code": "[iU]"}
    weeks = {"value": 8, "unit": "wk", "system": "http://unitsofmeasure.org", "code": "wk"}
    days = {"value": 56, "unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
    return changed(
        conditions=bundle(
            {
                "resourceType": "Condition",
                "id": "c-1",
                "clinicalStatus": {"coding": [{"code": "active"}]},
                "verificationStatus": {"coding": [{"code": "confirmed"}]},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "64859006"}], "text": "Osteoporosis"},
                "subject": reference,
                "onsetDateTime": "2020-01-01",
                "recordedDate": "2020-01-01",
            }
        ),
        medications=bundle(
            {
                "resourceType": "MedicationRequest",
                "id": "m-1",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {
                    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "4018"}],
                    "text": "ergocalciferol 50,000 IU capsule",
                },
                "subject": reference,
                "authoredOn": "2025-11-01",
                "dosageInstruction": [
                    {
                        "text": "weekly",
                        "timing": {
                            "repeat": {
                                "frequency": 1,
                                "period": 1,
                                "periodUnit": "wk",
                                "boundsPeriod": {"start": "2025-11-01", "end": "2026-04-01"},
                                "boundsDuration": weeks,
                            }
                        },
                        "route": {"text": "oral"},
                        "doseAndRate": [{"doseQuantity": dose}],
                    }
                ],
                "dispenseRequest": {"expectedSupplyDuration": days},
            }
        ),
        labOrders=bundle(
            {
                "resourceType": "ServiceRequest",
                "id": "s-1",
                "status": "active",
                "intent": "order",
                "code": {"coding": [{"system": "http://loinc.org", "code": "62292-8"}], "text": "25(OH)D"},
                "subject": reference,
                "authoredOn": "2026-02-25",
                "occurrenceDateTime": "2026-05-25",
            }
        ),
    )


ODD: list[Any] = [
    None, True, -5, 10**400, "", "9999-12-31", "\x00\n# x", [], {}, [None], {"coding": [None]},
    {"value": "sNaN", "unit": "wk"}, {"start": "9999-12-31", "end": "0001-01-01"},
]  # fmt: skip
PARTS = ["hook", "hookInstance", "context", "patient", "vitaminD", "magnesium", "chemistry", *OPTIONAL[3:]]


def _elements(part: str) -> Iterator[tuple[str | int, ...]]:
    """The path of every kind of element in a part of the rich request, once each."""
    seen = set()
    for where, _ in paths(_rich()):
        kind = tuple(step for step in where if isinstance(step, str))
        if part in where[:2] and kind not in seen:
            seen.add(kind)
            yield where


def _parent(request: Json, where: tuple[str | int, ...]) -> Any:
    """The object or array that holds the element at *where*."""
    target: Any = request
    for step in where[:-1]:
        target = target[step]
    return target


@pytest.mark.hypothesis
@pytest.mark.parametrize("part", PARTS)
def test_any_element_of_any_kind(post: Post, part: str) -> None:
    """Every element of every resource may hold anything: it is answered or refused, never a fault."""
    request = _rich()
    faults = []
    for place, where in enumerate(_elements(part)):
        target, last = _parent(request, where), where[-1]
        good = target[last]
        for odd in ODD[place % every(8) :: every(8)]:
            target[last] = odd
            if post(request).status_code not in ANSWERED_OR_REFUSED:
                faults.append((where, repr(odd)[:40]))
        target[last] = good

    assert faults == []


@for_each("part", PARTS)
def test_any_element_missing(post: Post, part: str) -> None:
    """Every element of every resource may be missing."""
    faults = []
    for where in _elements(part):
        request = _rich()
        del _parent(request, where)[where[-1]]
        if post(request).status_code not in ANSWERED_OR_REFUSED:
            faults.append(where)

    assert faults == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "entry", "resource", "code", "coding", "system", "status", "issue", "link", "id"]
            )
            | st.text(max_size=5),
            inner
            | st.sampled_from(
                ["Bundle", "Observation", "Patient", "OperationOutcome", "final", "http://loinc.org", "next"]
            ),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@tried(500)
@given(key=st.sampled_from(KEYS), value=JSON)
def test_any_json_in_a_key(post: Post, key: str, value: Any) -> None:
    """Any JSON at all in a key is answered or refused."""
    body = json.dumps(changed(**{key: value})).encode("utf-8")

    assert post(body).status_code in ANSWERED_OR_REFUSED


@tried(100)
@given(value=JSON)
def test_any_json_as_body(post: Post, value: Any) -> None:
    """Any JSON at all as the body is refused."""
    assert post(json.dumps(value).encode()).status_code == 400


@tried(400)
@given(place=st.integers(0, len(BODY) - 1), new=st.binary(min_size=0, max_size=3))
def test_any_byte_changed(post: Post, place: int, new: bytes) -> None:
    """Any bytes anywhere in the body are answered or refused."""
    assert post(BODY[:place] + new + BODY[place + 1 :]).status_code in ANSWERED_OR_REFUSED


@tried(100)
@given(body=st.binary(max_size=200))
def test_any_bytes(post: Post, body: bytes) -> None:
    """Any bytes at all as the body are refused."""
    assert post(body).status_code == 400
