"""What a service meets in the wild, from the body to the Bundles: each case is a clear 4xx or a right answer.

Never a 500, and never silence about a required key: where its only result cannot be read, the call is refused or a
card says that the result could not be used. Values are in `test_survives_values.py`, DSTU2 in
`test_survives_dstu2.py`, everything spoilt in turn in `test_survives_anything.py`.
"""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.web.calls import (
    ANSWERED_OR_REFUSED,
    KEYS,
    OPTIONAL,
    RESULTS,
    SEARCHES,
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
    outcome,
    problem,
    topics,
)
from tests.web.conftest import Post

BODY = json.dumps(golden()).encode()


def _nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * levels + closing * levels


# The body.

NOT_REQUESTS = {
    "nothing": b"",
    "blank": b"  \n",
    "words": b"hello",
    "XML": b"<Patient xmlns='http://hl7.org/fhir'/>",
    "form": b"hook=patient-view&context=%7B%7D",
    "array": b"[" + BODY + b"]",
    "empty array": b"[]",
    "text": b'"patient-view"',
    "JSON in a text": json.dumps(BODY.decode()).encode(),
    "number": b"5",
    "null": b"null",
    "true": b"true",
    "empty object": b"{}",
    "cut off": BODY[:-1],
    "cut in half": BODY[: len(BODY) // 2],
    "two documents": BODY + BODY,
    "line comment": BODY + b"// end",
    "block comment": b"/* x */" + BODY,
    "trailing comma": BODY[:-1] + b",}",
    "single quotes": BODY.replace(b'"', b"'"),
    "unquoted name": BODY.replace(b'"hook"', b"hook"),
    "NaN": BODY.replace(b'"value": 35.0', b'"value": NaN'),
    "Infinity": BODY.replace(b'"value": 35.0', b'"value": Infinity'),
    "-Infinity": BODY.replace(b'"value": 35.0', b'"value": -Infinity'),
    "NaN in an unknown member": BODY[:-1] + b',"x":NaN}',
    "NaN in an unknown key": BODY.replace(b'"prefetch": {', b'"prefetch": {"x": NaN, '),
    "leading zero": BODY.replace(b'"value": 35.0', b'"value": 035.0'),
    "hexadecimal": BODY.replace(b'"value": 35.0', b'"value": 0x23'),
    "bare point": BODY.replace(b'"value": 35.0', b'"value": .5'),
    "plus sign": BODY.replace(b'"value": 35.0', b'"value": +35'),
    "UTF-16": BODY.decode().encode("utf-16"),
    "UTF-32": BODY.decode().encode("utf-32"),
    "gzip": b"\x1f\x8b\x08\x00" + BODY,
    "NUL bytes": b"\x00" * 64,
    "control character in a text": BODY.replace(b"patient-view", b"patient\x01view"),
    "line break in a text": BODY.replace(b"patient-view", b"patient\nview"),
    "lone surrogate in the hook": BODY.replace(b"patient-view", b"\\ud800"),
    "lone surrogate in the patientId": BODY.replace(b'"patientId": "', b'"patientId": "\\udfff'),
    "bad escape": BODY.replace(b"patient-view", b"\\x41"),
}


@pytest.mark.parametrize("body", NOT_REQUESTS.values(), ids=NOT_REQUESTS)
def test_not_a_request(post: Post, body: bytes) -> None:
    """Row 3, design contract: what is not JSON, or not an object, is 400 with a sentence that says so."""
    response = post(body)

    assert response.status_code == 400
    assert problem(response)


@pytest.mark.parametrize("levels", [100_000, 1_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b"[", b""), (b'{"prefetch":', b"")])
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


@pytest.mark.parametrize("place", PLACES)
def test_deep_but_harmless(post: Post, place: str) -> None:
    """64 levels in an element that nobody reads change nothing."""
    old, new = PLACES[place]
    bodies = [BODY.replace(old, new % _nested(64, *pair)) for pair in ((b"[", b"]"), (b'{"a":[', b"]}"))]

    assert BODY not in bodies
    assert [meaning(post(golden()))] * 2 == [meaning(post(body)) for body in bodies]


@pytest.mark.parametrize("place", PLACES)
def test_very_deep_inside(post: Post, place: str) -> None:
    """100,000 levels in an element that nobody reads are a 4xx or a right answer."""
    old, new = PLACES[place]
    response = post(BODY.replace(old, new % _nested(100_000), 1))

    assert is_refused(response) or meaning(post(golden())) == meaning(response)


@pytest.mark.parametrize(
    "value", [_nested(64), _nested(100_000), _nested(64, b'{"a":[', b"]}")], ids=["64", "100000", "both"]
)
@pytest.mark.parametrize("key", KEYS)
def test_deep_value_of_a_key(post: Post, key: str, value: bytes) -> None:
    """A deeply nested value of a key is no resource: a 4xx for a required one, unknown for another."""
    request = golden()
    request["prefetch"][key] = "DEEP"
    response = post(json.dumps(request).encode().replace(b'"DEEP"', value))

    assert is_refused(response) or (key in OPTIONAL and response.status_code == 200)


@pytest.mark.parametrize("size", [5 * 1024 * 1024, 50 * 1024 * 1024])
def test_too_large(post: Post, size: int) -> None:
    """A body of 5 MB is 413."""
    response = post(BODY + b" " * size)

    assert response.status_code == 413
    assert "CDS_MAX_BODY" in problem(response)


def test_large_by_setting() -> None:
    """With a higher limit a body of 5 MB is answered."""
    client = create_app(Settings(as_of=TODAY, max_body=16 * 1024 * 1024)).test_client()
    request = golden()
    request["prefetch"]["patient"]["photo"] = [{"data": "A" * 5 * 1024 * 1024}]

    assert topics(client.post(URL, json=request)) == ["magnesium-low", "vitamin-d-deficiency"]


INVALID_UTF_8 = {
    "name of a person": (b'"Example"', b'"Ex\xe4mple"'),
    "hook": (b'"patient-view"', b'"patient\xffview"'),
    "hookInstance": (b'"hookInstance": "', b'"hookInstance": "\xff'),
    "patientId": (b'"patientId": "', b'"patientId": "\xc3\x28'),
    "userId": (b'"userId": "', b'"userId": "\xf0\x28\x8c\x28'),
    "name of a member": (b'"prefetch": {', b'"prefetch": {"\xff": 1, '),
    "name of a key": (b'"vitaminD"', b'"vitaminD\xff"'),
    "id of the Patient": (b'"id": "patient-v02"', b'"id": "patient-v02\xff"'),
    "type of the Patient": (b'"resourceType": "Patient"', b'"resourceType": "Patient\xff"'),
    "birth date": (b'"1980-06-15"', b'"1980-06-15\xff"'),
    "gender": (b'"male"', b'"male\xff"'),
    "type of a Bundle": (b'"resourceType": "Bundle"', b'"resourceType": "\xffBundle"'),
    "type of a result": (b'"resourceType": "Observation"', b'"resourceType": "Observation\xff"'),
    "id of a result": (b'"id": "vitamin-d-1"', b'"id": "\xed\xa0\x80"'),
    "status": (b'"status": "final"', b'"status": "final\xff"'),
    "code": (b'"68438-1"', b'"68438-1\xff"'),
    "unit in Latin-1": (b'"unit": "nmol/L"', b'"unit": "\xb5g/L"'),
    "unit in Windows-1252": (b'"unit": "mmol/L"', b'"unit": "\x80"'),
    "date": (b'"2026-02-20"', b'"2026-02-20\xff"'),
    "reference": (b'"Patient/patient-v02"', b'"Patient/patient-v02\xff"'),
    "link": (b'"type": "searchset"', b'"link": [{"relation": "\xff"}], "type": "searchset"'),
    "search mode": (b'"mode": "match"', b'"mode": "match\xff"'),
    "cut off sequence": (b'"male"', b'"\xe2\x82"'),
    "overlong": (b'"male"', b'"\xc0\xaf"'),
    "text": (b'"text": "Magnesium"', b'"text": "Magn\xe9sium"'),
}


@pytest.mark.parametrize(("old", "new"), INVALID_UTF_8.values(), ids=INVALID_UTF_8)
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


@pytest.mark.parametrize("media_type", [None, "", "text/plain", "application/xml", "text/json", "x"])
def test_media_type(post: Post, media_type: str | None) -> None:
    """A wrong or missing media type is 415, and the sentence names the right one."""
    response = post(golden(), content_type=media_type)

    assert response.status_code == 415
    assert "application/json" in problem(response)


@pytest.mark.parametrize(
    "value", [None, [], "x", 5, True, [golden()]], ids=["null", "array", "text", "number", "true", "list"]
)
@pytest.mark.parametrize(("member", "lacking"), [("context", 400), ("prefetch", 412)])
def test_members_of_a_wrong_kind(post: Post, member: str, lacking: int, value: object) -> None:
    """Context or prefetch that is not an object is 400; prefetch null is as good as none: 412."""
    response = post({**golden(), member: value})

    assert (lacking if value is None else 400) == response.status_code
    assert problem(response)


@pytest.mark.parametrize("text", ["", "x", "null", "{}", "No results", "a" * 1_000_000], ids=lambda text: text[:10])
@pytest.mark.parametrize("key", KEYS)
def test_key_holding_a_text(post: Post, key: str, text: str) -> None:
    """A key that holds a text is unusable: 412 and named if it is required, unknown if not."""
    response = post(changed(**{key: text}))

    if key in OPTIONAL:
        assert set() == drugs(response.get_json()) - drugs(post(golden()).get_json())
    else:
        assert response.status_code == 412
        assert key in problem(response)


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


@pytest.mark.parametrize(("old", "new"), DUPLICATES.values(), ids=DUPLICATES)
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


@pytest.mark.parametrize("entry", NOT_RESOURCES.values(), ids=NOT_RESOURCES)
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("key", RESULTS)
def test_bad_entry_beside_a_good_one(post: Post, key: str, place: int, entry: object) -> None:
    """An entry that is not a resource never spoils the others: the good result decides."""
    request = golden()
    request["prefetch"][key]["entry"].insert(place, entry)

    assert topics(post(golden())) == topics(post(request))


@pytest.mark.parametrize("name", [name for name in NOT_RESOURCES if name != "Bundle in a Bundle"])
@pytest.mark.parametrize("key", RESULTS)
def test_only_bad_entries(post: Post, key: str, name: str) -> None:
    """A required key with nothing but entries that are no resources is 412, not "no results"."""
    response = post(changed(**{key: {"resourceType": "Bundle", "entry": [NOT_RESOURCES[name]] * 2}}))

    assert response.status_code == 412
    assert key in problem(response)


@pytest.mark.parametrize("entry", NOT_RESOURCES.values(), ids=NOT_RESOURCES)
@pytest.mark.parametrize("key", OPTIONAL)
def test_bad_entry_of_an_optional_key(post: Post, key: str, entry: object) -> None:
    """A bad entry in an optional key leaves it partial at most: it adds no drug."""
    request = golden()
    request["prefetch"][key].setdefault("entry", []).append(entry)

    assert set() == drugs(post(request).get_json()) - drugs(post(golden()).get_json())


@pytest.mark.parametrize("key", ["conditions", "medications"])
def test_bad_entry_may_hide_a_reason(post: Post, key: str) -> None:
    """An entry that cannot be read could be any problem or any drug: it closes the orders."""
    response = post(changed(**{key: bundle() | {"entry": [{"resource": None}]}}))

    assert frozenset() == drugs(response.get_json())


@pytest.mark.parametrize("entry", ["x", 5, True, {}, {"resource": "x"}, "", 0], ids=repr)
@pytest.mark.parametrize("key", SEARCHES)
def test_entry_is_not_a_list(post: Post, key: str, entry: object) -> None:
    """An `entry` that is not a list is 412 for a required key; for another it adds no drug."""
    response = post(changed(**{key: {"resourceType": "Bundle", "type": "searchset", "entry": entry}}))

    if key in RESULTS:
        assert response.status_code == 412
    else:
        assert set() == drugs(response.get_json()) - drugs(post(golden()).get_json())


@pytest.mark.parametrize("key", RESULTS)
def test_entry_without_its_list(post: Post, key: str) -> None:
    """A single entry that stands without its list is read, or the key is refused; it is not "no results"."""
    (entry,) = golden()["prefetch"][key]["entry"]
    response = post(changed(**{key: {"resourceType": "Bundle", "entry": entry}}))

    assert is_refused(response) or meaning(post(golden())) == meaning(response)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("severity", ["error", "fatal"])
def test_outcome_in_place_and_inside(post: Post, key: str, severity: str) -> None:
    """Rows 68, 69: an OperationOutcome in place of a value and inside its Bundle mean the same: the key failed."""
    in_place = post(changed(**{key: outcome(severity)}))
    inside = post(changed(**{key: bundle(outcome(severity))}))

    assert (200 if key in OPTIONAL else 412) == in_place.status_code == inside.status_code
    if key in OPTIONAL:
        assert meaning(in_place) == meaning(inside)


@pytest.mark.parametrize("key", RESULTS)
@pytest.mark.parametrize("issue", [None, "x", 5, {}, ["x"], [{"severity": 5}], [{"severity": ["error"]}]], ids=repr)
def test_odd_outcome_inside(post: Post, key: str, issue: object) -> None:
    """An OperationOutcome that cannot be read counts as a failure at most: refused, or the results beside it count."""
    request = golden()
    request["prefetch"][key]["entry"].append({"resource": {"resourceType": "OperationOutcome", "issue": issue}})
    response = post(request)

    assert is_refused(response) or meaning(post(golden())) == meaning(response)


def test_ten_thousand_results(client: FlaskClient) -> None:
    """Ten thousand results are read, and the newest decides."""
    days = [TODAY - timedelta(days=10 + place) for place in range(10_000)]
    many = bundle(*(observation("62292-8", 60, "ng/mL", str(day)) for day in days[1:]))
    many["entry"].insert(5_000, {"resource": observation("62292-8", 12, "ng/mL", str(days[0]))})
    response = client.post(URL, json=changed(vitaminD=many))

    assert response.status_code == 200
    assert "12 ng/mL" in card(response, "vitamin-d-deficiency")["summary"]


def test_a_thousand_bad_results(client: FlaskClient) -> None:
    """A thousand unreadable results beside one good one do not hide it, or are told of."""
    many = bundle(*({"resourceType": "Observation", "status": []} for _ in range(1_000)))
    many["entry"].append({"resource": observation("62292-8", 12, "ng/mL")})
    response = client.post(URL, json=changed(vitaminD=many))

    assert is_told(response, "vitaminD") or "vitamin-d-deficiency" in topics(response)


@pytest.mark.parametrize("key", RESULTS)
def test_same_resource_again(post: Post, key: str) -> None:
    """The same resource, with the same id, three times is one result."""
    request = golden()
    request["prefetch"][key]["entry"] *= 3

    assert meaning(post(golden())) == meaning(post(request))


@pytest.mark.parametrize("key", RESULTS)
def test_one_id_two_results(post: Post, key: str) -> None:
    """One id on two different results of different days: the newer decides."""
    request = golden()
    older = copy.deepcopy(request["prefetch"][key]["entry"][0])
    older["resource"].update(effectiveDateTime="2024-05-05", valueQuantity={"value": 400, "unit": "nmol/L"})
    request["prefetch"][key]["entry"].insert(0, older)

    assert topics(post(golden())) == topics(post(request))


@pytest.mark.parametrize("key", RESULTS)
def test_one_id_two_values(post: Post, key: str) -> None:
    """One id on two different values of one time: neither is used, and a card says so."""
    request = golden()
    other = copy.deepcopy(request["prefetch"][key]["entry"][0])
    other["resource"]["valueQuantity"]["value"] *= 2
    request["prefetch"][key]["entry"].append(other)

    assert is_told(post(request), key)


@pytest.mark.parametrize(
    "identifier", [5, None, True, [], {}, "", "x" * 10_000, "ü /"], ids=lambda value: repr(value)[:12]
)
@pytest.mark.parametrize("key", RESULTS)
def test_id_is_not_read(post: Post, key: str, identifier: object) -> None:
    """An id nobody needs may be of any kind: it never takes the newest result away."""
    request = golden()
    older = copy.deepcopy(request["prefetch"][key]["entry"][0])
    older["resource"].update(effectiveDateTime="2025-12-12", id="older")
    older["resource"]["valueQuantity"]["value"] *= 2
    request["prefetch"][key]["entry"][0]["resource"]["id"] = identifier
    request["prefetch"][key]["entry"].append(older)

    assert topics(post(golden())) == topics(post(request))


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


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", PLACES_OF_TEXTS)
def test_odd_texts(post: Post, place: str, text: str) -> None:
    """Huge texts, surrogates, NUL and the like are answered or refused, and what is sent back is UTF-8."""
    name, _, _ = place.partition(": ")
    body = BODY.replace(place.encode(), f'{name}: "{text}"'.encode())
    response = post(body)

    assert body != BODY
    assert response.status_code in ANSWERED_OR_REFUSED
    assert response.get_data().decode("utf-8")


@pytest.mark.parametrize(
    "patient_id", ["x" * 100_000, "ü", "a b", "a\nb", "<b>", "%", "\u0000", "😀", "."], ids=lambda text: repr(text)[:12]
)
def test_odd_patient_ids(post: Post, patient_id: str) -> None:
    """An odd `patientId` is refused, or is the subject of the drafts just as it is; never a fault."""
    request = golden()
    request["context"]["patientId"] = patient_id
    request["prefetch"] = {
        "patient": {"resourceType": "Patient", "id": patient_id},
        "vitaminD": None,
        "magnesium": None,
    }

    assert post(request).status_code in (200, 400)
