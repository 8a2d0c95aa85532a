"""What a service meets in the wild, from the body to the Bundles: each case is a clear 4xx or a right answer.

Never a 500, and never silence about a required key: where its only result cannot be read, the call is refused or a
card says that the result could not be used. Values are in `test_survives_values.py`, DSTU2 in
`test_survives_dstu2.py`, everything spoilt in turn in `test_survives_anything.py`.
"""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from tests.support.for_each import for_each
from tests.web.calls import (
    ANSWERED_OR_REFUSED,
    OPTIONAL,
    RESULTS,
    TODAY,
    URL,
    bundle,
    card,
    changed,
    drugs,
    golden,
    is_refused,
    is_told,
    meaning,
    observation,
    topics,
)
from tests.web.conftest import Post

BODY = json.dumps(golden()).encode()


def _nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + closing * levels


# The body.

NOT_REQUESTS = {
    "nothing": b"",
    "words": b"hello",
    "XML": b"<Patient xmlns='http://hl7.org/fhir'/>",
    "array": b"[" + BODY + b"]",
    "text": b'"patient-view"',
    "JSON in a text": json.dumps(BODY.decode()).encode(),
    "null": b"null",
    "empty object": b"{}",
    "cut off": BODY[:-1],
    "two documents": BODY + BODY,
    "line comment": BODY + b"// end",
    "trailing comma": BODY[:-1] + b",}",
    "NaN": BODY.replace(b'"value": 35.0', b'"value": NaN'),
    "Infinity": BODY.replace(b'"value": 35.0', b'"value": Infinity'),
    "NaN in an unknown member": BODY[:-1] + b',"x":NaN}',
    "NaN in an unknown key": BODY.replace(b'"prefetch": {', b'"prefetch": {"x": NaN, '),
    "leading zero": BODY.replace(b'"value": 35.0', b'"value": 035.0'),
    "bare point": BODY.replace(b'"value": 35.0', b'"value": .5'),
    "UTF-16": BODY.decode().encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00" + BODY,
    "NUL bytes": b"\x00" * 64,
    "control character in a text": BODY.replace(b"patient-view", b"patient\x01view"),
    "lone surrogate in the hook": BODY.replace(b"patient-view", b"\\ud800"),
    "lone surrogate in the patientId": BODY.replace(b'"patientId": "', b'"patientId": "\\udfff'),
    "bad escape": BODY.replace(b"patient-view", b"\\x41"),
}


def test_not_a_request(post: Post) -> None:
    """Row 3, design contract: what is not JSON, or not an object, is 400 with a sentence that says so."""
    assert {name: post(body).status_code for name, body in NOT_REQUESTS.items()} == dict.fromkeys(NOT_REQUESTS, 400)


@for_each("levels", [100_000, 1_000_000])
@for_each(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b"[", b""), (b'{"prefetch":', b"")])
def test_too_deep(client: FlaskClient, levels: int, opening: bytes, closing: bytes) -> None:
    """A body of very many levels is a 4xx, not a crash of the process."""
    body = opening * levels + (b"1" + closing * levels if closing else b"")

    assert client.post(URL, data=body, content_type="application/json").status_code in (400, 413)


PLACES = {
    "top": (b'"hook": ', b'"x": %s, "hook": '),
    "context": (b'"context": {', b'"context": {"x": %s, '),
    "prefetch": (b'"prefetch": {', b'"prefetch": {"x": %s, '),
    "Patient": (b'"gender": ', b'"extension": %s, "gender": '),
    "Bundle": (b'"type": "searchset"', b'"meta": %s, "type": "searchset"'),
    "entry": (b'"fullUrl": ', b'"response": %s, "fullUrl": '),
    "result": (b'"status": "final"', b'"extension": %s, "status": "final"'),
    "coding": (b'"system": "http://loinc.org"', b'"extension": %s, "system": "http://loinc.org"'),
    "name": (b'"family": ', b'"extension": %s, "family": '),
}


@for_each("place", PLACES)
def test_deep_inside(post: Post, place: str) -> None:
    """64 levels in an element that nobody reads change nothing; 100,000 do neither, or are a 4xx."""
    old, new = PLACES[place]
    whole = meaning(post(golden()))
    for pair in ((b"[", b"]"), (b'{"a":[', b"]}")):
        assert meaning(post(BODY.replace(old, new % _nested(64, *pair)))) == whole
    response = post(BODY.replace(old, new % _nested(100_000), 1))

    assert BODY.replace(old, b"") != BODY
    assert is_refused(response) or whole == meaning(response)


INVALID_UTF_8 = {
    "name of a person": (b'"Example"', b'"Ex\xe4mple"'),
    "hookInstance": (b'"hookInstance": "', b'"hookInstance": "\xff'),
    "patientId": (b'"patientId": "', b'"patientId": "\xc3\x28'),
    "name of a member": (b'"prefetch": {', b'"prefetch": {"\xff": 1, '),
    "name of a key": (b'"vitaminD"', b'"vitaminD\xff"'),
    "id of the Patient": (b'"id": "patient-v02"', b'"id": "patient-v02\xff"'),
    "birth date": (b'"1980-06-15"', b'"1980-06-15\xff"'),
    "type of a result": (b'"resourceType": "Observation"', b'"resourceType": "Observation\xff"'),
    "id of a result": (b'"id": "vitamin-d-1"', b'"id": "\xed\xa0\x80"'),
    "unit in Latin-1": (b'"unit": "nmol/L"', b'"unit": "\xb5g/L"'),
    "unit in Windows-1252": (b'"unit": "mmol/L"', b'"unit": "\x80"'),
    "reference": (b'"Patient/patient-v02"', b'"Patient/patient-v02\xff"'),
    "link": (b'"type": "searchset"', b'"link": [{"relation": "\xff"}], "type": "searchset"'),
    "cut off sequence": (b'"male"', b'"\xe2\x82"'),
    "overlong": (b'"male"', b'"\xc0\xaf"'),
}


@for_each(("old", "new"), INVALID_UTF_8.values(), ids=INVALID_UTF_8)
def test_invalid_utf_8(post: Post, old: bytes, new: bytes) -> None:
    """Bytes that are not UTF-8, anywhere, are a 4xx, or change nothing where nobody reads them."""
    body = BODY.replace(old, new)
    response = post(body)

    assert body != BODY
    assert is_refused(response) or meaning(post(golden())) == meaning(response)


def test_valid_utf_8(post: Post) -> None:
    """Everything that is UTF-8 is welcome: other scripts, emoji, as bytes or escaped."""
    request = golden()
    request["prefetch"]["patient"]["name"] = [{"family": "Nguyễn 😀 Ωμέγα محمد", "text": "\u202e\u0000"}]

    assert meaning(post(golden())) == meaning(post(request))
    assert meaning(post(golden())) == meaning(post(json.dumps(request, ensure_ascii=False).encode()))


# Duplicate names: which one counts is not promised, but it is one of them, and never a wrong patient.

DUPLICATES = {
    "hook": (b'"hook": ', b'"hook": "order-sign", "hook": '),
    "patientId": (b'"patientId": ', b'"patientId": "another", "patientId": '),
    "prefetch before": (b'"prefetch": ', b'"prefetch": null, "prefetch": '),
    "context after": (
        b'"prefetch": ',
        b'"context": {"patientId": "another", "userId": "Practitioner/1"}, "prefetch": ',
    ),
    "key": (b'"vitaminD": ', b'"vitaminD": null, "vitaminD": '),
    "Patient.id": (b'"id": "patient-v02"', b'"id": "another", "id": "patient-v02"'),
    "entry": (b'"entry": ', b'"entry": [], "entry": '),
    "resource": (b'"resource": ', b'"resource": null, "resource": '),
    "subject": (b'"subject": ', b'"subject": {"reference": "Patient/another"}, "subject": '),
    "valueQuantity": (b'"valueQuantity": ', b'"valueQuantity": {"value": 1}, "valueQuantity": '),
    "valueQuantity of another kind": (b'"valueQuantity": ', b'"valueQuantity": 5, "valueQuantity": '),
    "resourceType": (b'"resourceType": "Observation"', b'"resourceType": "Basic", "resourceType": "Observation"'),
    "status": (b'"status": "final"', b'"status": {}, "status": "final"'),
}


@for_each(("old", "new"), DUPLICATES.values(), ids=DUPLICATES)
def test_duplicate_names(post: Post, old: bytes, new: bytes) -> None:
    """A name given twice: the last counts, as most readers have it, or the call is refused."""
    body = BODY.replace(old, new)
    response = post(body)

    assert body != BODY
    assert is_refused(response) or meaning(post(golden())) == meaning(response)


def test_duplicate_subject_of_another(post: Post) -> None:
    """A second subject that is another patient is refused."""
    old = b'"subject": {"reference": "Patient/patient-v02"}'

    assert post(BODY.replace(old, old + b', "subject": {"reference": "Patient/another"}', 1)).status_code == 422


# Bundles.

NOT_RESOURCES = {
    "text": "x",
    "number": 5,
    "null": None,
    "true": True,
    "array": [],
    "array of an entry": [{"resource": observation("62292-8", 14, "ng/mL")}],
    "empty": {},
    "no resource": {"fullUrl": "urn:uuid:1", "search": {"mode": "match"}},
    "resource null": {"resource": None},
    "resource a text": {"resource": "x"},
    "resource a number": {"resource": 5},
    "resource an array": {"resource": [observation("62292-8", 14, "ng/mL")]},
    "resource empty": {"resource": {}},
    "no type": {"resource": {"id": "x", "status": "final"}},
    "type null": {"resource": {"resourceType": None}},
    "type a number": {"resource": {"resourceType": 5}},
    "response only": {"response": {"status": "404 Not Found"}},
    "Bundle in a Bundle": {"resource": bundle()},
}


NO_LISTS: list[Any] = ["x", 5, True, {}, {"resource": "x"}, "", 0]


@for_each("key", RESULTS)
def test_bad_entries(post: Post, key: str) -> None:
    """An entry that is no resource never spoils the others; alone, it makes a required key 412, not "no results"."""
    whole = topics(post(golden()))
    for name, entry in NOT_RESOURCES.items():
        for place in (0, 1):
            request = golden()
            request["prefetch"][key]["entry"].insert(place, entry)
            assert topics(post(request)) == whole, name
        alone = post(changed(**{key: {"resourceType": "Bundle", "entry": [entry] * 2}}))
        assert alone.status_code == 412 or name == "Bundle in a Bundle", name


@for_each("key", OPTIONAL)
def test_bad_entries_of_an_optional_key(post: Post, key: str) -> None:
    """A bad entry in an optional key, or entries that are no list, leave it partial at most: they add no drug."""
    offered = drugs(post(golden()).get_json())
    for entry in NOT_RESOURCES.values():
        request = golden()
        request["prefetch"][key].setdefault("entry", []).append(entry)
        assert drugs(post(request).get_json()) <= offered, entry
    for entries in NO_LISTS:
        told = post(changed(**{key: {"resourceType": "Bundle", "type": "searchset", "entry": entries}}))
        assert drugs(told.get_json()) <= offered, entries


@for_each("key", RESULTS)
def test_entries_that_are_no_list(post: Post, key: str) -> None:
    """An `entry` that is not a list is 412 for a required key."""
    for entries in NO_LISTS:
        response = post(changed(**{key: {"resourceType": "Bundle", "type": "searchset", "entry": entries}}))
        assert response.status_code == 412, entries


@for_each("key", ["conditions", "medications"])
def test_bad_entry_may_hide_a_reason(post: Post, key: str) -> None:
    """An entry that cannot be read could be any problem or any drug: it closes the orders."""
    response = post(changed(**{key: bundle() | {"entry": [{"resource": None}]}}))

    assert frozenset() == drugs(response.get_json())


@for_each("key", RESULTS)
def test_entry_without_its_list(post: Post, key: str) -> None:
    """A single entry that stands without its list is read, or the key is refused; it is not "no results"."""
    (entry,) = golden()["prefetch"][key]["entry"]
    response = post(changed(**{key: {"resourceType": "Bundle", "entry": entry}}))

    assert is_refused(response) or meaning(post(golden())) == meaning(response)


def test_ten_thousand_results(client: FlaskClient) -> None:
    """Ten thousand results are read, and the newest decides."""
    days = [TODAY - timedelta(days=10 + place) for place in range(10_000)]
    many = bundle(*(observation("62292-8", 60, "ng/mL", str(day)) for day in days[1:]))
    many["entry"].insert(5_000, {"resource": observation("62292-8", 12, "ng/mL", str(days[0]))})
    response = client.post(URL, json=changed(vitaminD=many))

    assert response.status_code == 200
    assert "12 ng/mL" in card(response, "vitamin-d-deficiency")["summary"]


@for_each("key", RESULTS)
def test_one_id_two_results(post: Post, key: str) -> None:
    """One id on two different results of different days: the newer decides."""
    request = golden()
    older = copy.deepcopy(request["prefetch"][key]["entry"][0])
    older["resource"].update(effectiveDateTime="2024-05-05", valueQuantity={"value": 400, "unit": "nmol/L"})
    request["prefetch"][key]["entry"].insert(0, older)

    assert topics(post(golden())) == topics(post(request))


@for_each("key", RESULTS)
def test_one_id_two_values(post: Post, key: str) -> None:
    """One id on two different values of one time: neither is used, and a card says so."""
    request = golden()
    other = copy.deepcopy(request["prefetch"][key]["entry"][0])
    other["resource"]["valueQuantity"]["value"] *= 2
    request["prefetch"][key]["entry"].append(other)

    assert is_told(post(request), key)


@for_each("key", RESULTS)
def test_id_is_not_read(post: Post, key: str) -> None:
    """An id nobody needs may be of any kind: it never takes the newest result away."""
    whole = topics(post(golden()))
    identifiers: list[Any] = [5, None, True, [], {}, "", "x" * 10_000, "ü /"]
    for identifier in identifiers:
        request = golden()
        older = copy.deepcopy(request["prefetch"][key]["entry"][0])
        older["resource"].update(effectiveDateTime="2025-12-12", id="older")
        older["resource"]["valueQuantity"]["value"] *= 2
        request["prefetch"][key]["entry"][0]["resource"]["id"] = identifier
        request["prefetch"][key]["entry"].append(older)
        assert topics(post(request)) == whole, identifier


# Texts.


TEXTS = {
    "long": "x" * 100_000,
    "emoji": "\\ud83d\\ude00",
    "NUL": "\\u0000",
    "half a surrogate pair": "\\ud800",
    "pair the wrong way round": "\\udc00\\ud800",
    "no character": "\\ufffe",
    "right to left": "\\u202e",
    "percent": "%00",
    "path": "../../etc/passwd",
}
PLACES_OF_TEXTS = [
    '"family": "Example"',
    '"unit": "nmol/L"',
    '"system": "http://loinc.org"',
    '"effectiveDateTime": "2026-02-20"',
    '"status": "final"',
    '"text": "Magnesium"',
    '"userId": "Practitioner/example"',
]


@for_each("place", PLACES_OF_TEXTS)
def test_odd_texts(post: Post, place: str) -> None:
    """Huge texts, surrogates, NUL and the like are answered or refused, and what is sent back is UTF-8."""
    name, _, _ = place.partition(": ")
    for text in TEXTS.values():
        body = BODY.replace(place.encode(), f'{name}: "{text}"'.encode())
        response = post(body)
        assert body != BODY
        assert response.status_code in ANSWERED_OR_REFUSED, text
        assert response.get_data().decode("utf-8")
