"""Whole answers, partial ones and failed keys (decision table, section 9.6), prefetched and fetched alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cds_service.clinical.facts import Availability, Source
from cds_service.errors import PrefetchUnavailable
from cds_service.fhir.bundle import NotFhir
from cds_service.fhir.reader import Record
from cds_service.hooks.messages import HookRequest, read_request
from cds_service.hooks.prefetch import Completer, Gathered, SizeLimits, gather, read_record
from cds_service.hooks.prefetch_keys import Key, State, read
from cds_service.hooks.registry import Registry, Service
from tests.support.fixtures import SERVICE, engine
from tests.support.for_each import for_each
from tests.web.calls import TODAY, Json, bundle, changed, golden, observation, without

SERVICES: Registry = engine(TODAY).registry


@dataclass
class Server:
    """A completer that has some keys and remembers what it was asked for."""

    has: Mapping[Source, Any] = field(default_factory=dict)
    asked: list[tuple[Source, ...]] = field(default_factory=list)

    def complete(self, lacking: Mapping[Source, Key], service: Service, request: HookRequest) -> Gathered:
        """Answer from `has`."""
        del service, request
        self.asked.append(tuple(lacking))
        return Gathered({source: self._answer(key) for source, key in lacking.items()})

    def _answer(self, key: Key) -> Key:
        source = key.source
        try:
            return read(source, json.dumps(self.has[source]).encode()) if source in self.has else key
        except NotFhir as reason:
            return key.changed(state=State.FAILED, why=str(reason))


def gathered(body: Mapping[str, Any], completer: Completer) -> tuple[Record, tuple[Key, ...]]:
    """The record of the patient, and what was known of each key."""
    request = read_request(json.dumps(body).encode())
    service = SERVICES.find(SERVICE)
    keys = gather(service, request, completer, SizeLimits(1000, 1000)).keys
    return read_record(service, keys, request.patient_id), tuple(keys.values())


WHOLE, PARTIAL, FAILED = Availability.AVAILABLE, Availability.PARTIAL, Availability.UNAVAILABLE
CALCIUM = golden()["prefetch"]["chemistry"]["entry"][0]["resource"]
IN_ERROR = CALCIUM | {"status": "entered-in-error"}
PRACTITIONER = {"resourceType": "Practitioner", "id": "1"}
WITHHOLDING = (
    "security", "login", "unknown", "expired", "forbidden", "suppressed", "transient", "lock-error", "no-store",
    "exception", "timeout", "incomplete", "throttled", "too-costly",
)  # fmt: skip
HARMLESS = ("processing", "informational", "not-supported", "not-found", "duplicate", "success", "", None)


def said(severity: object, code: object, **members: object) -> Json:
    """An OperationOutcome with one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, **members}]}


def entries(*listed: Any, **members: Any) -> Json:
    """A searchset of entries as they are."""
    return bundle(total=None) | {"entry": list(listed)} | members


INCLUDE = {"resource": PRACTITIONER, "search": {"mode": "include"}}
ANSWERS: list[tuple[str, Json, Availability]] = [
    ("empty", bundle(), WHOLE),
    ("results", bundle(CALCIUM), WHOLE),
    ("collection of results", bundle(CALCIUM, type="collection"), WHOLE),
    ("type missing, results", bundle(CALCIUM, type=None), WHOLE),
    ("total below the entries", bundle(CALCIUM, total=0), WHOLE),
    ("total of the matches, with an include", entries({"resource": CALCIUM}, INCLUDE, total=1), WHOLE),
    ("total with an outcome among the entries", bundle(CALCIUM, said("warning", "processing"), total=2), WHOLE),
    ("includes alone", entries(INCLUDE), WHOLE),
    ("Observations of other codes", bundle(observation("2345-7", 95, "mg/dL")), WHOLE),
    *((f"{code} and results", bundle(CALCIUM, said("warning", code)), WHOLE) for code in HARMLESS),
    *((f"{code} alone", bundle(said("information", code)), WHOLE) for code in HARMLESS),
    *((f"{code} and results", bundle(CALCIUM, said("warning", code)), PARTIAL) for code in WITHHOLDING),
    *((f"{code} alone", bundle(said("warning", code)), FAILED) for code in WITHHOLDING),
    *((f"suppressed, severity {severity}", bundle(CALCIUM, said(severity, "suppressed")), PARTIAL)
      for severity in ("information", "success", "", None)),
    ("suppressed in capitals", bundle(CALCIUM, said("Warning", "SUPPRESSED")), PARTIAL),
    ("suppressed beside another issue",
     bundle(CALCIUM, {"resourceType": "OperationOutcome", "issue": [None, {}, {"code": "suppressed"}]}), PARTIAL),
    ("suppressed in R5's issues", bundle(CALCIUM, issues=said("warning", "suppressed")), PARTIAL),
    *((f"{severity} and results", bundle(CALCIUM, said(severity, "processing")), FAILED)
      for severity in ("error", "fatal", "ERROR")),
    ("an outcome that cannot be read", bundle(CALCIUM, said("warning", ["processing"])), FAILED),
    ("error in R5's issues", bundle(CALCIUM, issues=said("error", "processing")), FAILED),
    ("total above the results", bundle(CALCIUM, total=2), PARTIAL),
    ("total as text above the results", bundle(CALCIUM, total="2"), PARTIAL),
    ("total without results", bundle(total=3), FAILED),
    ("a count alone", {"resourceType": "Bundle", "type": "searchset", "total": 3}, FAILED),
    ("batch-response of results", bundle(CALCIUM, type="batch-response"), PARTIAL),
    ("type a number, results", bundle(CALCIUM, type=5), PARTIAL),
    ("batch-response, empty", bundle(type="batch-response"), FAILED),
    ("collection, empty", bundle(type="collection"), FAILED),
    ("type missing, empty", bundle(type=None), FAILED),
    ("type missing, a hint alone", bundle(said("warning", "processing"), type=None), FAILED),
    ("other types alone", bundle(PRACTITIONER), FAILED),
    ("other types and results", bundle(PRACTITIONER, CALCIUM), WHOLE),
    ("in error alone", bundle(IN_ERROR), WHOLE),
    ("in error alone, total above it", bundle(IN_ERROR, total=2), FAILED),
    ("in error alone, type missing", bundle(IN_ERROR, type=None), FAILED),
    ("an entry that is none, and results", entries(5, {"resource": CALCIUM}), PARTIAL),
    ("an entry that is none", entries(None), FAILED),
]  # fmt: skip


@for_each("fetched", [False, True], ids=["prefetched", "fetched"])
@for_each(("answer", "availability"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_answers(answer: Json, availability: Availability, *, fetched: bool) -> None:
    """What is not whole counts as far as it goes; without a match it is a failed key, never "none on file"."""
    server = Server(has={Source.CHEMISTRY: answer} if fetched else {})
    record, keys = gathered(without("chemistry") if fetched else changed(chemistry=answer), server)
    (key,) = [key for key in keys if key.source is Source.CHEMISTRY]

    assert availability is record.availability[Source.CHEMISTRY]
    assert (key.state is State.FAILED) is (availability is FAILED)
    assert bool(key.why) is (availability is not WHOLE)
    if availability is PARTIAL:
        assert [found.code for found in record.observations[Source.CHEMISTRY].resources] != []
    if availability is FAILED:
        assert Source.CHEMISTRY not in record.observations


@for_each("key", ["vitaminD", "magnesium"])
@for_each("answer", [row[1] for row in ANSWERS if row[2] is FAILED])
def test_a_required_key_that_failed(key: str, answer: Json) -> None:
    """Design contract: 412 with the name of the key and its reason, where nobody can be asked."""
    server = Server()

    with pytest.raises(PrefetchUnavailable, match=rf"\b{key}: .*Bundle"):
        gathered(changed(**{key: answer}), server)
    assert server.asked == [(Source(key),)]


def test_a_condition_in_error_is_no_match() -> None:
    """A Condition says so in its verification status."""
    problem = {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "entered-in-error"}]}}
    record, _ = gathered(changed(conditions=bundle(problem, total=2)), Server())

    assert record.availability[Source.CONDITIONS] is FAILED


@for_each("answer", [row[1] for row in ANSWERS if row[2] is FAILED])
def test_a_failed_key_is_fetched(answer: Json) -> None:
    """What a server can be asked for is asked for, and its answer takes the place of the failed one."""
    server = Server(has={Source.CHEMISTRY: bundle(CALCIUM)})
    record, _ = gathered(changed(chemistry=answer), server)

    assert server.asked == [(Source.CHEMISTRY,)]
    assert record.availability[Source.CHEMISTRY] is WHOLE
    assert len(record.observations[Source.CHEMISTRY].resources) == 1


@for_each("answer", [row[1] for row in ANSWERS if row[2] is not FAILED])
def test_what_is_known_is_not_fetched(answer: Json) -> None:
    """A whole or a partial answer with matches is an answer (row 66)."""
    server = Server(has={Source.CHEMISTRY: bundle(CALCIUM)})
    gathered(changed(chemistry=answer), server)

    assert server.asked == []


def test_a_failed_key_that_cannot_be_fetched_says_both() -> None:
    """Why it failed, and why it was not mended."""
    failed = read(Source.CHEMISTRY, b'{"resourceType": "Bundle", "type": "searchset", "total": 3}')

    assert failed.lacking("no fhirServer was given").why == (
        "its Bundle has fewer entries than its total says, and no fhirServer was given"
    )


@for_each("key", ["vitaminD", "magnesium"])
@for_each("members", [{"total": 9}, {"type": "batch-response"}], ids=["total", "type"])
def test_a_required_key_in_part(key: str, members: Json) -> None:
    """What it holds counts, and its source is partial: the gates that read it are closed."""
    record, _ = gathered(changed(**{key: golden()["prefetch"][key] | members}), Server())

    assert record.availability[Source(key)] is PARTIAL
    assert len(record.observations[Source(key)].resources) == 1


CASES = [
    ([{"total": 2}, {"total": 2}], WHOLE, "fetched"),
    ([{"total": 2}, {}], WHOLE, "fetched"),
    ([{}, {"total": 3}], PARTIAL, "fetched in part"),
    ([{"total": 3}, {"total": "many"}], PARTIAL, "fetched in part"),
    ([{}, {"type": "batch-response"}], PARTIAL, "fetched in part"),
    ([{}, {"entry": [{"resource": said("warning", "incomplete")}]}], PARTIAL, "fetched in part"),
    ([{"entry": []}, {}], WHOLE, "fetched"),
    ([{"entry": [], "total": 0}, {"entry": []}], WHOLE, "known none"),
    ([{"entry": [], "total": 2}, {"entry": []}], FAILED, "failed"),
    ([{"entry": [{"resource": PRACTITIONER}]}, {"entry": []}], FAILED, "failed"),
]


@for_each(("pages", "availability", "told"), CASES)
def test_pages_are_judged_together(pages: list[Json], availability: Availability, told: str) -> None:
    """The total is that of all pages; a first page without a match is no fault."""
    first, second = (read(Source.CHEMISTRY, _page(CALCIUM, **members)) for members in _linked(pages))
    assert first.page is not None
    assert second.page is not None
    whole = first.changed(page=first.page.followed_by(second.page), fetched=True).settled()

    assert whole.told == told
    assert (whole.state is State.FAILED) is (availability is FAILED)


def _linked(pages: list[Json]) -> list[Json]:
    return [pages[0] | {"link": [{"relation": "next", "url": "x"}]}, pages[1]]


def _page(resource: Json, **members: Any) -> bytes:
    return json.dumps(bundle(resource) | {"total": None} | members).encode()
