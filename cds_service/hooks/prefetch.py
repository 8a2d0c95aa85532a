"""The patient's record from prefetch, completed (conformance rows 61 to 78).

A required key that is missing, failed or unusable is 412; an optional one leaves its facts unknown. What is missing,
and next pages, are asked of a `Completer`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import AVAILABLE, PARTIAL, UNAVAILABLE, Availability, Source
from cds_service.errors import PrefetchUnavailable, TooManyResources
from cds_service.fhir.observations import effective
from cds_service.fhir.page import Page, stands
from cds_service.fhir.reader import EMPTY, Record, check_patient, check_subjects
from cds_service.fhir.views import Observation, Patient
from cds_service.hooks.messages import HookRequest
from cds_service.hooks.prefetch_keys import FAILED, KNOWN, MISSING, Key, prefetched
from cds_service.hooks.registry import OBSERVATION_KEYS, Service

LACKING = (MISSING, FAILED)


class Gathered(Datum, frozen=True):
    """Prefetch keys, and what became of `fhirAuthorization`, in words.

    Completing them `began` by `time.perf_counter` and took `seconds`.
    """

    keys: Mapping[Source, Key]
    authorization: str = "not needed"
    began: float = 0.0
    seconds: float = 0.0


class SizeLimits(NamedTuple):
    """How much one request may bring: entries of one Bundle, resources in all."""

    entries: int
    resources: int


class Completer(Protocol):
    """Completes keys that are missing or have a next page; what it cannot have says why."""

    def complete(self, lacking: Mapping[Source, Key], service: Service, request: HookRequest) -> Gathered:
        """The *lacking* keys of *request*, with what could be had."""


def gather(service: Service, request: HookRequest, completer: Completer, limits: SizeLimits) -> Gathered:
    """Every key of *service*, as prefetched or completed.

    Raises:
        TooManyResources: more was prefetched than *limits* allow.
    """
    sent = request.prefetch
    keys = {source: prefetched(source, sent.get(source)) for source in service.prefetch}
    check_size(keys, limits)
    lacking = {s: key for s, key in keys.items() if key.to_fetch or (key.page is not None and key.page.more)}
    if not lacking:
        return Gathered(keys)
    began = time.perf_counter()
    completed = completer.complete(lacking, service, request)
    settled = {source: key.settled() for source, key in completed.keys.items()}
    return Gathered({**keys, **settled}, completed.authorization, began, time.perf_counter() - began)


def check_size(keys: Mapping[Source, Key], limits: SizeLimits) -> None:
    """Refuse more than *limits* allow.

    Raises:
        TooManyResources: a Bundle has more entries, or all of them more resources.
    """
    resources = 0
    for source, key in keys.items():
        entries = 0 if key.page is None else key.page.entries
        if entries > limits.entries:
            raise TooManyResources(f"prefetch.{source} has more entries than this service reads (CDS_MAX_ENTRIES)")
        resources += entries
    if resources > limits.resources:
        raise TooManyResources("prefetch has more resources than this service reads (CDS_MAX_RESOURCES)")


def read_record(service: Service, keys: Mapping[Source, Key], patient_id: str) -> Record:
    """The record of the patient, as *service* needs it.

    Raises:
        PrefetchUnavailable: a required key cannot be had; all of them are named.
        WrongPatient: a resource belongs to another patient.
    """
    _require(service, keys)
    patient = keys[Source.PATIENT].patient or Patient()
    check_patient(patient, patient_id)
    pages: dict[Source, Any] = {
        source: key.page for source, key in keys.items() if key.state is KNOWN and key.page is not None
    }
    for source, page in pages.items():
        check_subjects(source, page, patient_id)
    return Record(
        patient=patient,
        observations={source: page for source, page in pages.items() if source in OBSERVATION_KEYS},
        conditions=pages.get(Source.CONDITIONS, EMPTY),
        medications=pages.get(Source.MEDICATIONS, EMPTY),
        lab_orders=pages.get(Source.LAB_ORDERS, EMPTY),
        availability={source: _availability(service, key) for source, key in keys.items()},
    )


def _require(service: Service, keys: Mapping[Source, Key]) -> None:
    lost = {source.value: why for source in service.required if (why := _lost(keys[source]))}
    if lost:
        reasons = "; ".join(f"{source.value}: {lost[source.value]}" for source in keys if source.value in lost)
        raise PrefetchUnavailable(
            f"Required prefetch is not available ({reasons}). Send these keys as the discovery document asks."
        )


def _lost(key: Key) -> str:
    """Why a required key cannot be used; it must show its newest results (row 70)."""
    if key.state in LACKING:
        return key.why
    if key.page is None:
        return ""
    if key.page.more and not newest_first(key.page):
        return (
            "it has a next page and is not sorted newest first, so the newest result may be missing"
            f"{f' ({key.why})' if key.why else ''}"
        )
    return ""


def newest_first(page: Page[Observation]) -> bool:
    """Whether *page* holds dated results in falling order, so that its first is the newest there is."""
    days = [effective(observation).day for observation in page.resources if stands(observation)]
    dated = [day for day in days if day is not None]
    if not dated or len(dated) < len(days):
        return False
    return all(earlier >= later for earlier, later in pairwise(dated))


def _availability(service: Service, key: Key) -> Availability:
    """An answer that is not whole leaves a source partial (section 9.6).

    A required key with a next page that got here shows its newest results, which is all that is asked of that page.
    """
    if key.state in LACKING:
        return UNAVAILABLE
    if key.page is not None and (key.page.short or (key.page.more and key.source not in service.required)):
        return PARTIAL
    return AVAILABLE
