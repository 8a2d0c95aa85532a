"""Made-up resources: what a change to a patient puts into the chart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from cds_service.fhir.units import UCUM
from cds_service.fhir.valuesets import LOINC, RXNORM

Json = dict[str, Any]


def bundle(resources: Iterable[Json]) -> Json:
    """A searchset Bundle of *resources*."""
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def observation(code: str, name: str, value: Decimal, unit: str, day: date) -> Json:
    """A final result without a subject: a chart's own are of its patient."""
    return {
        "resourceType": "Observation",
        "id": f"playground-{code}-{day}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}], "text": name},
        "effectiveDateTime": str(day),
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def medication_request(rxnorm: str, name: str, dose: Json, every: str, begun: date) -> Json:
    """An active order, begun on a day; *every* is `d` or `wk`, *dose* a Quantity."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"playground-{rxnorm}-{begun}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": rxnorm}], "text": name},
        "authoredOn": str(begun),
        "dosageInstruction": [
            {
                "text": name,
                "timing": {
                    "repeat": {
                        "boundsPeriod": {"start": str(begun)},
                        "frequency": 1,
                        "period": 1,
                        "periodUnit": every,
                    }
                },
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ],
    }
