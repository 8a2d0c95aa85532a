"""Validates inbound resources with `fhir.resources` (R4B): for finding out what a new EHR really sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from cds_service.fhir.bundle import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


class Problem(NamedTuple):
    """One fault of a resource: where, as a FHIRPath, and what is expected there. Never the value found."""

    where: str
    message: str


def problems(raw: bytes | msgspec.Raw) -> Iterator[Problem]:
    """Every fault that `fhir.resources` finds in the resource in *raw*, and in each entry where it is a Bundle."""
    try:
        found = msgspec.json.decode(raw)
    except UNREADABLE:
        yield Problem("", "not valid JSON")
        return
    if not isinstance(found, dict) or found.get("resourceType") != "Bundle":
        yield from _faults(found, "")
        return
    entries = found.get("entry")
    entries = entries if isinstance(entries, list) else []
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and "resource" in entry:
            yield from _faults(entry.pop("resource"), f"Bundle.entry[{place}].resource")
    yield from _faults(found, "")


def _faults(resource: Any, where: str) -> Iterator[Problem]:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        yield Problem(where, "not a FHIR resource: an object with a resourceType is needed")
        return
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            yield Problem(_path(where or kind, fault["loc"]), _message(fault["type"], fault["msg"]))
    except Exception:  # noqa: BLE001 - whatever the validator stumbles over is a finding about the resource
        yield Problem(where or kind, "not a resource of FHIR R4, or it holds one that is not")


def _path(path: str, location: tuple[str | int, ...]) -> str:
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


def _message(kind: str, message: str) -> str:
    """What pydantic says, unless its words may hold the value."""
    return "not a valid value for this element" if kind in ("value_error", "assertion_error") else message
