"""An order as a person reads it."""

from __future__ import annotations

import pytest

from cds_service.playground.order_form import read
from tests.support.fixtures import answer, situations
from tests.support.for_each import for_each
from tests.web.calls import actions

ORDERS = [
    pytest.param(action["resource"], id=f"{situation.name}-{action['resource']['id']}")
    for situation in situations()[::9]
    for action in actions(answer(situation).response)
]


@for_each("resource", ORDERS)
def test_form_says_what_the_order_says(resource: dict):
    """Every order's form says what, why, and that it is a draft; a drug's also dosage and patient's words."""
    form = dict(read(resource))

    assert "nothing is ordered until somebody signs it" in form["State"]
    assert form["Because"] == resource["reasonCode"][0]["text"]
    if resource["resourceType"] == "MedicationRequest":
        dosage = resource["dosageInstruction"][0]
        assert form["Medication"] == resource["medicationCodeableConcept"]["text"]
        assert form["Dosage"] == dosage["text"]
        assert form["For the patient"] == dosage["patientInstruction"]
    else:
        assert form["Test"] == resource["code"]["text"]
        assert form["For"] == resource.get("occurrenceDateTime", "now")


def test_quantities_have_units():
    """Magnesium for eight weeks is a supply for 56 days; no number of tablets is invented."""
    (v02,) = [one for one in situations() if one.name == "vector-v02-deficient-nmol-low-magnesium"]
    magnesium = next(iter(actions(answer(v02).response)))["resource"]
    form = dict(read(magnesium))

    assert form["Supply for"] == "56 days"
    assert form["Repeats"] == "0"
    assert "Dispense" not in form
