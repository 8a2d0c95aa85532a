"""OperationOutcome: the body of every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.fhir.orders import Json


def operation_outcome(code: str, *diagnostics: str) -> Json:
    """An OperationOutcome with an issue of severity error for each sentence; *code* is a FHIR issue type."""
    issues = [{"severity": "error", "code": code, "diagnostics": sentence} for sentence in diagnostics]
    return {"resourceType": "OperationOutcome", "issue": issues}
