"""Validates the drafts of orders with fhir.resources (R4B): what leaves the service must be valid FHIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from cds_service.fhir.orders import Orders

MODELS: dict[str, Any] = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}


def check(orders: Orders) -> None:
    """Validate a draft of every template of *orders*.

    Raises:
        GuidanceError: an order of `orders.toml` does not make a valid resource.
    """
    for key, resource in orders.drafts():
        try:
            MODELS[resource["resourceType"]].model_validate(resource)
        except ValidationError as error:
            raise GuidanceError("orders.toml", key, str(error), "an order that makes a valid FHIR resource") from error
