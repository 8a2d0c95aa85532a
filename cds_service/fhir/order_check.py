"""Validates the drafts of orders with fhir.resources (R4B): what leaves the service must be valid FHIR."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

from cds_service.errors import GuidanceError

MODELS: dict[str, Any] = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}


def check(drafts: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Validate *drafts*, each with its key in `orders.toml`.

    Raises:
        GuidanceError: an order of `orders.toml` does not make a valid resource.
    """
    for key, resource in drafts:
        try:
            MODELS[resource["resourceType"]].model_validate(resource)
        except ValidationError as error:
            raise GuidanceError("orders.toml", key, str(error), "an order that makes a valid FHIR resource") from error
