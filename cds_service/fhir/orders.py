"""Drafts into FHIR resources (section 16): MedicationRequest and ServiceRequest, `status: draft`, `intent: proposal`.

Each template is validated once with fhir.resources (R4B): those of the guidance that is shipped by the tests, those of
any other when the service starts. Per card it is only copied, since validating every order would cost more than all
rules together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.fhir.units import UCUM
from cds_service.fhir.valuesets import ATC, LOINC, RXNORM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from cds_service.clinical.guidance_types import DrugOrder, Guidance, LabOrderText

Json = dict[str, Any]
"""A JSON object, as it leaves the service."""
VALIDATED = "50c5865f86de"
"""The digest of the guidance whose orders the tests have validated. The library that validates is half as much again to
import as everything else that reads and decides, and takes 10 MiB in each server process."""


class Orders:
    """The order templates of one guidance, checked when built."""

    def __init__(self, guidance: Guidance) -> None:
        """Build every template; validate them, unless the tests have.

        Raises:
            GuidanceError: an order of `orders.toml` does not make a valid resource.
        """
        self._drugs = {name: _medication_request(order) for name, order in guidance.drugs.items()}
        self._labs = {code: _service_request(code, lab) for code, lab in guidance.labs.items()}
        self._patient_instructions = {name: order.patient_instruction for name, order in guidance.drugs.items()}
        if guidance.digest != VALIDATED:
            from cds_service.fhir import order_check  # noqa: PLC0415 - see VALIDATED

            order_check.check(self)

    def drafts(self) -> Iterator[tuple[str, Json]]:
        """A draft of every template, with its key in `orders.toml`."""
        for name in self._drugs:
            yield f"drug.{name}", self.medication_request(name, "x", "draft-1", "reason", ())
        for code in self._labs:
            yield f"lab.{code}", self.service_request(code, "x", "draft-1", "reason", on=None, urgent=True)

    def medication_request(
        self, name: str, patient_id: str, draft_id: str, reason: str, added: tuple[str, ...]
    ) -> Json:
        """A draft MedicationRequest for *patient_id*; *added* sentences join the patient instruction."""
        template = self._drugs[name]
        dosage = template["dosageInstruction"][0]
        if added:
            instruction = " ".join((self._patient_instructions[name], *added))
            dosage = {**dosage, "patientInstruction": instruction}
        return {
            **template,
            "id": draft_id,
            "subject": {"reference": f"Patient/{patient_id}"},
            "reasonCode": [{"text": reason}],
            "dosageInstruction": [dosage],
        }

    def service_request(
        self, code: str, patient_id: str, draft_id: str, reason: str, *, on: date | None, urgent: bool
    ) -> Json:
        """A draft ServiceRequest for *patient_id*."""
        request = {
            **self._labs[code],
            "id": draft_id,
            "subject": {"reference": f"Patient/{patient_id}"},
            "reasonCode": [{"text": reason}],
        }
        if urgent:
            request["priority"] = "urgent"
        if on is not None:
            request["occurrenceDateTime"] = on.isoformat()
        return request


def _medication_request(order: DrugOrder) -> Json:
    repeat: Json = {"frequency": 1, "period": 1, "periodUnit": order.period_unit}
    dispense: Json = {"numberOfRepeatsAllowed": 0}
    if order.weeks is not None:
        repeat["boundsDuration"] = _quantity(order.weeks, "wk", "wk")
    if order.dispense is not None:
        dispense["quantity"] = {"value": order.dispense, "unit": "capsule"}
    if order.supply_days is not None:
        dispense["expectedSupplyDuration"] = _quantity(order.supply_days, "d", "d")
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {
            "coding": [
                *({"system": RXNORM, "code": code} for code in order.rxnorm),
                {"system": ATC, "code": order.atc},
            ],
            "text": order.text,
        },
        "dosageInstruction": [
            {
                "text": order.dosage,
                "patientInstruction": order.patient_instruction,
                "timing": {"repeat": repeat},
                "route": {"text": "oral"},
                "doseAndRate": [{"doseQuantity": _quantity(order.dose, order.unit, order.ucum)}],
            }
        ],
        "dispenseRequest": dispense,
    }


def _service_request(code: str, lab: LabOrderText) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"coding": [{"system": LOINC, "code": code, "display": lab.display}], "text": lab.name},
    }


def _quantity(value: int, unit: str, code: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": code}
