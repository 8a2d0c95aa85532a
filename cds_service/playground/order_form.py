"""A drafted order as a person reads it in an order form."""

from __future__ import annotations

from typing import NamedTuple

from cds_service.fhir.orders import Json


class Line(NamedTuple):
    """One line of the form."""

    label: str
    text: str


def read(resource: Json) -> list[Line]:
    """The lines of a MedicationRequest or ServiceRequest of ours; what it does not say has none."""
    lines = _medication(resource) if resource["resourceType"] == "MedicationRequest" else _test(resource)
    lines.append(Line("Because", "; ".join(reason["text"] for reason in resource.get("reasonCode", ()))))
    lines += [Line("Note", note["text"]) for note in resource.get("note", ())]
    lines.append(
        Line("State", f"{resource['status']} ({resource['intent']}): nothing is ordered until somebody signs it")
    )
    return [line for line in lines if line.text]


def _medication(resource: Json) -> list[Line]:
    dosage = resource["dosageInstruction"][0]
    supply = resource.get("dispenseRequest", {})
    repeat = dosage.get("timing", {}).get("repeat", {})
    return [
        Line("Medication", resource["medicationCodeableConcept"]["text"]),
        Line("Dosage", dosage.get("text", "")),
        Line("Route", dosage.get("route", {}).get("text", "")),
        Line("Duration", _quantity(repeat.get("boundsDuration"))),
        Line("Dispense", _quantity(supply.get("quantity"))),
        Line("Supply for", _quantity(supply.get("expectedSupplyDuration"))),
        Line("Repeats", str(supply.get("numberOfRepeatsAllowed", ""))),
        Line("For the patient", dosage.get("patientInstruction", "")),
    ]


def _test(resource: Json) -> list[Line]:
    return [
        Line("Test", resource["code"]["text"]),
        Line("For", resource.get("occurrenceDateTime", "now")),
        Line("Priority", resource.get("priority", "")),
    ]


UNITS = {"d": "days", "wk": "weeks"}


def _quantity(quantity: Json | None) -> str:
    if quantity is None:
        return ""
    unit = quantity.get("unit", "")
    return f"{quantity['value']} {UNITS.get(unit, unit)}".strip()
