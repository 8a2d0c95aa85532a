"""Prefetch (conformance rows 61 to 78): known, known none, failed and missing are four different facts.

What comes from the FHIR server instead is tested in `test_faults`, `test_tokens` and `tests/peers`.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fixtures import SERVICE, Situation, engine, situations
from tests.web.calls import (
    KEYS,
    OPTIONAL,
    PATIENT_ID,
    REQUIRED,
    SEARCHES,
    Json,
    bundle,
    card,
    cards,
    changed,
    drugs,
    golden,
    meaning,
    observation,
    only_result,
    outcome,
    problem,
    topics,
    without,
)
from tests.web.conftest import Post

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


FAILED = {key: [pytest.param(key, value, id=f"{key}-{name}") for name, value in _failures(key)] for key in KEYS}


def _named(sentence: str) -> list[str]:
    """The prefetch keys a sentence names."""
    return [key for key in KEYS if re.search(rf"\b{key}\b", sentence)]


@pytest.mark.parametrize("key", REQUIRED)
def test_required_missing(post: Post, key: str) -> None:
    """Rows 64, 65, 72, 73: a required key that was not sent is 412, and just that key is named."""
    response = post(without(key))

    assert response.status_code == 412
    assert [key] == _named(problem(response))


@pytest.mark.parametrize("server", ["https://ehr.example/fhir", "http://169.254.169.254/", "http://127.1:9/fhir", "x"])
def test_required_missing_with_another_server(post: Post, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Rows 73, 91: a `fhirServer` that is not allowed is not asked, nor its name resolved: 412, and the reason."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    authorization = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "*", "subject": "s"}
    response = post({**without("magnesium"), "fhirServer": server, "fhirAuthorization": authorization})

    assert response.status_code == 412
    assert _named(problem(response)) == ["magnesium"]
    assert "fhirServer" in problem(response)


@pytest.mark.parametrize("lost", [REQUIRED, ("patient", "magnesium"), ("vitaminD", "magnesium")], ids="+".join)
def test_every_lost_key_is_named(post: Post, lost: tuple[str, ...]) -> None:
    """Rows 72, 73: all that is lacking is said at once, so that one round mends it."""
    assert list(lost) == _named(problem(post(without(*lost))))


@pytest.mark.parametrize("sent", ["missing", "text", "OperationOutcome"])
def test_what_is_lacking_is_said(post: Post, sent: str) -> None:
    """Row 73: the sentence tells a key that was not sent from one that is an OperationOutcome and from a wrong type."""
    request = {
        "missing": without("vitaminD"),
        "text": changed(vitaminD="x"),
        "OperationOutcome": changed(vitaminD=outcome("error")),
    }[sent]
    expected = {"missing": "not sent", "text": "Bundle", "OperationOutcome": "OperationOutcome"}[sent]

    assert expected in problem(post(request))


def test_null_patient(post: Post) -> None:
    """Row 66, design contract: there is no advice without a Patient: null is 412."""
    response = post(changed(patient=None))

    assert response.status_code == 412
    assert _named(problem(response)) == ["patient"]


@pytest.mark.parametrize(("key", "value"), [case for key in REQUIRED for case in FAILED[key]])
def test_required_failed(post: Post, key: str, value: object) -> None:
    """Rows 67, 68, 69, 77: a required key that failed or is unusable is 412 and named: never read as "no results"."""
    response = post(changed(**{key: value}))

    assert response.status_code == 412
    assert [key] == _named(problem(response))


@pytest.mark.parametrize(("key", "value"), [case for key in OPTIONAL for case in FAILED[key]])
def test_optional_failed(post: Post, key: str, value: object) -> None:
    """Rows 67, 68, 69, 77: an optional key that failed or is unusable is as unknown as a missing one."""
    assert meaning(post(without(key))) == meaning(post(changed(**{key: value})))


@pytest.mark.parametrize("key", SEARCHES)
@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in KNOWN_NONE.items()])
def test_known_none(post: Post, key: str, value: object) -> None:
    """Row 66: null and every empty Bundle mean the same: known none, no 412."""
    assert meaning(post(changed(**{key: None}))) == meaning(post(changed(**{key: value})))


@pytest.mark.parametrize("key", ["conditions", "medications"])
def test_none_is_not_unknown(post: Post, key: str) -> None:
    """Rows 64, 66: known none leaves both drugs on offer, unknown closes them."""
    assert drugs(post(golden()).get_json()) == drugs(post(changed(**{key: None})).get_json()) != frozenset()
    assert frozenset() == drugs(post(without(key)).get_json())


@pytest.mark.parametrize("key", ["vitaminD", "magnesium"])
def test_known_none_of_a_required_key(post: Post, key: str) -> None:
    """Rows 66, 76: no result is "not available to this service", never "not measured", and the test may be ordered."""
    topic = {"vitaminD": "vitamin-d-order", "magnesium": "magnesium-order"}[key]
    found = card(post(changed(**{key: None})), topic)
    said = f"{found['summary']} {found['detail']}".lower()

    assert "available to this service" in said
    assert [
        word for word in ("never measured", "not measured", "does not exist", "not been taken") if word in said
    ] == []


@pytest.mark.parametrize(
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

    assert f"{name} not available to this service" in detail


def test_every_subset_of_keys(post: Post) -> None:
    """Row 61: a client may fill any subset: each is answered, or is 412 that names just the required keys it lacks."""
    wrong = []
    for size in range(len(KEYS) + 1):
        for kept in itertools.combinations(KEYS, size):
            response = post(without(*(key for key in KEYS if key not in kept)))
            lost = [key for key in REQUIRED if key not in kept]
            right = response.status_code == 412 and _named(problem(response)) == lost if lost else bool(cards(response))
            if not right:
                wrong.append(kept)

    assert wrong == []


def test_subsets_add_no_drug(post: Post) -> None:
    """Row 61: of the 2^6 subsets of the optional keys none offers a drug that full prefetch does not."""
    offered = drugs(post(golden()).get_json())
    subsets = itertools.chain.from_iterable(itertools.combinations(OPTIONAL, size) for size in range(len(OPTIONAL) + 1))

    assert [lost for lost in subsets if drugs(post(without(*lost)).get_json()) - offered] == []


@pytest.mark.parametrize("situation", situations(), ids=lambda situation: situation.name)
def test_unknown_never_unlocks(situation: Situation) -> None:
    """Row 61: in every situation, taking up to two, or all or all but one, of the optional keys away adds no drug."""
    expected = situation.expected
    chosen = engine(
        situation.as_of, expected.get("profile", "magnesium-aware"), expected.get("ckdOverlay", "kdoqi-2003")
    )
    envelope = json.loads(situation.body)
    values = {key: json.dumps(value) for key, value in envelope.pop("prefetch").items()}
    head = json.dumps(envelope)[:-1]

    def drafted(lost: tuple[str, ...]) -> frozenset[str]:
        prefetch = ",".join(f'"{key}":{value}' for key, value in values.items() if key not in lost)
        return drugs(chosen.answer(SERVICE, f'{head},"prefetch":{{{prefetch}}}}}'.encode()).response)

    offered = drafted(())
    sizes = (1, 2, len(OPTIONAL) - 1, len(OPTIONAL))
    subsets = itertools.chain.from_iterable(itertools.combinations(OPTIONAL, size) for size in sizes)

    assert [lost for lost in subsets if drafted(lost) - offered] == []


def test_order_of_keys(post: Post) -> None:
    """Row 61: the order in which keys are sent means nothing."""
    request = golden()
    request["prefetch"] = dict(reversed(list(request["prefetch"].items())))

    assert meaning(post(golden())) == meaning(post(request))


@pytest.mark.parametrize(
    "value", [None, "x", [], 5, {}, outcome("error"), {"resourceType": "Patient", "id": "another"}], ids=repr
)
def test_unknown_keys(post: Post, caplog: pytest.LogCaptureFixture, value: object) -> None:
    """Row 63: keys of other services are ignored, whatever they hold, and nothing of them is logged."""
    with caplog.at_level(logging.DEBUG):
        response = post(changed(somebodyElses=value, item1=value, vitamind=value, Patient=value))

    assert meaning(post(golden())) == meaning(response)
    assert [record for record in caplog.records if "somebodyElses" in record.getMessage()] == []


def test_two_keys_of_one_patient(post: Post) -> None:
    """Section 5, theme 4: a second key with the same Patient breaks nothing."""
    assert meaning(post(golden())) == meaning(post(changed(patientToo=golden()["prefetch"]["patient"])))


@pytest.mark.parametrize("key", SEARCHES)
@pytest.mark.parametrize("severity", ["warning", "information", "success", None])
def test_harmless_outcome_beside_results(post: Post, key: str, severity: Any) -> None:
    """Row 69: an OperationOutcome entry below error is a remark: the results beside it count."""
    mixed = bundle(*_results(key))
    mixed["entry"].append({"resource": outcome(severity), "search": {"mode": "outcome"}})

    assert meaning(post(golden())) == meaning(post(changed(**{key: mixed})))


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


@pytest.mark.parametrize("entry", INCLUDED.values(), ids=INCLUDED)
@pytest.mark.parametrize("key", SEARCHES)
def test_included_entries(post: Post, key: str, entry: Json) -> None:
    """Row 69: of a mixed Bundle only matches of the type asked for are results."""
    mixed = bundle(*_results(key))
    mixed["entry"].insert(0, entry)

    assert meaning(post(golden())) == meaning(post(changed(**{key: mixed})))


def test_resources_of_another_key(post: Post) -> None:
    """Row 69: an Observation of another test in the Bundle of a key takes nothing from those asked for."""
    mixed = bundle(observation("2345-7", 95, "mg/dL"), *_results("vitaminD"))

    assert meaning(post(golden())) == meaning(post(changed(vitaminD=mixed)))


def _paged(*resources: Json) -> Json:
    return bundle(*resources, link=[{"relation": "self", "url": "x"}, {"relation": "next", "url": NEXT}])


@pytest.mark.parametrize("key", SEARCHES)
def test_next_page_is_not_followed(post: Post, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Rows 70, 71: a `next` link opens no connection, and what the first page lacks adds no drug."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    response = post(changed(**{key: _paged(*_results(key))}))

    assert set() == drugs(response.get_json()) - drugs(post(golden()).get_json())


@pytest.mark.parametrize("key", ["vitaminD", "magnesium"])
def test_newest_page_of_a_required_key(post: Post, key: str) -> None:
    """Row 70: the first page of a required key is enough when it is sorted newest first."""
    newest = _results(key)[0]
    older = {**newest, "effectiveDateTime": "2024-01-01"}

    assert meaning(post(golden())) == meaning(post(changed(**{key: _paged(newest, older)})))


@pytest.mark.parametrize("key", ["vitaminD", "magnesium"])
@pytest.mark.parametrize("why", ["oldest first", "undated", "nothing on the page"])
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


@pytest.mark.parametrize("key", ["conditions", "medications"])
def test_partial_key_closes_its_gates(post: Post, key: str) -> None:
    """Row 70, design contract: what a partial Bundle lacks is unknown: without page 2 there is no drug."""
    assert frozenset() == drugs(post(changed(**{key: _paged()})).get_json())


def test_partial_key_still_counts(post: Post) -> None:
    """Row 70, design contract: what a partial Bundle holds counts: sarcoidosis on page 1 is a hold."""
    request = golden("sarcoidosis-hold")
    request["prefetch"]["conditions"]["link"] = [{"relation": "next", "url": NEXT}]

    assert "vitamin-d-hold" in topics(post(request))


@pytest.mark.parametrize(
    "link",
    [None, [], [{"relation": "self", "url": NEXT}], [{"relation": "previous", "url": NEXT}], [{}], [{"url": NEXT}]],
    ids=repr,
)
@pytest.mark.parametrize("key", SEARCHES)
def test_other_links(post: Post, key: str, link: object) -> None:
    """Row 70: any other link is no next page."""
    assert meaning(post(golden())) == meaning(post(changed(**{key: bundle(*_results(key), link=link)})))


@pytest.mark.parametrize("link", ["next", {"relation": "next"}, ["next"], [5], [{"relation": 5}], 5], ids=repr)
@pytest.mark.parametrize("key", SEARCHES)
def test_odd_links(post: Post, key: str, link: object) -> None:
    """Row 70: links that cannot be read may hide a next page: no drug is added, and nothing breaks."""
    response = post(changed(**{key: bundle(*_results(key), link=link)}))

    assert set() == drugs(response.get_json()) - drugs(post(golden()).get_json())


def test_prefetch_alone_suffices(post: Post) -> None:
    """Rows 74, 75: with prefetch alone the answer is complete: drugs, labs and references."""
    body = post(golden()).get_json()

    assert {"4018", "2418", "6574"} == drugs(body)
    assert [found["summary"] for found in body["cards"] if not found.get("links")] == []


def test_total_is_not_trusted(post: Post) -> None:
    """Row 66: what counts is the entries, not `total`: servers count wrongly, or leave it out."""
    for total in (0, 1, 500, None, "many"):
        request = golden()
        request["prefetch"]["vitaminD"]["total"] = total
        assert meaning(post(golden())) == meaning(post(request))


def test_kinds_of_bundle(post: Post) -> None:
    """Row 66: a Bundle counts whatever its type says: collections and types left out are seen as well."""
    for kind in ("collection", "batch-response", None):
        request = golden()
        request["prefetch"]["vitaminD"]["type"] = kind
        assert meaning(post(golden())) == meaning(post(request))


@pytest.mark.parametrize(
    "members", [{"fullUrl": None}, {"search": None}, {"search": "match"}, {"fullUrl": 5}], ids=repr
)
def test_entry_beside_the_resource(post: Post, members: Json) -> None:
    """Row 69: an entry is read for its resource: what stands beside it may be missing or odd."""
    request = golden()
    for key in SEARCHES:
        for entry in request["prefetch"][key].get("entry", ()):
            entry.update(members)

    assert meaning(post(golden())) == meaning(post(request))


@pytest.mark.parametrize("family", ["Adams", ["Adams"], None, 5, {"value": "Adams"}], ids=repr)
def test_names_are_never_read(post: Post, family: object) -> None:
    """Row 78: DSTU2 sends `name.family` as an array; no form of a name matters."""
    request = golden()
    request["prefetch"]["patient"]["name"] = [{"use": "official", "family": family, "given": ["Daniel", "X."]}]

    assert meaning(post(golden())) == meaning(post(request))


@pytest.mark.parametrize("status", ["preliminary", "registered", "cancelled", "entered-in-error", "unknown"])
def test_status_of_the_only_result(post: Post, status: str) -> None:
    """Section 5 of the decision table: a result that does not stand is no result, and no deficiency."""
    assert "vitamin-d-deficiency" not in topics(post(only_result("vitaminD", status=status)))


def test_patient_id_of_the_golden_request() -> None:
    """The golden request is about the patient these tests name."""
    assert PATIENT_ID == golden()["context"]["patientId"] == golden()["prefetch"]["patient"]["id"]
