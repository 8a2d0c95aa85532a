"""Values, units, dates and codes that cannot be used: each is a clear 4xx or a right answer, never silence.

Where the only result of a required key cannot be read, the call is refused or a card says so. What cannot be read
never opens an order: unknown is not normal (section 9.6 of the decision table).
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.for_each import for_each
from tests.web.calls import RESULTS, Json, card, drugs, golden, is_told, only_result, topics
from tests.web.conftest import Post

BODY = json.dumps(golden()).encode()
UNITS = {"vitaminD": ("nmol/L", "ng/mL"), "magnesium": ("mmol/L", "mg/dL")}
"""A right unit of each analyte, and another that differs from it by a factor of more than 2."""


def _unreadable(key: str) -> dict[str, Json]:
    """Elements of a result of *key* that make it one that cannot be used."""
    unit, other = UNITS[key]

    def quantity(value: object, unit: object = unit, **members: object) -> Json:
        return {"valueQuantity": {"value": value, "unit": unit, **members}}

    return {
        "no unit": quantity(35, None),
        "unit a number": quantity(35, 5),
        "unit unknown": quantity(35, "cubits"),
        "unit of something else": quantity(35, "mm[Hg]"),
        "unit very long": quantity(35, "n" * 100_000),
        "unit with NUL": quantity(35, f"{unit}\x00"),
        "code and unit disagree": quantity(35, other, system="http://unitsofmeasure.org", code=unit),
        "value a text": quantity("thirty-five"),
        "value with two readings": quantity("1,250"),
        "value true": quantity(value=True),
        "value an object": quantity({"value": 35}),
        "value negative": quantity(-5),
        "value 1e400 as text": quantity("1e400"),
        "value sNaN as text": quantity("sNaN"),
        "value of 400 digits": quantity(10**400),
        "value of 5,000 digits as text": quantity("9" * 5_000),
        "value with an underscore": quantity("1_0"),
        "comparator a number": quantity(35, comparator=5),
        "comparator unknown": quantity(35, comparator="~"),
        "quantity a text": {"valueQuantity": f"35 {unit}"},
        "quantity an array": {"valueQuantity": [{"value": 35, "unit": unit}]},
        "quantity empty": {"valueQuantity": {}},
        "no value": {"valueQuantity": None},
        "text result": {"valueQuantity": None, "valueString": "see comment"},
        "text result with a digit": {"valueQuantity": None, "valueString": "<4 (LOQ)"},
        "text result very long": {"valueQuantity": None, "valueString": "7" * 1_000_000},
        "text result of brackets": {"valueQuantity": None, "valueString": "(" * 50_000 + "7"},
        "text result of blanks": {"valueQuantity": None, "valueString": "7" + " " * 100_000 + "x"},
        "range empty": {"valueQuantity": None, "valueRange": {}},
        "range a text": {"valueQuantity": None, "valueRange": "30-40"},
        "range upside down": {
            "valueQuantity": None,
            "valueRange": {"low": {"value": 9, "unit": unit}, "high": {"value": 8, "unit": unit}},
        },
        "coded value": {"valueQuantity": None, "valueCodeableConcept": {"text": "low"}},
        "coded value with a number": {"valueQuantity": None, "valueCodeableConcept": {"text": "35"}},
        "integer value": {"valueQuantity": None, "valueInteger": 35},
        "absent by reason": {"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "unknown"}]}},
        "components a text": {"valueQuantity": None, "component": "x"},
        "date 2026-02-30": {"effectiveDateTime": "2026-02-30"},
        "date 9999": {"effectiveDateTime": "9999-12-31"},
        "date 9999 in the far west": {"effectiveDateTime": "9999-12-31T23:59:59.999999-14:00"},
        "date 10000": {"effectiveDateTime": "10000-01-01"},
        "date in words": {"effectiveDateTime": "yesterday"},
        "date a number": {"effectiveDateTime": 1771545600},
        "date an object": {"effectiveDateTime": {"value": "2026-02-20"}},
        "no date": {"effectiveDateTime": None},
        "period a text": {"effectiveDateTime": None, "effectivePeriod": "2026-02-20"},
        "period without end": {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-02-20"}},
        "issued a number": {"effectiveDateTime": None, "issued": 5},
        "status an object": {"status": {"value": "final"}},
        "status an array": {"status": ["final"]},
        "code a text": {"code": "68438-1"},
        "code an array": {"code": [{"coding": [{"system": "http://loinc.org", "code": "68438-1"}]}]},
        "coding an object": {"code": {"coding": {"system": "http://loinc.org", "code": "68438-1"}}},
        "coding of texts": {"code": {"coding": ["68438-1"]}},
        "coding with a number": {"code": {"coding": [{"system": "http://loinc.org", "code": 68438}]}},
    }


@for_each("key", RESULTS)
def test_only_result_is_unreadable(post: Post, key: str) -> None:
    """Never silence about a required key: its one result cannot be used, so it is a 4xx or a card that says so.

    So it is where all else is normal; and what cannot be read never leads to a drug that was not on offer before.
    """
    offered = drugs(post(golden()).get_json())
    for name, elements in _unreadable(key).items():
        response = post(only_result(key, **elements))
        assert is_told(response, key), name
        assert drugs(response.get_json()) <= offered, name
        request = golden("normal-patient-no-card")
        resource = request["prefetch"][key]["entry"][0]["resource"] | elements
        present = {member: value for member, value in resource.items() if value is not None}
        request["prefetch"][key]["entry"] = [{"resource": present}]
        assert is_told(post(request), key), name


RAW_NUMBERS = [
    "1e400",
    "-1e400",
    "1e-400",
    "1E+999999999",
    "1e99999999999999999999",
    "-0.0000",
    "9" * 5_000,
    "0." + "0" * 5_000 + "1",
]


@for_each("number", RAW_NUMBERS, ids=lambda number: number[:24])
@for_each(("key", "written"), [("vitaminD", b'"value": 35.0'), ("magnesium", b'"value": 0.72')])
def test_extreme_numbers(post: Post, key: str, written: bytes, number: str) -> None:
    """JSON numbers of any size are read exactly: what no laboratory prints is not used, or is shown as implausible."""
    body = BODY.replace(written, b'"value": ' + number.encode())
    response = post(body)

    assert body != BODY
    assert is_told(response, key) or "Implausible value" in response.get_data(as_text=True)


@for_each("place", ["chemistry", "kidney", "vitals"])
def test_extreme_numbers_elsewhere(post: Post, place: str) -> None:
    """In a companion such a number is passed over: no drug is added."""
    request, offered = golden(), drugs(post(golden()).get_json())
    for entry in request["prefetch"][place]["entry"]:
        entry["resource"]["valueQuantity"]["value"] = "HERE"
    for number in RAW_NUMBERS:
        response = post(json.dumps(request).encode().replace(b'"HERE"', number.encode()))
        assert drugs(response.get_json()) <= offered, number[:24]


@for_each(
    ("key", "value", "unit", "topic", "says"),
    [
        ("vitaminD", 600, "ng/mL", "vitamin-d-toxicity", "Implausible value"),
        ("vitaminD", 1300, "nmol/L", "vitamin-d-toxicity", "Implausible value"),
        ("vitaminD", 0.5, "ng/mL", "unusable-result", "implausibly low"),
        ("vitaminD", 0, "nmol/L", "unusable-result", "implausibly low"),
        ("vitaminD", 35, "pg/mL", "unusable-result", "1,25(OH)2D"),
        ("magnesium", 6.5, "mmol/L", "magnesium-very-high", "Implausible value"),
        ("magnesium", 99999, "mg/dL", "magnesium-very-high", "Implausible value"),
        ("magnesium", 0.05, "mmol/L", "magnesium-severe-low", "Implausible value"),
        ("magnesium", 0, "mg/dL", "magnesium-severe-low", "Implausible value"),
        ("magnesium", -0.7, "mmol/L", "unusable-result", "could not be read"),
        ("vitaminD", -35, "nmol/L", "unusable-result", "could not be read"),
    ],
)  # fmt: skip
def test_outside_plausibility(post: Post, key: str, value: float, unit: str, topic: str, says: str) -> None:
    """Section 4.3: a dangerous value outside plausibility is shown, to be confirmed; others are not used."""
    assert says in card(post(only_result(key, valueQuantity={"value": value, "unit": unit})), topic)["detail"]


@for_each(("value", "unit"), [(60, "mg/dL"), (0.1, "mg/dL"), (-9, "mg/dL"), (9.4, "cubits"), ("x", "mg/dL")])
def test_implausible_calcium(post: Post, value: object, unit: str) -> None:
    """Section 4.3: a calcium outside plausibility is passed over: no hold, no very low calcium, no drug added."""
    request = golden()
    request["prefetch"]["chemistry"]["entry"][0]["resource"]["valueQuantity"] = {"value": value, "unit": unit}
    response = post(request)

    assert "vitamin-d-hold" not in topics(response)
    assert "critical" not in [found["indicator"] for found in response.get_json()["cards"]]
    assert set() == drugs(response.get_json()) - drugs(post(golden()).get_json())


@for_each("day", ["0001-01-01", "0001", "0001-01-01T00:00:00+14:00", "1900-01-01", "2024-12-01"])
def test_very_old_results(post: Post, day: str) -> None:
    """A date of year 0001 is a date: too old to draft anything on it, and older than three years it is none."""
    old = post(only_result("vitaminD", effectiveDateTime=day))

    assert ("vitamin-d-stale" in topics(old)) is (day == "2024-12-01")
    assert "vitamin-d-deficiency" not in topics(old)
    assert "magnesium-low" not in topics(post(only_result("magnesium", effectiveDateTime=day)))


DATED: dict[str, Json] = {
    "month": {"effectiveDateTime": "2026-02"},
    "year": {"effectiveDateTime": "2026"},
    "nanoseconds": {"effectiveDateTime": "2026-02-20T10:00:00.123456789Z"},
    "impossible time": {"effectiveDateTime": "2026-02-20T25:61:61Z"},
    "period": {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-02-01", "end": "2026-02-20"}},
    "instant": {"effectiveDateTime": None, "effectiveInstant": "2026-02-20T10:00:00Z"},
    "issued": {"effectiveDateTime": None, "issued": "2026-02-20T10:00:00Z"},
}


@for_each("elements", DATED.values(), ids=DATED)
def test_forms_of_dates(post: Post, elements: Json) -> None:
    """Section 5: partial dates, periods, instants and `issued` date a result."""
    assert topics(post(only_result("vitaminD", **elements))) == ["magnesium-low", "vitamin-d-deficiency"]


# Unknown is not normal: an element that cannot be read never opens an order.

REASONS = [
    ("sarcoidosis-hold", "conditions"),
    ("pregnant-deficient", "conditions"),
    ("low-magnesium-with-myasthenia-gravis", "conditions"),
    ("kidney-transplant-deficient", "conditions"),
    ("low-magnesium-already-on-magnesium", "medications"),
    ("raltegravir-blocks-magnesium", "medications"),
    ("pregnancy-status-observation-low-magnesium", "vitals"),
]
SPOILT_CODES: dict[str, Any] = {
    "a text": "x",
    "a number": 5,
    "an array": ["x"],
    "coding a text": {"coding": "x"},
    "coding an object": {"coding": {"code": "x"}},
    "coding of texts": {"coding": ["x"]},
    "code a number": {"coding": [{"system": "http://snomed.info/sct", "code": 31541009}]},
    "text a number": {"text": 5},
}


@for_each(("situation", "key"), REASONS)
def test_unreadable_reason_unlocks_nothing(post: Post, situation: str, key: str) -> None:
    """Section 9.6: a problem, drug or answer whose code cannot be read could be the reason against an order."""
    offered = drugs(post(golden(situation)).get_json())
    element = {"medications": "medicationCodeableConcept", "vitals": "valueCodeableConcept"}.get(key, "code")
    for name, spoilt in SPOILT_CODES.items():
        request = golden(situation)
        for entry in request["prefetch"][key]["entry"]:
            entry["resource"][element] = spoilt
        assert drugs(post(request).get_json()) <= offered, name
