"""HTTP status and error bodies (conformance rows 92 to 96)."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.web.calls import DISCOVERY, LOCAL, PATIENT_ID, TODAY, URL, golden, meaning, problem
from tests.web.conftest import Post
from tests.web.refused import FIVE_MEGABYTES, REFUSED, SURNAME, Refused


@pytest.fixture(params=REFUSED, ids=lambda refused: refused.name)
def refused(request: pytest.FixtureRequest) -> Refused:
    """Each kind of refusal."""
    found: Refused = request.param
    return found


@dataclass
class Broken:
    """An engine with a fault in it."""

    registry: object

    def answer(self, *_: object) -> None:
        """Fail, with patient data in the message."""
        raise RuntimeError(SURNAME)


@pytest.fixture
def broken() -> FlaskClient:
    """A client of an application whose engine has a fault."""
    app = create_app(Settings(as_of=TODAY))
    app.extensions["cds_engine"] = Broken(app.extensions["cds_engine"].registry)
    return app.test_client()


def test_success(post: Post) -> None:
    """Row 92: success is 200 with an object, and JSON is what it says it is."""
    response = post(golden())

    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert isinstance(response.get_json(), dict)


def test_nothing_to_say(post: Post) -> None:
    """Row 96: nothing to say is 200 and exactly an empty array of cards, not a card that all is well."""
    response = post(golden("normal-patient-no-card"))

    assert (response.status_code, response.get_data()) == (200, b'{"cards":[]}')


def test_status(client: FlaskClient, refused: Refused) -> None:
    """Rows 93, 94: each kind of fault has its status."""
    assert refused.status == refused.call(client).status_code


def test_body(client: FlaskClient, refused: Refused) -> None:
    """Row 95: the body of every refusal is a valid OperationOutcome that names what to mend."""
    assert refused.says.lower() in problem(refused.call(client)).lower()


def test_body_is_a_sentence(client: FlaskClient, refused: Refused) -> None:
    """Row 95: the text is a plain sentence of a sensible length: no markup, no trace, no class names."""
    said = problem(refused.call(client))

    assert 15 < len(said) < 500
    assert [sign for sign in ("<", "Traceback", "Error(", "\n", "msgspec", "werkzeug") if sign in said] == []


def test_body_tells_nothing_of_the_record(
    client: FlaskClient, refused: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows 95, 182: no error and no log repeats what came from the record."""
    with caplog.at_level(logging.DEBUG):
        response = refused.call(client)

    assert SURNAME not in response.get_data(as_text=True)
    assert PATIENT_ID not in response.get_data(as_text=True)
    assert [record for record in caplog.records if SURNAME in record.getMessage()] == []


def test_never_cards(client: FlaskClient, refused: Refused) -> None:
    """Rows 92, 95: a refusal carries no cards."""
    assert {"resourceType", "issue"} == set(refused.call(client).get_json())


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", URL, {"POST", "OPTIONS"}),
        ("PUT", URL, {"POST", "OPTIONS"}),
        ("POST", DISCOVERY, {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", DISCOVERY, {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_allow(client: FlaskClient, method: str, url: str, allowed: set[str]) -> None:
    """Row 26: 405 carries `Allow` with the methods there are."""
    response = client.open(url, method=method)

    assert response.status_code == 405
    assert allowed == {name.strip() for name in response.headers["Allow"].split(",")}


def test_fault(broken: FlaskClient) -> None:
    """Rows 94, 95: a fault of the service is 500 with an OperationOutcome that does not blame the request."""
    response = broken.post(URL, json=golden())

    assert response.status_code == 500
    assert "fault of the service" in problem(response)


def test_fault_tells_nothing(broken: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Row 95: a fault is logged with its kind and place, never with its message, which may hold the record."""
    with caplog.at_level(logging.DEBUG):
        response = broken.post(URL, json=golden())

    assert SURNAME not in response.get_data(as_text=True)
    assert SURNAME not in caplog.text
    assert ["RuntimeError" in record.getMessage() for record in caplog.records if record.name == "cds_service"] == [
        True
    ]


def test_fault_of_one_call(broken: FlaskClient) -> None:
    """Row 94: after a fault the service goes on answering."""
    broken.post(URL, json=golden(), headers={"Origin": LOCAL})

    assert broken.get(DISCOVERY).status_code == 200


def test_limit_is_a_setting() -> None:
    """Status 413: the limit is CDS_MAX_BODY: what is refused under one is answered under a higher one."""
    body = json.dumps(golden()).encode() + b" " * FIVE_MEGABYTES
    small, large = (
        create_app(Settings(as_of=TODAY, max_body=limit)).test_client() for limit in (1024, 8 * 1024 * 1024)
    )

    assert small.post(URL, data=body, content_type="application/json").status_code == 413
    assert large.post(URL, data=body, content_type="application/json").status_code == 200


@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 413)])
def test_limit_to_the_byte(beyond: int, status: int) -> None:
    """Status 413: a body of just the limit is answered, one byte more is not."""
    body = json.dumps(golden()).encode()
    client = create_app(Settings(as_of=TODAY, max_body=len(body))).test_client()

    assert status == client.post(URL, data=body + b" " * beyond, content_type="application/json").status_code


@pytest.mark.parametrize(("size", "status"), [(0, 200), (FIVE_MEGABYTES, 413)])
def test_limit_without_a_length(client: FlaskClient, size: int, status: int) -> None:
    """Status 413: a chunked body, which names no length, is held to the same limit."""
    body = json.dumps(golden()).encode() + b" " * size
    response = client.post(
        URL,
        input_stream=io.BytesIO(body),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert status == response.status_code


@pytest.mark.parametrize(
    "content_type",
    [
        "text/json",
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
        "application/json-seq",
        "json",
        "/",
        "",
    ],
)
def test_media_types(post: Post, content_type: str) -> None:
    """Status 415: what is not declared as JSON is not read, JSON or not."""
    assert post(golden(), content_type=content_type).status_code == 415


def test_media_type_of_fhir(post: Post) -> None:
    """Status 415: `application/fhir+json` is JSON."""
    assert meaning(post(golden())) == meaning(post(golden(), content_type="application/fhir+json"))


def test_unknown_service_comes_first(post: Post) -> None:
    """Status 404: an unknown id is said whatever the body is."""
    assert post(b"{", url=f"{DISCOVERY}/another", content_type="text/plain").status_code == 404


def test_malformed_comes_before_patients(post: Post) -> None:
    """Status 400: the envelope is judged before the record, so that a body is mended from the outside in."""
    request = golden()
    request["hook"] = "order-sign"
    request["prefetch"] = {"patient": {"resourceType": "Patient", "id": "another"}}

    assert post(request).status_code == 400


def test_missing_comes_before_other_patients(post: Post) -> None:
    """Status 412 or 422: of two faults one is said; never an answer."""
    request = golden()
    request["prefetch"]["patient"]["id"] = "another"
    del request["prefetch"]["magnesium"]

    assert post(request).status_code in (412, 422)


def test_one_application_beside_another() -> None:
    """Two applications with different settings do not share anything: each has its own limit."""
    applications: list[Flask] = [create_app(Settings(as_of=TODAY, max_body=limit)) for limit in (1024, 1_000_000)]

    assert [app.test_client().post(URL, json=golden()).status_code for app in applications] == [413, 200]
