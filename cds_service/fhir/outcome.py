"""OperationOutcome: the body of every error."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class RefusalIssue(msgspec.Struct):
    """One thing to mend."""

    severity: Literal["error"]
    code: str
    diagnostics: Annotated[str, Meta(min_length=1)]


class Refusal(msgspec.Struct, rename="camel"):
    """A FHIR R4 OperationOutcome; each issue says what to mend."""

    resource_type: Literal["OperationOutcome"]
    issue: Annotated[list[RefusalIssue], Meta(min_length=1)]


def operation_outcome(code: str, *diagnostics: str) -> Refusal:
    """An OperationOutcome with an issue of severity error for each sentence; *code* is a FHIR issue type."""
    return Refusal("OperationOutcome", [RefusalIssue("error", code, sentence) for sentence in diagnostics])
