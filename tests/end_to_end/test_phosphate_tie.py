"""Two phosphate results of one moment under different codes: the highest counts, so that no hold is missed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from tests.support.fixtures import FOLDER, SERVICE, engine, outline

DAY = "2026-02-10"


def _phosphate(code: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "resource": {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "effectiveDateTime": DAY,
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        }
    }


@pytest.mark.parametrize("turned", [False, True], ids=["as sent", "turned round"])
@pytest.mark.parametrize(
    ("mass", "molar", "held"),
    [(3.6, 1.6, True), (4.7, 1.2, True), (3.6, 1.2, False)],
    ids=["molar above 1.49", "mass above 4.6", "neither"],
)
def test_highest_of_two_codes_counts(*, mass: float, molar: float, held: bool, turned: bool) -> None:
    """Sections 5 and 10: in G3 the higher of 2777-1 and 14879-1 decides the phosphate hold, in either order."""
    body = json.loads((FOLDER / "ckd-g3-high-phosphate-hold" / "request.json").read_bytes())
    chemistry = body["prefetch"]["chemistry"]
    others = [e for e in chemistry["entry"] if e["resource"]["code"]["coding"][0]["code"] != "2777-1"]
    both = [_phosphate("2777-1", mass, "mg/dL"), _phosphate("14879-1", molar, "mmol/L")]
    chemistry["entry"] = others + (both[::-1] if turned else both)

    response = engine(date(2026, 3, 2)).answer(SERVICE, json.dumps(body).encode()).response

    assert held == any(topic == "vitamin-d-hold" for topic, _, _ in outline(response))
