"""Prefetch, key by key: known (or known in part), known none, failed or missing (conformance rows 61 to 78).

Missing (the key was not sent), null (known none), an empty Bundle (known none) and an OperationOutcome (failed) are
four different facts. A required key that is missing, failed or unusable is 412; an optional one leaves its facts
unknown. `complete` is the seam where missing keys will be fetched from the FHIR server.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from cds_service.clinical.facts import Availability, Source
from cds_service.errors import PrefetchUnavailable
from cds_service.fhir.bundle import NotFhir, Page, is_null, read_bundle, read_patient
from cds_service.fhir.observations import effective
from cds_service.fhir.reader import Record, check_patient, check_subjects
from cds_service.fhir.views import Condition, MedicationRequest, Observation, Patient, ServiceRequest
from cds_service.hooks.registry import OBSERVATION_KEYS, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.hooks.messages import HookRequest
    from cds_service.hooks.registry import Service


class State(StrEnum):
    """What is known of one prefetch key."""

    KNOWN = "known"
    PARTIAL = "known in part"
    NONE = "known none"
    FAILED = "failed"
    MISSING = "missing"


class Key(NamedTuple):
    """One prefetch key: its state, why it failed, and its raw JSON while it has one."""

    source: Source
    state: State
    why: str = ""
    raw: msgspec.Raw | None = None


class Completer(Protocol):
    """Fetches keys that are missing; a key it cannot have comes back failed, with the reason."""

    def complete(self, missing: Mapping[Source, str], request: HookRequest) -> Mapping[Source, Key]:
        """Fetch the queries of *missing* keys for *request*."""


class PrefetchOnly:
    """Completes nothing: what was not prefetched stays missing."""

    def complete(self, missing: Mapping[Source, str], request: HookRequest) -> Mapping[Source, Key]:
        """No key can be had."""
        del missing, request
        return {}


TYPES: Mapping[Source, tuple[type[Any], frozenset[str]]] = {
    **dict.fromkeys(OBSERVATION_KEYS, (Observation, frozenset({"Observation"}))),
    Source.CONDITIONS: (Condition, frozenset({"Condition"})),
    Source.MEDICATIONS: (MedicationRequest, frozenset({"MedicationRequest", "MedicationOrder"})),
    Source.LAB_ORDERS: (ServiceRequest, frozenset({"ServiceRequest"})),
}
"""What each search key holds; MedicationOrder is DSTU2's name."""


def gather(service: Service, request: HookRequest, completer: Completer) -> tuple[Record, tuple[Key, ...]]:
    """The record of the patient of *request*, and what was known of each key.

    Raises:
        PrefetchUnavailable: a required key cannot be had; all of them are named.
        WrongPatient: a resource belongs to another patient.
    """
    sent = request.prefetch
    keys = {source: _first_look(source, sent.get(source.value)) for source in service.prefetch}
    missing = {source: service.prefetch[source] for source, key in keys.items() if key.state is State.MISSING}
    if missing:
        keys |= completer.complete(missing, request)
    pages: dict[Source, Page[Any]] = {}
    patient = Patient()
    for source, key in keys.items():
        try:
            if source is Source.PATIENT:
                patient = _patient(key)
            elif key.raw is not None:
                pages[source] = _page(source, key.raw)
        except NotFhir as reason:
            keys[source] = key._replace(state=State.FAILED, why=str(reason) or _expected(source))
    _require(keys)
    check_patient(patient, request.patient_id)
    for source, page in pages.items():
        check_subjects(source.value, page, request.patient_id)
    record = _record(patient, pages, keys)
    partial = {source for source, found in record.availability.items() if found is Availability.PARTIAL}
    told = [key._replace(state=State.PARTIAL) if source in partial else key for source, key in keys.items()]
    return record, tuple(told)


def _first_look(source: Source, raw: msgspec.Raw | None) -> Key:
    """Missing and null are told apart here; a Patient that is null is not there (row 66, design contract)."""
    if raw is None:
        return Key(source, State.MISSING, "it was not sent")
    if is_null(raw):
        if source is Source.PATIENT:
            return Key(source, State.FAILED, "it is null: the Patient is needed")
        return Key(source, State.NONE)
    return Key(source, State.KNOWN, raw=raw)


def _patient(key: Key) -> Patient:
    if key.raw is None:
        return Patient()
    patient, spoiled = read_patient(key.raw)
    if "id" in spoiled:
        reason = "its Patient.id cannot be read"
        raise NotFhir(reason)
    return patient


def _page(source: Source, raw: msgspec.Raw) -> Page[Any]:
    view, types = TYPES[source]
    page: Page[Any] = read_bundle(raw, view, types)
    if page.failed:
        reason = "its Bundle holds an OperationOutcome with an error"
        raise NotFhir(reason)
    if source in REQUIRED:
        _check_required(page)
    return page


def _check_required(page: Page[Observation]) -> None:
    """A required key must show its newest results (row 70)."""
    if page.unreadable and not page.resources:
        reason = "no entry of its Bundle is a FHIR resource"
        raise NotFhir(reason)
    if page.more and not newest_first(page):
        reason = "it has a next page and is not sorted newest first, so the newest result may be missing"
        raise NotFhir(reason)


def newest_first(page: Page[Observation]) -> bool:
    """Whether *page* holds dated results in falling order, so that its first is the newest there is."""
    days = [effective(observation).day for observation in page.resources]
    dated = [day for day in days if day is not None]
    if not dated or len(dated) < len(days):
        return False
    return all(earlier >= later for earlier, later in pairwise(dated))


def _expected(source: Source) -> str:
    kind = "a Patient resource" if source is Source.PATIENT else "a searchset Bundle"
    return f"it is not {kind}: send the resource itself"


def _require(keys: Mapping[Source, Key]) -> None:
    lost = [key for source, key in keys.items() if source in REQUIRED and key.state in (State.MISSING, State.FAILED)]
    if lost:
        reasons = "; ".join(f"{key.source.value}: {key.why}" for key in lost)
        message = f"Required prefetch is not available ({reasons}). Send these keys as the discovery document asks."
        raise PrefetchUnavailable(message)


def _record(patient: Patient, pages: Mapping[Source, Page[Any]], keys: Mapping[Source, Key]) -> Record:
    empty: Page[Any] = Page()
    return Record(
        patient=patient,
        observations={source: page for source, page in pages.items() if source in OBSERVATION_KEYS},
        conditions=pages.get(Source.CONDITIONS, empty),
        medications=pages.get(Source.MEDICATIONS, empty),
        lab_orders=pages.get(Source.LAB_ORDERS, empty),
        availability={source: _availability(key, pages.get(source)) for source, key in keys.items()},
    )


def _availability(key: Key, page: Page[Any] | None) -> Availability:
    """A next page that was not followed, or an entry that is no resource, leaves a source partial (section 9.6).

    A required key that got here shows its newest results, which is all that is asked of it.
    """
    if key.state in (State.MISSING, State.FAILED):
        return Availability.UNAVAILABLE
    if page is not None and (page.unreadable or (page.more and key.source not in REQUIRED)):
        return Availability.PARTIAL
    return Availability.AVAILABLE
