"""Reads a resource or a searchset Bundle; one bad entry never spoils the rest.

The fast path decodes a whole Bundle into views at once. Where any entry has an element of an impossible type, the
Bundle is read again entry by entry, and a bad resource element by element: what is left out is named in `spoiled`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from cds_service.fhir.page import Page, R, Remark, remark
from cds_service.fhir.views import (
    NOTHING,
    Component,
    Condition,
    MedicationRequest,
    Observation,
    OperationOutcome,
    Patient,
    Resource,
    ServiceRequest,
    View,
)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not the JSON expected."""
V = TypeVar("V", bound=View)
NO_MATCH = frozenset({"include", "outcome"})
LARGEST_TOTAL = 2**31
Total: TypeAlias = int | float | str | None


class _Search(View):
    mode: str | None = None


class _Link(View):
    relation: str | None = None
    url: str | None = None


class _Entry(View, Generic[R]):
    resource: R
    search: _Search | None = None


class _Bundle(View, Generic[R]):
    resourceType: str | None = None  # noqa: N815 - FHIR's name
    type: str | None = None
    total: Total = None
    issues: msgspec.Raw = NOTHING
    entry: list[_Entry[R]] | None = None
    link: list[_Link] | None = None


class _RawBundle(View):
    resourceType: str | None = None  # noqa: N815 - FHIR's name
    type: msgspec.Raw = NOTHING
    total: msgspec.Raw = NOTHING
    issues: msgspec.Raw = NOTHING
    entry: msgspec.Raw = NOTHING
    link: msgspec.Raw = NOTHING


class NotFhir(Exception):
    """The value is not a FHIR resource of the expected kind."""


_FAST: dict[type[Resource], msgspec.json.Decoder[Any]] = {
    view: msgspec.json.Decoder(_Bundle[view])  # type: ignore[valid-type]
    for view in (Observation, Condition, MedicationRequest, ServiceRequest)
}
_RESOURCE = msgspec.json.Decoder(Resource)
_RAW_BUNDLE = msgspec.json.Decoder(_RawBundle)
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_RAW_DICT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LINKS = msgspec.json.Decoder(list[_Link])
_SEARCH = msgspec.json.Decoder(_Search)
_COMPONENT = msgspec.json.Decoder(Component)
_OUTCOME = msgspec.json.Decoder(OperationOutcome)
_TEXT = msgspec.json.Decoder(str | None)
_TOTAL: msgspec.json.Decoder[Total] = msgspec.json.Decoder(Total)


def is_null(raw: msgspec.Raw) -> bool:
    """Whether *raw* is JSON null."""
    return raw == NOTHING


def resource_type(raw: bytes | msgspec.Raw) -> str | None:
    """The `resourceType` of *raw*, or `None` where it is no resource."""
    try:
        return _RESOURCE.decode(raw).resourceType
    except UNREADABLE:
        return None


def read_bundle(raw: bytes | msgspec.Raw, view: type[R], types: frozenset[str]) -> Page[R]:
    """Read the searchset Bundle in *raw*, keeping resources of *types* as *view*.

    Raises:
        NotFhir: it is not a Bundle.
    """
    try:
        bundle: _Bundle[R] = _FAST[view].decode(raw)
    except UNREADABLE:
        return _read_slowly(raw, view, types)
    _check_bundle(bundle.resourceType)
    if bundle.issues is not NOTHING:
        return _read_slowly(raw, view, types)
    resources: list[R] = []
    for entry in bundle.entry or ():
        if entry.resource.resourceType not in types:
            return _read_slowly(raw, view, types)
        if entry.search is None or entry.search.mode not in NO_MATCH:
            resources.append(entry.resource)
    more, url = _next(bundle.link or ())
    return Page(
        tuple(resources),
        more=more,
        next_page=url,
        type=bundle.type or "",
        total=_total(bundle.total),
        entries=len(bundle.entry or ()),
    )


def _raw_type(raw: msgspec.Raw) -> str:
    """The type of a Bundle; empty where it has none, and what cannot be read is another one."""
    try:
        return _TEXT.decode(raw) or ""
    except UNREADABLE:
        return "unreadable"


def _total(found: Total) -> int:
    """The total of a Bundle, also as text; 0 where it says nothing that could be one."""
    if not found:
        return 0
    try:
        return min(int(found), LARGEST_TOTAL)
    except (ValueError, OverflowError):
        return 0


def _raw_total(raw: msgspec.Raw) -> int:
    """The same, where it may be anything."""
    try:
        return _total(_TOTAL.decode(raw))
    except UNREADABLE:
        return 0


def _check_bundle(found: str | None) -> None:
    if found == "OperationOutcome":
        raise NotFhir("it is an OperationOutcome")
    if found != "Bundle":
        raise NotFhir


def _next(links: Iterable[_Link]) -> tuple[bool, str | None]:
    """Whether there is a next page, and where."""
    for link in links:
        if link.relation == "next":
            return True, link.url
    return False, None


def _read_slowly(raw: bytes | msgspec.Raw, view: type[R], wanted: frozenset[str]) -> Page[R]:
    try:
        bundle = _RAW_BUNDLE.decode(raw)
    except UNREADABLE as error:
        raise NotFhir from error
    _check_bundle(bundle.resourceType)
    reader = _SlowReader(view, wanted)
    entries = _entries(bundle.entry)
    for entry in entries:
        reader.take(entry)
    if not is_null(bundle.issues):
        reader.hear(bundle.issues)
    return Page(
        tuple(reader.resources),
        reader.spoiled,
        tuple(reader.included),
        reader.strangers,
        reader.unreadable,
        reader.failed,
        reader.withheld,
        *_raw_next(bundle.link),
        type=_raw_type(bundle.type),
        total=_raw_total(bundle.total),
        entries=len(entries),
    )


def _entries(raw: msgspec.Raw) -> list[msgspec.Raw]:
    if is_null(raw):
        return []
    try:
        return _RAW_LIST.decode(raw)
    except UNREADABLE:
        return [raw]


def _raw_next(raw: msgspec.Raw) -> tuple[bool, str | None]:
    """Whether there is a next page, and where; a list of links that cannot be read may hide one."""
    if is_null(raw):
        return False, None
    try:
        return _next(_LINKS.decode(raw))
    except UNREADABLE:
        return True, None


class _SlowReader(Generic[R]):
    """Collects one Bundle entry by entry."""

    def __init__(self, view: type[R], wanted: frozenset[str]) -> None:
        self.view = view
        self.wanted = wanted
        self.resources: list[R] = []
        self.spoiled: dict[int, frozenset[str]] = {}
        self.included: list[bytes] = []
        self.strangers = 0
        self.unreadable = 0
        self.failed = False
        self.withheld = False

    def take(self, entry: msgspec.Raw) -> None:
        """Take one entry: a match, an include, an outcome, or something that is no resource."""
        try:
            parts = _RAW_DICT.decode(entry)
        except UNREADABLE:
            self.unreadable += 1
            return
        resource = parts.get("resource")
        kind = None if resource is None else resource_type(bytes(resource))
        if resource is None or kind is None:
            self.unreadable += 1
        elif kind == "OperationOutcome":
            self.hear(resource)
        elif _mode(parts) in NO_MATCH:
            self.included.append(bytes(resource))
        elif kind in self.wanted:
            self._keep(bytes(resource))
        else:
            self.included.append(bytes(resource))
            self.strangers += 1

    def hear(self, outcome: msgspec.Raw) -> None:
        """Hear what an OperationOutcome says of the answer."""
        said = _remark(outcome)
        self.failed = self.failed or said.failed
        self.withheld = self.withheld or said.withheld

    def _keep(self, raw: bytes) -> None:
        found, spoiled = salvage(raw, self.view)
        if "code" in spoiled:
            self.unreadable += 1  # it could be about anything
            return
        self.unreadable += "component" in spoiled  # so could that component
        if spoiled:
            self.spoiled[len(self.resources)] = spoiled
        self.resources.append(found)


def _mode(parts: dict[str, msgspec.Raw]) -> str | None:
    try:
        return _SEARCH.decode(parts.get("search", b"{}")).mode
    except UNREADABLE:
        return None


def _remark(raw: msgspec.Raw) -> Remark:
    """What an OperationOutcome says; one that cannot be read may report an error."""
    try:
        return remark(_OUTCOME.decode(raw))
    except UNREADABLE:
        return Remark(failed=True)


def salvage(raw: bytes | msgspec.Raw, view: type[R]) -> tuple[R, frozenset[str]]:
    """Decode *raw* as *view*, element by element if it must be; the names of the elements that could not be read.

    A value that is not even an object gives an empty view with everything spoiled.
    """
    try:
        return msgspec.json.decode(raw, type=view), frozenset()
    except UNREADABLE:
        pass
    fields = {item.encode_name: item for item in msgspec.structs.fields(view)}
    try:
        parts = _RAW_DICT.decode(raw)
    except UNREADABLE:
        return view(), frozenset(fields)
    values: dict[str, Any] = {}
    spoiled = set()
    for name, part in parts.items():
        if name not in fields:
            continue
        try:
            values[fields[name].name] = msgspec.json.decode(part, type=fields[name].type)
        except UNREADABLE:
            spoiled.add(name)
            if name == "component":
                values[name] = readable(_entries(part), _COMPONENT)
    return view(**values), frozenset(spoiled)


def readable(parts: Iterable[msgspec.Raw], decoder: msgspec.json.Decoder[V]) -> list[V]:
    """Those of *parts* that *decoder* can read."""
    found = []
    for part in parts:
        try:
            found.append(decoder.decode(part))
        except UNREADABLE:
            continue
    return found


def read_patient(raw: bytes | msgspec.Raw) -> tuple[Patient, frozenset[str]]:
    """Read a Patient.

    Raises:
        NotFhir: it is not a Patient.
    """
    patient, spoiled = salvage(raw, Patient)
    if patient.resourceType == "OperationOutcome":
        _check_bundle(patient.resourceType)
    if patient.resourceType != "Patient":
        raise NotFhir
    return patient, spoiled
