"""What is recorded of a call (conformance rows 64 to 73, 82, 85): a line of the log, and the explanation on request.

Both say what was known of each prefetch key and how; the log holds nothing of the patient.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app, logs
from cds_service.hooks.messages import EXPLAIN
from cds_service.logs import JsonLines
from cds_service.settings import Settings
from tests.support.for_each import for_each
from tests.support.recording_server import RecordingServer, Reply, Store, redirect
from tests.web.calls import (
    KEYS,
    PATIENCE,
    TODAY,
    Json,
    bundle,
    changed,
    golden,
    meaning,
    outcome,
    post_to,
    without,
)
from tests.web.conftest import Post

pytestmark = pytest.mark.usefixtures("servers_are_named")

LOG = "cds_service.audit"
SURNAME = "Mustermann-0815"
TOLD = {"key", "state", "why", "pages", "milliseconds"}
TOLD_OF_A_CALL = {
    "request",
    "endpoint",
    "status",
    "milliseconds",
    "hook",
    "hookInstance",
    "topics",
    "prefetch",
    "authorization",
    "fhirCalls",
}
"""What a line has, and nothing else; with authentication, client and tenant too."""
STATES = {
    "prefetched",
    "prefetched in part",
    "fetched",
    "fetched in part",
    "known none",
    "failed",
    "missing",
}


@pytest.fixture(scope="module")
def service() -> FlaskClient:
    """The service; it follows one next page."""
    return create_app(Settings(as_of=TODAY, fhir_max_pages=2, **PATIENCE)).test_client()


def _explained(request: Json, **members: Any) -> Json:
    return {**request, **members, "extension": {EXPLAIN: True}}


def _recorded(caplog: pytest.LogCaptureFixture) -> Json:
    """The fields of the one line about prefetch."""
    (record,) = [record for record in caplog.records if record.name == LOG]
    assert record.levelno == logging.INFO

    fields: Json = vars(record)["fields"]
    return fields


def _told(response: TestResponse) -> Json:
    """The explanation in an answer."""
    assert response.status_code == 200, response.get_data(as_text=True)

    told: Json = response.get_json()["extension"][EXPLAIN]
    return told


def _key(record: Json, key: str) -> Json:
    (found,) = [entry for entry in record["prefetch"] if entry["key"] == key]
    return dict(found)


def _with_an_odd_entry() -> Json:
    found: Json = golden()["prefetch"]["kidney"]
    return found | {"entry": [*found["entry"], SURNAME]}


SITUATIONS: dict[str, tuple[Any, Any, str, str, int]] = {
    "sent": (golden()["prefetch"]["kidney"], None, "prefetched", "", 0),
    "null": (None, None, "known none", "", 0),
    "empty": (bundle(), None, "known none", "", 0),
    "OperationOutcome": (outcome("error"), None, "failed", "it is an OperationOutcome", 0),
    "error in a Bundle": (bundle(outcome("fatal")), Reply(403), "failed", "OperationOutcome", 0),
    "error in a Bundle, fetched": (bundle(outcome("fatal")), golden()["prefetch"]["kidney"], "fetched", "", 1),
    "text": (SURNAME, None, "failed", "searchset Bundle", 0),
    "entry that is none": (_with_an_odd_entry(), None, "prefetched in part", "no FHIR resource", 0),
    "no entry that is one": (bundle() | {"entry": [SURNAME]}, Reply(500), "failed", "no entry of its Bundle", 0),
    "total above entries": (
        golden()["prefetch"]["kidney"] | {"total": 9},
        None,
        "prefetched in part",
        "fewer entries",
        0,
    ),
    "fetched": ("missing", golden()["prefetch"]["kidney"], "fetched", "", 1),
    "fetched none": ("missing", bundle(), "known none", "", 1),
    "fetched outcome": ("missing", outcome("error"), "failed", "OperationOutcome", 0),
    "fetched text": ("missing", SURNAME, "failed", "not FHIR JSON", 0),
    "401": ("missing", Reply(401), "failed", "401 (the access token is missing, expired or refused)", 0),
    "403": ("missing", Reply(403), "failed", "403 (the access token does not allow this)", 0),
    "404": ("missing", Reply(404), "failed", "404", 0),
    "500": ("missing", Reply(500), "failed", "500", 0),
    "redirect": ("missing", redirect("http://127.0.0.2/"), "failed", "another server", 0),
    "HTML": ("missing", Reply(200, b"<html>", {"Content-Type": "text/html"}), "failed", "not FHIR JSON", 0),
}
"""What was sent for `kidney`, what the server has, and what is told: state, a word of why, pages."""


@for_each("situation", SITUATIONS)
def test_states(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer, situation: str
) -> None:
    """Rows 64 to 69, 72, 73: each situation of a key has its own state, and a reason where it is not known."""
    sent, has, state, why, pages = SITUATIONS[situation]
    server.answer = Store(kidney=has)
    request = without("kidney") if sent == "missing" else changed(kidney=sent)
    with caplog.at_level(logging.INFO, logger=LOG):
        response = post_to(service, _explained(request, fhirServer=server.url()))

    found = _key(_recorded(caplog), "kidney")
    assert found["state"] == state
    assert bool(why) == bool(found.get("why"))
    assert why in found.get("why", "")
    assert found.get("pages", 0) == pages
    assert ("milliseconds" in found) == (sent == "missing" or has is not None)
    assert _key(_told(response), "kidney") == found


@for_each(
    ("members", "why"),
    [
        ({}, "no fhirServer was given"),
        ({"fhirServer": "https://ehr.example/fhir"}, "CDS_FHIR_SERVERS"),
        ({"fhirServer": f"http://{SURNAME}@localhost/fhir"}, "fhirServer cannot be used"),
        ({"fhirServer": f"not a URL {SURNAME}"}, "fhirServer cannot be used"),
    ],
)
def test_no_server(caplog: pytest.LogCaptureFixture, service: FlaskClient, members: Json, why: str) -> None:
    """Rows 64, 73, 91: without a server that may be called a key stays missing, and it is told why."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**without("kidney"), **members})

    told = _key(_recorded(caplog), "kidney")
    assert told["state"] == "missing"
    assert why in told["why"]
    assert SURNAME not in told["why"]


@for_each("lost", [(), ("kidney",), KEYS])
def test_every_key_is_told_of(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer, lost: tuple[str, ...]
) -> None:
    """Row 17: one line for each call tells of each published key, in its order, in known words and nothing else."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**without(*lost), "fhirServer": server.url(), "hookInstance": f"instance-{'1' * 56}"})

    fields = _recorded(caplog)
    assert set(fields) == TOLD_OF_A_CALL
    assert fields["hookInstance"] == f"instance-{'1' * 55}"  # as far as 64 characters (row 29)
    assert fields["topics"] == ["magnesium-low", "vitamin-d-deficiency"]
    assert [entry["key"] for entry in fields["prefetch"]] == list(KEYS)
    assert {entry["state"] for entry in fields["prefetch"]} <= STATES
    assert {name for entry in fields["prefetch"] for name in entry} <= TOLD
    assert [entry["key"] for entry in fields["prefetch"] if "milliseconds" in entry] == [
        key for key in KEYS if key in lost
    ]


@for_each("body", [b"", b"{", {**golden(), "hook": "order-sign"}, {**golden(), "context": None}])
def test_what_is_no_request(caplog: pytest.LogCaptureFixture, post: Post, body: Any) -> None:
    """Rows 27 to 35, 182: of what is no request the line tells the status, and nothing of what it held."""
    with caplog.at_level(logging.INFO, logger=LOG):
        response = post(body)

    fields = _recorded(caplog)
    assert fields["status"] == response.status_code == 400
    assert set(fields) <= {"request", "endpoint", "status", "milliseconds", "topics", "hook", "hookInstance"}


@for_each("name", ["hook", "hookInstance"])
@for_each("text", [SURNAME + " Erika", "two\nlines\r\n", "Müller", "a@b.example", "patient/1"])
def test_words_of_the_client_that_are_no_identifier(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, text: str, name: str
) -> None:
    """Rows 85, 182: what does not look like an identifier could be anything, a name too; the line does not have it."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**golden(), name: text})

    assert _recorded(caplog)[name] == "not shown: unlike an identifier"


def test_line_and_answer_share_a_number(caplog: pytest.LogCaptureFixture, service: FlaskClient) -> None:
    """Row 182: an operator finds the line of an answer by its `X-Request-ID`; no two calls share one."""
    with caplog.at_level(logging.INFO, logger=LOG):
        answers = [post_to(service, golden()) for _ in range(2)]

    told = [vars(record)["fields"]["request"] for record in caplog.records if record.name == LOG]
    assert told == [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(told)) == 2


OTHER_EXTENSIONS: list[Any] = [
    None, {}, {EXPLAIN: False}, {EXPLAIN: None}, {EXPLAIN: "true"}, {EXPLAIN: 1}, {EXPLAIN: [True]},
    {EXPLAIN: {"value": True}}, {EXPLAIN.upper(): True}, {f"{EXPLAIN}.more": True}, {"another": {EXPLAIN: True}}, [],
    [{EXPLAIN: True}], [{"url": EXPLAIN, "valueBoolean": True}], True, "true", EXPLAIN, 5,
]  # fmt: skip


def test_no_explanation_unasked(service: FlaskClient) -> None:
    """Rows 4 to 6, 38: any other extension, and one inside the context, is ignored: the answer has cards alone.

    With the explanation the cards are the same as without.
    """
    plain, in_context = meaning(post_to(service, golden())), golden()
    in_context["context"]["extension"] = {EXPLAIN: True}
    for request in ({**golden(), "extension": extension} for extension in OTHER_EXTENSIONS):
        response = post_to(service, request)
        assert meaning(response) == plain, request["extension"]
        assert set(response.get_json()) == {"cards"}, request["extension"]
    assert set(post_to(service, in_context).get_json()) == {"cards"}
    assert meaning(post_to(service, _explained(golden()))) == plain


@for_each(
    "written",
    [
        f'{{"{EXPLAIN}":true}}',
        f' {{ "{EXPLAIN}" :\n\t true }} ',
        f'{{"other": {{"deep": [1, null]}}, "{EXPLAIN}": true, "z": 5}}',
        f'{{"{EXPLAIN[:-1]}\\u006e": true}}',
    ],
)
def test_ways_to_ask(post: Post, written: str) -> None:
    """Row 38: blanks, escapes and other extensions beside it do not matter."""
    body = json.dumps(golden())[:-1] + f', "extension": {written}}}'

    assert EXPLAIN in post(body.encode()).get_json()["extension"]


def _line(record: logging.LogRecord) -> Json:
    """The line of *record*, which must be one line of valid JSON."""
    text = JsonLines().format(record)
    assert text.splitlines() == [text]

    line: Json = json.loads(text)
    return line


def _record(message: str = "prefetch", *arguments: Any, **members: Any) -> logging.LogRecord:
    record = logging.LogRecord("cds_service.x", logging.WARNING, __file__, 1, message, arguments, None)
    vars(record).update(members)
    return record


def test_line() -> None:
    """A line of the log is an object with time in UTC, level, event and fields."""
    line = _line(_record("%s of %d", "one", 2, fields={"a": [1, {"b": None}]}))

    assert set(line) == {"time", "level", "event", "a"}
    assert line["level"] == "warning"
    assert line["event"] == "one of 2"
    assert line["a"] == [1, {"b": None}]
    told = datetime.fromisoformat(line["time"])
    offset = told.utcoffset()
    assert offset is not None
    assert not offset


@for_each(
    "text",
    [
        "a\nb",
        "a\\b",
        "a\x00b",
        "a\x1b[31mb",
        "a\u2028b",
        "a\x85b",
        "a\x0bb",
    ],
    ids=ascii,
)
def test_text_cannot_forge_a_line(text: str) -> None:
    """Row 85: a client's words, such as `hookInstance`, never begin a line of their own, whatever reads the log."""
    line = _line(_record("%s", text, fields={"hookInstance": text, text: text}))

    assert line["event"] == line["hookInstance"] == line[text] == text


def test_no_traceback() -> None:
    """Row 85: a traceback may hold values, so a line has none."""
    error = ValueError(SURNAME)
    record = _record(exc_info=(ValueError, error, None), exc_text=SURNAME, stack_info=SURNAME)

    assert SURNAME not in JsonLines().format(record)


def test_what_the_service_writes(
    monkeypatch: pytest.MonkeyPatch, service: FlaskClient, server: RecordingServer
) -> None:
    """With the logging of the server process, each call is one line of JSON on standard error."""
    for logger in map(logging.getLogger, logs.LOGGERS):
        for name in ("handlers", "level", "propagate"):
            monkeypatch.setattr(logger, name, getattr(logger, name))
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.set_up()
    instance = "instance-1"
    post_to(service, {**without("kidney"), "fhirServer": server.url(), "hookInstance": instance})
    post_to(service, without("magnesium"))

    first, second = map(json.loads, written.getvalue().splitlines())
    assert (first["level"], first["event"], first["hookInstance"]) == ("info", "call", instance)
    assert _key(first, "kidney")["state"] == "fetched"
    assert _key(second, "magnesium")["state"] == "missing"
