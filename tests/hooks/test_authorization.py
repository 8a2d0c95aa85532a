"""`fhirAuthorization` as it is read (conformance rows 80 to 91): usable as a whole, or not at all."""

from __future__ import annotations

import json
import string
from typing import Any

from cds_service.fhir.scopes import SEARCH
from cds_service.hooks.authorization import Authorization, read_authorization
from cds_service.hooks.messages import HookRequest, read_request
from tests.support.for_each import for_each

SECRET = "s3cr3t.Token-_~+/=="  # noqa: S105 - no password, a token made up for tests
PATIENT = "p-1"
GOOD = {
    "access_token": SECRET,
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/Observation.read",
    "subject": "cds-service",
}


def _request(authorization: Any, patient_id: str = PATIENT) -> HookRequest:
    """A request with `fhirAuthorization`; bytes are sent as they stand."""
    raw = authorization if isinstance(authorization, bytes) else json.dumps(authorization).encode()
    envelope = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": "https://ehr.example/fhir",
        "context": {"userId": "Practitioner/1", "patientId": patient_id},
    }
    return read_request(json.dumps(envelope).encode()[:-1] + b', "fhirAuthorization": ' + raw + b"}")


def _read(**members: Any) -> Authorization:
    """The good authorization with other members; `None` takes one away."""
    sent = {name: value for name, value in {**GOOD, **members}.items() if value is not None}
    return read_authorization(_request(sent))


def test_complete() -> None:
    """Rows 80, 82: a complete authorization gives its token as it stands, and its scopes."""
    found = _read()

    assert found.token == SECRET
    assert found.note == "used"
    assert found.scopes.lacks("Condition", SEARCH)
    assert not found.scopes.lacks("Observation", SEARCH)


def test_characters_of_a_token() -> None:
    """Row 81: a token of any visible ASCII characters is sent as it is."""
    token = string.ascii_letters + string.digits + string.punctuation

    assert _read(access_token=token).token == token


def test_absent() -> None:
    """Row 89: without `fhirAuthorization` there is no token, and that is told."""
    found = read_authorization(_request(None))

    assert found.token is None
    assert found.note == "none was sent"


@for_each("member", sorted(GOOD))
def test_missing_member(member: str) -> None:
    """Row 82: what lacks one of the five members (Meld: `expires_in`) is no authorization; the member is named."""
    found = _read(**{member: None})

    assert found.token is None
    assert member in found.note


@for_each("member", sorted(GOOD))
@for_each("value", [True, ["s3cr3t"], {"s3cr3t": "s3cr3t"}, 1.5], ids=repr)
def test_member_of_another_type(member: str, value: object) -> None:
    """Row 82: nor is one with a member of another type; the member is named, its value is not."""
    found = _read(**{member: value})

    assert found.token is None
    assert member in found.note
    assert "s3cr3t" not in found.note


@for_each("value", ["300", "soon", "", -1.5, 1e30, [300]], ids=repr)
def test_expires_in_is_an_integer(value: object) -> None:
    """Row 82: `expires_in` is an integer number, not a text of one."""
    assert _read(expires_in=value).token is None


@for_each(
    "kind",
    [
        "bearer",
        "Bearer ",
        "Bearer\n",
        "",
        "Basic",
        "DPoP",
        "\u0412\u0435arer",
    ],
)
def test_token_type_is_exact(kind: str) -> None:
    """Row 82: `token_type` is compared exactly."""
    found = _read(token_type=kind)

    assert found.token is None
    assert "token_type" in found.note


@for_each(
    "value",
    [
        "",
        " ",
        "s3cr3t\n",
        "\ns3cr3t",
        "s3cr3t\r\nX-Injected: 1",
        "s3cr3t\x00",
        "s3cr3t\x7f",
        "s3cr3t\xa0",
        "s3cr3t\u010dX: 1",
        "s3cr3té",
        "s3cr3t\N{GRINNING FACE}",
        "s3cr3t token",
        "s3cr3t\ttoken",
    ],
    ids=ascii,
)
def test_token_that_would_break_a_header(value: str) -> None:
    """Rows 81, 85: a token that could end the header, or does not fit into one, is not sent, nor repeated."""
    found = _read(access_token=value)

    assert found.token is None
    assert "access_token" in found.note
    assert "s3cr3t" not in found.note


@for_each("patient", [PATIENT, f"Patient/{PATIENT}"])
def test_for_this_patient(patient: str) -> None:
    """Row 83: a token for the patient of the context is used, named by id or by reference."""
    assert _read(patient=patient).token == SECRET


@for_each(
    "patient",
    ["p-2", "Patient/p-2", "P-1", "p-1 ", " p-1", "p-11", "p-", "", "Patient/", "Group/p-1", "Patient/Patient/p-1"],
)
def test_for_another_patient(patient: str) -> None:
    """Row 83: a token for another patient than the context's is not used, and neither id is told."""
    found = _read(patient=patient)

    assert found.token is None
    assert "another patient" in found.note
    assert [said for said in ("p-1", "p-2") if said in found.note] == []


@for_each("patient", [5, True, ["p-1"], {"reference": "Patient/p-1"}], ids=repr)
def test_patient_of_another_type(patient: object) -> None:
    """Row 83: a `patient` that cannot be read may be another one: the token is not used."""
    assert _read(patient=patient).token is None


def test_patient_is_optional() -> None:
    """Row 83: without `patient`, and with null, the token is for whoever the context names."""
    assert read_authorization(_request({**GOOD, "patient": None})).token == SECRET
    assert _read().token == SECRET


@for_each("sent", [{}, [], [GOOD], "s3cr3t", 5, True, False, b'{"access_token": "s3cr3t"}'], ids=repr)
def test_another_shape(sent: object) -> None:
    """Row 82: anything else under that name is no authorization, breaks nothing and is not repeated."""
    found = read_authorization(_request(sent))

    assert found.token is None
    assert "not usable" in found.note
    assert "s3cr3t" not in found.note


def test_never_in_a_repr() -> None:
    """Row 85: neither the request nor the authorization shows the token when it is printed."""
    request = _request(GOOD)
    found = read_authorization(request)
    shown = "".join([repr(request), str(request), repr(found), str(found), f"{request}{found}", repr([request, found])])

    assert SECRET not in shown
    assert "s3cr3t" not in shown
