"""Prefetch (conformance rows 61 to 78): known, known none, failed and missing are four different facts.

What comes from the FHIR server instead is tested in `test_faults`, `test_tokens` and `tests/peers`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.for_each import for_each
from tests.web.calls import (
    KEYS,
    OPTIONAL,
    REQUIRED,
    SEARCHES,
    Json,
    bundle,
    card,
    changed,
    drugs,
    golden,
    meaning,
    observation,
    outcome,
    problem,
    topics,
    without,
)
from tests.web.conftest import Post

pytestmark = pytest.mark.usefixtures("servers_are_named")

KNOWN_NONE: dict[str, Any] = {
    "null": None,
    "Bundle without entry": {"resourceType": "Bundle", "type": "searchset"},
    "Bundle with total 0": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    "Bundle with no entries": {"resourceType": "Bundle", "type": "searchset", "entry": []},
    "Bundle with null entries": {"resourceType": "Bundle", "type": "searchset", "entry": None},
    "Bundle with a self link": {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": "https://ehr.example/fhir/Observation"}],
    },
    "Bundle with a hint": bundle(outcome("information")),
    "Bundle with a warning": bundle(outcome("warning")),
    "Bundle with a bare OperationOutcome": bundle({"resourceType": "OperationOutcome"}),
}
"""Row 66: the ways to say that nothing is on file. Row 69: a warning beside an empty result does not change that."""

NEXT = "https://elsewhere.example/fhir?page=2"


def _results(key: str) -> list[Json]:
    """The resources the golden request has in a search key."""
    return [entry["resource"] for entry in golden()["prefetch"][key].get("entry", ())]


def _failures(key: str) -> Iterator[tuple[str, Any]]:
    """Rows 67, 68, 77: the ways in which a key is there and tells nothing."""
    good = golden()["prefetch"][key]
    yield "OperationOutcome", outcome("error")
    yield "OperationOutcome of a warning", outcome("warning")
    yield "OperationOutcome without issue", {"resourceType": "OperationOutcome"}
    yield "wrapper", {"response": {"status": "200 OK"}, "resource": good}
    yield "half a wrapper", {"resource": good}
    yield "text", "No data"
    yield "resource as text", json.dumps(good)
    yield "empty text", ""
    yield "array", []
    yield "array of the resource", [good]
    yield "number", 5
    yield "true", True
    yield "false", False
    yield "empty object", {}
    yield "no type", {name: value for name, value in good.items() if name != "resourceType"}
    yield "type null", {**good, "resourceType": None}
    yield "type a number", {**good, "resourceType": 5}
    yield "another type", {**good, "resourceType": "Basic"}
    if key == "patient":
        yield "Bundle of the Patient", bundle(good)
        return
    yield "single resource", (_results(key) or [{"resourceType": "Condition", "id": "c"}])[0]
    for severity in ("error", "fatal"):
        yield f"{severity} alone in a Bundle", bundle(outcome(severity))
        yield f"{severity} after results", bundle(*_results(key), outcome(severity))
        yield f"{severity} before results", bundle(outcome(severity), *_results(key))


@for_each("key", REQUIRED)
def test_required_failed(post: Post, key: str) -> None:
    """Rows 67, 68, 69, 77: a required key that failed or is unusable is 412 and named: never read as "no results"."""
    for way, value in _failures(key):
        response = post(changed(**{key: value}))
        assert response.status_code == 412, way
        assert [key] == _named(problem(response)), way


@for_each("key", OPTIONAL)
def test_optional_failed(post: Post, key: str) -> None:
    """Rows 67, 68, 69, 77: an optional key that failed or is unusable is as unknown as a missing one."""
    missing = meaning(post(without(key)))

    assert [way for way, value in _failures(key) if meaning(post(changed(**{key: value}))) != missing] == []


@for_each("key", SEARCHES)
def test_known_none(post: Post, key: str) -> None:
    """Row 66: null and every empty Bundle mean the same: known none, no 412."""
    none = meaning(post(changed(**{key: None})))

    assert [way for way, value in KNOWN_NONE.items() if meaning(post(changed(**{key: value}))) != none] == []


def _named(sentence: str) -> list[str]:
    """The prefetch keys a sentence names."""
    return [key for key in KEYS if re.search(rf"\b{key}\b", sentence)]


@for_each("sent", ["missing", "text", "OperationOutcome"])
def test_what_is_lacking_is_said(post: Post, sent: str) -> None:
    """Row 73: the sentence tells a key that was not sent from one that is an OperationOutcome and from a wrong type."""
    request = {
        "missing": without("vitaminD"),
        "text": changed(vitaminD="x"),
        "OperationOutcome": changed(vitaminD=outcome("error")),
    }[sent]
    expected = {"missing": "not sent", "text": "Bundle", "OperationOutcome": "OperationOutcome"}[sent]

    assert expected in problem(post(request))


@for_each("key", ["conditions", "medications"])
def test_none_is_not_unknown(post: Post, key: str) -> None:
    """Rows 64, 66: known none leaves both drugs on offer, unknown closes them."""
    assert drugs(post(golden()).get_json()) == drugs(post(changed(**{key: None})).get_json()) != frozenset()
    assert frozenset() == drugs(post(without(key)).get_json())


@for_each(
    ("key", "topic", "told"),
    [
        ("vitaminD", "vitamin-d-order", "25(oh)d result is available"),
        ("magnesium", "vitamin-d-deficiency", "no usable recent magnesium result"),
    ],
)
def test_known_none_of_a_required_key(post: Post, key: str, topic: str, told: str) -> None:
    """Rows 66, 76: no result is not "available" or "usable", never "not measured", and the test may be ordered."""
    found = card(post(changed(**{key: None})), topic)
    said = f"{found['summary']} {found['detail']}".lower()

    assert told in said
    assert [
        word for word in ("never measured", "not measured", "does not exist", "not been taken") if word in said
    ] == []


@for_each(
    ("key", "name"),
    [
        ("chemistry", "calcium and other chemistry"),
        ("kidney", "kidney results"),
        ("conditions", "conditions"),
        ("medications", "medications"),
    ],
)
def test_what_was_unknown_is_said(post: Post, key: str, name: str) -> None:
    """Row 68: where an optional key is unknown the card offers less and says what was not available."""
    detail = card(post(changed(**{key: outcome("error")})), "vitamin-d-deficiency")["detail"].lower()

    assert f"{name} not available" in detail


@for_each("value", [None, "x", [], 5, {}, outcome("error"), {"resourceType": "Patient", "id": "another"}], ids=repr)
def test_unknown_keys(post: Post, caplog: pytest.LogCaptureFixture, value: object) -> None:
    """Row 63: keys of other services are ignored, whatever they hold, and nothing of them is logged."""
    with caplog.at_level(logging.DEBUG):
        response = post(changed(somebodyElses=value, item1=value, vitamind=value, Patient=value))

    assert meaning(post(golden())) == meaning(response)
    assert [record for record in caplog.records if "somebodyElses" in record.getMessage()] == []


INCLUDED: dict[str, Json] = {
    "Practitioner": {"resource": {"resourceType": "Practitioner", "id": "1"}, "search": {"mode": "include"}},
    "Specimen": {"resource": {"resourceType": "Specimen", "id": "1"}, "search": {"mode": "include"}},
    "Patient": {"resource": {"resourceType": "Patient", "id": "another"}, "search": {"mode": "include"}},
    "no search": {"resource": {"resourceType": "Provenance", "id": "1"}},
    "included Observation": {
        "resource": observation("62292-8", 8, "ng/mL", "2026-03-01"),
        "search": {"mode": "include"},
    },
}


@for_each("key", [key for key in SEARCHES if _results(key)])
def test_included_entries(post: Post, key: str) -> None:
    """Row 69: of a mixed Bundle only matches of the type asked for are results."""
    whole, told = meaning(post(golden())), {}
    for kind, entries in {**{kind: [entry] for kind, entry in INCLUDED.items()}, "all": INCLUDED.values()}.items():
        mixed = bundle(*_results(key))
        mixed["entry"][:0] = entries
        told[kind] = meaning(post(changed(**{key: mixed})))

    assert [kind for kind, found in told.items() if found != whole] == []


def _paged(*resources: Json) -> Json:
    return bundle(*resources, link=[{"relation": "self", "url": "x"}, {"relation": "next", "url": NEXT}])


@for_each("key", ["vitaminD", "magnesium"])
def test_newest_page_of_a_required_key(post: Post, key: str) -> None:
    """Row 70: the first page of a required key is enough when it is sorted newest first."""
    newest = _results(key)[0]
    older = {**newest, "effectiveDateTime": "2024-01-01"}
    in_error = {**newest, "effectiveDateTime": None, "status": "entered-in-error"}

    assert meaning(post(golden())) == meaning(post(changed(**{key: _paged(newest, in_error, older)})))


@for_each("key", ["vitaminD", "magnesium"])
@for_each("why", ["oldest first", "undated", "nothing on the page"])
def test_page_that_may_hide_the_newest(post: Post, key: str, why: str) -> None:
    """Row 70: a page with a successor that does not surely hold the newest result is 412."""
    newest = _results(key)[0]
    undated = {name: value for name, value in newest.items() if name != "effectiveDateTime"}
    page = {
        "oldest first": [{**newest, "effectiveDateTime": "2024-01-01"}, newest],
        "undated": [newest, undated],
        "nothing on the page": [],
    }[why]
    response = post(changed(**{key: _paged(*page)}))

    assert response.status_code == 412
    assert [key] == _named(problem(response))


def test_partial_key_still_counts(post: Post) -> None:
    """Row 70, design contract: what a partial Bundle holds counts: sarcoidosis on page 1 is a hold."""
    request = golden("sarcoidosis-hold")
    request["prefetch"]["conditions"]["link"] = [{"relation": "next", "url": NEXT}]

    assert "vitamin-d-hold" in topics(post(request))


OTHER_LINKS: list[Any] = [
    None,
    [],
    [{"relation": "self", "url": NEXT}],
    [{"relation": "previous"}],
    [{}],
    [{"url": NEXT}],
]
ODD_LINKS: list[Any] = ["next", {"relation": "next"}, ["next"], [5], [{"relation": 5}], 5]


@for_each("key", SEARCHES)
def test_links(post: Post, key: str) -> None:
    """Row 70: any other link is no next page; one that cannot be read may hide one: no drug is added."""
    whole = post(golden())
    for link in OTHER_LINKS:
        assert meaning(whole) == meaning(post(changed(**{key: bundle(*_results(key), link=link)}))), link
    for link in ODD_LINKS:
        told = post(changed(**{key: bundle(*_results(key), link=link)}))
        assert drugs(told.get_json()) <= drugs(whole.get_json()), link


@for_each("members", [{"fullUrl": None}, {"search": None}, {"search": "match"}, {"fullUrl": 5}], ids=repr)
def test_entry_beside_the_resource(post: Post, members: Json) -> None:
    """Row 69: an entry is read for its resource: what stands beside it may be missing or odd."""
    request = golden()
    for key in SEARCHES:
        for entry in request["prefetch"][key].get("entry", ()):
            entry.update(members)

    assert meaning(post(golden())) == meaning(post(request))


@for_each("family", ["Adams", ["Adams"], None, 5, {"value": "Adams"}], ids=repr)
def test_names_are_never_read(post: Post, family: object) -> None:
    """Row 78: DSTU2 sends `name.family` as an array; no form of a name matters."""
    request = golden()
    request["prefetch"]["patient"]["name"] = [{"use": "official", "family": family, "given": ["Daniel", "X."]}]

    assert meaning(post(golden())) == meaning(post(request))
