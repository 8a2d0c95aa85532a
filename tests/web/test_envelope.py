"""The request envelope (conformance rows 26 to 44): what is refused, what is accepted, whose chart it is.

Row 40 (one FHIR version in the context) concerns order hooks; rows 31 and 37 are promises of the client.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.support.fixtures import SERVICE
from tests.support.for_each import for_each
from tests.web.calls import (
    DISCOVERY,
    PATIENT_ID,
    SEARCHES,
    TODAY,
    Json,
    bundle,
    cards,
    changed,
    golden,
    meaning,
    only_result,
    problem,
    put,
)
from tests.web.conftest import Post

NOT_STRINGS = [None, 1, 1.5, True, [], ["x"], {}, {"x": "y"}]
NOT_OBJECTS: list[Any] = [None, [], [{}], "x", "", 1, True]
HOOK_INSTANCES = {
    "64 random characters, as one sandbox manager sends": "h8Kq" * 16,
    "a word": "constant",
    "UUID in capitals": "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA",
    "UUID with urn": "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "not ASCII": "каприз",
}
OTHER = "somebody-else"
OF_THE_CALL = ("uuid", "requester", "encounter")
"""What is new in each answer, and what an order says of who asks, and where."""


def _with(**members: Any) -> Json:
    return {**golden(), **members}


def _in_context(**members: Any) -> Json:
    request = golden()
    request["context"].update(members)
    return request


def _lacking(*path: str) -> Json:
    request = golden()
    *parents, last = path
    target = request
    for step in parents:
        target = target[step]
    del target[last]
    return request


@for_each("service", ["nothing", "vitamin-d", f"{SERVICE}x", SERVICE.upper(), "%20", "ü", "..", "null"])
def test_unknown_service(post: Post, service: str) -> None:
    """Row 26: an unknown id is 404 with a body that names the known ones."""
    response = post(golden(), url=f"{DISCOVERY}/{service}")

    assert response.status_code == 404
    assert SERVICE in problem(response)


@for_each(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "APPLICATION/JSON"],
)
def test_content_types(post: Post, content_type: str) -> None:
    """Row 26: JSON is JSON, however its media type is spelt."""
    assert meaning(post(golden())) == meaning(post(golden(), content_type=content_type))


@for_each("hook", ["order-sign", "order-select", "patient-View", "patient-view ", "x" * 10_000])
def test_other_hook(post: Post, hook: str) -> None:
    """Row 28: a service answers its own hook only; the error names both, and never at any length."""
    response = post(_with(hook=hook))

    assert response.status_code == 400
    said = problem(response)
    assert "patient-view" in said
    assert hook[:12] in said
    assert len(said) < 400


@for_each(
    "path",
    [("hook",), ("hookInstance",), ("context",), ("context", "patientId"), ("context", "userId")],
    ids=".".join,
)
def test_compulsory_members(post: Post, path: tuple[str, ...]) -> None:
    """Rows 27, 29, 35, 41, 42: a compulsory member that is absent is 400, and the sentence names it."""
    response = post(_lacking(*path))

    assert response.status_code == 400
    assert path[-1] in problem(response)


TEXTS = [("hook",), ("hookInstance",), ("context", "patientId"), ("context", "userId")]


@for_each("path", TEXTS, ids=".".join)
def test_compulsory_texts(post: Post, path: tuple[str, ...]) -> None:
    """Rows 8, 27, 29, 41, 42: a compulsory text that is blank, or no text, is as good as absent: 400 and named."""
    for value in ("", " ", "\t\n", *NOT_STRINGS):
        response = post(put(golden(), path, value))
        assert response.status_code == 400, value
        assert path[-1] in problem(response), value


@for_each("instance", HOOK_INSTANCES.values(), ids=HOOK_INSTANCES)
def test_hook_instance_need_not_be_a_uuid(post: Post, instance: str) -> None:
    """Row 29: a `hookInstance` that is no UUID is accepted: real clients send such."""
    assert meaning(post(golden())) == meaning(post(_with(hookInstance=instance)))


@for_each("server", [{}, {"fhirServer": None}])
def test_authorization_needs_server(post: Post, server: Json) -> None:
    """Row 32: `fhirAuthorization` without `fhirServer` is 400, and the sentence names both."""
    response = post(_with(fhirAuthorization={"access_token": "t", "token_type": "Bearer"}, **server))

    assert response.status_code == 400
    said = problem(response)
    assert "fhirAuthorization" in said
    assert "fhirServer" in said


@for_each("server", ["https://ehr.example/fhir", "http://localhost:8888/fhir", "http://ehr.example/fhir"])
@for_each(
    "authorization",
    [None, {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "*", "subject": "s"}],
)
def test_complete_prefetch_needs_no_server(
    post: Post, monkeypatch: pytest.MonkeyPatch, server: str, authorization: Json | None
) -> None:
    """Rows 33, 34: with full prefetch no server is called, so no token can go to an http address."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    request = _with(fhirServer=server) | ({} if authorization is None else {"fhirAuthorization": authorization})

    assert meaning(post(golden())) == meaning(post(request))


@for_each("context", NOT_OBJECTS, ids=repr)
def test_context_is_an_object(post: Post, context: object) -> None:
    """Row 35: a context that is null, an array, a text or a number is 400 and named."""
    response = post(_with(context=context))

    assert response.status_code == 400
    assert "context" in problem(response)


@for_each("prefetch", [value for value in NOT_OBJECTS if value is not None], ids=repr)
def test_prefetch_is_an_object(post: Post, prefetch: object) -> None:
    """Row 36: a prefetch that is neither an object nor null is 400 and named."""
    response = post(_with(prefetch=prefetch))

    assert response.status_code == 400
    assert "prefetch" in problem(response)


@for_each("request_", [_lacking("prefetch"), _with(prefetch={}), _with(prefetch=None)], ids=["-", "{}", "null"])
def test_no_prefetch(post: Post, request_: Json) -> None:
    """Rows 8, 36: absent, empty and null prefetch are the same: 412, since nothing required is there."""
    response = post(request_)

    assert response.status_code == 412
    assert [key for key in ("patient", "vitaminD", "magnesium") if key not in problem(response)] == []


EXTENSION = {"com.example.ehr": {"timestamp": "2026-03-02", "nested": {"patientId": OTHER, "list": [None, []]}}}


@for_each(
    "path",
    [("extension",), ("context", "extension"), ("prefetch", "extension"), ("context", "futureField"), ("future",)],
    ids=".".join,
)
@for_each("value", [EXTENSION, None, "x", [], 5], ids=repr)
def test_extensions_and_unknown_members(post: Post, path: tuple[str, ...], value: object) -> None:
    """Rows 38, 39: an extension or a member of a later version, of any shape, changes nothing."""
    assert meaning(post(golden())) == meaning(post(put(golden(), path, value)))


@for_each(
    "user",
    ["PractitionerRole/Patient", "Practitioner/Patient/1", "PatientPortal/1", "123", "practitioner/1", "Device/1"],
)
def test_professionals(post: Post, user: str) -> None:
    """Row 42: a Practitioner and a PractitionerRole get the cards; a `userId` of another form decides nothing."""
    assert meaning(post(golden()), OF_THE_CALL) == meaning(post(_in_context(userId=user)), OF_THE_CALL)


@for_each("patient_id", [f"Patient/{PATIENT_ID}", f"https://ehr.example/Patient/{PATIENT_ID}", "/"])
def test_patient_id_is_bare(post: Post, patient_id: str) -> None:
    """Row 41: `patientId` with a slash is 400: the bare id is wanted."""
    response = post(_in_context(patientId=patient_id))

    assert response.status_code == 400
    assert "patientId" in problem(response)


@for_each("user", [f"Patient/{PATIENT_ID}", "Patient/1", "RelatedPerson/1"])
def test_patients_get_no_cards(post: Post, user: str) -> None:
    """Row 42: the wording is for professionals, so a Patient or RelatedPerson gets 200 and no cards."""
    assert post(_in_context(userId=user)).get_data() == b'{"cards":[]}'


@for_each("encounter", ["89284", "", None, 5, {}, []], ids=repr)
def test_encounter_changes_nothing(post: Post, encounter: object) -> None:
    """Rows 8, 43: with, without and with an odd `encounterId` the cards are the same."""
    assert meaning(post(golden()), OF_THE_CALL) == meaning(post(_in_context(encounterId=encounter)), OF_THE_CALL)


@for_each(
    ("context", "expected"),
    [
        ({"userId": "PractitionerRole/r-1", "encounterId": "89284"}, ("PractitionerRole/r-1", "Encounter/89284")),
        ({"userId": "Device/1", "encounterId": "a/b"}, (None, None)),
        ({"userId": "Practitioner/no id"}, (None, None)),
    ],
)
def test_orders_say_who_asks(post: Post, context: Json, expected: tuple[str | None, str | None]) -> None:
    """An order names its day, who may order and where, if told; a test its category, a drug its route in code."""
    found = cards(post(_in_context(**context)))
    drafts = [action["resource"] for card in found for one in card["suggestions"] for action in one["actions"]]

    assert {draft["resourceType"] for draft in drafts} == {"MedicationRequest", "ServiceRequest"}
    for draft in drafts:
        told = [draft.get(name, {"reference": None})["reference"] for name in ("requester", "encounter")]
        assert (*told, draft["authoredOn"]) == (*expected, str(TODAY))
        if draft["resourceType"] == "ServiceRequest":
            assert draft["category"][0]["text"] == "laboratory"
        else:
            assert draft["dosageInstruction"][0]["route"]["coding"][0]["code"] == "26643006"


def _resource(key: str, **subject: Any) -> Json:
    kind = {"conditions": "Condition", "medications": "MedicationRequest", "labOrders": "ServiceRequest"}
    return {"resourceType": kind.get(key, "Observation"), "id": "r-1", "status": "final", **subject}


@for_each("key", SEARCHES)
@for_each(
    "reference",
    [
        f"Patient/{OTHER}",
        f"https://ehr.example/fhir/Patient/{OTHER}",
        f"https://ehr.example/Patient/{PATIENT_ID}/../{OTHER}",
        f"Patient/{PATIENT_ID}x",
        f"Patient/{PATIENT_ID.upper()}",
        f"Group/{PATIENT_ID}",
        f"urn:uuid:{OTHER}",
        "Patient/",
        OTHER,
    ],
)
def test_subject_of_another_patient(post: Post, key: str, reference: str) -> None:
    """Row 44: any resource of another patient, in any key, is 422: the key is named, the ids are not."""
    response = post(changed(**{key: bundle(_resource(key, subject={"reference": reference}))}))

    assert response.status_code == 422
    said = problem(response)
    assert key in said
    assert OTHER not in said
    assert PATIENT_ID not in said


@for_each("place", [0, 1, 2])
def test_one_stray_among_others(post: Post, place: int) -> None:
    """Row 44: one resource of another patient spoils the request wherever it stands."""
    request = golden()
    good = request["prefetch"]["chemistry"]["entry"]
    good.insert(place, {"resource": _resource("chemistry", subject={"reference": f"Patient/{OTHER}"})})

    assert post(request).status_code == 422


@for_each("key", ["conditions", "medications"])
def test_dstu2_patient_element(post: Post, key: str) -> None:
    """Rows 44, 78: DSTU2 names the subject `patient`; it is checked as well."""
    stray = _resource(key, patient={"reference": f"Patient/{OTHER}"})

    assert post(changed(**{key: bundle(stray)})).status_code == 422


@for_each(
    "reference",
    [
        f"Patient/{PATIENT_ID}",
        f"https://ehr.example/fhir/Patient/{PATIENT_ID}",
        f"https://ehr.example/fhir/r4/Patient/{PATIENT_ID}/_history/3",
        f"Patient/{PATIENT_ID}/_history/1",
        f"urn:uuid:{PATIENT_ID}",
    ],
)
def test_forms_of_reference(post: Post, reference: str) -> None:
    """Row 44: relative, absolute, versioned and urn references to the context's patient are all his."""
    assert meaning(post(golden())) == meaning(post(only_result("vitaminD", subject={"reference": reference})))


@for_each("subject", [None, {}, {"display": "A person"}, {"identifier": {"value": "5"}}], ids=repr)
def test_missing_subject(post: Post, subject: object) -> None:
    """Row 44, design contract: a resource without a subject, or without a reference in it, is accepted."""
    assert meaning(post(golden())) == meaning(post(only_result("vitaminD", subject=subject)))
