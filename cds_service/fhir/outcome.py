"""OperationOutcome: the body of every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.fhir.orders import Json


def operation_outcome(code: str, diagnostics: str) -> Json:
    """An OperationOutcome with one issue of severity error; *code* is a FHIR issue type."""
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
