"""HTTP status and error bodies (conformance rows 92 to 96)."""

from __future__ import annotations

import gzip
import io
import json
import logging
from dataclasses import dataclass

import pytest
from flask import session
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.status_codes import REFUSALS
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, LOCAL, PATIENT_ID, TODAY, URL, golden, problem
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


def test_every_status_is_among_them() -> None:
    """Each status that an error is turned into has a refusal here; others need time, a store, or no reader."""
    elsewhere = {408, 429, 499, 501, 503}
    assert {refused.status for refused in REFUSED} == {*(told.status for told in REFUSALS.values()), 405} - elsewhere


def test_nothing_to_say(post: Post) -> None:
    """Row 96: nothing to say is 200 and exactly an empty array of cards, not a card that all is well."""
    response = post(golden("normal-patient-no-card"))

    assert (response.status_code, response.get_data()) == (200, b'{"cards":[]}')


def test_refusal(client: FlaskClient, refused: Refused, caplog: pytest.LogCaptureFixture) -> None:
    """Rows 92 to 95, 182: each kind of fault has its status, and a valid OperationOutcome that says what to mend.

    Its sentence is plain and of a sensible length, and neither it nor the log repeats what came from the record.
    """
    with caplog.at_level(logging.DEBUG):
        response = refused.call(client, {"Origin": LOCAL})
    said, whole = problem(response), response.get_data(as_text=True)

    assert response.status_code == refused.status
    assert set(response.get_json()) == {"resourceType", "issue"}
    assert response.headers["Access-Control-Allow-Origin"] == LOCAL  # or a browser sees only "network error" (row 179)
    assert "origin" in response.headers["Vary"].lower()
    assert refused.says.lower() in said.lower()
    assert 15 < len(said) < 500
    assert [sign for sign in ("<", "Traceback", "Error(", "\n", "msgspec", "werkzeug") if sign in said] == []
    assert [secret for secret in (SURNAME, PATIENT_ID) if secret in whole] == []
    assert [record for record in caplog.records if SURNAME in record.getMessage()] == []


@for_each(
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
    response = broken.post(URL, json=golden(), headers={"Origin": LOCAL})

    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (500, LOCAL)
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


def test_nobody_has_a_session() -> None:
    """Not even an application with a key to sign cookies with has sessions: nothing can be put into one."""
    app = create_app(Settings(as_of=TODAY))
    app.secret_key = b"of some other part"

    with app.test_request_context(DISCOVERY), pytest.raises(RuntimeError, match="session is unavailable"):
        session["patient"] = PATIENT_ID


@for_each(("beyond", "status"), [(0, 200), (1, 413)])
def test_limit_to_the_byte(beyond: int, status: int) -> None:
    """Status 413: a body of just the limit is answered, one byte more is not."""
    body = json.dumps(golden()).encode()
    client = create_app(Settings(as_of=TODAY, max_body=len(body))).test_client()

    assert status == client.post(URL, data=body + b" " * beyond, content_type="application/json").status_code


@for_each(("size", "status"), [(0, 200), (FIVE_MEGABYTES, 413)])
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


@for_each("coding", ["gzip", "br", "gzip, identity", "x"])
def test_compressed_body(client: FlaskClient, coding: str) -> None:
    """Status 415: a compressed body is not read, and the answer says what to send; `identity` is no compression."""
    packed = gzip.compress(json.dumps(golden()).encode())
    refused = client.post(URL, data=packed, content_type="application/json", headers={"Content-Encoding": coding})
    plain = client.post(URL, json=golden(), headers={"Content-Encoding": "identity"})

    assert refused.status_code == 415
    assert "without Content-Encoding" in problem(refused)
    assert plain.status_code == 200


def test_unknown_service_comes_first(post: Post) -> None:
    """Status 404: an unknown id is said whatever the body is."""
    assert post(b"{", url=f"{DISCOVERY}/another", content_type="text/plain").status_code == 404
