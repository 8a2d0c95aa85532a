"""What is known of each prefetch key: known, known none, failed and missing are four different facts (row 61 ff.)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Source
from cds_service.fhir.bundle import NotFhir, is_null, read_bundle, read_patient
from cds_service.fhir.client import Outcome
from cds_service.fhir.page import Page
from cds_service.fhir.views import Condition, MedicationRequest, Observation, Patient, ServiceRequest
from cds_service.hooks.registry import OBSERVATION_KEYS


class State(StrEnum):
    """What is known of one prefetch key."""

    KNOWN = "known"
    NONE = "known none"
    FAILED = "failed"
    MISSING = "missing"


PATIENT = Source.PATIENT
KNOWN, NONE, FAILED, MISSING = State
"""Names of their own: Python 3.11 takes forty times as long to find `State.KNOWN`, and a call asks for it often."""


class Asked(NamedTuple):
    """One call of the FHIR server, second try and redirects included: how it ended, when it began, how long it took.

    In seconds, `began` by `time.perf_counter`.
    """

    outcome: Outcome
    began: float
    seconds: float


class Key(Datum, frozen=True):
    """One prefetch key: its state, why it is not known or not whole, and what it holds.

    `again`: it failed as a search may (section 9.6), so it is asked for where a server can be asked. `fetched` tells
    what came from the FHIR server from what was prefetched; `pages`, `milliseconds` and `asked` are of the calls made
    for it; `raw` is every value it was read from.
    """

    source: Source
    state: State
    why: str = ""
    patient: Patient | None = None
    page: Page[Any] | None = None
    raw: tuple[bytes | msgspec.Raw, ...] = ()
    again: bool = False
    fetched: bool = False
    pages: int = 0
    milliseconds: float | None = None
    asked: tuple[Asked, ...] = ()

    @property
    def to_fetch(self) -> bool:
        """Whether it is to be asked for: it was not sent, or it failed in a way that a server may mend."""
        return self.state is MISSING or self.again

    @property
    def partial(self) -> bool:
        """Whether there is, or may be, more than what is held (section 9.6)."""
        return self.page is not None and self.page.partial

    def lacking(self, reason: str) -> Key:
        """The same, with the *reason* why nothing was added to it."""
        if self.state is MISSING:
            return self.changed(why=f"it was not sent, and {reason}")
        return self.changed(why=f"{self.why}, and {reason}" if self.again else f"next page: {reason}")

    def settled(self) -> Key:
        """The same, once all that could be had of it is there: a search that tells nothing has failed (section 9.6)."""
        if self.state is not KNOWN or self.page is None:
            return self
        fault = self.page.fault
        if fault:
            return self.changed(state=FAILED, why=self.why or fault, again=True)
        short = self.page.short
        return self.changed(why=short) if short and not self.why else self

    @property
    def told(self) -> str:
        """The state in words, for the record of the request and the explanation."""
        if self.state is not KNOWN:
            return self.state
        in_part = " in part" if self.partial else ""
        if self.page is not None and not self.page.resources and not in_part:
            return NONE
        return f"{'fetched' if self.fetched else 'prefetched'}{in_part}"


TYPES: Mapping[Source, tuple[type[Any], frozenset[str]]] = {
    **dict.fromkeys(OBSERVATION_KEYS, (Observation, frozenset({"Observation"}))),
    Source.CONDITIONS: (Condition, frozenset({"Condition"})),
    Source.MEDICATIONS: (MedicationRequest, frozenset({"MedicationRequest", "MedicationOrder"})),
    Source.LAB_ORDERS: (ServiceRequest, frozenset({"ServiceRequest"})),
}
"""What each search key holds; MedicationOrder is DSTU2's name."""


class SearchFailed(NotFhir):
    """A Bundle that says itself that its search failed."""


def prefetched(source: Source, raw: msgspec.Raw | None) -> Key:
    """The key as the client sent it: missing and null are told apart (rows 64 to 66).

    A Patient that is null is not there (design contract).
    """
    if raw is None:
        return Key(source, MISSING, "it was not sent")
    if is_null(raw):
        if source is PATIENT:
            return Key(source, FAILED, "it is null: the Patient is needed")
        return Key(source, NONE)
    try:
        return read(source, raw)
    except NotFhir as reason:
        again = isinstance(reason, SearchFailed)
        return Key(source, FAILED, str(reason) or _expected(source), raw=(raw,), again=again)


def read(source: Source, raw: bytes | msgspec.Raw) -> Key:
    """The key that *raw* holds.

    Raises:
        NotFhir: it is not what the key is for; without a message where it is not even FHIR.
    """
    if source is PATIENT:
        patient, spoiled = read_patient(raw)
        if "id" in spoiled:
            raise NotFhir("its Patient.id cannot be read")
        return Key(source, KNOWN, patient=patient, raw=(raw,))
    page = read_page(source, raw)
    found = Key(source, KNOWN, "", None, page, (raw,))
    return found if page.more else found.settled()


def read_page(source: Source, raw: bytes | msgspec.Raw) -> Page[Any]:
    """The Bundle in *raw*.

    Raises:
        NotFhir: it is none, or it reports an error (row 69).
    """
    view, types = TYPES[source]
    page: Page[Any] = read_bundle(raw, view, types)
    if page.failed:
        raise SearchFailed("its Bundle holds an OperationOutcome with an error")
    return page


def _expected(source: Source) -> str:
    kind = "a Patient resource" if source is PATIENT else "a searchset Bundle"
    return f"it is not {kind}: send the resource itself"
