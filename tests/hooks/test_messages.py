"""The request envelope, read without a web framework (conformance rows 26 to 43)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.errors import MalformedRequest
from cds_service.hooks.messages import read_request


def _body(**members: Any) -> bytes:
    envelope = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "p-1"},
        **members,
    }
    return json.dumps(envelope).encode()


def test_members() -> None:
    """Rows 27, 29, 41, 42: what the envelope says is read as it stands."""
    request = read_request(_body(fhirServer="https://ehr.example/fhir"))

    assert request.hook == "patient-view"
    assert request.hook_instance == "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    assert request.patient_id == "p-1"
    assert request.user_id == "Practitioner/1"
    assert request.fhir_server == "https://ehr.example/fhir"


@pytest.mark.parametrize("members", [{}, {"prefetch": None}, {"prefetch": {}}], ids=["absent", "null", "empty"])
def test_no_prefetch(members: dict[str, Any]) -> None:
    """Rows 8, 36: absent, null and empty prefetch hold no key."""
    assert not read_request(_body(**members)).prefetch


def test_prefetch_stays_raw() -> None:
    """Row 36: the values of keys are kept as they were written: null is a value, decimals keep their zeros."""
    body = _body()[:-1] + b', "prefetch": {"a": null, "b": {"value": 14.20}, "c": [], "": 0}}'
    prefetch = read_request(body).prefetch

    assert {name: bytes(raw) for name, raw in prefetch.items()} == {
        "a": b"null",
        "b": b'{"value": 14.20}',
        "c": b"[]",
        "": b"0",
    }


@pytest.mark.parametrize(
    ("user", "facing"),
    [
        ("Patient/1", True),
        ("RelatedPerson/1", True),
        ("Practitioner/1", False),
        ("PractitionerRole/Patient", False),
        ("PatientPortal/1", False),
        ("Practitioner/Patient/1", False),
    ],
)
def test_patient_facing(user: str, *, facing: bool) -> None:
    """Row 42: a Patient and a RelatedPerson are no professionals, whatever their id."""
    assert facing == read_request(_body(context={"userId": user, "patientId": "p-1"})).patient_facing


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (_body(hook=None), "hook"),
        (_body(hook=5), "hook"),
        (_body(hookInstance=""), "hookInstance"),
        (_body(context=None), "context"),
        (_body(context="p-1"), "context"),
        (_body(context={"userId": "Practitioner/1"}), "patientId"),
        (_body(context={"patientId": "p-1"}), "userId"),
        (_body(context={"userId": "Practitioner/1", "patientId": "Patient/p-1"}), "patientId"),
        (_body(prefetch=[]), "prefetch"),
        (_body(fhirAuthorization={"access_token": "t"}), "fhirServer"),
        (b'{"hook": NaN}', "JSON"),
        (b"\xff\xfe", "JSON"),
    ],
    ids=str,
)
def test_refused(body: bytes, says: str) -> None:
    """Rows 27 to 42: what is wrong is named in a sentence."""
    with pytest.raises(MalformedRequest, match=says):
        read_request(body)


@pytest.mark.parametrize("value", ["x" * 10_000, "Mustermann"])
def test_values_are_not_repeated(value: str) -> None:
    """A message names members, never values, which may be a person's."""
    with pytest.raises(MalformedRequest) as caught:
        read_request(_body(context={"userId": "Practitioner/1", "patientId": f"Patient/{value}"}))

    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "absent", [{"fhirServer": None}, {"fhirAuthorization": None}, {"fhirServer": "https://e.example"}]
)
def test_authorization_that_is_not_there(absent: dict[str, Any]) -> None:
    """Rows 32, 34: null is as good as absent."""
    assert read_request(_body(**absent)).patient_id == "p-1"
