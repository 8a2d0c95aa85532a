"""Every element of a rich request spoilt in turn, and any JSON or bytes at all: never a fault of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    put,
    topics,
)
from tests.web.conftest import Post

BODY = json.dumps(golden()).encode()

quick = settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=list(HealthCheck))

DATE_PATHS: list[tuple[str | int, ...]] = [
    ("prefetch", "patient", "birthDate"),
    ("prefetch", "patient", "deceasedDateTime"),
    ("prefetch", "conditions", "entry", 0, "resource", "onsetDateTime"),
    ("prefetch", "conditions", "entry", 0, "resource", "recordedDate"),
    ("prefetch", "medications", "entry", 0, "resource", "authoredOn"),
    ("prefetch", "medications", "entry", 0, "resource", "dosageInstruction", 0, "timing", "repeat", "boundsPeriod"),
    ("prefetch", "labOrders", "entry", 0, "resource", "authoredOn"),
    ("prefetch", "labOrders", "entry", 0, "resource", "occurrenceDateTime"),
    ("prefetch", "chemistry", "entry", 0, "resource", "effectiveDateTime"),
    ("prefetch", "kidney", "entry", 0, "resource", "effectiveDateTime"),
    ("prefetch", "vitals", "entry", 0, "resource", "effectiveDateTime"),
]
DATES = [
    "0001-01-01", "9999-12-31", "2026-02-30", "2026-00-00", "2026-02-29T00:00:00Z", "0000", "99999-01-01", "", " ",
    5, None, True, [], {},
]  # fmt: skip


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


def test_rich_request(post: Post) -> None:
    """The request the next tests spoil is itself answered."""
    assert topics(post(_rich()))


@pytest.mark.parametrize("where", DATE_PATHS, ids=lambda where: f"{where[1]}-{where[-1]}")
def test_odd_dates_anywhere(post: Post, where: tuple[str | int, ...]) -> None:
    """Odd dates in any resource are answered or refused."""
    statuses = {repr(day): post(put(_rich(), where, day)).status_code for day in DATES}

    assert [day for day, status in statuses.items() if status not in ANSWERED_OR_REFUSED] == []


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


@pytest.mark.parametrize("part", PARTS)
def test_any_element_of_any_kind(post: Post, part: str) -> None:
    """Every element of every resource may hold anything: it is answered or refused, never a fault."""
    request = _rich()
    faults = []
    for where in _elements(part):
        target, last = _parent(request, where), where[-1]
        good = target[last]
        for odd in ODD:
            target[last] = odd
            if post(request).status_code not in ANSWERED_OR_REFUSED:
                faults.append((where, repr(odd)[:40]))
        target[last] = good

    assert faults == []


@pytest.mark.parametrize("part", PARTS)
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


@pytest.mark.parametrize("key", KEYS)
@quick
@given(value=JSON)
def test_any_json_in_a_key(post: Post, key: str, value: Any) -> None:
    """Any JSON at all in a key is answered or refused."""
    body = json.dumps(changed(**{key: value})).encode("utf-8")

    assert post(body).status_code in ANSWERED_OR_REFUSED


@quick
@given(value=JSON)
def test_any_json_as_body(post: Post, value: Any) -> None:
    """Any JSON at all as the body is refused."""
    assert post(json.dumps(value).encode()).status_code == 400


@settings(parent=quick, max_examples=400)
@given(place=st.integers(0, len(BODY) - 1), new=st.binary(min_size=0, max_size=3))
def test_any_byte_changed(post: Post, place: int, new: bytes) -> None:
    """Any bytes anywhere in the body are answered or refused."""
    assert post(BODY[:place] + new + BODY[place + 1 :]).status_code in ANSWERED_OR_REFUSED


@settings(parent=quick, max_examples=100)
@given(body=st.binary(max_size=200))
def test_any_bytes(post: Post, body: bytes) -> None:
    """Any bytes at all as the body are refused."""
    assert post(body).status_code == 400
