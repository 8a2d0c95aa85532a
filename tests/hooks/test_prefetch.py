"""Prefetch below the web: what is asked of a completer, and what is known of each key (conformance rows 61 to 75)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cds_service.clinical.facts import Availability, Source
from cds_service.errors import MalformedRequest, PrefetchUnavailable, UnknownService, WrongPatient
from cds_service.fhir.bundle import NotFhir
from cds_service.fhir.reader import Record
from cds_service.hooks.keys import Key, State, read
from cds_service.hooks.messages import HookRequest, read_request
from cds_service.hooks.prefetch import Completer, Gathered, SizeLimits, gather, read_record
from cds_service.hooks.registry import REQUIRED, Registry, Service, check_hook
from tests.support.fixtures import SERVICE, engine
from tests.web.calls import KEYS, TODAY, bundle, changed, golden, outcome, without

SERVICES: Registry = engine(TODAY).registry


def _service() -> Service:
    return SERVICES.find(SERVICE)


def _request(body: Mapping[str, Any]) -> HookRequest:
    return read_request(json.dumps(body).encode())


@dataclass
class Server:
    """A completer that has some keys and remembers what it was asked for."""

    has: Mapping[Source, Any] = field(default_factory=dict)
    fails: Mapping[Source, str] = field(default_factory=dict)
    asked: list[tuple[Source, ...]] = field(default_factory=list)

    def complete(self, lacking: Mapping[Source, Key], service: Service, request: HookRequest) -> Gathered:
        """Answer from `has` and `fails`."""
        del service, request
        self.asked.append(tuple(lacking))
        return Gathered({source: self._answer(key) for source, key in lacking.items()})

    def _answer(self, key: Key) -> Key:
        source = key.source
        if source in self.fails:
            return key._replace(state=State.FAILED, why=self.fails[source])
        try:
            return read(source, json.dumps(self.has[source]).encode()) if source in self.has else key
        except NotFhir as reason:
            return key._replace(state=State.FAILED, why=str(reason))


def _gather(body: Mapping[str, Any], completer: Completer) -> tuple[Record, tuple[Key, ...]]:
    """The record of the patient, and what was known of each key."""
    keys = gather(_service(), _request(body), completer, SizeLimits(1000, 1000)).keys
    return read_record(keys, _request(body).patient_id), tuple(keys.values())


def _states(keys: tuple[Key, ...]) -> dict[str, State]:
    return {key.source.value: key.state for key in keys}


def test_nothing_to_fetch() -> None:
    """Row 74: with full prefetch nothing is asked for."""
    server = Server()
    _gather(golden(), server)

    assert server.asked == []


def test_only_what_is_missing_is_fetched() -> None:
    """Rows 61, 72: what arrived is compared with what was asked, and just the rest is fetched."""
    server = Server(has={Source.KIDNEY: bundle(), Source.MAGNESIUM: golden()["prefetch"]["magnesium"]})
    _, keys = _gather(without("magnesium", "kidney"), server)

    assert server.asked == [(Source.MAGNESIUM, Source.KIDNEY)]
    assert dict.fromkeys(KEYS, State.KNOWN) == _states(keys)


def test_everything_is_fetched_without_prefetch() -> None:
    """Rows 61, 75: without prefetch all keys are asked for; what comes back is the same record."""
    prefetch = golden()["prefetch"]
    server = Server(has={Source(name): value for name, value in prefetch.items()})
    fetched, _ = _gather({**golden(), "prefetch": {}}, server)
    sent, _ = _gather(golden(), Server())

    assert sent == fetched


@pytest.mark.parametrize(
    "value", [None, bundle(), outcome("error"), "x"], ids=["null", "empty", "OperationOutcome", "text"]
)
def test_what_was_sent_is_not_fetched_again(value: object) -> None:
    """Rows 66, 68: known none and a failed key are answers: the query is not repeated blindly."""
    server = Server()
    _gather(changed(chemistry=value), server)

    assert server.asked == []


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (None, State.NONE),
        (bundle(), State.KNOWN),
        (golden()["prefetch"]["chemistry"], State.KNOWN),
        (outcome("error"), State.FAILED),
        (bundle(outcome("fatal")), State.FAILED),
        ("x", State.FAILED),
        ({"resource": bundle()}, State.FAILED),
    ],
    ids=["null", "empty", "results", "OperationOutcome", "error inside", "text", "wrapper"],
)
def test_states(value: object, state: State) -> None:
    """Rows 64 to 69, 77: what is known of a key."""
    _, keys = _gather(changed(chemistry=value), Server())

    assert state == _states(keys)["chemistry"]


def test_next_page_is_asked_for() -> None:
    """Row 70: a prefetched Bundle with a next page is lacking; one without is not."""
    server = Server()
    _gather(changed(conditions=bundle(link=[{"relation": "next", "url": "x"}])), server)

    assert server.asked == [(Source.CONDITIONS,)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "known none"),
        (bundle(), "known none"),
        (golden()["prefetch"]["chemistry"], "prefetched"),
        (outcome("error"), "failed"),
        (golden()["prefetch"]["chemistry"] | {"link": [{"relation": "next", "url": "x"}]}, "prefetched in part"),
        (bundle(link=[{"relation": "next", "url": "x"}]), "prefetched in part"),
    ],
    ids=["null", "empty", "results", "OperationOutcome", "next page", "empty page with a next"],
)
def test_what_is_told(value: object, told: str) -> None:
    """Rows 66 to 70: the record of the request tells known none, known, known in part and failed apart."""
    _, keys = _gather(changed(chemistry=value), Server())

    assert {key.source.value: key.told for key in keys}["chemistry"] == told


def test_missing_state() -> None:
    """Row 64: a key that was not sent and could not be fetched stays missing, and its source is unavailable."""
    record, keys = _gather(without("conditions"), Server())

    assert _states(keys)["conditions"] is State.MISSING
    assert record.availability[Source.CONDITIONS] is Availability.UNAVAILABLE


@pytest.mark.parametrize(
    ("key", "value", "availability"),
    [
        ("conditions", None, Availability.AVAILABLE),
        ("conditions", bundle(), Availability.AVAILABLE),
        ("conditions", outcome("error"), Availability.UNAVAILABLE),
        ("conditions", bundle(link=[{"relation": "next", "url": "x"}]), Availability.PARTIAL),
        ("conditions", bundle() | {"entry": [None]}, Availability.PARTIAL),
        ("medications", bundle() | {"entry": ["x"]}, Availability.PARTIAL),
        ("labOrders", 5, Availability.UNAVAILABLE),
    ],
)
def test_availability(key: str, value: object, availability: Availability) -> None:
    """Rows 66 to 70, section 9.6: available, partial and unavailable are told apart."""
    record, _ = _gather(changed(**{key: value}), Server())

    assert availability is record.availability[Source(key)]


@pytest.mark.parametrize("source", sorted(REQUIRED))
def test_required_key_that_cannot_be_fetched(source: Source) -> None:
    """Row 73: a required key that the server does not give is refused, and the reason is told."""
    server = Server(fails={source: "the server answered 403"})

    with pytest.raises(PrefetchUnavailable, match=rf"{source.value}.*403"):
        _gather(without(source.value), server)


def test_optional_key_that_cannot_be_fetched() -> None:
    """Row 73: an optional key that the server does not give is unavailable, and nothing more."""
    server = Server(fails={Source.KIDNEY: "the server answered 403"})
    record, keys = _gather(without("kidney"), server)

    assert _states(keys)["kidney"] is State.FAILED
    assert record.availability[Source.KIDNEY] is Availability.UNAVAILABLE


@pytest.mark.parametrize("source", [Source.MAGNESIUM, Source.CHEMISTRY])
def test_fetched_resources_are_checked_too(source: Source) -> None:
    """Row 44: what was fetched must be about the context's patient as well."""
    stray = bundle({"resourceType": "Observation", "subject": {"reference": "Patient/another"}})

    with pytest.raises(WrongPatient, match=source.value):
        _gather(without(source.value), Server(has={source: stray}))


def test_fetched_outcome() -> None:
    """Row 68: an OperationOutcome that was fetched fails its key like one that was sent."""
    with pytest.raises(PrefetchUnavailable, match="OperationOutcome"):
        _gather(without("magnesium"), Server(has={Source.MAGNESIUM: outcome("error")}))


def test_every_key_is_told_of() -> None:
    """Row 17: what is known is told of every published key, in the order of discovery."""
    _, keys = _gather(golden(), Server())

    assert [key.source.value for key in keys] == list(_service().discovery()["prefetch"])


def test_unknown_service() -> None:
    """Row 26: an unknown id is refused, and the known ones are named."""
    with pytest.raises(UnknownService, match=SERVICE):
        SERVICES.find("another")


def test_other_hook() -> None:
    """Row 28: another hook is refused, and both are named."""
    check_hook(_service(), "patient-view")

    with pytest.raises(MalformedRequest, match=r"patient-view.*order-sign"):
        check_hook(_service(), "order-sign")
