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
from tests.support.recording_server import RecordingServer, Reply, Store, next_page, redirect, reply
from tests.web.calls import (
    AUTHORIZATION,
    KEYS,
    PATIENCE,
    PATIENT_ID,
    REVERSE_DOMAIN,
    TODAY,
    Json,
    bundle,
    changed,
    golden,
    meaning,
    observation,
    outcome,
    post_to,
    problem,
    without,
)
from tests.web.conftest import Post

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


SITUATIONS: dict[str, tuple[Any, Any, str, str, int]] = {
    "sent": (golden()["prefetch"]["kidney"], None, "prefetched", "", 0),
    "null": (None, None, "known none", "", 0),
    "empty": (bundle(), None, "known none", "", 0),
    "OperationOutcome": (outcome("error"), None, "failed", "it is an OperationOutcome", 0),
    "error in a Bundle": (bundle(outcome("fatal")), None, "failed", "OperationOutcome", 0),
    "text": (SURNAME, None, "failed", "searchset Bundle", 0),
    "entry that is none": (bundle() | {"entry": [SURNAME]}, None, "prefetched in part", "no FHIR resource", 0),
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


@pytest.mark.parametrize("situation", SITUATIONS)
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
    assert ("milliseconds" in found) == (sent == "missing")
    assert _key(_told(response), "kidney") == found


PAGES: dict[str, tuple[Any, str, str, int]] = {
    "followed": (bundle(), "", "", 1),
    "more than allowed": (bundle(link=next_page("/fhir/page/3")), " in part", "CDS_FHIR_MAX_PAGES", 1),
    "refused": (Reply(403), " in part", "403", 0),
    "gone": (Reply(410), " in part", "410", 0),
    "failed": (bundle(outcome("error")), " in part", "OperationOutcome", 0),
}
"""What stands on the next page, what that adds to the state, a word of why, and pages beside the first."""


@pytest.mark.parametrize("fetched", [True, False], ids=["fetched", "prefetched"])
@pytest.mark.parametrize("page", PAGES)
def test_pages(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer, page: str, *, fetched: bool
) -> None:
    """Row 70: what has a next page is known in part unless that was followed, and it is told why."""
    second, part, why, more = PAGES[page]
    first = {**golden()["prefetch"]["conditions"], "entry": [_condition()], "link": next_page(server.url() + "/page/2")}
    store = Store(conditions=first)
    found = second if isinstance(second, Reply) else reply(second)
    server.answer = lambda call: found if "/page/" in call.path else store(call)
    request = without("conditions") if fetched else changed(conditions=first)
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**request, "fhirServer": server.url()})

    told = _key(_recorded(caplog), "conditions")
    assert told["state"] == ("fetched" if fetched else "prefetched") + part
    assert why in told.get("why", "")
    assert bool(why) == bool(told.get("why"))
    assert told.get("pages", 0) == more + fetched


def _condition() -> Json:
    return {
        "resource": {
            "resourceType": "Condition",
            "subject": {"reference": f"Patient/{PATIENT_ID}"},
            "code": {"text": SURNAME},
        }
    }


AUTHORIZATIONS: dict[str, tuple[Any, str]] = {
    "none": (None, "none was sent"),
    "good": (AUTHORIZATION, "used"),
    "incomplete": ({"access_token": "s3cr3t"}, "not usable: "),
    "bearer": ({**AUTHORIZATION, "token_type": "bearer"}, "not usable: its token_type is not Bearer"),
    "another patient": ({**AUTHORIZATION, "patient": SURNAME}, "not used: it is for another patient"),
    "text": ("s3cr3t", "not usable: "),
}


@pytest.mark.parametrize("kind", AUTHORIZATIONS)
def test_authorization(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer, kind: str
) -> None:
    """Row 82: what became of the authorization is logged, so that an incomplete one is found out."""
    sent, told = AUTHORIZATIONS[kind]
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**without("kidney"), "fhirServer": server.url(), "fhirAuthorization": sent})

    found = _recorded(caplog)["authorization"]
    assert found.startswith(told)
    assert "s3cr3t" not in found
    assert SURNAME not in found


def test_authorization_that_is_not_needed(caplog: pytest.LogCaptureFixture, service: FlaskClient) -> None:
    """Row 74: with full prefetch nothing is asked, whatever authorization came along."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**golden(), "fhirServer": "http://localhost/fhir", "fhirAuthorization": AUTHORIZATION})

    assert _recorded(caplog)["authorization"] == "not needed"


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("lost", [(), ("kidney",), KEYS])
def test_every_key_is_told_of(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer, lost: tuple[str, ...]
) -> None:
    """Row 17: one line for each call tells of each published key, in its order, in known words and nothing else."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**without(*lost), "fhirServer": server.url(), "hookInstance": "instance-1"})

    fields = _recorded(caplog)
    assert set(fields) == TOLD_OF_A_CALL
    assert fields["hookInstance"] == "instance-1"
    assert [entry["key"] for entry in fields["prefetch"]] == list(KEYS)
    assert {entry["state"] for entry in fields["prefetch"]} <= STATES
    assert {name for entry in fields["prefetch"] for name in entry} <= TOLD
    assert [entry["key"] for entry in fields["prefetch"] if "milliseconds" in entry] == [
        key for key in KEYS if key in lost
    ]


def test_refused_call_is_recorded_too(caplog: pytest.LogCaptureFixture, service: FlaskClient) -> None:
    """Rows 73, 85: what was lacking for a 412 is in the log, where an operator looks for it."""
    with caplog.at_level(logging.INFO, logger=LOG):
        response = post_to(service, without("magnesium", "vitaminD"))

    assert response.status_code == 412
    assert [entry["key"] for entry in _recorded(caplog)["prefetch"] if entry["state"] == "missing"] == [
        "vitaminD",
        "magnesium",
    ]


@pytest.mark.parametrize("body", [b"", b"{", {**golden(), "hook": "order-sign"}, {**golden(), "context": None}])
def test_what_is_no_request(caplog: pytest.LogCaptureFixture, post: Post, body: Any) -> None:
    """Rows 27 to 35, 182: of what is no request the line tells the status, and nothing of what it held."""
    with caplog.at_level(logging.INFO, logger=LOG):
        response = post(body)

    fields = _recorded(caplog)
    assert fields["status"] == response.status_code == 400
    assert set(fields) <= {"request", "endpoint", "status", "milliseconds", "topics", "hook", "hookInstance"}


def test_nothing_of_the_patient(
    caplog: pytest.LogCaptureFixture, service: FlaskClient, server: RecordingServer
) -> None:
    """Row 85: a line holds nothing that came from the patient's record, nor the id, nor the server, nor the token."""
    server.answer = Store(
        patient={**golden()["prefetch"]["patient"], "name": [{"family": SURNAME}]},
        magnesium=bundle(observation("19123-9", 0.61237, "mmol/L", note=[{"text": SURNAME}])),
        conditions=bundle(outcome("error")),
        kidney=Reply(403, SURNAME.encode(), {"WWW-Authenticate": SURNAME}),
    )
    request = {**without(*KEYS), "fhirServer": server.url(), "fhirAuthorization": AUTHORIZATION}
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, request)

    text = json.dumps(_recorded(caplog))
    birth = golden()["prefetch"]["patient"]["birthDate"]
    secrets = (PATIENT_ID, SURNAME, "0.61237", birth, "s3cr3t", "127.0.0.1", str(server.port), "Practitioner", "male")
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize("length", [1, 64, 65, 5000])
def test_hook_instance_is_cut(caplog: pytest.LogCaptureFixture, service: FlaskClient, length: int) -> None:
    """Row 29: a `hookInstance` is any text of the service: it is told as far as 64 characters."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, {**golden(), "hookInstance": "x" * length})

    assert _recorded(caplog)["hookInstance"] == "x" * min(length, 64)


@pytest.mark.parametrize("name", ["hook", "hookInstance"])
@pytest.mark.parametrize("text", [SURNAME + " Erika", "two\nlines\r\n", "Müller", "a@b.example", "patient/1"])
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


def test_topics_are_told(caplog: pytest.LogCaptureFixture, service: FlaskClient) -> None:
    """Row 182: the line names the topics of the cards that were shown, in their order."""
    with caplog.at_level(logging.INFO, logger=LOG):
        post_to(service, golden())

    assert _recorded(caplog)["topics"] == ["magnesium-low", "vitamin-d-deficiency"]


def test_explanation(service: FlaskClient, server: RecordingServer) -> None:
    """Theme 4 of the complaints: on request the answer tells what was known and which step decided, and why."""
    told = _told(post_to(service, _explained(without("kidney"), fhirServer=server.url())))

    assert set(told) == {"hookInstance", "prefetch", "authorization", "steps", "quiet"}
    assert [entry["key"] for entry in told["prefetch"]] == list(KEYS)
    assert {frozenset(step) for step in told["steps"]} == {frozenset({"id", "fired", "because"})}
    assert any(step["fired"] for step in told["steps"])
    assert all(isinstance(step["id"], str) and isinstance(step["because"], str) for step in told["steps"])
    assert REVERSE_DOMAIN.fullmatch(EXPLAIN)


def test_explanation_changes_nothing_else(service: FlaskClient) -> None:
    """Row 38: the cards are the same with it and without."""
    assert meaning(post_to(service, golden())) == meaning(post_to(service, _explained(golden())))


@pytest.mark.parametrize(
    "extension",
    [
        "absent",
        None,
        {},
        {EXPLAIN: False},
        {EXPLAIN: None},
        {EXPLAIN: "true"},
        {EXPLAIN: 1},
        {EXPLAIN: "yes"},
        {EXPLAIN: [True]},
        {EXPLAIN: {"value": True}},
        {EXPLAIN.upper(): True},
        {f"{EXPLAIN}.more": True},
        {"another.extension": True},
        {"another": {EXPLAIN: True}},
        [],
        [{EXPLAIN: True}],
        [{"url": EXPLAIN, "valueBoolean": True}],
        True,
        "true",
        EXPLAIN,
        5,
    ],
    ids=lambda extension: json.dumps(extension)[:60],
)
def test_no_explanation_unasked(service: FlaskClient, extension: Any) -> None:
    """Rows 4 to 6, 38: any other extension is ignored: the answer has cards and no empty member, and does not break."""
    request = golden() if extension == "absent" else {**golden(), "extension": extension}
    response = post_to(service, request)

    assert meaning(post_to(service, golden())) == meaning(response)
    assert set(response.get_json()) == {"cards"}


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("extension", [{EXPLAIN: True}, {EXPLAIN: False}])
def test_explanation_of_a_context(service: FlaskClient, extension: Json) -> None:
    """Row 38: an extension inside the context asks for nothing."""
    request = golden()
    request["context"]["extension"] = extension

    assert "extension" not in post_to(service, request).get_json()


def test_errors_are_not_explained(service: FlaskClient) -> None:
    """Row 95: an error is an OperationOutcome, whatever was asked for; it says the reason itself."""
    response = post_to(service, _explained(without("magnesium")))

    assert response.status_code == 412
    assert "magnesium" in problem(response)


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


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\nb",
        'a"b',
        "a\\b",
        "a\x00b",
        "a\x1b[31mb",
        "a\tb",
        "é患者",
        "a\u2028b",
        "a\u2029b",
        "a\x85b",
        "a\x0bb",
    ],
    ids=ascii,
)
def test_text_cannot_forge_a_line(text: str) -> None:
    """Row 85: a client's words, such as `hookInstance`, never begin a line of their own, whatever reads the log."""
    line = _line(_record("%s", text, fields={"hookInstance": text, text: text}))

    assert line["event"] == line["hookInstance"] == line[text] == text


def test_fields_do_not_hide_the_event() -> None:
    """Fields stand beside time, level and event; none takes their place."""
    line = _line(_record(fields={"hookInstance": "x", "milliseconds": 1.5}))

    assert (line["event"], line["level"], line["milliseconds"]) == ("prefetch", "warning", 1.5)


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


def test_quiet_logger_costs_nothing(caplog: pytest.LogCaptureFixture, service: FlaskClient) -> None:
    """An operator may silence the line; the answer stays."""
    with caplog.at_level(logging.WARNING, logger=LOG):
        response = post_to(service, golden())

    assert [record for record in caplog.records if record.name == LOG] == []
    assert meaning(response)
