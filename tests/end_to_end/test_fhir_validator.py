"""The validator that judges what the service emits must itself tell good resources from bad ones."""

from typing import Any

import pytest

from tests.support import fhir_validator

pytestmark = [
    pytest.mark.fhir,
    pytest.mark.skipif(fhir_validator.missing() is not None, reason=str(fhir_validator.missing())),
]


def _order(*, status: str = "draft", period_unit: str = "d") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": "proposal",
        "medicationCodeableConcept": {"text": "Magnesium 200 mg oral tablet (elemental)"},
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": period_unit}},
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": 200,
                            "unit": "mg",
                            "system": "http://unitsofmeasure.org",
                            "code": "mg",
                        }
                    }
                ],
            }
        ],
    }


@pytest.fixture(scope="module")
def errors() -> dict[str, list[str]]:
    """Return what the validator finds in a good order and two bad ones."""
    return fhir_validator.validate(
        {
            "good": _order(),
            "bad status": _order(status="drafty"),
            "bad unit": _order(period_unit="day"),
        }.items()
    )


def test_valid_order_passes(errors: dict[str, list[str]]):
    """A draft MedicationRequest with coded dose and timing has no errors."""
    assert errors["good"] == []


def test_unknown_status_is_an_error(errors: dict[str, list[str]]):
    """A status outside its required value set is found, and the message names it."""
    assert any("drafty" in error for error in errors["bad status"])


def test_period_unit_must_be_ucum(errors: dict[str, list[str]]):
    """The unit of a period is `d`; `day` is found, and the message names the element."""
    assert any("periodUnit" in error for error in errors["bad unit"])
