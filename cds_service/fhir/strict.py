"""Validates inbound resources with `fhir.resources` (R4B): for finding out what a new EHR really sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.resource import Resource
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from pydantic import ValidationError

from cds_service import work
from cds_service.fhir.bundle import UNREADABLE

ABSTRACT = frozenset({"Resource", "DomainResource"})
INTERNAL = frozenset({"root", "resource_type", "resourceType"})
"""Names of the validator's own, not of FHIR."""
SPOKEN = frozenset(
    {"missing", "extra_forbidden", "string_type", "list_type", "dict_type", "bool_type", "bool_parsing", "int_type"}
    | {"int_parsing", "decimal_type", "decimal_parsing", "string_pattern_mismatch", "string_too_short", "model_type"}
    | {"model_attributes_type", "date_type", "datetime_type", "required"}
)
"""Kinds of fault whose words name what is expected, and nothing of what was found."""
CHOICE = re.compile(r"from this list \[([A-Za-z', ]+)\]")


class Invalidity(NamedTuple):
    """One fault of a resource: where, as a FHIRPath, and what is expected there. Never the value found."""

    where: str
    message: str


def problems(raw: bytes | msgspec.Raw) -> Iterator[Invalidity]:
    """Every fault that `fhir.resources` finds in the resource in *raw*, and in each entry where it is a Bundle."""
    try:
        found = msgspec.json.decode(raw)
    except UNREADABLE:
        yield Invalidity("", "not valid JSON")
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


def _faults(resource: Any, where: str) -> Iterator[Invalidity]:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str):
        yield Invalidity(where, "not a FHIR resource: an object with a resourceType is needed")
        return
    model = _model(kind)
    if model is None:
        yield Invalidity(where, "its resourceType is no resource of FHIR R4")
        return
    try:
        model.model_validate(resource)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            yield Invalidity(_path(where or kind, fault["loc"]), _message(fault["type"], fault["msg"]))
    except Exception:  # noqa: BLE001 - whatever the validator stumbles over is a finding about the resource
        yield Invalidity(where or kind, "not a resource of FHIR R4, or it holds one that is not")


@lru_cache(maxsize=256)
def _model(kind: str) -> type[FHIRAbstractModel] | None:
    """The model of the resource *kind*; data types and abstract types are none."""
    try:
        with work.unendable():  # it imports a module
            found: type[FHIRAbstractModel] = get_fhir_model_class(kind)
    except Exception:  # noqa: BLE001 - an unknown name ends in one of several ways
        return None
    return found if issubclass(found, Resource) and kind not in ABSTRACT else None


def _path(path: str, location: tuple[str | int, ...]) -> str:
    for step in location:
        if step in INTERNAL:
            break
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


def _message(kind: str, message: str) -> str:
    """What the validator says where its words cannot hold the value; else that it is not valid."""
    choice = CHOICE.search(message)
    if choice is not None:
        return f"exactly one is expected of {', '.join(re.findall(r'[A-Za-z]+', choice[1]))}"
    return message if kind in SPOKEN else "not a valid value for this element"
