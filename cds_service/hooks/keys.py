"""What is known of each prefetch key: known, known none, failed and missing are four different facts (row 61 ff.)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from cds_service.clinical.facts import Source
from cds_service.fhir.bundle import NotFhir, Page, is_null, read_bundle, read_patient
from cds_service.fhir.views import Condition, MedicationRequest, Observation, Patient, ServiceRequest
from cds_service.hooks.registry import OBSERVATION_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from cds_service.fhir.client import Outcome


class State(StrEnum):
    """What is known of one prefetch key."""

    KNOWN = "known"
    NONE = "known none"
    FAILED = "failed"
    MISSING = "missing"


class Asked(NamedTuple):
    """One call of the FHIR server, second try and redirects included: how it ended, when it began, how long it took.

    In seconds, `began` by `time.perf_counter`.
    """

    outcome: Outcome
    began: float
    seconds: float


class Key(NamedTuple):
    """One prefetch key: its state, why it is not known or not whole, and what it holds.

    `fetched` tells what came from the FHIR server from what was prefetched; `pages`, `milliseconds` and `asked` are of
    the calls made for it; `raw` is every value it was read from.
    """

    source: Source
    state: State
    why: str = ""
    patient: Patient | None = None
    page: Page[Any] | None = None
    raw: tuple[bytes | msgspec.Raw, ...] = ()
    fetched: bool = False
    pages: int = 0
    milliseconds: float | None = None
    asked: tuple[Asked, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether there is more than what is held: a next page not followed, or an entry that is no resource."""
        return self.page is not None and bool(self.page.more or self.page.unreadable)

    @property
    def told(self) -> str:
        """The state in words, for the record of the request and the explanation."""
        if self.state is not State.KNOWN:
            return self.state.value
        if self.page is not None and not self.page.resources and not self.partial:
            return State.NONE.value
        return f"{'fetched' if self.fetched else 'prefetched'}{' in part' if self.partial else ''}"


TYPES: Mapping[Source, tuple[type[Any], frozenset[str]]] = {
    **dict.fromkeys(OBSERVATION_KEYS, (Observation, frozenset({"Observation"}))),
    Source.CONDITIONS: (Condition, frozenset({"Condition"})),
    Source.MEDICATIONS: (MedicationRequest, frozenset({"MedicationRequest", "MedicationOrder"})),
    Source.LAB_ORDERS: (ServiceRequest, frozenset({"ServiceRequest"})),
}
"""What each search key holds; MedicationOrder is DSTU2's name."""


def prefetched(source: Source, raw: msgspec.Raw | None) -> Key:
    """The key as the client sent it: missing and null are told apart (rows 64 to 66).

    A Patient that is null is not there (design contract).
    """
    if raw is None:
        return Key(source, State.MISSING, "it was not sent")
    if is_null(raw):
        if source is Source.PATIENT:
            return Key(source, State.FAILED, "it is null: the Patient is needed")
        return Key(source, State.NONE)
    try:
        return read(source, raw)
    except NotFhir as reason:
        return Key(source, State.FAILED, str(reason) or _expected(source), raw=(raw,))


def read(source: Source, raw: bytes | msgspec.Raw) -> Key:
    """The key that *raw* holds.

    Raises:
        NotFhir: it is not what the key is for; without a message where it is not even FHIR.
    """
    if source is Source.PATIENT:
        patient, spoiled = read_patient(raw)
        if "id" in spoiled:
            reason = "its Patient.id cannot be read"
            raise NotFhir(reason)
        return Key(source, State.KNOWN, patient=patient, raw=(raw,))
    page = read_page(source, raw)
    why = "an entry of its Bundle is no FHIR resource" if page.unreadable else ""
    return Key(source, State.KNOWN, why, page=page, raw=(raw,))


def read_page(source: Source, raw: bytes | msgspec.Raw) -> Page[Any]:
    """The Bundle in *raw*.

    Raises:
        NotFhir: it is none, or it reports an error (row 69).
    """
    view, types = TYPES[source]
    page: Page[Any] = read_bundle(raw, view, types)
    if page.failed:
        reason = "its Bundle holds an OperationOutcome with an error"
        raise NotFhir(reason)
    return page


def _expected(source: Source) -> str:
    kind = "a Patient resource" if source is Source.PATIENT else "a searchset Bundle"
    return f"it is not {kind}: send the resource itself"
